"""A load that does far more than it should stops, says what it saw, and goes on when a person lets it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException

from airflow_sf_dedup import SalesforceUpsertOperator, salesforce_upsert
from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.testing import run_dag
from tests.acceptance.morning import known_to_the_org, leads
from tests.operators.conftest import TaskOnce, execute

AuditRows = Callable[..., list[tuple[Any, ...]]]
LEAD = {"sobject": "Lead", "external_id_field": "External_Id__c"}
COUNTS = "SELECT action, error_code, count(*) FROM sf_dedup_entry GROUP BY 1, 2 ORDER BY 1, 2"


def load(rows: list[dict[str, Any]], *, try_number: int = 1, **settings: Any) -> dict[str, Any]:
    operator = SalesforceUpsertOperator(task_id="load", records=rows, max_in_flight=1, **{**LEAD, **settings})
    return execute(operator, TaskOnce("load", try_number=try_number))  # type: ignore[no-any-return]


def writes(org: EmulatedOrg) -> int:
    return sum("composite" in call["path"] and call["method"] == "POST" for call in org.state.calls)


def test_a_load_that_creates_too_much_stops_at_the_call_that_shows_it_and_says_what_it_saw(
    salesforce_org: EmulatedOrg, audit_rows: AuditRows
) -> None:
    with pytest.raises(AirflowFailException, match=r"max_created=500: the load has 1,000 created.* of 3,000 rows"):
        load(leads(3000), max_created=500)

    assert audit_rows(COUNTS) == [("created", None, 1000), ("not_sent", "VOLUME_GUARD", 2000)]
    assert len(salesforce_org.records("Lead")) == 1000
