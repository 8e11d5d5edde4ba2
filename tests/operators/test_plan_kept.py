"""A load that is given a plan says where it differs from it, or leaves what is beyond it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException

from airflow_sf_dedup import (
    SalesforcePlanOperator,
    SalesforceUpsertOperator,
    duplicate_entries,
    plan_differences,
    salesforce_upsert,
)
from airflow_sf_dedup.core.plan_differences import Departure
from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.testing import run_dag
from tests.acceptance.morning import known_to_the_org, leads
from tests.emulator.client import Client
from tests.operators.conftest import TaskOnce, execute, xcom

KEY = "External_Id__c"
LEAD = {"sobject": "Lead", "external_id_field": KEY}
POLICY = "update_existing | ask_reviewer"


def plan(rows: Any, **settings: Any) -> dict[str, Any]:
    operator = SalesforcePlanOperator(task_id="plan", source=rows, **{**LEAD, "on_duplicate": POLICY, **settings})
    return execute(operator, TaskOnce("plan"))  # type: ignore[no-any-return]


def load(rows: Any, *, try_number: int = 1, run_id: str = "manual", **settings: Any) -> dict[str, Any]:
    operator = SalesforceUpsertOperator(
        task_id="load", records=rows, max_failed=100, **{**LEAD, "on_duplicate": POLICY, **settings}
    )
    once = TaskOnce("load", try_number=try_number, run_id=run_id)
    return execute(operator, once)  # type: ignore[no-any-return]


def told(document: dict[str, Any]) -> dict[int, tuple[str, str | None]]:
    return {entry.row_number: (str(entry.action), entry.reason) for entry in duplicate_entries(document)}


def delete(org: EmulatedOrg, record_id: str) -> None:
    assert Client(org.url, org.access_token).send("DELETE", f"/sobjects/Lead/{record_id}").status_code == 204


@pytest.fixture
def rows(salesforce_org: EmulatedOrg) -> list[dict[str, Any]]:
    """Of twenty rows, 1 to 5 are there with their keys, 6 to 10 without, and the others are new."""
    made = leads(20)
    salesforce_org.seed("Lead", made[:5])
    salesforce_org.seed("Lead", known_to_the_org(made[5:10], 5))
    return [{**row, "Phone": f"0{number}"} for number, row in enumerate(made, start=1)]


def of_key(org: EmulatedOrg, number: int) -> list[str]:
    return [each["Id"] for each in org.records("Lead", **{KEY: f"CRM-{number:05d}"})]


def of_mail(org: EmulatedOrg, row: dict[str, Any]) -> list[dict[str, Any]]:
    return org.records("Lead", Email=row["Email"])


def change_the_world(org: EmulatedOrg, rows: list[dict[str, Any]]) -> None:
    """After the plan: row 1's record goes, row 6's match goes, row 11's key is taken, and row 12 is known by now."""
    delete(org, of_key(org, 1)[0])
    delete(org, of_mail(org, rows[5])[0]["Id"])
    org.seed("Lead", [{KEY: rows[10][KEY], "LastName": "Other", "Company": "Elsewhere"}])
    org.seed("Lead", known_to_the_org([rows[11]], 1))


@pytest.mark.parametrize("strict", [False, True], ids=["said", "strict"])
@pytest.mark.parametrize("by", ["document", "id"])
def test_a_load_that_meets_what_was_planned_says_so(
    salesforce_org: EmulatedOrg, rows: list[dict[str, Any]], strict: bool, by: str
) -> None:
    planned = plan(rows)
    document = load(rows, plan=planned if by == "document" else planned["plan_id"], strict=strict)

    assert document["actions"] == planned["actions"] == {"created": 10, "matched_updated": 5, "updated": 5}
    assert document["plan"] == {
        "plan_id": planned["plan_id"],
        "strict": strict,
        "same_rows": True,
        "as_planned": 20,
        "otherwise": 0,
        "unplanned": 0,
        "differences": [],
        "sample": [],
    }
    assert list(plan_differences(document)) == []
    assert len(salesforce_org.records("Lead")) == 20


