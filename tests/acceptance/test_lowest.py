"""What `make lowest` runs with the oldest versions that are allowed: a load with duplicates, its audit, its command."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from airflow.sdk import DAG

from airflow_sf_dedup import duplicate_entries, salesforce_upsert
from airflow_sf_dedup.audit.__main__ import main
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.database.engine import engine_for
from airflow_sf_dedup.database.upgrade import upgrade
from airflow_sf_dedup.testing import run_dag
from airflow_sf_dedup.testing.contracts.audit import a_load, an_entry
from airflow_sf_dedup.testing.postgres import postgres_server

ROWS = [
    {
        "External_Id__c": f"A-{number}",
        "LastName": f"Nowak {number}",
        "Company": "Optics",
        "Email": f"{number}@acme.example",
    }
    for number in range(1, 21)
]


def test_a_load_with_duplicates(salesforce_org: Any, tmp_path: Path) -> None:
    salesforce_org.seed(
        "Lead", [{"LastName": "N.", "Company": "O.", "Email": f"{number}@acme.example"} for number in (1, 2)]
    )
    with DAG("leads", schedule=None) as dag:
        salesforce_upsert(
            source=ROWS,
            sobject="Lead",
            external_id_field="External_Id__c",
            on_duplicate="update_existing | ask_reviewer",
            partitions=2,
        )
    assert [run_dag(dag).state for _ in range(2)] == ["success"] * 2
    with sqlite3.connect(tmp_path / "audit.db") as audit:
        found = audit.execute("SELECT action, count(*) FROM sf_dedup_entry GROUP BY action ORDER BY action").fetchall()
        [(load_id,), *_] = audit.execute("SELECT load_id FROM sf_dedup_load ORDER BY started_at").fetchall()
    assert found == [("created", 18), ("matched_updated", 2), ("updated", 20)]
    assert main(["show", "--load", load_id]) == 0
    document = {"audit": {"audit_conn_id": None, "load_id": load_id}}
    assert len(list(duplicate_entries(document, "matched_updated"))) == 2


def test_an_audit_on_postgresql() -> None:
    with postgres_server() as url:
        engine = engine_for(url)
        upgrade(engine)
        audit, load = SqlAudit(engine), a_load()
        audit.open_load(load)
        audit.remember(load.load_id, [an_entry(number) for number in range(1, 11)])
        assert audit.totals(load.load_id).rows == 10
        engine.dispose()
