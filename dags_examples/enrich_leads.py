"""A provider's file about leads that are there: it updates those it knows, and creates none.

The provider has more rows than the org has leads; rows that nobody asked for end as ``not_found``.
"""

from __future__ import annotations

from airflow.sdk import Param, dag

from airflow_sf_dedup import salesforce_upsert


@dag(
    schedule=None,
    params={"leads": Param("provider.csv", type="string", description="CSV or NDJSON file; a path or URL")},
    doc_md=__doc__,
)
def enrich_leads() -> None:
    # [start enrich_leads]
    salesforce_upsert(
        source="{{ params.leads }}",
        sobject="Lead",
        external_id_field="External_Id__c",
        mode="update_only",
        field_rules={"*": "only_blanks", "AnnualRevenue": "always"},
        partitions=2,
    )
    # [end enrich_leads]


enrich_leads()
