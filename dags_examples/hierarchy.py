"""Accounts with their parents in one file, in any order.

A row that names another row of the load by ``Parent.External_Id__c`` goes after it, whatever their order in the file.

    airflow dags test hierarchy --conf '{"accounts": "/path/to/accounts.csv"}'
"""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import Param, dag

from airflow_sf_dedup import salesforce_upsert

DATA = Path(__file__).parent / "data"


@dag(
    schedule=None,
    params={
        "accounts": Param(str(DATA / "groups.csv"), type="string", description="CSV or NDJSON file; a path or URL"),
    },
    doc_md=__doc__,
)
def hierarchy() -> None:
    # [start hierarchy]
    salesforce_upsert(
        # Its columns: External_Id__c, Name, Parent.External_Id__c.
        source="{{ params.accounts }}",
        sobject="Account",
        external_id_field="External_Id__c",
    )
    # [end hierarchy]


hierarchy()
