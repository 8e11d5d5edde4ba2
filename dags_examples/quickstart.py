"""The shortest load there is: a CSV file into Lead, quoted by the README."""

# [start quickstart]
from pathlib import Path

from airflow.sdk import dag

from airflow_sf_dedup import salesforce_upsert


@dag(schedule=None)
def quickstart():
    salesforce_upsert(
        source=str(Path(__file__).parent / "data" / "leads.csv"),
        sobject="Lead",
        external_id_field="External_Id__c",
        on_duplicate="update_existing(min_confidence=95) | ask_reviewer",
    )


quickstart()
# [end quickstart]
