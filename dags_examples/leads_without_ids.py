"""A web form's leads, for an org that has no field for their ids: a lead is the same where e-mail and company are.

Weaker than an external ID, as the org keeps no such pair unique; but a file that comes again doubles nobody.
"""

from __future__ import annotations

from airflow.sdk import Param, dag

from airflow_sf_dedup import salesforce_upsert


@dag(
    schedule="15 * * * *",
    catchup=False,
    params={"leads": Param("leads.csv", type="string", description="CSV or NDJSON file; a path or URL")},
    doc_md=__doc__,
)
def leads_without_ids() -> None:
    # [start leads_without_ids]
    salesforce_upsert(
        source="{{ params.leads }}",
        sobject="Lead",
        match_on=["Email", "Company"],
        field_rules={"Status": "on_create_only"},
        on_duplicate="update_existing(fields='fill_blanks') | ask_reviewer",
        partitions=2,
    )
    # [end leads_without_ids]


leads_without_ids()
