"""People in Salesforce see there which rows met a duplicate and what was done: one ``Duplicate_Audit__c`` each."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, dag

from airflow_sf_dedup import SALESFORCE_RETRY_POLICY, SalesforceDuplicateMirrorOperator, salesforce_upsert


@dag(
    schedule=None,
    params={"leads": Param([], type="array", description="rows")},
    render_template_as_native_obj=True,
    doc_md=__doc__,
)
def mirror_in_org() -> None:
    # [start mirror]
    audit: Any = salesforce_upsert(
        source="{{ params.leads }}",
        sobject="Lead",
        external_id_field="External_Id__c",
        on_duplicate="update_existing | ask_reviewer",
        partitions=2,
    )
    SalesforceDuplicateMirrorOperator(
        task_id="mirror",
        audit=audit,
        # What was decided is shown also where the load is red.
        trigger_rule="all_done",
        retries=2,
        retry_policy=SALESFORCE_RETRY_POLICY,
    )
    # [end mirror]


mirror_in_org()
