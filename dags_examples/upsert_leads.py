"""The morning load: 5,000 leads from a file, of which the org already knows some.

Rows that a duplicate rule blocks update the record that blocked them, where that is certain. The others
are written to a report for the people who decide.

    airflow dags test upsert_leads --conf '{"leads": "/path/to/leads.csv"}'
"""

from __future__ import annotations

import csv
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow.sdk import Param, dag, get_current_context, task

from airflow_sf_dedup import duplicate_entries, salesforce_upsert

SAMPLE = Path(__file__).parent / "data" / "leads.csv"


@dag(
    schedule="0 6 * * *",
    start_date=datetime(2026, 1, 1),
    params={
        "leads": Param(str(SAMPLE), type="string", description="CSV or NDJSON file; a path or URL"),
        "report": Param("awaiting_review.csv", type="string", description="where the report is written"),
    },
    doc_md=__doc__,
)
def upsert_leads() -> None:
    audit: Any = salesforce_upsert(
        source="{{ params.leads }}",
        sobject="Lead",
        external_id_field="External_Id__c",
        on_duplicate="update_existing | ask_reviewer",
        partitions=8,
        # Red when more than one row in a hundred fails, or when more wait than a person can look at.
        max_failed=None,
        max_failed_pct=1,
        max_awaiting_review=500,
    )

    @task.branch
    def does_any_row_wait(audit: dict[str, Any]) -> str:
        return "write_report" if audit["actions"].get("awaiting_review") else "nothing_to_decide"

    # [start duplicate_entries]
    @task
    def write_report(audit: dict[str, Any]) -> str:
        """A line for each match of a waiting row: ids and reasons, no customer's values."""
        report = Path(get_current_context()["params"]["report"])
        with report.open("w", newline="", encoding="utf-8") as file:
            lines = csv.writer(file)
            lines.writerow(["row", "matched_record", "sobject", "duplicate_rule", "confidence", "reason"])
            for entry in duplicate_entries(audit, action="awaiting_review"):
                for match in entry.matches:
                    lines.writerow(
                        [
                            entry.row_number,
                            match.record_id,
                            match.sobject,
                            match.duplicate_rule,
                            match.confidence,
                            entry.reason,
                        ]
                    )
        return str(report)

    # [end duplicate_entries]

    @task
    def nothing_to_decide() -> None:
        """Every row found its place."""

    does_any_row_wait(audit) >> [write_report(audit), nothing_to_decide()]


upsert_leads()
