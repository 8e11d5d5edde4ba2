"""What a load let through while its rules were off, over an emulated org."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_sf_dedup import SalesforceFindDuplicatesOperator, SalesforceUpsertOperator
from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.errors import CallError, LoadFailedError, SettingError
from airflow_sf_dedup.testing import run_dag
from dags_examples.migration import migration
from tests.operators.conftest import TaskOnce, execute, xcom


def lead(number: int, mail: str) -> dict[str, str]:
    return {"External_Id__c": f"A-{number}", "LastName": f"Name {number}", "Company": f"Firm {number}", "Email": mail}


@pytest.fixture
def salesforce_org_file() -> dict[str, Any]:
    return {"extends": "default", "organization": {"sandbox": True}, "physics": {"stale_rules": 0}}


@pytest.fixture
def known(salesforce_org: EmulatedOrg) -> str:
    [known] = salesforce_org.seed("Lead", [{"LastName": "Known", "Company": "Old", "Email": "one@example.com"}])
    return known


@pytest.fixture
def audit(salesforce_org: EmulatedOrg, known: str) -> Any:
    """What a load of four rows returned, whose rule was off: one is known, two are one, one is new."""
    rows = [lead(n, mail) for n, mail in enumerate(["one", "two", "two", "new"], start=1)]
    rows = [{**row, "Email": f"{row['Email']}@example.com"} for row in rows]
    operator = SalesforceUpsertOperator(
        task_id="load", records=rows, sobject="Lead", external_id_field="External_Id__c", on_duplicate="skip"
    )
    salesforce_org.state.switch_rule("Lead_Email", active=False)
    returned = execute(operator, TaskOnce("load"))
    salesforce_org.state.switch_rule("Lead_Email", active=True)
    return returned


def found_by(audit: Any, **settings: Any) -> Any:
    [load] = execute(SalesforceFindDuplicatesOperator(task_id="found", audit=audit, **settings))["loads"]
    return load


def test_what_slipped_through_is_found_in_groups(
    salesforce_org: EmulatedOrg, audit: Any, known: str, audit_rows: Any
) -> None:
    ids = {record.get("External_Id__c"): record["Id"] for record in salesforce_org.records("Lead")}
    before = salesforce_org.records("Lead")
    found = found_by(audit)
    assert {name: found[name] for name in ("checked", "calls", "with_duplicates", "groups", "largest_group")} == {
        "checked": 4,
        "calls": 1,
        "with_duplicates": 3,
        "groups": 2,
        "largest_group": 2,
    }
    assert found["rules"] == {"Lead_Email": 3}
    assert sorted(map(set, found["sample"]), key=sorted) == sorted(
        [{known, ids["A-1"]}, {ids["A-2"], ids["A-3"]}], key=sorted
    )
    query = "SELECT row_number, matched_record_id, duplicate_rule FROM sf_dedup_found_match ORDER BY 1"
    assert audit_rows(query) == [
        (1, known, "Lead_Email"),
        (2, ids["A-3"], "Lead_Email"),
        (3, ids["A-2"], "Lead_Email"),
    ]
    assert salesforce_org.records("Lead") == before


def test_the_example_loads_without_its_rules_and_finds_what_slipped_through(
    salesforce_org: EmulatedOrg, known: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    monkeypatch.setenv("AIRFLOW_CONN_SALESFORCE_RULES", os.environ["AIRFLOW_CONN_SALESFORCE_DEFAULT"])
    source = tmp_path / "leads.csv"
    source.write_text("External_Id__c,LastName,Company,Email\nA-1,New,Firm,one@example.com\n", encoding="utf-8")
    before = {rule["DeveloperName"] for rule in salesforce_org.records("DuplicateRule") if rule["IsActive"]}

    run = run_dag(migration(), run_conf={"leads": str(source)})

    assert run.state == "success"
    [found] = xcom(run, "slipped_through", key="return_value")["loads"]
    assert (found["with_duplicates"], found["rules"]) == (1, {"Lead_Email": 1})
    assert len(salesforce_org.records("Lead")) == 2, "the row was not blocked"
    assert {rule["DeveloperName"] for rule in salesforce_org.records("DuplicateRule") if rule["IsActive"]} == before


def test_to_search_again_says_the_same(salesforce_org: EmulatedOrg, audit: Any) -> None:
    assert found_by(audit) == found_by(audit)


def test_a_task_that_dies_goes_on_where_it_was(salesforce_org: EmulatedOrg, audit: Any) -> None:
    salesforce_org.add_faults({"kind": "refuse_request", "on": "SOAP findDuplicatesByIds", "times": 1})
    with pytest.raises(CallError):
        found_by(audit)
    assert found_by(audit)["with_duplicates"] == 3


def test_a_search_with_no_rule_on_is_told(salesforce_org: EmulatedOrg, audit: Any) -> None:
    for rule in salesforce_org.records("DuplicateRule"):
        salesforce_org.state.switch_rule(rule["DeveloperName"], active=False)
    with pytest.raises(LoadFailedError, match="no duplicate rule of the sObject is active"):
        found_by(audit)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        pytest.param({"audit": {"load_id": "x"}}, "expected the output of an upsert or audit task", id="document"),
        pytest.param({"salesforce_conn_id": "nowhere"}, "isn't defined", id="connection"),
    ],
)
def test_what_does_not_fit_is_told(salesforce_org: EmulatedOrg, audit: Any, settings: Any, says: str) -> None:
    with pytest.raises(AirflowFailException, match=says):
        found_by(**{"audit": audit, **settings})


def test_another_org_is_refused(salesforce_org: EmulatedOrg, audit: Any, other_org: EmulatedOrg, lead_to: Any) -> None:
    lead_to(other_org)
    with pytest.raises(AirflowFailException, match=r"leads to org 00D5g0000000002EAA, but load .* went into"):
        found_by(audit)


@pytest.mark.parametrize("settings", [{"max_calls": 0}, {"sample": 0}, {"sample": "all"}], ids=str)
def test_a_number_that_cannot_be_is_refused_when_the_dag_is_parsed(settings: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match=next(iter(settings))):
        SalesforceFindDuplicatesOperator(task_id="found", audit={}, **settings)
