"""Plan a file, and load what was planned and no more; stop where even the plan is far more than usual."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import Param, dag

from airflow_sf_dedup import SALESFORCE_RETRY_POLICY, SalesforcePlanOperator, salesforce_upsert


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    params={"leads": Param("leads.csv", type="string", description="the file that is to be loaded")},
    doc_md=__doc__,
)
def keep_to_plan() -> None:
    # [start keep_to_plan]
    leads = {
        "source": "{{ params.leads }}",
        "sobject": "Lead",
        "external_id_field": "External_Id__c",
        "on_duplicate": "update_existing(min_confidence=95) | ask_reviewer",
        "retries": 2,
        "retry_delay": timedelta(minutes=5),
        "retry_policy": SALESFORCE_RETRY_POLICY,
    }
    plan = SalesforcePlanOperator(task_id="plan", **leads)
    # A task between the two may look at the plan, or ask somebody.
    salesforce_upsert(plan=plan.output, strict=True, max_created=5_000, max_blocked_pct=40, **leads)
    # [end keep_to_plan]


keep_to_plan()
