"""Loads of rows that a task before them read, and tasks after them that ask what waits."""

import csv
import os
from pathlib import Path

from airflow.sdk import DAG, task

from airflow_sf_dedup import duplicate_entries, salesforce_upsert

FOLDER = os.environ["TEST_FOLDER"]


# Airflow logs what a Python task returns, unless it is told not to.
@task(show_return_value_in_logs=False)
def extract(path):
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


@task
def waiting(audit):
    return [entry.row_number for entry in duplicate_entries(audit, action="awaiting_review")]


for name in ("first", "second"):
    with DAG(name, schedule=None, max_active_runs=1):
        waiting(
            salesforce_upsert(
                source=extract(f"{FOLDER}/{name}.csv"),
                sobject="Lead",
                external_id_field="External_Id__c",
                on_duplicate="update_existing | ask_reviewer",
                partitions=3,
                retries=0,
            )
        )
