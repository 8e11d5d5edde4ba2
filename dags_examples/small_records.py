"""A handful of records from a task before, loaded in one task: no file, no mapping."""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task

from airflow_sf_dedup import SalesforceUpsertOperator


# One run at a time: within a run a key is never in flight twice, two runs at once could still meet.
@dag(schedule=None, max_active_runs=1)
def small_records() -> None:
    @task
    def sign_ups() -> list[dict[str, Any]]:
        return [
            {
                "External_Id__c": "WEB-1001",
                "FirstName": "Ada",
                "LastName": "Nowak",
                "Company": "Nowak Optics",
                "Email": "ada@nowak-optics.example",
            },
            {
                "External_Id__c": "WEB-1002",
                "FirstName": "Jürgen",
                "LastName": "Weiß",
                "Company": "Weiß & Söhne GmbH",
                "Email": "j.weiss@weiss-soehne.example",
            },
        ]

    SalesforceUpsertOperator(
        task_id="upsert_sign_ups",
        records=sign_ups(),
        sobject="Lead",
        external_id_field="External_Id__c",
        on_duplicate="update_existing(fields='fill_blanks', min_confidence=90) | ask_reviewer",
    )


small_records()
