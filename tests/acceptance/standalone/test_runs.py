"""The journey on a real `airflow standalone` with the LocalExecutor: separate processes throughout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import requests

from airflow_sf_dedup.emulator import EmulatedOrg
from tests.acceptance.morning import known_to_the_org, leads, records, seed, stats
from tests.acceptance.standalone.airflow_process import Standalone, actions, write_csv

pytestmark = [pytest.mark.standalone, pytest.mark.timeout(600)]


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
