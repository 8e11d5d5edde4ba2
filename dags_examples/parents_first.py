"""Accounts first, then the contacts that name them by ``Account.External_Id__c``.

``accounts >> contacts`` holds all of the second load back until the first has its verdict: a contact whose account
is not in the org yet would be refused.

    airflow dags test parents_first --conf '{"accounts": "/path/to/accounts.csv", "contacts": "/path/to/contacts.csv"}'
"""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import Param, dag

from airflow_sf_dedup import salesforce_upsert

DATA = Path(__file__).parent / "data"


@dag(
    schedule=None,
    params={
        "accounts": Param(str(DATA / "accounts.csv"), type="string", description="CSV or NDJSON file; a path or URL"),
        "contacts": Param(str(DATA / "contacts.csv"), type="string", description="CSV or NDJSON file; a path or URL"),
    },
    doc_md=__doc__,
)
def parents_first() -> None:
    # [start parents_first]
    accounts = salesforce_upsert(
        source="{{ params.accounts }}",
        sobject="Account",
        external_id_field="External_Id__c",
        group_id="accounts",
    )
    contacts = salesforce_upsert(
        source="{{ params.contacts }}",
        sobject="Contact",
        external_id_field="External_Id__c",
        group_id="contacts",
        # Rows of one account meet the same task, against row locks.
        group_by="Account.External_Id__c",
    )
    accounts >> contacts
    # [end parents_first]


parents_first()
