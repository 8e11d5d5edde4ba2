"""The journey with its audit in a real PostgreSQL, behind an Airflow connection."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy
from airflow.sdk import DAG

from airflow_sf_dedup import salesforce_upsert
from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.testing import run_dag
from airflow_sf_dedup.testing.postgres import new_database, postgres_server
from tests.acceptance.morning import known_to_the_org, leads, records, seed


@pytest.fixture
def audit_engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[sqlalchemy.Engine]:
    with postgres_server() as server:
        url = sqlalchemy.make_url(new_database(server))
        connection = {
            "conn_type": "postgres",
            "host": url.query["host"],
            "login": url.username,
            "schema": url.database,
        }
        monkeypatch.setenv("AIRFLOW_CONN_AUDIT", json.dumps(connection))
        engine = sqlalchemy.create_engine(url)
        yield engine
        engine.dispose()


def query(engine: sqlalchemy.Engine, sql: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sqlalchemy.text(sql))]


def test_two_keys_that_want_one_lead_never_both_stamp_it(
    salesforce_org: EmulatedOrg, audit_engine: sqlalchemy.Engine
) -> None:
    """Every lead of the org comes twice, under two keys, in whatever partitions they fall."""
    rows = leads(40)
    twins = [{**row, "External_Id__c": f"WEB-{row['External_Id__c']}"} for row in rows]
    seed(salesforce_org.url, "Lead", known_to_the_org(rows, 40))
    with DAG("load", schedule=None, max_active_runs=1) as dag:
        salesforce_upsert(
            source=rows + twins,
            sobject="Lead",
            external_id_field="External_Id__c",
            on_duplicate="update_existing | ask_reviewer",
            partitions=4,
            audit_conn_id="audit",
            retries=0,
        )

    run = run_dag(dag)

    assert run.state == "success"
    found = query(audit_engine, "SELECT action, count(*) FROM sf_dedup_entry GROUP BY action ORDER BY action")
    assert found == [("awaiting_review", 40), ("matched_updated", 40)]
    why = query(audit_engine, "SELECT DISTINCT reason FROM sf_dedup_entry WHERE action = 'awaiting_review'")
    assert {reason for (reason,) in why} <= {"match_claimed", "match_carries_another_key"}
    stamped = query(audit_engine, "SELECT record_id, key FROM sf_dedup_entry WHERE action = 'matched_updated'")
    held = [(lead["Id"], lead["External_Id__c"]) for lead in records(salesforce_org.url, "Lead")]
    assert sorted(stamped) == sorted(held)
    [load] = query(audit_engine, "SELECT sobject, rows_read, policy FROM sf_dedup_load WHERE ended_at IS NOT NULL")
    assert load == ("Lead", 80, "update_existing | ask_reviewer")
