"""The journey on a real `airflow standalone` with the LocalExecutor: separate processes throughout."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.testing.fixtures import airflow_settings
from tests.acceptance.morning import known_to_the_org, leads, records, seed, stats
from tests.acceptance.standalone import Standalone, actions, write_csv

pytestmark = [pytest.mark.standalone, pytest.mark.timeout(600)]

DAG_FILE = """
import csv
from airflow.sdk import DAG, task
from airflow_sf_dedup import duplicate_entries, salesforce_upsert

for name in ("first", "second"):
    with DAG(name, schedule=None, max_active_runs=1):
        # Airflow logs what a Python task returns, unless it is told not to.
        @task(show_return_value_in_logs=False)
        def extract(path):
            with open(path, newline="") as file:
                return list(csv.DictReader(file))

        @task
        def waiting(audit):
            return [entry.row_number for entry in duplicate_entries(audit, action="awaiting_review")]

        waiting(salesforce_upsert(
            source=extract({folder!r} + f"/{{name}}.csv"), sobject="Lead", external_id_field="External_Id__c",
            on_duplicate="update_existing | ask_reviewer", partitions=3, retries=0,
        ))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("standalone")
    (folder / "home" / "dags").mkdir(parents=True)
    (folder / "home" / "dags" / "loads.py").write_text(DAG_FILE.format(folder=str(folder)))
    return folder


@pytest.fixture(scope="module")
def org() -> Iterator[EmulatedOrg]:
    with EmulatedOrg.start() as org:
        yield org


@pytest.fixture(scope="module")
def airflow(folder: Path, org: EmulatedOrg) -> Iterator[Standalone]:
    with Standalone(folder / "home", airflow_settings(org.url, org.access_token, folder)) as airflow:
        yield airflow


def test_a_scheduled_run_settles_every_row_and_shows_no_customer_value(
    airflow: Standalone, org: EmulatedOrg, folder: Path
) -> None:
    rows = leads(120)
    secret = rows[0]["Email"]
    write_csv(folder / "first.csv", rows)
    seed(org.url, "Lead", known_to_the_org(rows, 30))
    seed(org.url, "Lead", known_to_the_org(rows, 2))

    run_id = airflow.trigger("first")

    assert airflow.wait_for("first", run_id) == "success", airflow.logs()[-4000:]
    assert actions(folder, "first") == {"awaiting_review": 2, "created": 90, "matched_updated": 28}
    held = {record.get("External_Id__c") for record in records(org.url, "Lead")} - {None}
    assert held == {row["External_Id__c"] for row in rows[2:]}
    assert airflow.xcom("first", run_id, "waiting", "return_value") in ([1, 2], "[1, 2]")
    tasks = airflow.tasks("first", run_id)
    assert len([task for task in tasks if task["task_id"] == "salesforce_upsert.upsert"]) == 3
    rendered = json.dumps([t["rendered_fields"] for t in tasks if t["task_id"].startswith("salesforce_upsert")])
    assert "<120 rows>" in rendered
    document = json.dumps(airflow.xcom("first", run_id, "salesforce_upsert.audit", "duplicate_audit"))
    assert not [place for place in (rendered, document, airflow.logs()) if secret in place]


def test_a_cleared_task_sends_only_what_is_not_settled(airflow: Standalone, org: EmulatedOrg, folder: Path) -> None:
    """One row fails because another record has its unique value, until somebody takes it away there."""
    rows = [{**row, "External_Id__c": f"B-{number}"} for number, row in enumerate(leads(200)[150:])]
    rows = [{**row, "Case_Sensitive_Key__c": row["External_Id__c"]} for row in rows]
    write_csv(folder / "second.csv", rows)
    [taken] = seed(org.url, "Lead", [{"LastName": "Taken", "Company": "Q", "Case_Sensitive_Key__c": "B-7"}])

    run_id = airflow.trigger("second")

    assert airflow.wait_for("second", run_id) == "failed"
    assert actions(folder, "second") == {"created": 49, "failed": 1}
    requests.patch(
        f"{org.url}/services/data/v62.0/sobjects/Lead/{taken}",
        headers={"Authorization": f"Bearer {org.access_token}"},
        json={"Case_Sensitive_Key__c": None},
        timeout=10,
    ).raise_for_status()
    before = stats(org.url)["by_call"]["POST /composite"]

    airflow.clear("second", run_id, "salesforce_upsert.upsert", "salesforce_upsert.audit", "waiting")

    assert airflow.wait_for("second", run_id) == "success", airflow.logs()[-4000:]
    assert actions(folder, "second") == {"created": 50}
    assert stats(org.url)["by_call"]["POST /composite"] == before + 1
