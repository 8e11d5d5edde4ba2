"""What a load found to be duplicates of each other, as the org's own duplicate record sets."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import requests
from airflow.sdk.exceptions import AirflowFailException

from airflow_sf_dedup import SalesforceDuplicateRecordSetsOperator, SalesforceUpsertOperator
from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.errors import LoadFailedError, OutcomeUnknownError, TransientCallError
from airflow_sf_dedup.testing import run_dag
from dags_examples.duplicate_lists import duplicate_lists
from tests.operators.conftest import TaskOnce, execute

#: An alert rule that reports nothing, so that what it lets through stands in no set by itself.
RULE = {
    "sobject": "Lead",
    "matching": [{"rule": "By_Email", "fields": {"Email": "exact"}}],
    "action_on_insert": "allow",
    "action_on_update": "allow",
    "operations_on_insert": ["alert"],
    "operations_on_update": [],
}


@pytest.fixture
def salesforce_org_file() -> dict[str, Any]:
    return {"extends": "default", "duplicate_rules": {"Lead_Email": RULE}}


def lead(number: int, **fields: str) -> dict[str, str]:
    return {"External_Id__c": f"A-{number}", "LastName": f"Name {number}", "Company": f"Firm {number}", **fields}


def known(org: EmulatedOrg, *mails: str) -> list[str]:
    return org.seed("Lead", [{"LastName": "Known", "Company": f"Old {mail}", "Email": mail} for mail in mails])


def load(rows: list[dict[str, str]], on_duplicate: str = "save_anyway", **settings: Any) -> Any:
    operator = SalesforceUpsertOperator(
        task_id="load",
        records=rows,
        sobject="Lead",
        external_id_field="External_Id__c",
        on_duplicate=on_duplicate,
        **settings,
    )
    return execute(operator, TaskOnce("load"))


def show(audit: Any, **settings: Any) -> dict[str, Any]:
    operator = SalesforceDuplicateRecordSetsOperator(task_id="sets", audit=audit, **settings)
    found: dict[str, Any] = execute(operator, TaskOnce("sets"))
    return found


def sets(org: EmulatedOrg) -> Mapping[str, set[str]]:
    """Records of each set, empty ones too; none of them twice."""
    items = [(each["DuplicateRecordSetId"], each["RecordId"]) for each in org.records("DuplicateRecordItem")]
    assert len(items) == len(set(items))
    return {
        each["Id"]: {record for set_id, record in items if set_id == each["Id"]}
        for each in org.records("DuplicateRecordSet")
    }


def by_key(org: EmulatedOrg, number: int) -> str:
    [found] = [each["Id"] for each in org.records("Lead") if each.get("External_Id__c") == f"A-{number}"]
    return str(found)


def delete(org: EmulatedOrg, *leads: str) -> None:
    """As a user does, so that their items go with them."""
    for each in leads:
        url = f"{org.url}/services/data/v62.0/sobjects/Lead/{each}"
        assert requests.delete(url, headers={"Authorization": f"Bearer {org.access_token}"}, timeout=30).ok


def rule_id(org: EmulatedOrg, name: str = "Lead_Email") -> str:
    return next(str(each["Id"]) for each in org.records("DuplicateRule") if each["DeveloperName"] == name)


@pytest.fixture
def claim_ends(tmp_path: Path) -> Callable[[], None]:
    """As if the time had passed for which a task that is gone holds its claim."""

    def end() -> None:
        with sqlite3.connect(tmp_path / "audit.db") as connection:
            connection.execute("DELETE FROM sf_dedup_key_claim")

    return end


def test_a_row_that_was_saved_beside_its_match_stands_in_a_set_with_it(salesforce_org: EmulatedOrg) -> None:
    [match] = known(salesforce_org, "one@example.com")
    audit = load([lead(1, Email="one@example.com"), lead(2, Email="new@example.com")])
    assert sets(salesforce_org) == {}

    found = show(audit)

    assert list(sets(salesforce_org).values()) == [{match, by_key(salesforce_org, 1)}]
    assert (found["rows"], found["sets_created"], found["items_created"]) == (1, 1, 2)
    [made] = salesforce_org.records("DuplicateRecordSet")
    assert (made["DuplicateRuleId"], made["SobjectType"]) == (rule_id(salesforce_org), "Lead")


def test_several_matches_of_a_row_that_waits_stand_in_a_set(salesforce_org: EmulatedOrg) -> None:
    matches = known(salesforce_org, "two@example.com", "two@example.com")
    show(load([lead(1, Email="two@example.com")], "update_existing | ask_reviewer"))
    assert list(sets(salesforce_org).values()) == [set(matches)]


def test_several_holders_of_a_key_stand_in_a_set_without_a_rule(salesforce_org: EmulatedOrg) -> None:
    holders = salesforce_org.seed(
        "Lead", [{"LastName": "Twice", "Company": "C", "Email": "twice@example.com"} for _ in range(2)]
    )
    operator = SalesforceUpsertOperator(
        task_id="load",
        records=[{"Email": "twice@example.com", "LastName": "Twice", "Company": "C"}],
        sobject="Lead",
        external_id_field="Email",
        on_duplicate="ask_reviewer",
        allow_non_unique_key=True,
    )
    show(execute(operator, TaskOnce("load")))

    assert list(sets(salesforce_org).values()) == [set(holders)]
    [made] = salesforce_org.records("DuplicateRecordSet")
    assert (made.get("DuplicateRuleId"), made["SobjectType"]) == (None, "Lead")


def test_what_is_one_record_is_in_no_set(salesforce_org: EmulatedOrg) -> None:
    known(salesforce_org, "one@example.com", "skip@example.com")
    found = show(load([lead(1, Email="one@example.com")], "update_existing"))
    assert (found["rows"], sets(salesforce_org)) == (0, {})


def test_a_lead_and_the_contact_that_it_matches_are_in_no_set_together(salesforce_org: EmulatedOrg) -> None:
    salesforce_org.seed("Contact", [{"LastName": "Name 1", "Email": "one@example.com"}])
    show(load([lead(1, Email="one@example.com")], "save_anyway | ask_reviewer"))
    assert all(len(each) != 1 for each in sets(salesforce_org).values())


def test_rows_with_a_match_in_common_share_a_set(salesforce_org: EmulatedOrg) -> None:
    [match] = known(salesforce_org, "one@example.com")
    found = show(load([lead(1, Email="one@example.com"), lead(2, Email="one@example.com")]))
    assert list(sets(salesforce_org).values()) == [{match, *(by_key(salesforce_org, each) for each in (1, 2))}]
    assert (found["rows"], found["sets_created"], found["items_created"]) == (2, 1, 3)


def test_a_later_row_joins_the_set_of_its_match(salesforce_org: EmulatedOrg) -> None:
    [match] = known(salesforce_org, "one@example.com")
    show(load([lead(1, Email="one@example.com")]))
    found = show(load([lead(2, Email="one@example.com")]))
    assert match in next(iter(sets(salesforce_org).values()))
    assert [len(each) for each in sets(salesforce_org).values()] == [3]
    assert found["sets_created"] == 0


def test_to_show_again_changes_nothing(salesforce_org: EmulatedOrg) -> None:
    known(salesforce_org, "one@example.com", "two@example.com", "two@example.com")
    audit = load([lead(1, Email="one@example.com"), lead(2, Email="two@example.com")])
    show(audit)
    before = sets(salesforce_org)

    again = show(audit)

    assert (again["rows"], again["together_before"], again["sets_created"], again["items_created"]) == (2, 2, 0, 0)
    assert sets(salesforce_org) == before


@pytest.mark.parametrize("with_rule", [True, False], ids=["of another rule", "of a duplicate job"])
def test_what_stands_in_a_set_together_already_is_left_as_it_is(salesforce_org: EmulatedOrg, with_rule: bool) -> None:
    matches = known(salesforce_org, "two@example.com", "two@example.com")
    whose = {"DuplicateRuleId": rule_id(salesforce_org, "Standard_Lead_Duplicate_Rule")} if with_rule else {}
    [there] = salesforce_org.seed("DuplicateRecordSet", [whose])
    salesforce_org.seed("DuplicateRecordItem", [{"DuplicateRecordSetId": there, "RecordId": each} for each in matches])

    found = show(load([lead(1, Email="two@example.com")], "ask_reviewer"))

    assert (found["together_before"], sets(salesforce_org)) == (1, {there: set(matches)})


def test_nothing_is_added_to_the_set_of_a_duplicate_job(salesforce_org: EmulatedOrg) -> None:
    [match, other] = known(salesforce_org, "one@example.com", "else@example.com")
    [job] = salesforce_org.seed("DuplicateJob", [{}])
    [there] = salesforce_org.seed("DuplicateRecordSet", [{"ParentId": job}])
    salesforce_org.seed(
        "DuplicateRecordItem", [{"DuplicateRecordSetId": there, "RecordId": each} for each in (match, other)]
    )
    show(load([lead(1, Email="one@example.com")]))
    found = sets(salesforce_org)
    assert found.pop(there) == {match, other}
    assert list(found.values()) == [{match, by_key(salesforce_org, 1)}]


def test_records_that_are_gone_by_now_are_in_no_set(salesforce_org: EmulatedOrg) -> None:
    [match] = known(salesforce_org, "one@example.com")
    audit = load([lead(1, Email="one@example.com")])
    delete(salesforce_org, match)
    found = show(audit)
    assert (found["rows"], found["gone"], sets(salesforce_org)) == (1, 1, {})


def test_the_example_shows_what_its_load_saved_anyway(salesforce_org: EmulatedOrg) -> None:
    [match] = known(salesforce_org, "one@example.com")
    run = run_dag(duplicate_lists(), run_conf={"leads": [lead(1, Email="one@example.com"), lead(2)]})
    assert run.state == "success"
    assert list(sets(salesforce_org).values()) == [{match, by_key(salesforce_org, 1)}]


# --- what goes wrong --------------------------------------------------------------------------------------

SETS_CALL, ITEMS_CALL = 1, 2


@pytest.fixture
def audit(salesforce_org: EmulatedOrg) -> Any:
    """What a load of two rows returned, each of which was saved beside a match of its own."""
    known(salesforce_org, "one@example.com", "two@example.com")
    return load([lead(1, Email="one@example.com"), lead(2, Email="two@example.com")])


@pytest.mark.parametrize("call", [SETS_CALL, ITEMS_CALL], ids=["sets", "items"])
@pytest.mark.parametrize("after_commit", [True, False], ids=["carried out", "not carried out"])
def test_an_answer_that_is_lost_leaves_nothing_doubled_and_nothing_empty(
    salesforce_org: EmulatedOrg, audit: Any, claim_ends: Callable[[], None], call: int, after_commit: bool
) -> None:
    salesforce_org.add_faults({"kind": "reset", "on": "POST /composite", "calls": [call], "after_commit": after_commit})
    with pytest.raises(OutcomeUnknownError):
        show(audit)
    with pytest.raises(TransientCallError, match=r"being made by by_hand\.sets") as refused:
        show(audit)
    assert refused.value.retry_after is not None

    claim_ends()
    show(audit)

    assert sorted(len(each) for each in sets(salesforce_org).values()) == [2, 2]
    assert show(audit)["together_before"] == 2


def test_a_try_that_ends_before_the_items_leaves_sets_that_the_next_one_fills(
    salesforce_org: EmulatedOrg, audit: Any
) -> None:
    salesforce_org.add_faults(
        {"kind": "refuse_request", "on": "POST /composite", "calls": [ITEMS_CALL], "code": "REQUEST_LIMIT_EXCEEDED"}
    )
    with pytest.raises(Exception, match="REQUEST_LIMIT_EXCEEDED"):
        show(audit)
    left = set(sets(salesforce_org))
    assert len(left) == 2

    found = show(audit)

    assert (found["sets_created"], found["items_created"]) == (0, 4)
    assert {name: len(each) for name, each in sets(salesforce_org).items()} == dict.fromkeys(left, 2)


def test_a_set_that_was_emptied_is_not_filled_with_something_else(salesforce_org: EmulatedOrg, audit: Any) -> None:
    gone = known(salesforce_org, "gone@example.com", "gone@example.com")
    show(load([lead(9, Email="gone@example.com")], "ask_reviewer"))
    [emptied] = sets(salesforce_org)
    delete(salesforce_org, *gone)
    assert sets(salesforce_org) == {emptied: set()}

    show(audit)

    assert sets(salesforce_org)[emptied] == set()
    assert len(sets(salesforce_org)) == 3


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_what_is_refused_makes_the_task_red_and_a_retry_adds_it(
    salesforce_org: EmulatedOrg, audit: Any, share: float
) -> None:
    salesforce_org.add_faults(
        {
            "kind": "refuse_rows",
            "on": "POST /composite",
            "calls": [ITEMS_CALL],
            "share": share,
            "code": "FIELD_CUSTOM_VALIDATION_EXCEPTION",
        }
    )
    with pytest.raises(LoadFailedError, match=r"duplicate record sets and items were not saved: .* FIELD_CUSTOM"):
        show(audit)
    show(audit)
    assert [len(each) for each in sets(salesforce_org).values()] == [2, 2]


def test_rows_that_are_locked_are_sent_again(salesforce_org: EmulatedOrg, audit: Any) -> None:
    salesforce_org.add_faults(
        {"kind": "refuse_rows", "on": "POST /composite", "calls": [1, 3], "share": 0.5, "code": "UNABLE_TO_LOCK_ROW"}
    )
    show(audit)
    assert [len(each) for each in sets(salesforce_org).values()] == [2, 2]


def test_rules_that_cannot_be_seen_leave_sets_without_a_rule(
    salesforce_org: EmulatedOrg, audit: Any, caplog: pytest.LogCaptureFixture
) -> None:
    salesforce_org.add_faults({"kind": "refuse_request", "on": "GET /query", "code": "INVALID_TYPE"})
    show(audit)
    assert [len(each) for each in sets(salesforce_org).values()] == [2, 2]
    assert {each.get("DuplicateRuleId") for each in salesforce_org.records("DuplicateRecordSet")} == {None}
    assert "this user may not see duplicate rules" in caplog.text


def test_another_org_is_refused(salesforce_org: EmulatedOrg, audit: Any, other_org: EmulatedOrg, lead_to: Any) -> None:
    lead_to(other_org)
    with pytest.raises(AirflowFailException, match=r"but load .* went into"):
        show(audit)
    assert sets(other_org) == {}


@pytest.mark.parametrize(
    ("denied", "says"),
    [
        ({"DuplicateRecordSet": {"createable": False}}, "may not create records of DuplicateRecordSet; give the user"),
        ({"DuplicateRecordItem": {"createable": False}}, "may not create records of DuplicateRecordItem"),
        (
            {"DuplicateRecordItem": {"fields": {"RecordId": "reference(*) relationship(Record) read_only"}}},
            "may not write RecordId of DuplicateRecordItem",
        ),
    ],
    ids=["sets", "items", "records of items"],
)
def test_a_user_who_may_not_make_sets_is_told_before_anything_is_written(
    salesforce_org: EmulatedOrg, lead_to: Any, denied: dict[str, Any], says: str
) -> None:
    file = {"extends": "default", "duplicate_rules": {"Lead_Email": RULE}, "sobjects": denied}
    with EmulatedOrg.start(file) as org:
        lead_to(org)
        known(org, "one@example.com")
        audit = load([lead(1, Email="one@example.com")])
        with pytest.raises(AirflowFailException, match=says):
            show(audit)
        assert sets(org) == {}


def test_what_is_no_output_of_a_load_is_refused() -> None:
    with pytest.raises(AirflowFailException, match="expected the output of an upsert or audit task"):
        show({"load_id": "x"})
