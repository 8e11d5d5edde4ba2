"""A task that loads few records: what a retry finds settled is what was asked for, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_sf_dedup import SalesforceUpsertOperator
from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.errors import LoadFailedError
from tests.acceptance.morning import leads, records, stats
from tests.operators.conftest import TaskOnce, execute

AuditRows = Callable[..., list[tuple[Any, ...]]]
LEAD = {"sobject": "Lead", "external_id_field": "External_Id__c"}
PEOPLE = [{"External_Id__c": "A-1", "LastName": "Nowak", "Email": "n@example.com"}]


def load(rows: Any, **settings: Any) -> Any:
    """One try of one and the same task."""
    return execute(SalesforceUpsertOperator(task_id="upsert", records=rows, **{**LEAD, **settings}))


def test_a_retry_sends_nothing_that_is_settled(salesforce_shared_org: EmulatedOrg, audit_rows: AuditRows) -> None:
    load(leads(3))
    assert load([dict(reversed(row.items())) for row in leads(3)], salesforce_conn_id=None)["actions"] == {"created": 3}

    assert stats(salesforce_shared_org.url)["by_call"]["POST /composite"] == 1
    assert audit_rows("SELECT count(*) FROM sf_dedup_load") == [(1,)]


def test_a_mended_connection_to_another_org_is_another_load(
    salesforce_shared_org: EmulatedOrg, other_org: EmulatedOrg, lead_to: Callable[[EmulatedOrg], None]
) -> None:
    load(leads(3))
    lead_to(other_org)

    assert load(leads(3))["org_id"] == other_org.org_id
    assert len(records(other_org.url, "Lead")) == 3


def test_a_renamed_connection_to_the_same_org_is_the_same_load(
    salesforce_shared_org: EmulatedOrg, audit_rows: AuditRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(leads(3))
    monkeypatch.setenv("AIRFLOW_CONN_SF_PROD", os.environ["AIRFLOW_CONN_SALESFORCE_DEFAULT"])

    load(leads(3), salesforce_conn_id="sf_prod")
    assert audit_rows("SELECT count(*) FROM sf_dedup_load") == [(1,)]
    assert stats(salesforce_shared_org.url)["by_call"]["POST /composite"] == 1


@pytest.mark.parametrize(
    ("changes", "loads"),
    [
        pytest.param({"sobject": "Contact"}, 2, id="another sobject"),
        pytest.param({"external_id_field": "Email", "allow_non_unique_key": True}, 2, id="another key"),
        pytest.param({"on_repeat": "first"}, 2, id="another row of a key"),
        pytest.param({"newer_than": "LastName"}, 2, id="an order"),
        pytest.param({"sobject": "LEAD", "external_id_field": "external_id__C"}, 1, id="names in another case"),
        pytest.param({"on_duplicate": "skip", "max_in_flight": 1}, 1, id="another policy"),
        pytest.param({"masked_fields": ["Email"], "audit_values": "all"}, 1, id="another audit"),
    ],
)
def test_what_is_asked_for_makes_the_load(
    salesforce_shared_org: EmulatedOrg, audit_rows: AuditRows, changes: dict[str, Any], loads: int
) -> None:
    rows = [{"External_Id__c": "A-1", "LastName": "2026-01-01", "Email": "n@example.com"}]
    for settings in ({}, changes):
        # A lead without a company fails, which makes it no other load.
        with suppress(LoadFailedError):
            load(rows, **settings)

    assert audit_rows("SELECT count(*) FROM sf_dedup_load") == [(loads,)]


def test_a_mended_sobject_is_sent(salesforce_shared_org: EmulatedOrg) -> None:
    load(PEOPLE, sobject="Contact")
    with pytest.raises(LoadFailedError, match="1 of 1 row failed"):
        load(PEOPLE)

    assert len(records(salesforce_shared_org.url, "Contact")) == 1


def test_rows_staged_elsewhere_at_the_second_try_are_closed_there(
    salesforce_shared_org: EmulatedOrg, tmp_path: Path
) -> None:
    broken = [{**row, "LastName": None} for row in leads(1)]
    for place in ("first", "second"):
        with pytest.raises(LoadFailedError):
            load([*broken, *leads(3)[1:]], staging_path=str(tmp_path / place))

    task = TaskOnce(try_number=3)
    operator = SalesforceUpsertOperator(
        task_id="upsert", records=[*broken, *leads(3)[1:]], max_failed=1, staging_path=str(tmp_path / "third"), **LEAD
    )
    assert execute(operator, task)["actions"] == {"created": 2, "failed": 1}


def test_rows_that_can_be_read_once_only_are_loaded(salesforce_shared_org: EmulatedOrg) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        yield from leads(3)

    operator = SalesforceUpsertOperator(task_id="upsert", **LEAD)
    operator.records = rows()
    assert execute(operator)["actions"] == {"created": 3}


def test_records_of_which_none_can_be_sent_are_told_and_fail_at_once(
    salesforce_shared_org: EmulatedOrg, audit_rows: AuditRows
) -> None:
    task = TaskOnce()
    with pytest.raises(AirflowFailException, match="no row of the list of rows can be sent"):
        execute(SalesforceUpsertOperator(task_id="upsert", records=[("A-1", "Nowak")], **LEAD), task)

    assert task.pushed["duplicate_audit"]["actions"] == {"invalid": 1}
    assert audit_rows("SELECT count(*) FROM sf_dedup_load WHERE ended_at IS NULL") == [(0,)]
