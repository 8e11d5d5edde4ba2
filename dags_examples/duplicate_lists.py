"""What a load saved beside its match is shown to those who merge, in the org's own duplicate record sets."""

from __future__ import annotations

from typing import Any

from airflow.sdk import Param, dag

from airflow_sf_dedup import SALESFORCE_RETRY_POLICY, SalesforceDuplicateRecordSetsOperator, salesforce_upsert


@dag(
    schedule=None,
    params={"leads": Param([], type="array", description="rows")},
    render_template_as_native_obj=True,
    doc_md=__doc__,
)
def duplicate_lists() -> None:
    # [start sets]
    audit: Any = salesforce_upsert(
        source="{{ params.leads }}",
        sobject="Lead",
        external_id_field="External_Id__c",
        on_duplicate="save_anyway | ask_reviewer",
        partitions=2,
    )
    SalesforceDuplicateRecordSetsOperator(
        task_id="record_sets",
        audit=audit,
        # What was saved is shown also where the load is red.
        trigger_rule="all_done",
        # A task that died holds up the next one for some minutes.
        retries=3,
        retry_policy=SALESFORCE_RETRY_POLICY,
    )
    # [end sets]


duplicate_lists()
