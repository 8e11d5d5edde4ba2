"""Leads are loaded into an org with rules that let duplicates through and only report them; the log names those.

The load writes as ever. When all rows are sent it asks in which duplicate record sets the saved leads stand.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from airflow.sdk import Param, dag, task

from airflow_sf_dedup import duplicate_entries, salesforce_upsert

log = logging.getLogger(__name__)


@dag(
    schedule=None,
    params={"leads": Param("leads.csv", type="string", description="CSV or NDJSON file; a path or URL")},
    doc_md=__doc__,
)
def reported_leads() -> None:
    # [start reported]
    loaded = salesforce_upsert(
        source="{{ params.leads }}",
        sobject="Lead",
        external_id_field="External_Id__c",
        audit_reports=True,
        partitions=2,
    )
    # [end reported]

    @task
    def name_the_reported(audit: Mapping[str, Any]) -> None:
        for entry in duplicate_entries(audit, ["created", "updated"]):
            for report in entry.reports:
                log.warning("%s reports %s with %s", report.duplicate_rule, entry.record_id, ", ".join(report.others))

    name_the_reported(loaded)


reported_leads()
