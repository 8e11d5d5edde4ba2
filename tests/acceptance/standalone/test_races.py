"""Two Dags that want the same keys, and a worker that is killed, on a real `airflow standalone`."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_sf_dedup.emulator import EmulatedOrg
from tests.acceptance.morning import known_to_the_org, leads, records, seed, stats
from tests.acceptance.standalone.airflow_process import Standalone, actions, write_csv

pytestmark = [pytest.mark.standalone, pytest.mark.timeout(900)]


def ledger(org: EmulatedOrg) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = requests.get(f"{org.url}/_emulator/ledger", timeout=30).json()
    return entries


def wait_until(condition: Callable[[], bool], seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come about in time"
        time.sleep(0.05)


def test_two_dags_that_load_the_same_keys_at_once_never_meet_in_the_org(
    airflow: Standalone, org: EmulatedOrg, folder: Path
) -> None:
    """Other numbers of partitions, so that no partition of one is a partition of the other."""
    rows = leads(600)
    write_csv(folder / "east.csv", rows)
    write_csv(folder / "west.csv", rows[::-1])
    seed(org.url, "Lead", known_to_the_org(rows, 100))
    org.state.change_physics({"commit_window": 0.3})

    runs = {dag_id: airflow.trigger(dag_id) for dag_id in ("east", "west")}

    for dag_id, run_id in runs.items():
        assert airflow.wait_for(dag_id, run_id, 600) == "success", airflow.logs()[-4000:]
    org.state.change_physics({"commit_window": None})
    assert [entry for entry in ledger(org) if entry["error"] == "DUPLICATE_VALUE"] == []
    created = [entry["values"]["External_Id__c"] for entry in ledger(org) if entry["verb"] == "created"]
    assert sorted(created) == sorted(row["External_Id__c"] for row in rows[100:])
    held = [record["External_Id__c"] for record in records(org.url, "Lead") if record.get("External_Id__c")]
    assert sorted(held) == sorted(row["External_Id__c"] for row in rows)
    for dag_id in runs:
        found = actions(folder, dag_id)
        assert sum(found.values()) == 600
        assert found.keys() <= {"created", "updated", "matched_updated"}


def test_a_worker_that_is_killed_in_a_call_is_followed_by_one_that_finishes_its_rows(
    airflow: Standalone, org: EmulatedOrg, folder: Path
) -> None:
    """The call that was in flight was carried out; nobody was there to hear it."""
    rows = [{**row, "External_Id__c": f"K-{number}"} for number, row in enumerate(leads(1900)[700:])]
    write_csv(folder / "killed.csv", rows)
    fault = {"kind": "slow", "on": "POST /composite", "calls": [1, 2], "seconds": 60, "when": "after"}
    requests.post(f"{org.url}/_emulator/faults", json={"seed": 1, "faults": [fault]}, timeout=10).raise_for_status()

    def keys_in_the_org() -> int:
        return sum(str(record.get("External_Id__c", "")).startswith("K-") for record in records(org.url, "Lead"))

    run_id = airflow.trigger("killed")
    wait_until(lambda: keys_in_the_org() == 1200)
    pid = int((folder / "pid-killed").read_text())
    assert actions(folder, "killed") == {}, "nothing was answered yet"
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    requests.delete(f"{org.url}/_emulator/faults", timeout=10)

    assert airflow.wait_for("killed", run_id, 600) == "success", airflow.logs()[-4000:]
    assert actions(folder, "killed") == {"created": 1200}, "the re-read told created from updated"
    lines = [line for line in ledger(org) if str(line["values"].get("External_Id__c", "")).startswith("K-")]
    assert sorted(line["verb"] for line in lines) == ["created"] * 1200 + ["updated"] * 1200
    [upsert] = [task for task in airflow.tasks("killed", run_id) if task["task_id"] == "salesforce_upsert.upsert"]
    assert (upsert["state"], upsert["try_number"]) == ("success", 2)


def test_a_cleared_upsert_sends_nothing_that_is_settled_and_a_cleared_partition_reads_anew(
    airflow: Standalone, org: EmulatedOrg, folder: Path
) -> None:
    [run] = airflow.api("GET", "/dags/killed/dagRuns")["dag_runs"]
    before = stats(org.url)["by_call"]["POST /composite"]

    airflow.clear("killed", run["dag_run_id"], "salesforce_upsert.upsert", "salesforce_upsert.audit")

    assert airflow.wait_for("killed", run["dag_run_id"]) == "success", airflow.logs()[-4000:]
    assert stats(org.url)["by_call"]["POST /composite"] == before
    assert actions(folder, "killed") == {"created": 1200}

    names = ("salesforce_upsert.partition", "salesforce_upsert.upsert", "salesforce_upsert.audit")
    airflow.clear("killed", run["dag_run_id"], *names)

    assert airflow.wait_for("killed", run["dag_run_id"]) == "success", airflow.logs()[-4000:]
    assert actions(folder, "killed") == {"created": 1200, "updated": 1200}
