"""What is staged and was changed since is not sent; the audit task accounts for its rows and judges all the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, task

from airflow_sf_dedup import SalesforceDuplicateAuditOperator, SalesforcePartitionOperator, SalesforceUpsertOperator
from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.testing import run_dag
from tests.acceptance.morning import leads, records
from tests.operators.conftest import xcom

LEAD = {"sobject": "Lead", "external_id_field": "External_Id__c"}
ROWS = 60


def load(spoil: Callable[[Path], None]) -> DAG:
    @task
    def spoilt(refs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        spoil(Path(refs[1]["path"]))
        return refs

    with DAG("load", schedule=None, default_args={"retries": 0}) as dag:
        partition = SalesforcePartitionOperator(task_id="partition", source=leads(ROWS), partitions=2, **LEAD)
        upsert = SalesforceUpsertOperator.partial(task_id="upsert").expand(partition=spoilt(partition.output))
        partition >> SalesforceDuplicateAuditOperator(task_id="audit", upserts=upsert.output)
    return dag


def last_row_changed(path: Path) -> None:
    head, _, last = path.read_bytes().rstrip().rpartition(b"\n")
    path.write_bytes(head + b"\n" + last.replace(b"example", b"3xample") + b"\n")


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-50])


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("spoil", [last_row_changed, cut_off, a_folder, Path.unlink], ids=lambda each: each.__name__)
def test_a_damaged_partition_is_not_sent_and_every_row_is_accounted_for(
    salesforce_org: EmulatedOrg, audit_rows: Callable[..., Any], spoil: Callable[[Path], None]
) -> None:
    run = run_dag(load(spoil))

    assert run.state == "failed"
    states = {(ti.task_id, ti.map_index): str(ti.state) for ti in run.get_task_instances()}
    assert (states["upsert", 0], states["upsert", 1], states["audit", -1]) == ("success", "failed", "failed")
    rows = audit_rows()
    assert [number for number, *_ in rows] == list(range(1, ROWS + 1))
    created = [number for number, action, *_ in rows if action == "created"]
    assert 0 < len(created) < ROWS
    assert len(records(salesforce_org.url, "Lead")) == len(created), "nothing of the damaged partition was sent"
    assert {action for _, action, *_ in rows} == {"created", "not_sent"}
    assert xcom(run, "audit")["actions"] == {"created": len(created), "not_sent": ROWS - len(created)}


def test_without_the_list_of_partitions_nothing_is_sent_and_every_row_is_accounted_for(
    salesforce_org: EmulatedOrg, audit_rows: Callable[..., Any]
) -> None:
    run = run_dag(load(lambda path: path.with_name("partitions.json").write_bytes(b"[")))

    assert run.state == "failed"
    assert [(number, action) for number, action, *_ in audit_rows()] == [(n, "not_sent") for n in range(1, ROWS + 1)]
    assert records(salesforce_org.url, "Lead") == []
