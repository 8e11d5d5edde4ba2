"""A plan says what a load would do, and writes nothing."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_sf_dedup import (
    SalesforceDuplicateMirrorOperator,
    SalesforcePlanOperator,
    SalesforceUpsertOperator,
    duplicate_entries,
    plan_differences,
)
from airflow_sf_dedup.audit.base import LoadKind
from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.errors import CallError, SettingError
from airflow_sf_dedup.hooks.stores import open_audit
from tests.emulator.client import Client
from tests.operators.conftest import TaskOnce, execute

KEY = "External_Id__c"


POLICIES = (
    "update_other(sobject='Contact', fields={'Email': 'Email'}, stamp='External_Id__c')"
    " | undelete(deleted_within='30d') | update_existing | save_anyway | ask_reviewer"
)


def lead(number: int, key: str | None = None, **fields: Any) -> dict[str, Any]:
    names = [
        "Ahlberg",
        "Bertrand",
        "Czerny",
        "Dominguez",
        "Eriksson",
        "Fournier",
        "Grieg",
        "Hoffmann",
        "Ibsen",
        "Juarez",
        "Kowalska",
        "Lindqvist",
        "Marchetti",
    ]
    name = names[number]
    row = {"LastName": name, "Company": f"{name} Works", "Email": f"{name.lower()}@works{number}.example", **fields}
    return {KEY: key or f"A-{number}", **row}


def without_key(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != KEY}


def plan(rows: Any, *, policy: Any = "ask_reviewer", task: TaskOnce | None = None, **settings: Any) -> dict[str, Any]:
    names: dict[str, Any] = {"sobject": "Lead", "external_id_field": KEY, "on_duplicate": policy}
    operator = SalesforcePlanOperator(task_id="plan", source=rows, **{**names, **settings})
    return execute(operator, task or TaskOnce("plan"))  # type: ignore[no-any-return]


def load(rows: Any, *, policy: Any = "ask_reviewer", **settings: Any) -> dict[str, Any]:
    operator = SalesforceUpsertOperator(
        task_id="load",
        records=rows,
        sobject="Lead",
        external_id_field=KEY,
        on_duplicate=policy,
        max_failed=100,
        **settings,
    )
    return execute(operator, TaskOnce("load"))  # type: ignore[no-any-return]


def told(document: dict[str, Any], *, records: bool = True) -> dict[int, tuple[Any, ...]]:
    """By row: what happens, why, and to which records."""
    return {
        entry.row_number: (
            str(entry.action),
            entry.reason,
            entry.record_id if records and str(entry.action) != "created" and entry.reason != "linked" else None,
            entry.matched_ids,
            entry.error_fields,
        )
        for entry in duplicate_entries(document)
    }


def convert(org: EmulatedOrg, lead_id: str) -> None:
    options = "<urn:convertedStatus>Closed - Converted</urn:convertedStatus>"
    options += f"<urn:doNotCreateOpportunity>true</urn:doNotCreateOpportunity><urn:leadId>{lead_id}</urn:leadId>"
    client = Client(org.url, org.access_token)
    client.soap(f"<urn:convertLead><urn:leadConverts>{options}</urn:leadConverts></urn:convertLead>")


def delete(org: EmulatedOrg, record_id: str) -> None:
    assert Client(org.url, org.access_token).send("DELETE", f"/sobjects/Lead/{record_id}").status_code == 204


@pytest.fixture
def many_cases(salesforce_org: EmulatedOrg) -> list[dict[str, Any]]:
    """Rows of every kind that an org distinguishes, with the org that does."""
    org = salesforce_org
    org.seed("Lead", [lead(0)])
    org.seed("Lead", [without_key(lead(1))])
    org.seed("Lead", [without_key(lead(2)), without_key(lead(2))])
    org.seed("Contact", [{"LastName": "Dominguez", "Email": lead(3)["Email"]}])
    org.seed("Lead", [lead(4)])
    [deleted] = org.seed("Lead", [lead(8)])
    delete(org, deleted)
    [gone] = org.seed("Lead", [without_key(lead(9))])
    delete(org, gone)
    org.seed("Lead", [lead(10, Phone="5550100", Title="Typed by hand")])
    [converted] = org.seed("Lead", [lead(11)])
    convert(org, converted)
    return [
        lead(0, Phone="1"),
        lead(1),
        lead(2),
        lead(3),
        # An edit that brings it the address of another one.
        lead(4, Email=lead(0)["Email"]),
        lead(5),
        lead(6, key="A-5"),
        lead(7, key=""),
        {KEY: "A-8", "LastName": "Other", "Company": "Else"},
        lead(9),
        # What the record has, what it has not, and nothing.
        lead(10, Phone="5550199", Title=None, City="Lodz"),
        lead(11, Phone="5550111"),
        {KEY: "A-12", "LastName": "Marchetti", "Company": "Marchetti Works", "Phone": None, "Email": lead(1)["Email"]},
    ]


@pytest.mark.parametrize(
    "policy",
    [
        "ask_reviewer",
        "skip",
        "update_existing | ask_reviewer",
        "update_existing | save_anyway | ask_reviewer",
        "undelete(deleted_within='30d') | update_existing | skip",
        "by_rule({'Lead_Email': 'update_existing'}) | skip",
        "update_other(sobject='Contact', fields={'Email': 'Email'}, stamp='External_Id__c') | skip",
    ],
)
def test_a_load_does_what_its_plan_said_and_the_plan_writes_nothing(
    salesforce_org: EmulatedOrg, many_cases: Any, policy: str
) -> None:
    before = [salesforce_org.records(name, deleted=True) for name in ("Lead", "Contact", "Account")]
    written = len(salesforce_org.ledger())

    planned = plan(many_cases, policy=policy)

    assert [salesforce_org.records(name, deleted=True) for name in ("Lead", "Contact", "Account")] == before
    assert len(salesforce_org.ledger()) == written
    assert planned["kind"] == "plan"
    assert planned["rows"] == planned["rows_planned"] == len(many_cases)
    as_planned(planned, load(many_cases, policy=policy, plan=planned))


def as_planned(planned: dict[str, Any], loaded: dict[str, Any]) -> None:
    """Each row of a load ended as it was planned, and its plan was of the same rows and settings. Of a record that the
    load itself creates no plan has the id.
    """
    foreseen, became = told(planned), told(loaded)
    new = {each.record_id for each in duplicate_entries(loaded, action="created")}
    assert foreseen == {row: tuple(None if part in new else part for part in each) for row, each in became.items()}
    assert list(plan_differences(loaded)) == []
    assert loaded["plan"]["same_rows"]


#: Settings that decide which rows are sent, and what of them.
DECIDES: dict[str, dict[str, Any]] = {
    "update_only": {"mode": "update_only"},
    "create_only": {"mode": "create_only"},
    "never": {"field_rules": {"Email": "never"}},
    "on_create_only": {"field_rules": {"Email": "on_create_only", "Phone": "on_create_only"}},
    "only_blanks": {"field_rules": {"*": "only_blanks"}},
    "mixed": {"field_rules": {"*": "only_blanks", "Email": "always", "City": "never"}},
    "all kept": {"field_rules": {"*": "on_create_only"}},
    "update_only, only_blanks": {"mode": "update_only", "field_rules": {"Email": "only_blanks", "*": "never"}},
    "create_only, never": {"mode": "create_only", "field_rules": {"Email": "never"}},
}


@pytest.mark.parametrize("settings", DECIDES.values(), ids=DECIDES)
@pytest.mark.parametrize(
    "policy",
    [
        "ask_reviewer",
        "update_existing | save_anyway | skip",
        "undelete(deleted_within='30d') | update_existing | ask_reviewer",
    ],
    ids=["ask", "write", "undelete"],
)
def test_a_load_with_a_mode_or_rules_for_fields_does_what_its_plan_said(
    salesforce_org: EmulatedOrg, many_cases: Any, policy: str, settings: dict[str, Any]
) -> None:
    written = len(salesforce_org.ledger())
    planned = plan(many_cases, policy=policy, **settings)
    assert len(salesforce_org.ledger()) == written
    as_planned(planned, load(many_cases, policy=policy, plan=planned, **settings))


@pytest.mark.parametrize("policy", ["ask_reviewer", "update_existing | skip", "update_existing"])
def test_a_key_of_a_converted_lead_is_planned_as_it_is_loaded(salesforce_org: EmulatedOrg, policy: str) -> None:
    convert(salesforce_org, salesforce_org.seed("Lead", [lead(0)])[0])
    planned = plan([lead(0)], policy=policy)
    assert told(planned)[1][1] == "key_held_by_converted"
    assert told(planned) == told(load([lead(0)], policy=policy))


#: Rows of which later ones meet what earlier ones leave: of new keys, of held ones, and of one that becomes a match's.
ONE_AFTER_THE_OTHER: dict[str, list[dict[str, Any]]] = {
    "new": [lead(5), lead(5, Phone="1"), lead(5, Phone="2", Email=None)],
    "held": [lead(0, Phone="1"), lead(0, Phone="2", City="Lodz"), lead(0, City="Gdynia", Title=None)],
    "held, then like another": [lead(0, Phone="1"), lead(0, Email=lead(1)["Email"]), lead(0, Phone="3")],
    "matched": [lead(1, Phone="1"), lead(1, Phone="2"), lead(1, key="A-20"), lead(1, key="A-20", Phone="3")],
    "matched by a later row": [lead(6), lead(6, Email=lead(1)["Email"], Phone="1")],
    "wanted by two keys": [lead(5, key="B-1"), lead(1), lead(1, key="B-1", Phone="1")],
    "in the bin": [lead(8, Phone="1"), lead(8, Phone="2")],
    "of a contact": [lead(3), lead(3, Phone="1")],
}


@pytest.mark.parametrize(
    "settings", [{}, DECIDES["create_only"], DECIDES["update_only"], DECIDES["mixed"]], ids=lambda each: str(each)
)
@pytest.mark.parametrize("rows", ONE_AFTER_THE_OTHER.values(), ids=ONE_AFTER_THE_OTHER)
def test_rows_of_a_key_meet_in_a_plan_what_they_meet_in_the_load(
    salesforce_org: EmulatedOrg, many_cases: Any, rows: list[dict[str, Any]], settings: dict[str, Any]
) -> None:
    how: dict[str, Any] = {"policy": POLICIES, "on_repeat": "in_order", **settings}
    planned = plan(rows, **how)
    as_planned(planned, load(rows, plan=planned, **how))


@pytest.mark.parametrize("lookup", ["soap_upsert", "rest", "nonsense"])
def test_a_look_up_that_writes_is_refused_for_a_plan(salesforce_org: EmulatedOrg, lookup: str) -> None:
    with pytest.raises((AirflowFailException, SettingError), match="lookup"):
        plan([lead(0)], lookup=lookup)
    assert not salesforce_org.ledger()
    assert not salesforce_org.records("Lead")


def test_a_plan_may_ask_row_by_row(salesforce_org: EmulatedOrg) -> None:
    salesforce_org.seed("Lead", [without_key(lead(1))])
    document = plan([lead(0), lead(1)], lookup="predupe", policy="skip")
    assert {row: each[0] for row, each in told(document).items()} == {1: "created", 2: "skipped"}
    assert salesforce_org.stats()["by_call"]["POST /ui-api/predupe"] == 2


def test_a_plan_above_its_budget_is_refused_before_it_asks_of_a_row(salesforce_org: EmulatedOrg) -> None:
    rows = [lead(0, key=f"K-{number}", Email=f"m{number}@example.com") for number in range(120)]
    with pytest.raises(AirflowFailException, match=r"api_budget=7 does not do for a plan of 120 rows.*sample=100"):
        plan(rows, api_budget=7)
    asked = salesforce_org.stats()["by_call"]
    assert not [call for call in asked if "findDuplicates" in call or "query" in call.lower()]

    part = plan(rows, api_budget=7, sample=50, policy="skip")

    assert part["rows_planned"] == 50
    assert part["actions"] == {"created": 50, "not_sent": 70}
    assert part["api_calls"] <= 7
    assert {each[1] for each in told(part).values()} == {None, "not_in_sample"}


def test_rows_of_one_key_are_planned_in_their_order(salesforce_org: EmulatedOrg) -> None:
    salesforce_org.seed("Lead", [without_key(lead(1)), without_key(lead(1))])
    rows = [lead(0), lead(1), lead(0, Phone="2"), lead(1, Phone="2")]
    document = plan(rows, on_repeat="in_order")
    assert [each[:2] for _, each in sorted(told(document).items())] == [
        ("created", None),
        ("awaiting_review", "several_matches"),
        ("updated", None),
        ("held", "earlier_row_awaits_review"),
    ]


def test_a_row_that_is_older_than_what_was_written_is_planned_as_stale(salesforce_org: EmulatedOrg) -> None:
    load([lead(0, Changed="2026-03-02")], newer_than="Changed")
    document = plan([lead(0, Changed="2026-03-01"), lead(1, Changed="2026-03-01")], newer_than="Changed")
    assert [each[:2] for _, each in sorted(told(document).items())] == [("skipped", "stale"), ("created", None)]


def test_two_keys_that_want_one_record_are_planned_as_a_load_tells_them(salesforce_org: EmulatedOrg) -> None:
    salesforce_org.seed("Lead", [without_key(lead(1))])
    rows = [lead(1), lead(1, key="A-2")]
    planned = plan(rows, policy="update_existing | ask_reviewer")
    assert [each[:2] for _, each in sorted(told(planned).items())] == [
        ("matched_updated", None),
        ("awaiting_review", "match_claimed"),
    ]
    assert told(planned) == told(load(rows, policy="update_existing | ask_reviewer"))


def test_a_record_that_an_earlier_wave_would_have_given_a_key_is_not_planned_for_another(
    salesforce_org: EmulatedOrg,
) -> None:
    salesforce_org.seed("Lead", [without_key(lead(1))])
    rows = [lead(1), lead(1, key="A-2")]
    how: dict[str, Any] = {"policy": "update_existing | ask_reviewer", "twin_fields": ["Email"]}
    planned = plan(rows, **how)
    assert [each[:2] for _, each in sorted(told(planned).items())] == [
        ("matched_updated", None),
        ("awaiting_review", "match_carries_another_key"),
    ]
    as_planned(planned, load(rows, plan=planned, **how))


def test_the_digest_is_of_rows_and_settings(salesforce_org: EmulatedOrg) -> None:
    rows = [lead(0), lead(1)]
    same = {plan(rows)["digest"], plan(rows, partitions=2)["digest"], plan(list(rows), audit_values="all")["digest"]}
    other = {
        plan(rows[:1])["digest"],
        plan([lead(0), lead(1, Phone="2")])["digest"],
        plan(rows, policy="skip")["digest"],
        plan(rows[::-1])["digest"],
        plan(rows, on_repeat="first")["digest"],
    }
    assert len(same) == 1
    assert len(other | same) == 6


def test_a_plan_stays_out_of_histories_and_leaves_nothing_staged(salesforce_org: EmulatedOrg, tmp_path: Any) -> None:
    planned = plan([lead(0), lead(1)])
    audit = open_audit(None)
    assert audit.latest_load() is None
    assert audit.latest_sent(salesforce_org.org_id, "Lead", KEY) is None
    kept = audit.load(planned["plan_id"])
    assert kept is not None
    assert (kept.ended_at is not None, kept.predicted_calls) == (True, planned["predicted_calls"])
    assert not list(tmp_path.rglob(f"*{planned['plan_id']}*"))
    with pytest.raises(AirflowFailException, match="is a plan, which wrote nothing"):
        execute(SalesforceDuplicateMirrorOperator(task_id="mirror", audit=planned))


def test_a_plan_that_the_org_did_not_answer_is_not_whole(salesforce_org: EmulatedOrg) -> None:
    salesforce_org.add_faults({"kind": "unavailable", "on": "SOAP findDuplicates", "status": 503, "retry_after": 3600})
    with pytest.raises(CallError):
        plan([lead(0)])
    [kept] = open_audit(None).loads_of_run("by_hand", "manual", kind=LoadKind.PLAN)
    assert kept.ended_at is None


def test_the_log_shows_the_table(salesforce_org: EmulatedOrg, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        planned = plan([lead(0)])
    assert f"Plan {planned['plan_id']}" in caplog.text
    assert "Nothing was written" in caplog.text
    assert "a load would have created 1, updated 0, matched_updated 0" in caplog.text