def test_a_strict_load_keeps_what_it_overwrites_as_any_other(
    salesforce_org: EmulatedOrg, rows: list[dict[str, Any]], audit_rows: Callable[[str], list[Any]]
) -> None:
    document = load(rows, plan=plan(rows), strict=True, keep_before=True)
    assert (document["plan"]["same_rows"], document["plan"]["as_planned"]) == (True, 20)
    kept = audit_rows("SELECT count(DISTINCT row_number) FROM sf_dedup_change WHERE kind = 'update_by_key'")
    assert kept == [(5,)]


def test_where_a_load_differs_from_its_plan_is_told_row_by_row(
    salesforce_org: EmulatedOrg, rows: list[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    planned = plan(rows)
    change_the_world(salesforce_org, rows)

    document = load(rows, plan=planned)

    differing = {each.row_number: (each.planned, each.became) for each in plan_differences(document)}
    assert differing == {
        # A record in the recycle bin holds the key, or is matched.
        1: ("updated", "awaiting_review"),
        6: ("matched_updated", "awaiting_review"),
        11: ("created", "updated"),
        12: ("created", "matched_updated"),
    }
    assert (document["plan"]["as_planned"], document["plan"]["otherwise"]) == (16, 4)
    assert {"planned": "created", "became": "updated", "rows": 1} in document["plan"]["differences"]
    assert document["plan"]["sample"][0]["key"] == "CR…01"
    assert f"against plan {planned['plan_id']}: 16 rows ended as planned, 4 otherwise" in caplog.text


def test_what_is_beyond_the_plan_is_left_before_it_is_written(
    salesforce_org: EmulatedOrg, rows: list[dict[str, Any]]
) -> None:
    planned = plan(rows)
    change_the_world(salesforce_org, rows)
    before = {each["Id"]: each for each in salesforce_org.records("Lead")}

    document = load(rows, plan=planned, strict=True)

    entries = told(document)
    assert {number: entries[number] for number in (1, 11)} == {
        1: ("skipped", "beyond_plan"),
        11: ("skipped", "beyond_plan"),
    }
    # Their policy still may ask, which writes nothing.
    assert entries[6][0] in ("awaiting_review", "skipped")
    assert entries[12] == ("skipped", "beyond_plan")
    assert of_key(salesforce_org, 1) == of_key(salesforce_org, 6) == of_key(salesforce_org, 12) == []
    assert before[of_key(salesforce_org, 11)[0]] == salesforce_org.records("Lead", **{KEY: rows[10][KEY]})[0]
    others = [entries[number][0] for number in range(1, 21) if number not in (1, 6, 11, 12)]
    assert others == ["updated"] * 4 + ["matched_updated"] * 4 + ["created"] * 8


@pytest.mark.parametrize("try_number", [2, 3])
def test_a_retry_of_a_strict_load_leaves_the_same_rows(
    salesforce_org: EmulatedOrg, rows: list[dict[str, Any]], try_number: int
) -> None:
    planned = plan(rows)
    change_the_world(salesforce_org, rows)
    first = told(load(rows, plan=planned, strict=True))

    assert told(load(rows, plan=planned, strict=True, try_number=try_number)) == first


def test_a_row_that_was_planned_to_wait_is_not_sent_to_find_out(
    salesforce_org: EmulatedOrg, rows: list[dict[str, Any]]
) -> None:
    planned = plan(rows, on_duplicate="ask_reviewer")
    for row in rows[5:10]:
        delete(salesforce_org, of_mail(salesforce_org, row)[0]["Id"])

    document = load(rows, plan=planned, strict=True, on_duplicate="ask_reviewer")

    assert {told(document)[number][0] for number in range(6, 11)} == {"awaiting_review"}
    assert all(of_key(salesforce_org, number) == [] for number in range(6, 11))


def test_another_source_is_said_and_refused_where_the_load_is_strict(
    salesforce_org: EmulatedOrg, rows: list[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    planned = plan(rows)
    changed = [*rows[1:], {KEY: "CRM-99999", "LastName": "New", "Company": "One"}]

    with pytest.raises(AirflowFailException, match=r"strict: the source, or a setting .*plan again"):
        load(changed, plan=planned, strict=True)
    assert len(salesforce_org.records("Lead")) == 10

    document = load(changed, plan=planned)
    assert document["plan"]["same_rows"] is False
    assert "is not what plan" in caplog.text
    departures = {each.key: each.departure for each in plan_differences(document)}
    assert departures == {"CRM-99999": Departure.NEW, "CRM-00001": Departure.GONE}


@pytest.mark.parametrize(
    "settings",
    [{"on_duplicate": "skip"}, {"mode": "create_only"}, {"on_repeat": "first"}],
    ids=lambda each: next(iter(each)),
)
def test_other_settings_are_refused_where_the_load_is_strict(
    salesforce_org: EmulatedOrg, rows: list[dict[str, Any]], settings: dict[str, Any]
) -> None:
    planned = plan(rows)
    with pytest.raises(AirflowFailException, match="strict: the source, or a setting that decides on its rows"):
        load(rows, plan=planned, strict=True, **settings)
    assert len(salesforce_org.records("Lead")) == 10


def test_what_is_no_whole_plan_of_the_same_target_is_refused(
    salesforce_org: EmulatedOrg, rows: list[dict[str, Any]]
) -> None:
    planned = plan(rows, sample=5)
    of_load = load(rows[:1])
    refused = {
        "plan: the audit has no plan of the id 'nowhere'": {"plan": "nowhere"},
        "plan: the audit has a load, and no plan": {"plan": of_load["load_id"]},
        "plan: expected what SalesforcePlanOperator returned": {"plan": of_load},
        "plan: .* of Lead by External_Id__c .* and the load is of Contact": {"plan": planned, "sobject": "Contact"},
        "strict: .* looked at a sample": {"plan": planned, "strict": True},
        "strict: there is no plan to keep to": {"strict": True},
        "strict=": {"plan": planned, "strict": "yes"},
    }
    for message, settings in refused.items():
        with pytest.raises((AirflowFailException, SettingError), match=message):
            load(rows, **settings)
    assert len(salesforce_org.records("Lead")) == 10


def test_of_a_sample_only_its_rows_are_compared(salesforce_org: EmulatedOrg, rows: list[dict[str, Any]]) -> None:
    document = load(rows, plan=plan(rows, sample=5))
    assert (document["plan"]["as_planned"], document["plan"]["unplanned"], document["plan"]["otherwise"]) == (5, 15, 0)


@pytest.mark.parametrize(
    "limits",
    [{"max_created": 9}, {"max_changed_pct": 0}, {"max_blocked_pct": 0}],
    ids=lambda each: next(iter(each)),
)
def test_a_guard_on_volume_stops_by_the_plan_before_the_first_write(
    salesforce_org: EmulatedOrg, rows: list[dict[str, Any]], limits: dict[str, Any]
) -> None:
    before = salesforce_org.records("Lead")
    with pytest.raises(AirflowFailException, match="the plan foresees 10 created, 10 changed, 5 blocked of 20 rows"):
        load(rows, plan=plan(rows), **limits)
    assert salesforce_org.records("Lead") == before


def test_a_guard_that_goes_by_the_history_stops_by_the_plan_before_the_first_write(
    salesforce_org: EmulatedOrg, rows: list[dict[str, Any]]
) -> None:
    """Plans are no history."""
    feed = leads(100)[20:]
    for day in range(3):
        load(feed[day : day + 1], run_id=f"day {day}")
    many = feed[3:24]
    before = salesforce_org.records("Lead")
    with pytest.raises(
        AirflowFailException, match=r"max_vs_history=5 \(at most 20 created.*the plan foresees 21 created"
    ):
        load(many, plan=plan(many), max_vs_history=5)
    assert salesforce_org.records("Lead") == before


def test_a_dag_plans_and_loads_what_was_planned(
    salesforce_org: EmulatedOrg, rows: list[dict[str, Any]], audit_rows: Callable[..., list[tuple[Any, ...]]]
) -> None:
    with DAG("kept", schedule=None) as dag:
        planned = SalesforcePlanOperator(task_id="plan", source=rows, on_duplicate=POLICY, **LEAD)
        salesforce_upsert(source=rows, plan=planned.output, strict=True, partitions=3, on_duplicate=POLICY, **LEAD)

    run = run_dag(dag)

    assert run.state == "success"
    document = xcom(run, "salesforce_upsert.audit")
    assert (document["plan"]["as_planned"], document["plan"]["otherwise"]) == (20, 0)
    assert audit_rows("SELECT count(*) FROM sf_dedup_load WHERE kind = 'load' AND digest IS NOT NULL") == [(1,)]
