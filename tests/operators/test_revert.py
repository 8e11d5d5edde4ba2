"""A load's changes of matched records are put back, over the wire, by Airflow's own machinery."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from airflow.sdk.exceptions import AirflowFailException

from airflow_sf_dedup import SalesforceRevertOperator, SalesforceUpsertOperator
from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.testing import run_dag
from dags_examples.revert_load import revert_load
from dags_examples.undo_load import undo_load
from tests.operators.conftest import TaskOnce, execute, xcom

OLD = {"LastName": "Known", "Company": "Old", "Email": "one@example.com", "Phone": "1"}
NEW = {"External_Id__c": "A-1", "LastName": "New", "Company": "Firm", "Email": "one@example.com", "Phone": "2"}
FIELDS = (*OLD, "External_Id__c")


@pytest.fixture
def known(salesforce_org: EmulatedOrg) -> str:
    [record_id] = salesforce_org.seed("Lead", [OLD])
    return record_id


def load(policy: str = "update_existing | ask_reviewer", **more: Any) -> Any:
    operator = SalesforceUpsertOperator(
        task_id="load",
        records=[{**NEW, **more}, {"External_Id__c": "A-2", "LastName": "Other", "Company": "Else"}],
        sobject="Lead",
        external_id_field="External_Id__c",
        on_duplicate=policy,
    )
    return execute(operator, TaskOnce("load"))


def revert(audit: Any, *, try_number: int = 1, task_id: str = "revert", **settings: Any) -> Any:
    operator = SalesforceRevertOperator(task_id=task_id, load=audit, **settings)
    return execute(operator, TaskOnce(task_id, try_number=try_number))


def by_hand(org: EmulatedOrg, method: str, record_id: str, **values: Any) -> None:
    """Somebody in sales does something to a lead."""
    url = f"{org.url}/services/data/v62.0/sobjects/Lead/{record_id}"
    headers = {"Authorization": f"Bearer {org.access_token}"}
    answer = requests.request(method, url, headers=headers, json=values or None, timeout=30, verify=False)
    answer.raise_for_status()


def record(org: EmulatedOrg, record_id: str) -> dict[str, Any]:
    [found] = [each for each in org.records("Lead") if each["Id"] == record_id]
    return {name: found.get(name) for name in FIELDS}


def test_the_record_is_as_it_was_and_the_new_one_stays(salesforce_org: EmulatedOrg, known: str) -> None:
    audit = load()
    assert record(salesforce_org, known)["LastName"] == "New"
    done = revert(audit)
    assert record(salesforce_org, known) == {**OLD, "External_Id__c": None}
    assert (done["reverted"], done["records"], done["left"]) == (4, 1, {})
    assert len(salesforce_org.records("Lead")) == 2
    assert done["api_calls"] <= 5, "login, org, describe, one read, one write"
    again = revert(audit, task_id="revert_again")
    assert (again["reverted"], again["reverted_before"]) == (0, 4)


def test_what_somebody_changed_since_is_left_and_stands_in_the_log_and_the_audit(
    salesforce_org: EmulatedOrg, known: str, capsys: pytest.CaptureFixture[str], audit_rows: Any
) -> None:
    audit = load()
    by_hand(salesforce_org, "PATCH", known, Phone="sales")
    done = revert(audit)
    assert done["left"] == {"changed_since": 1}
    [left] = done["examples"]
    assert (left["row_number"], left["record_id"], left["field"]) == (1, known, "Phone")
    assert record(salesforce_org, known)["Phone"] == "sales"
    log = capsys.readouterr().out
    assert "3 fields of 1 record put back, 1 left as they are" in log
    assert "left: changed_since 1" in log
    assert "sales" not in log
    states = audit_rows("SELECT field, state, reason FROM sf_dedup_reverted ORDER BY field")
    assert ("Phone", "left", "changed_since") in states
    assert ("LastName", "reverted", None) in states


def test_the_example_reverts_a_load_by_its_id(salesforce_org: EmulatedOrg, known: str) -> None:
    audit = load()
    run = run_dag(revert_load(), run_conf={"load": audit["audit"]["load_id"]})
    assert run.state == "success"
    assert record(salesforce_org, known) == {**OLD, "External_Id__c": None}
    assert xcom(run, "revert", key="return_value")["reverted"] == 4


def test_a_lost_answer_reverts_nothing_twice(salesforce_org: EmulatedOrg, known: str) -> None:
    audit = load()
    salesforce_org.add_faults({"kind": "reset", "on": "write", "calls": [1], "after_commit": True})
    assert revert(audit)["reverted"] == 4
    assert record(salesforce_org, known) == {**OLD, "External_Id__c": None}


def test_a_record_in_the_recycle_bin_is_told(salesforce_org: EmulatedOrg, known: str) -> None:
    audit = load()
    by_hand(salesforce_org, "DELETE", known)
    assert revert(audit)["left"] == {"record_deleted": 4}


def test_masked_fields_are_told_and_left(salesforce_org: EmulatedOrg, known: str) -> None:
    operator = SalesforceUpsertOperator(
        task_id="load",
        records=[NEW],
        sobject="Lead",
        external_id_field="External_Id__c",
        on_duplicate="update_existing",
        masked_fields=["Phone"],
    )
    done = revert(execute(operator, TaskOnce("load")))
    assert (done["reverted"], done["left"]) == (3, {"not_kept": 1})
    assert record(salesforce_org, known)["Phone"] == "2"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("no such load", "load: the audit has no load 'no such load'"),
        ({"load_id": "x"}, "load: expected the output of an upsert or audit task"),
    ],
)
def test_what_is_no_load_is_refused(salesforce_org: EmulatedOrg, known: str, given: Any, says: str) -> None:
    load()
    with pytest.raises(AirflowFailException, match=says):
        revert(given)


def test_another_org_is_refused(salesforce_org: EmulatedOrg, known: str, other_org: EmulatedOrg, lead_to: Any) -> None:
    audit = load()
    lead_to(other_org)
    with pytest.raises(AirflowFailException, match="leads to org 00D5g0000000002EAA, but load"):
        revert(audit)


# -- undo a load ------------------------------------------------------------------------------------


@pytest.fixture
def held(salesforce_org: EmulatedOrg) -> str:
    """A lead that holds the key of a row."""
    [record_id] = salesforce_org.seed("Lead", [{**OLD, "External_Id__c": "A-1"}])
    return record_id


def keeping_load(**more: Any) -> Any:
    """One row for a lead that holds its key, and one for a new lead."""
    operator = SalesforceUpsertOperator(
        task_id="load",
        records=[NEW, {"External_Id__c": "A-2", "LastName": "Other", "Company": "Else"}],
        sobject="Lead",
        external_id_field="External_Id__c",
        on_duplicate="ask_reviewer",
        keep_before=True,
        **more,
    )
    return execute(operator, TaskOnce("load"))


def undo(audit: Any, **more: Any) -> Any:
    return revert(audit, delete_created=True, delete_undeleted=True, **more)


def live(org: EmulatedOrg) -> set[str]:
    return {each["Id"] for each in org.records("Lead")}


def test_a_load_is_undone_whole(salesforce_org: EmulatedOrg, held: str) -> None:
    audit = keeping_load()
    assert record(salesforce_org, held)["Phone"] == "2"
    done = undo(audit)
    assert record(salesforce_org, held) == {**OLD, "External_Id__c": "A-1"}
    assert live(salesforce_org) == {held}
    assert (done["reverted"], done["records"], done["deleted"], done["left"]) == (3, 1, 1, {})
    again = undo(audit, task_id="undo_again")
    assert (again["reverted"], again["deleted"], again["reverted_before"]) == (0, 0, 4)


def test_updates_by_key_are_not_kept_unless_asked(salesforce_org: EmulatedOrg, held: str) -> None:
    audit = load()
    done = undo(audit)
    assert (done["reverted"], done["deleted"]) == (0, 1)
    assert record(salesforce_org, held)["Phone"] == "2"


def test_a_created_lead_that_sales_works_on_stays(
    salesforce_org: EmulatedOrg, held: str, capsys: pytest.CaptureFixture[str]
) -> None:
    audit = keeping_load()
    [created] = live(salesforce_org) - {held}
    by_hand(salesforce_org, "PATCH", created, Phone="sales")
    done = undo(audit)
    assert done["left"] == {"changed_since": 1}
    [left] = done["examples"]
    assert (left["row_number"], left["record_id"], left["field"]) == (2, created, "IsDeleted")
    assert live(salesforce_org) == {held, created}
    assert "left: changed_since 1" in capsys.readouterr().out


def test_a_created_lead_with_an_activity_stays(salesforce_org: EmulatedOrg, held: str) -> None:
    """Salesforce would delete the task with it, and the lead itself tells of no change."""
    audit = keeping_load()
    [created] = live(salesforce_org) - {held}
    salesforce_org.seed("Task", [{"Subject": "Call", "WhoId": created}])
    assert undo(audit)["left"] == {"has_children": 1}
    assert live(salesforce_org) == {held, created}


def test_a_created_lead_that_is_deleted_already_is_told(salesforce_org: EmulatedOrg, held: str) -> None:
    audit = keeping_load()
    [created] = live(salesforce_org) - {held}
    by_hand(salesforce_org, "DELETE", created)
    assert undo(audit)["left"] == {"already_deleted": 1}


def test_a_lost_answer_deletes_nothing_twice(salesforce_org: EmulatedOrg, held: str) -> None:
    audit = keeping_load()
    salesforce_org.add_faults({"kind": "reset", "on": "write", "calls": [1], "after_commit": True})
    done = undo(audit)
    assert (done["deleted"], done["left"]) == (1, {})
    assert [line["verb"] for line in salesforce_org.ledger() if line["verb"] == "deleted"] == ["deleted"]


def test_before_values_of_masked_fields_are_not_kept(salesforce_org: EmulatedOrg, held: str, audit_rows: Any) -> None:
    audit = keeping_load(masked_fields=["Phone"])
    assert undo(audit)["left"] == {"not_kept": 1}
    kept = audit_rows("SELECT before, after, not_kept FROM sf_dedup_change WHERE field = 'Phone'")
    assert [tuple(each) for each in kept] == [(None, None, "masked")]


def test_an_undeleted_lead_goes_back_into_the_recycle_bin(salesforce_org: EmulatedOrg, known: str) -> None:
    by_hand(salesforce_org, "DELETE", known)
    audit = load("undelete | ask_reviewer")
    assert known in live(salesforce_org)
    done = undo(audit)
    assert (done["deleted"], done["left"]) == (2, {"record_deleted": 4})
    assert live(salesforce_org) == set()


def test_the_example_undoes_a_load_by_its_id(salesforce_org: EmulatedOrg, held: str) -> None:
    audit = keeping_load()
    run = run_dag(undo_load(), run_conf={"load": audit["audit"]["load_id"]})
    assert run.state == "success"
    assert record(salesforce_org, held) == {**OLD, "External_Id__c": "A-1"}
    assert live(salesforce_org) == {held}
    assert xcom(run, "undo", key="return_value")["deleted"] == 1
