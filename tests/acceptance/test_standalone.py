"""The journey on a real `airflow standalone` with the LocalExecutor: separate processes throughout."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.testing.fixtures import airflow_settings
from tests.acceptance.morning import known_to_the_org, leads, records, seed
from tests.acceptance.standalone import Standalone

pytestmark = [pytest.mark.standalone, pytest.mark.timeout(600)]

DAG_FILE = '''
import csv
from airflow.sdk import DAG, task
from airflow_sf_dedup import duplicate_entries, salesforce_upsert

with DAG("upsert_leads", schedule=None, max_active_runs=1) as dag:
    # Airflow logs what a Python task returns, unless it is told not to.
    @task(show_return_value_in_logs=False)
    def extract():
        with open({source!r}, newline="") as file:
            return list(csv.DictReader(file))

    @task
    def waiting(audit):
        return [entry.row_number for entry in duplicate_entries(audit, action="awaiting_review")]

    waiting(salesforce_upsert(
        source=extract(), sobject="Lead", external_id_field="External_Id__c",
        on_duplicate="update_existing | ask_reviewer", partitions=3, retries=0,
    ))
'''


def test_a_scheduled_run_settles_every_row_and_shows_no_customer_value(tmp_path: Path) -> None:
    rows = leads(120)
    secret = rows[0]["Email"]
    source = tmp_path / "leads.csv"
    source.write_text("\n".join([",".join(rows[0]), *(",".join(row.values()) for row in rows)]))
    home = tmp_path / "home"
    (home / "dags").mkdir(parents=True)
    (home / "dags" / "load.py").write_text(DAG_FILE.format(source=str(source)))
    with EmulatedOrg.start() as org:
        seed(org.url, "Lead", known_to_the_org(rows, 30))
        seed(org.url, "Lead", known_to_the_org(rows, 2))
        settings = airflow_settings(org.url, org.access_token, tmp_path)
        with Standalone(home, settings) as airflow:
            run_id = airflow.trigger("upsert_leads")
            assert airflow.wait_for("upsert_leads", run_id) == "success", airflow.logs()[-4000:]
            tasks = airflow.tasks("upsert_leads", run_id)
            xcom = airflow.api(
                "GET",
                f"/dags/upsert_leads/dagRuns/{run_id}/taskInstances/salesforce_upsert.audit/xcomEntries/duplicate_audit",
            )
            waiting = airflow.api(
                "GET", f"/dags/upsert_leads/dagRuns/{run_id}/taskInstances/waiting/xcomEntries/return_value"
            )
            held = {record.get("External_Id__c") for record in records(org.url, "Lead")} - {None}
            logs = airflow.logs()

    with sqlite3.connect(tmp_path / "audit.db") as audit:
        actions = dict(audit.execute("SELECT action, count(*) FROM sf_dedup_entry GROUP BY action"))
    assert actions == {"awaiting_review": 2, "created": 90, "matched_updated": 28}
    assert held == {row["External_Id__c"] for row in rows[2:]}
    assert waiting["value"] in ([1, 2], "[1, 2]")
    assert len([task for task in tasks if task["task_id"] == "salesforce_upsert.upsert"]) == 3
    rendered = [task["rendered_fields"] for task in tasks if task["task_id"].startswith("salesforce_upsert")]
    assert "<120 rows>" in json.dumps(rendered)
    assert secret not in json.dumps(rendered)
    assert secret not in json.dumps(xcom)
    assert secret not in logs
