"""A migration: its leads go in while two duplicate rules are off, and what slipped through is found afterwards.

First think of a filter of the rules that leaves the integration user out: then nothing is switched off for anybody.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, dag

from airflow_sf_dedup import (
    SALESFORCE_RETRY_POLICY,
    SalesforceFindDuplicatesOperator,
    duplicate_rules_off,
    salesforce_upsert,
)


@dag(
    schedule=None,
    params={"leads": Param("leads.csv", type="string", description="CSV, NDJSON or a URL")},
    doc_md=__doc__,
)
def migration() -> None:
    # [start migration]
    rules = duplicate_rules_off(
        sobject="Lead",
        rules=["Lead_Email", "Standard_Lead_Duplicate_Rule"],
        # Of a user who may customize the application; the load's own user need not.
        rules_conn_id="salesforce_rules",
        max_hours_off=6,
    )
    with rules:
        load: Any = salesforce_upsert(
            source="{{ params.leads }}",
            sobject="Lead",
            external_id_field="External_Id__c",
        )
    slipped_through = SalesforceFindDuplicatesOperator(
        task_id="slipped_through",
        audit=load,
        max_calls=2_000,
        retries=2,
        retry_policy=SALESFORCE_RETRY_POLICY,
    )
    # The rules are on again, and calls meet them.
    rules >> slipped_through
    # [end migration]


migration()
