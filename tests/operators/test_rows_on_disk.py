"""Rows on disk: none stays after a crash, and what was erased there is not sent while its load goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, task

from airflow_sf_dedup import (
    SalesforceDuplicateAuditOperator,
    SalesforcePartitionOperator,
    SalesforceUpsertOperator,
    salesforce_upsert,
)
from airflow_sf_dedup.audit.__main__ import main
from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.testing import run_dag
from tests.acceptance.morning import leads, records
from tests.operators.conftest import xcom
from tests.staging.test_workspace import kill, worker

LEAD = {"sobject": "Lead", "external_id_field": "External_Id__c"}
ROWS = 20


def test_a_partition_task_sweeps_what_a_killed_one_left_and_keeps_its_rows_below_the_staging_folder(
    salesforce_org: EmulatedOrg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "tmp"
    elsewhere.mkdir()
    monkeypatch.setenv("TMPDIR", str(elsewhere))
    found: list[Path] = []

    @task
    def look() -> list[dict[str, Any]]:
        found.extend(elsewhere.iterdir())
        return leads(ROWS)

    with DAG("swept", schedule=None) as dag:
        salesforce_upsert(source=look(), on_duplicate="skip", **LEAD)
    with worker(tmp_path / "staging") as (process, folder):
        kill(process)
        assert run_dag(dag).state == "success"
        assert not folder.exists()
    assert list((tmp_path / "staging").iterdir()) == [], "what is settled is not kept"
    assert not any("sf_dedup" in path.name for path in (*found, *elsewhere.iterdir()))


def test_a_load_from_which_a_row_is_erased_sends_the_others_and_accounts_for_it(
    salesforce_org: EmulatedOrg, tmp_path: Path, audit_rows: Callable[..., Any]
) -> None:
    rows = leads(ROWS)
    key = rows[6]["External_Id__c"]

    @task
    def erased(refs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        assert main(["erase", "--url", f"sqlite:///{tmp_path / 'audit.db'}", "--key", key]) == 0
        return refs

    with DAG("erased", schedule=None, default_args={"retries": 0}) as dag:
        partition = SalesforcePartitionOperator(task_id="partition", source=rows, partitions=2, **LEAD)
        upsert = SalesforceUpsertOperator.partial(task_id="upsert").expand(partition=erased(partition.output))
        partition >> SalesforceDuplicateAuditOperator(task_id="audit", upserts=upsert.output, max_failed=1)
    run = run_dag(dag)

    assert run.state == "success"
    assert xcom(run, "audit")["actions"] == {"created": ROWS - 1, "not_sent": 1}
    assert [(number, reason) for number, action, _, reason in audit_rows() if action == "not_sent"] == [(7, "erased")]
    assert key not in {record["External_Id__c"] for record in records(salesforce_org.url, "Lead")}
    disk = [path.read_bytes() for path in (tmp_path / "staging").rglob("*") if path.is_file()]
    assert disk, "the load has a row that is not settled"
    assert not any(key.encode() in content for content in disk)
