"""Each kind of duplicate its own way: by the sObject that matched, by the duplicate rule, by the match confidence.

People who are contacts already are left to sales. Leads that the rule for e-mail addresses found are updated where the
match is nearly certain, and a person decides about what is less certain. Whatever is left is skipped, and says why.

    airflow dags test by_case
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from airflow.sdk import Param, dag

from airflow_sf_dedup import salesforce_upsert

SAMPLE = Path(__file__).parent / "data" / "leads.csv"


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    params={"leads": Param(str(SAMPLE), type="string", description="CSV or NDJSON file; a path or URL")},
    doc_md=__doc__,
)
def by_case() -> None:
    # [start on_duplicate]
    salesforce_upsert(
        source="{{ params.leads }}",
        sobject="Lead",
        external_id_field="External_Id__c",
        on_duplicate=[
            {"by_sobject": {"Contact": "skip"}},
            {"by_rule": {"Lead_Email": {"by_confidence": {95: "update_existing", 80: "ask_reviewer"}}}},
            "skip",
        ],
    )
    # [end on_duplicate]


by_case()
