"""A nightly export that must not overwrite what sales has typed since: it fills what is empty, and updates the rest.

The export sets the stage, the owner and the source of a new lead; from then on these are sales' own.
"""

from __future__ import annotations

from airflow.sdk import Param, dag

from airflow_sf_dedup import salesforce_upsert


@dag(
    schedule="30 6 * * *",
    catchup=False,
    params={"leads": Param("leads.csv", type="string", description="CSV or NDJSON file; a path or URL")},
    doc_md=__doc__,
)
def fill_blanks() -> None:
    # [start fill_blanks]
    salesforce_upsert(
        source="{{ params.leads }}",
        sobject="Lead",
        external_id_field="External_Id__c",
        field_rules={
            "Phone": "only_blanks",
            "Title": "only_blanks",
            "Status": "on_create_only",
            "LeadSource": "on_create_only",
            "Description": "never",
        },
        on_duplicate="update_existing(fields='fill_blanks') | ask_reviewer",
        partitions=2,
    )
    # [end fill_blanks]


fill_blanks()
