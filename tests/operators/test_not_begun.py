"""Rows whose task ends before its first call were not sent, and the audit says so, and why."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowFailException, AirflowNotFoundException

from airflow_sf_dedup import (
    SalesforceDuplicateAuditOperator,
    SalesforcePartitionOperator,
    SalesforceUpsertOperator,
    salesforce_upsert,
)
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.hooks.places import staging_area
from airflow_sf_dedup.hooks.stores import open_audit, open_stores
from airflow_sf_dedup.journeys.ending import close_load
from airflow_sf_dedup.testing import run_dag
from tests.acceptance.morning import leads, records
from tests.operators.conftest import TaskOnce, execute

AuditRows = Callable[..., list[tuple[Any, ...]]]
LEAD = {"sobject": "Lead", "external_id_field": "External_Id__c"}
NOT_SENT = [("not_sent", "not_begun", 5)]
COUNTED = "SELECT action, reason, count(*) FROM sf_dedup_entry GROUP BY 1, 2"


def staged(**settings: Any) -> dict[str, Any]:
    operator = SalesforcePartitionOperator(task_id="partition", source=leads(5), partitions=1, **LEAD, **settings)
    [ref] = execute(operator)
    return dict(ref)


def upsert(ref: Any, *, try_number: int = 1, changes: dict[str, Any] | None = None, **settings: Any) -> Any:
    """:param changes: made after the Dag was parsed, as a template or a subclass would make them."""
    operator = SalesforceUpsertOperator(task_id="upsert", partition=ref, **settings)
    for name, value in (changes or {}).items():
        setattr(operator, name, value)
    return execute(operator, TaskOnce(try_number=try_number))


@pytest.mark.parametrize(
    ("settings", "changes", "named"),
    [
        ({"on_duplicate": "update_existing(fields=['Emial'])"}, {}, "Emial"),
        ({"masked_fields": ["external_id__c"]}, {}, "masked_fields"),
        ({}, {"audit_values": "some"}, "audit_values"),
        ({}, {"on_duplicate": "guess"}, "on_duplicate"),
        ({}, {"claim_timeout": "soon"}, "claim_timeout"),
        ({}, {"max_in_flight": 99}, "max_in_flight"),
    ],
    ids=["field of a policy", "masked key", "audit values", "rendered policy", "claim timeout", "in flight"],
)
def test_a_setting_that_does_not_fit_leaves_the_rows_unsent(
    salesforce_shared_org: EmulatedOrg,
    audit_rows: AuditRows,
    settings: dict[str, Any],
    changes: dict[str, Any],
    named: str,
) -> None:
    ref = staged()

    with pytest.raises(AirflowFailException, match=named):
        upsert(ref, changes=changes, **settings)

    assert audit_rows(COUNTED) == NOT_SENT
    [(message,)] = audit_rows("SELECT DISTINCT error_message FROM sf_dedup_entry")
    assert re.search(named, message), "the row says why"
    assert upsert(ref)["actions"] == {"created": 5}


def refused_login(monkeypatch: pytest.MonkeyPatch, org: EmulatedOrg) -> None:
    extra = {"security_token": "loader-token", "loopback_org": org.url}
    connection = {"conn_type": "salesforce", "login": "loader@example.com", "password": "wrong", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_SALESFORCE_DEFAULT", json.dumps(connection))


def no_connection(monkeypatch: pytest.MonkeyPatch, org: EmulatedOrg) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_SALESFORCE_DEFAULT")


def no_host(monkeypatch: pytest.MonkeyPatch, org: EmulatedOrg) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SALESFORCE_DEFAULT", json.dumps({"conn_type": "salesforce"}))


def wrong_lifetime(monkeypatch: pytest.MonkeyPatch, org: EmulatedOrg) -> None:
    monkeypatch.setenv("AIRFLOW__SF_DEDUP__CLAIM_LIFETIME", "-1")


Break = Callable[[pytest.MonkeyPatch, EmulatedOrg], None]


@pytest.mark.parametrize("broken", [refused_login, no_connection, no_host, wrong_lifetime])
def test_what_fails_on_the_way_to_the_org_leaves_the_rows_unsent(
    salesforce_shared_org: EmulatedOrg, audit_rows: AuditRows, monkeypatch: pytest.MonkeyPatch, broken: Break
) -> None:
    ref = staged()
    with monkeypatch.context() as patched:
        broken(patched, salesforce_shared_org)
        with pytest.raises((AirflowFailException, AirflowNotFoundException)):
            upsert(ref)

    assert audit_rows(COUNTED) == NOT_SENT
    assert upsert(ref)["actions"] == {"created": 5}


def test_a_manifest_that_cannot_be_read_leaves_the_rows_unsent(
    salesforce_shared_org: EmulatedOrg, audit_rows: AuditRows
) -> None:
    ref = staged()
    Path(ref["path"]).with_name("load.json").write_text("{")

    with pytest.raises(AirflowFailException, match=r"load\.json cannot be read"):
        upsert(ref)
    assert audit_rows(COUNTED) == NOT_SENT


def test_rows_that_a_killed_try_may_have_sent_are_not_called_unsent(
    salesforce_shared_org: EmulatedOrg, audit_rows: AuditRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first try died after it had begun; the second does not even log in."""
    ref = staged()
    audit = open_audit(None)
    audit.note_beginning(ref["load_id"], 0)
    refused_login(monkeypatch, salesforce_shared_org)

    with pytest.raises(AirflowFailException):
        upsert(ref, try_number=2)
    assert audit_rows(COUNTED) == []
    load = audit.load(ref["load_id"])
    assert load is not None
    close_load(open_stores(None), load, staging_area(load.settings["staging_path"]))
    assert audit_rows(COUNTED) == [("unknown", "task_ended_early", 5)]


