"""Accounts that a rule takes for known ones go to a person, who is told which of these have open opportunities."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from airflow.sdk import Param, dag, task

from airflow_sf_dedup import duplicate_entries, salesforce_upsert

log = logging.getLogger(__name__)


@dag(
    schedule=None,
    params={"accounts": Param("accounts.csv", type="string", description="CSV or NDJSON file; a path or URL")},
    doc_md=__doc__,
)
def review_accounts() -> None:
    # [start review]
    loaded = salesforce_upsert(
        source="{{ params.accounts }}",
        sobject="Account",
        external_id_field="External_Id__c",
        on_duplicate="ask_reviewer",
        count_children=["Opportunities", "Cases"],
        partitions=2,
    )
    # [end review]

    @task
    def name_what_hangs_on_matches(audit: Mapping[str, Any]) -> None:
        for entry in duplicate_entries(audit, ["awaiting_review"]):
            for match in entry.matches:
                log.warning("row %s, account %s: %s", entry.row_number, match.record_id, ", ".join(match.cautions))

    name_what_hangs_on_matches(loaded)


review_accounts()
