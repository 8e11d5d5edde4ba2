"""Leads are loaded right after somebody switched a duplicate rule off, which the org's servers hear of minutes later.

A row that nothing but a switched-off rule refuses waits, without a worker slot, and is sent again; whatever an active
rule refuses goes to a person at once.
"""

from __future__ import annotations

from airflow.sdk import Param, dag

from airflow_sf_dedup import salesforce_upsert


@dag(
    schedule=None,
    params={
        "leads": Param("leads.csv", type="string", description="CSV or NDJSON file; a path or URL"),
        "after": Param("5m", type="string", description="how long a row waits before it is sent again"),
    },
    doc_md=__doc__,
)
def stale_rules() -> None:
    # [start stale]
    salesforce_upsert(
        source="{{ params.leads }}",
        sobject="Lead",
        external_id_field="External_Id__c",
        on_duplicate="retry_stale_rule(times=3, after='{{ params.after }}') | update_existing | ask_reviewer",
        partitions=2,
    )
    # [end stale]


stale_rules()
