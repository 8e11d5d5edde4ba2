"""Look before you write: what would a file do to the org, and what would it cost?"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import Param, dag

from airflow_sf_dedup import SALESFORCE_RETRY_POLICY, SalesforcePlanOperator


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    params={"leads": Param("leads.csv", type="string", description="the file that is to be loaded")},
    doc_md=__doc__,
)
def plan_first() -> None:
    # [start plan_first]
    SalesforcePlanOperator(
        task_id="plan",
        source="{{ params.leads }}",
        sobject="Lead",
        external_id_field="External_Id__c",
        on_duplicate="update_existing(min_confidence=95) | ask_reviewer",
        api_budget=2_000,
        retries=2,
        retry_delay=timedelta(minutes=5),
        retry_policy=SALESFORCE_RETRY_POLICY,
    )
    # [end plan_first]


plan_first()
