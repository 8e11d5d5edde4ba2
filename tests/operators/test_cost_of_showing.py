"""What it costs to show a load's duplicates in the org: told before the first call, kept to, and written down."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_sf_dedup import (
    SalesforceDuplicateMirrorOperator,
    SalesforceDuplicateRecordSetsOperator,
    SalesforceUpsertOperator,
)
from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.errors import SettingError
from tests.acceptance.morning import known_to_the_org, leads
from tests.operators.conftest import TaskOnce, execute
from tests.operators.test_mirror import shipped, spec
from tests.operators.test_record_sets import RULE

AuditRows = Callable[..., list[tuple[Any, ...]]]
MIRROR, SETS = SalesforceDuplicateMirrorOperator, SalesforceDuplicateRecordSetsOperator
BOTH = pytest.mark.parametrize("operator", [MIRROR, SETS], ids=["mirror", "record sets"])


RULES = {"duplicate_rules": {"Lead_Email": RULE, "Standard_Lead_Duplicate_Rule": None}}


@pytest.fixture
def salesforce_org_file() -> dict[str, Any]:
    """Leads with one mail are duplicates, and the mirror is deployed."""
    fields = {"Name": "auto_number name", **{name: spec(field) for name, field in shipped().items()}}
    return {
        "extends": "default",
        **RULES,
        "sobjects": {"Duplicate_Audit__c": {"key_prefix": "a09", "fields": fields}},
    }


def load(org: EmulatedOrg, blocked: int, *, task_id: str = "load") -> Any:
    """A load of so many rows that were saved beside the lead that they match, and of two that nothing matches."""
    rows = leads(blocked + 2)
    if blocked:
        org.seed("Lead", known_to_the_org(rows, blocked))
    operator = SalesforceUpsertOperator(
        task_id=task_id, records=rows, sobject="Lead", external_id_field="External_Id__c", on_duplicate="save_anyway"
    )
    return execute(operator, TaskOnce(task_id))


def show(operator: type[Any], audit: Any, **settings: Any) -> Any:
    return execute(operator(task_id="show", audit=audit, **settings), TaskOnce("show"))


def counted(org: EmulatedOrg) -> int:
    return org.stats()["api_calls"]  # type: ignore[no-any-return]


def written(org: EmulatedOrg) -> int:
    return sum(len(org.records(each)) for each in ("Duplicate_Audit__c", "DuplicateRecordSet", "DuplicateRecordItem"))


def noted(audit_rows: AuditRows) -> list[dict[str, Any]]:
    rows = audit_rows("SELECT detail FROM sf_dedup_event WHERE event = 'shown_in_org' ORDER BY id")
    return [json.loads(detail) for (detail,) in rows]


@pytest.mark.parametrize(
    ("blocked", "mirror", "sets"),
    [(0, 1, 2), (1, 2, 9), (200, 2, 9), (201, 2, 9), (501, 2, 13), (1001, 3, 17)],
    ids=lambda value: str(value),
)
def test_no_more_calls_are_made_than_were_told_before_the_first(
    salesforce_org: EmulatedOrg,
    audit_rows: AuditRows,
    caplog: pytest.LogCaptureFixture,
    blocked: int,
    mirror: int,
    sets: int,
) -> None:
    caplog.set_level("INFO")
    audit = load(salesforce_org, blocked)
    one = blocked == 1
    in_mirror, in_sets = (
        ("record of Duplicate_Audit__c", "row in") if one else ("records of Duplicate_Audit__c", "rows in")
    )
    for operator, words, calls in ((MIRROR, in_mirror, mirror), (SETS, in_sets, sets)):
        for _ in range(2):
            before = counted(salesforce_org)
            found = show(operator, audit)
            made = counted(salesforce_org) - before
            assert (found["predicted_calls"], found["api_calls"]) == (calls, made)
            assert made <= calls
        assert f"{blocked:,} {words}" in caplog.text
        assert f"to show, at most {calls} API call" in caplog.text
    assert [(each["sobject"], each["predicted_calls"]) for each in noted(audit_rows)] == [
        ("Duplicate_Audit__c", mirror),
        ("Duplicate_Audit__c", mirror),
        ("DuplicateRecordSet", sets),
        ("DuplicateRecordSet", sets),
    ]
    assert all(each["api_calls"] <= each["predicted_calls"] for each in noted(audit_rows))


@pytest.mark.parametrize("blocked", [1, 201, 501])
def test_in_an_org_without_soap_queries_hold_fewer_ids_and_are_counted_so(lead_to: Any, blocked: int) -> None:
    organization = {"id": "00D5g0000000003EAA", "soap_api": False}
    with EmulatedOrg.start({"extends": "default", "organization": organization, **RULES}) as org:
        lead_to(org)
        audit = load(org, blocked)
        before = counted(org)
        found = show(SETS, audit)
        # The call that the org refuses is counted by the task, and not by such an org.
        assert counted(org) - before + 1 == found["api_calls"] <= found["predicted_calls"] < found["api_calls"] + 9
        assert found["sets_created"] == blocked


@BOTH
def test_only_what_is_sent_again_costs_more(
    salesforce_org: EmulatedOrg, audit_rows: AuditRows, operator: type[Any]
) -> None:
    audit = load(salesforce_org, 2)
    salesforce_org.add_faults(
        {"kind": "refuse_rows", "on": "POST /composite", "calls": [1], "share": 1, "code": "UNABLE_TO_LOCK_ROW"}
    )
    found = show(operator, audit)
    again = found["api_calls"] - found["predicted_calls"]
    assert again <= 1
    assert noted(audit_rows)[-1]["api_calls"] == found["api_calls"]
    if operator is MIRROR:
        assert again == 1


@BOTH
def test_a_budget_that_does_not_do_is_refused_before_anything_is_written(
    salesforce_org: EmulatedOrg, operator: type[Any]
) -> None:
    audit = load(salesforce_org, 3)
    most = 2 if operator is MIRROR else 9
    before = counted(salesforce_org)
    with pytest.raises(
        AirflowFailException, match=rf"api_budget={most - 1} does not do for 3 r.* up to {most} API calls"
    ):
        show(operator, audit, api_budget=most - 1)
    assert (counted(salesforce_org), written(salesforce_org)) == (before, 0)
    assert show(operator, audit, api_budget=most)["api_calls"] <= most
    assert written(salesforce_org)


def test_a_budget_is_kept_to_when_rows_are_sent_again(salesforce_org: EmulatedOrg, audit_rows: AuditRows) -> None:
    audit = load(salesforce_org, 3)
    salesforce_org.add_faults(
        {"kind": "refuse_rows", "on": "POST /composite", "calls": [1], "share": 1, "code": "UNABLE_TO_LOCK_ROW"}
    )
    before = counted(salesforce_org)
    with pytest.raises(AirflowFailException, match="api_budget: the run has made the 2 API calls it may make"):
        show(MIRROR, audit, api_budget=2)
    assert counted(salesforce_org) - before == 2
    assert noted(audit_rows) == [{"sobject": "Duplicate_Audit__c", "predicted_calls": 2, "api_calls": 2}]


@BOTH
def test_calls_are_left_to_others(salesforce_org: EmulatedOrg, operator: type[Any]) -> None:
    audit = load(salesforce_org, 3)
    accounting = salesforce_org.state.accounting
    accounting.daily_limit, accounting.api_calls = 1000, 900
    with pytest.raises(AirflowFailException, match=r"api_floor_pct: .* % of the org's 1,000 daily API calls are left"):
        show(operator, audit, api_floor_pct=20)
    assert written(salesforce_org) == 0
    found = show(operator, audit, api_floor_pct=5)
    assert found["api_calls"] <= found["predicted_calls"] == (3 if operator is MIRROR else 10)


@BOTH
@pytest.mark.parametrize(
    "limits", [{"api_budget": 0}, {"api_budget": "9"}, {"api_floor_pct": 101}, {"api_floor_pct": float("nan")}], ids=str
)
def test_a_limit_that_means_nothing_is_refused_when_the_dag_is_parsed(
    operator: type[Any], limits: dict[str, Any]
) -> None:
    with pytest.raises(SettingError, match="api_"):
        operator(task_id="show", audit={}, **limits)
    with pytest.raises(SettingError, match="api_"):
        operator.partial(task_id="show", **limits)


@BOTH
def test_all_loads_of_a_run_have_one_budget(
    salesforce_org: EmulatedOrg, audit_rows: AuditRows, operator: type[Any]
) -> None:
    """Refused as a whole: not the first load shown, and the second one not."""
    loads = [load(salesforce_org, blocked, task_id=f"load_{blocked}") for blocked in (2, 0)]
    run = {"dag_id": "by_hand", "run_id": "manual", "task_ids": ["load_2", "load_0"]}
    audit = {**loads[0], "audit": {"audit_conn_id": loads[0]["audit"]["audit_conn_id"], "run": run}}
    most = 3 if operator is MIRROR else 11
    with pytest.raises(
        AirflowFailException, match=rf"api_budget={most - 1} does not do for 2 r.*, 0 r.* up to {most} "
    ):
        show(operator, audit, api_budget=most - 1)
    assert written(salesforce_org) == 0
    assert show(operator, audit, api_budget=most)["predicted_calls"] == most
    assert len(noted(audit_rows)) == 2
