"""A handful of records from a task before, loaded in one task: no file, no mapping."""

from __future__ import annotations

from typing import Any

from airflow.sdk import dag, task

from airflow_sf_dedup import SALESFORCE_RETRY_POLICY, SalesforceUpsertOperator


@dag(schedule=None)
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
        retries=2,
        retry_policy=SALESFORCE_RETRY_POLICY,
    )


small_records()
