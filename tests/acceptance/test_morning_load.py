"""The main job, through Airflow's own machinery, against an emulated org over sockets."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_sf_dedup import salesforce_upsert
from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.testing import run_dag
from tests.acceptance.morning import known_to_the_org, leads, records, seed, stats

#: Calls that are not the load's own: describe, and whatever tells which org it is.
PREFLIGHT = ("describe", "userinfo", "Organization")


def load_dag(source: Any, **settings: Any) -> DAG:
    with DAG("morning_load", schedule=None, max_active_runs=1) as dag:
        salesforce_upsert(
            source=source,
            sobject="Lead",
            external_id_field="External_Id__c",
            on_duplicate="update_existing | ask_reviewer",
            retries=0,
            **settings,
        )
    return dag


def actions_in(audit: Path) -> dict[str, int]:
    with sqlite3.connect(audit) as connection:
        return dict(connection.execute("SELECT action, count(*) FROM sf_dedup_entry GROUP BY action"))


@pytest.mark.parametrize(("partitions", "fewest", "most"), [(1, 14, 16), (8, 20, 50)], ids=["one task", "eight tasks"])
def test_the_morning_load_costs_few_calls_and_loses_no_row(
    salesforce_org: EmulatedOrg, tmp_path: Path, partitions: int, fewest: int, most: int
) -> None:
    rows = leads(5000)
    seed(salesforce_org.url, "Lead", known_to_the_org(rows, 1200))

    run = run_dag(load_dag(rows, partitions=partitions))

    assert run.state == "success"
    assert actions_in(tmp_path / "audit.db") == {"created": 3800, "matched_updated": 1200}
    held = {record.get("External_Id__c") for record in records(salesforce_org.url, "Lead")}
    assert held == {row["External_Id__c"] for row in rows}
    by_call = stats(salesforce_org.url)["by_call"]
    calls = sum(count for call, count in by_call.items() if not any(word in call for word in PREFLIGHT))
    assert fewest <= calls <= most, by_call


def test_a_second_run_updates_by_key_what_the_first_one_settled(salesforce_org: EmulatedOrg, tmp_path: Path) -> None:
    rows = leads(300)
    seed(salesforce_org.url, "Lead", known_to_the_org(rows, 60))
    # The last of them stands twice: nobody can say which record is meant.
    seed(salesforce_org.url, "Lead", known_to_the_org(rows, 60)[-1:])

    run_dag(load_dag(rows, partitions=2))
    assert actions_in(tmp_path / "audit.db") == {"created": 240, "matched_updated": 59, "awaiting_review": 1}

    run_dag(load_dag(rows, partitions=2))
    assert actions_in(tmp_path / "audit.db") == {
        "created": 240,
        "matched_updated": 59,
        "awaiting_review": 2,
        "updated": 299,
    }


def test_no_rows_are_green(salesforce_org: EmulatedOrg) -> None:
    run = run_dag(load_dag([]))

    assert run.state == "success"
    assert run.get_task_instance("salesforce_upsert.audit").state == "success"
