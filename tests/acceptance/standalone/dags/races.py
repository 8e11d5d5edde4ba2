"""Two loads of the same keys in unlike partitions, and one whose worker is killed."""

import os
from pathlib import Path

from airflow.sdk import DAG

from airflow_sf_dedup import salesforce_upsert

FOLDER = os.environ["TEST_FOLDER"]
UPDATE = "update_existing | ask_reviewer"


def note_process(context):
    Path(FOLDER, "pid-" + context["ti"].dag_id).write_text(str(os.getpid()))


for name, partitions, policy in (("east", 2, UPDATE), ("west", 3, UPDATE), ("killed", 1, "skip")):
    with DAG(name, schedule=None, max_active_runs=2):
        salesforce_upsert(
            source=f"{FOLDER}/{name}.csv",
            sobject="Lead",
            external_id_field="External_Id__c",
            on_duplicate=policy,
            partitions=partitions,
            retries=1,
            retry_policy=None,
            retry_delay=1,
            on_execute_callback=note_process,
        )
