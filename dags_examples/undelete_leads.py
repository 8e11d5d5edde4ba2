"""Leads that a clean-up deleted by mistake come back when their source sends them again.

Only what one user has deleted in the last week; whatever else the rows meet in the recycle bin goes to a person.
"""

from __future__ import annotations

from airflow.sdk import Param, dag

from airflow_sf_dedup import salesforce_upsert


@dag(
    schedule=None,
    params={
        "leads": Param("leads.csv", type="string", description="CSV or NDJSON file; a path or URL"),
        "deleted_by": Param("005000000000001AAA", type="string", description="id of the user who deleted them"),
    },
    doc_md=__doc__,
)
def undelete_leads() -> None:
    # [start undelete]
    salesforce_upsert(
        source="{{ params.leads }}",
        sobject="Lead",
        external_id_field="External_Id__c",
        on_duplicate=(
            "undelete(deleted_within='7d', deleted_by='{{ params.deleted_by }}') | update_existing | ask_reviewer"
        ),
        partitions=2,
    )
    # [end undelete]


undelete_leads()
