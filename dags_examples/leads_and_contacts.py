"""Leads of whom the org knows some as contacts already: those contacts get the new values, and no lead is made of them.

The contact remembers in ``Lead_Key__c`` which row it is, so that the next morning decides the same without asking.
Where a rule only warns, the lead is saved and points to the contact that it matches.

    airflow dags test leads_and_contacts --conf '{"leads": "/path/to/leads.csv"}'
"""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import Param, dag

from airflow_sf_dedup import salesforce_upsert
from airflow_sf_dedup.policies import AskReviewer, Link, UpdateExisting, UpdateOther

SAMPLE = Path(__file__).parent / "data" / "leads.csv"


@dag(
    schedule=None,
    params={"leads": Param(str(SAMPLE), type="string", description="CSV or NDJSON file; a path or URL")},
    doc_md=__doc__,
)
def leads_and_contacts() -> None:
    # [start leads_and_contacts]
    salesforce_upsert(
        source="{{ params.leads }}",
        sobject="Lead",
        external_id_field="External_Id__c",
        on_duplicate=(
            UpdateExisting()
            | Link("Contact__c")
            | UpdateOther("Contact", fields={"Email": "Email", "City": "MailingCity"}, stamp="Lead_Key__c")
            | AskReviewer()
        ),
    )
    # [end leads_and_contacts]


leads_and_contacts()
