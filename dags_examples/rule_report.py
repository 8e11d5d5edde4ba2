"""Every quarter: how well do the duplicate rules work, and which of them needs a look?"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import Param, dag

from airflow_sf_dedup import SALESFORCE_RETRY_POLICY, SalesforceDuplicateRuleReportOperator


@dag(
    schedule="0 7 1 1,4,7,10 *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    params={"page": Param("duplicate_rules.html", type="string", description="where the page is written")},
    doc_md=__doc__,
)
def rule_report() -> None:
    # [start rule_report]
    SalesforceDuplicateRuleReportOperator(
        task_id="duplicate_rules",
        salesforce_conn_id="salesforce_default",
        days=90,
        html_path="{{ params.page }}",
        retries=2,
        retry_delay=timedelta(minutes=5),
        retry_policy=SALESFORCE_RETRY_POLICY,
    )
    # [end rule_report]


rule_report()