def test_a_beginning_is_noted_before_the_first_call_and_not_sooner(
    salesforce_shared_org: EmulatedOrg, audit_rows: AuditRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = staged()
    with monkeypatch.context() as patched:
        refused_login(patched, salesforce_shared_org)
        with pytest.raises(AirflowFailException):
            upsert(ref)
    assert open_audit(None).begun_partitions(ref["load_id"]) == frozenset()
    upsert(ref)
    assert open_audit(None).begun_partitions(ref["load_id"]) == {0}


def test_what_cannot_be_noted_is_not_sent(salesforce_shared_org: EmulatedOrg, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: SqlAudit, load_id: str, partition: int) -> None:
        raise RuntimeError("the database went away")

    ref = staged()
    monkeypatch.setattr(SqlAudit, "note_beginning", broken)
    with pytest.raises(RuntimeError):
        upsert(ref)
    assert records(salesforce_shared_org.url, "Lead") == []


def run_by_hand(change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> Any:
    @task
    def between(refs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return change(refs)

    with DAG("load", schedule=None) as dag:
        partition = SalesforcePartitionOperator(task_id="partition", source=leads(40), partitions=2, **LEAD)
        upserts = SalesforceUpsertOperator.partial(task_id="upsert").expand(partition=between(partition.output))
        partition >> SalesforceDuplicateAuditOperator(task_id="audit", upserts=upserts.output)
    return run_dag(dag)


def test_rows_of_tasks_that_never_ran_were_not_sent(salesforce_org: EmulatedOrg, audit_rows: AuditRows) -> None:
    def lose(refs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        raise RuntimeError("a task between")

    assert run_by_hand(lose).state == "failed"
    assert audit_rows(COUNTED) == [("not_sent", "not_begun", 40)]


def test_rows_of_a_partition_that_was_left_out_were_not_sent(
    salesforce_org: EmulatedOrg, audit_rows: AuditRows
) -> None:
    assert run_by_hand(lambda refs: refs[:1]).state == "failed"
    assert {(action, reason) for action, reason, _ in audit_rows(COUNTED)} == {
        ("created", None),
        ("not_sent", "not_begun"),
    }


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"on_duplicate": "update_existing(fields=['Emial'])"}, "Emial"),
        ({"on_duplicate": "{{ 'update_existing(fields=[\"Emial\"])' }}"}, "Emial"),
        ({"on_duplicate": "{{ 'updte_existing' }}"}, "updte_existing"),
        ({"masked_fields": ["external_id__c"]}, "masked_fields"),
    ],
    ids=["field of a policy", "field of a rendered policy", "misspelt rendered policy", "masked key"],
)
@pytest.mark.parametrize("as_file", [False, True], ids=["rows", "file"])
def test_the_group_checks_the_upserts_settings_before_anything_is_staged(
    salesforce_org: EmulatedOrg,
    audit_rows: AuditRows,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    settings: dict[str, Any],
    named: str,
    as_file: bool,
) -> None:
    source: Any = leads(3)
    if as_file:
        source = str(tmp_path / "leads.csv")
        Path(source).write_text("External_Id__c,LastName,Company\nA-1,Nowak,Optics\n")
    with DAG("load", schedule=None) as dag:
        salesforce_upsert(source=source, retries=2, retry_delay=timedelta(0), **LEAD, **settings)

    run = run_dag(dag)

    states = {ti.task_id.rpartition(".")[2]: (str(ti.state), ti.try_number) for ti in run.get_task_instances()}
    assert states["partition"] == ("failed", 1)
    assert states["upsert"][0] == "upstream_failed"
    assert named in capsys.readouterr().out
    assert not list(tmp_path.glob("staging/**/*.ndjson"))
    assert records(salesforce_org.url, "Lead") == []


def test_an_empty_source_carries_no_field_and_needs_none(salesforce_shared_org: EmulatedOrg) -> None:
    operator = SalesforcePartitionOperator(
        task_id="partition", source=[], on_duplicate="update_existing(fields=['Email'])", **LEAD
    )
    assert execute(operator) == []


def test_more_partitions_than_the_worker_may_map_are_refused_before_anything_is_staged(
    salesforce_shared_org: EmulatedOrg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where Airflow's setting is another one by the time the task runs."""
    operator = SalesforcePartitionOperator(task_id="partition", source=leads(3), partitions=8, **LEAD)
    monkeypatch.setenv("AIRFLOW__CORE__MAX_MAP_LENGTH", "4")

    with pytest.raises(AirflowFailException, match="max_map_length"):
        execute(operator)
    assert not list(tmp_path.glob("staging/**/*.ndjson"))
