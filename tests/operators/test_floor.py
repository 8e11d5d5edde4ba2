"""What an org has left is known before the first row is written, in every task and every try."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException

from airflow_sf_dedup import SalesforcePartitionOperator, SalesforceUpsertOperator, salesforce_upsert
from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.salesforce.calling.call_count import CallCount
from airflow_sf_dedup.testing import run_dag
from tests.acceptance.morning import leads, records, stats
from tests.operators.conftest import TaskOnce, execute

AuditRows = Callable[..., list[tuple[Any, ...]]]
LEAD = {"sobject": "Lead", "external_id_field": "External_Id__c"}
COUNTED = "SELECT action, error_code, count(*) FROM sf_dedup_entry GROUP BY 1, 2"


def used(org: EmulatedOrg, calls: int, of: int = 1000) -> None:
    """So many of the org's daily calls are used up by others."""
    org.state.accounting.daily_limit = of
    org.state.accounting.api_calls = calls


def asked(org: EmulatedOrg) -> int:
    return int(stats(org.url)["by_call"].get("GET /limits", 0))


def upsert(ref: Any, try_number: int = 1, **settings: Any) -> Any:
    operator = SalesforceUpsertOperator(task_id="upsert", partition=ref, **settings)
    return execute(operator, TaskOnce(try_number=try_number))


def staged(rows: int = 20, **settings: Any) -> list[Any]:
    return list(
        execute(SalesforcePartitionOperator(task_id="p", source=leads(rows), **{"partitions": 2, **LEAD, **settings}))
    )


@pytest.mark.parametrize("records_in_one_task", [False, True], ids=["group", "records"])
def test_an_org_below_the_floor_is_not_written_to_at_all(
    salesforce_org: EmulatedOrg, audit_rows: AuditRows, records_in_one_task: bool
) -> None:
    used(salesforce_org, 900)
    with DAG("load", schedule=None) as dag:
        if records_in_one_task:
            SalesforceUpsertOperator(task_id="upsert", records=leads(20), api_floor_pct=60, **LEAD)
        else:
            salesforce_upsert(source=leads(20), partitions=3, api_floor_pct=60, retries=0, **LEAD)

    assert run_dag(dag).state == "failed"
    assert records(salesforce_org.url, "Lead") == []
    assert audit_rows(COUNTED) == [("not_sent", "API_FLOOR", 20)]


def test_a_retry_is_no_less_careful(salesforce_shared_org: EmulatedOrg, audit_rows: AuditRows) -> None:
    """The calls of others count, and those of the other tasks."""
    first, second = staged()
    assert upsert(first, api_floor_pct=60)["actions"]["created"] == first["rows"]
    used(salesforce_shared_org, 900)
    for try_number in (1, 2):
        with pytest.raises(AirflowFailException, match=r"api_floor_pct: 9\.9 % of the org's 1,000 daily"):
            upsert(second, try_number, api_floor_pct=60)
            used(salesforce_shared_org, 900)
        used(salesforce_shared_org, 900)
    assert len(records(salesforce_shared_org.url, "Lead")) == first["rows"]
    used(salesforce_shared_org, 100)
    assert upsert(second, 3, api_floor_pct=60)["actions"] == {"created": second["rows"]}


@pytest.mark.parametrize(("floor", "calls"), [(None, 0), (0, 1), (20, 1)], ids=["none", "0 %", "20 %"])
def test_a_task_asks_once_and_only_for_a_floor(
    salesforce_shared_org: EmulatedOrg, floor: float | None, calls: int
) -> None:
    [ref, *_] = staged()
    before = asked(salesforce_shared_org)

    document = upsert(ref, api_floor_pct=floor, max_in_flight=4)

    assert asked(salesforce_shared_org) - before == calls
    assert document["api_calls"] == 1 + calls
    upsert(ref, api_floor_pct=floor)
    assert asked(salesforce_shared_org) - before == calls, "a task with nothing to send asks nothing"


def test_few_records_ask_nothing(salesforce_shared_org: EmulatedOrg) -> None:
    """The describe told."""
    before = asked(salesforce_shared_org)
    execute(SalesforceUpsertOperator(task_id="upsert", records=leads(3), api_floor_pct=20, **LEAD))
    assert asked(salesforce_shared_org) == before


def test_the_cost_of_asking_is_predicted_and_counted(salesforce_org: EmulatedOrg, audit_rows: AuditRows) -> None:
    with DAG("load", schedule=None) as dag:
        salesforce_upsert(source=leads(40), partitions=4, api_floor_pct=10, **LEAD)
    run_dag(dag)

    counted = stats(salesforce_org.url)["api_calls"]
    assert counted == 1 + 4 * 2
    assert audit_rows("SELECT predicted_calls, api_calls FROM sf_dedup_load") == [(counted, counted)]


@pytest.fixture
def no_header(monkeypatch: pytest.MonkeyPatch) -> None:
    """As behind a proxy that takes ``Sforce-Limit-Info`` away."""
    monkeypatch.setattr(CallCount, "note_limits", lambda self, headers: None)


@pytest.mark.usefixtures("no_header")
def test_without_the_header_the_limits_tell_and_own_calls_count(
    salesforce_shared_org: EmulatedOrg, audit_rows: AuditRows
) -> None:
    [ref] = execute(SalesforcePartitionOperator(task_id="p", source=leads(5000), partitions=1, **LEAD))
    used(salesforce_shared_org, 94, of=100)

    with pytest.raises(AirflowFailException, match="api_floor_pct"):
        upsert(ref, api_floor_pct=3, max_in_flight=1)
    # 94 and the question leave 5; 4 and 3 are left after two calls, and one more is one too many after the third.
    assert audit_rows(COUNTED) == [("created", None, 3000), ("not_sent", "API_FLOOR", 2000)]


@pytest.fixture
def silent_org(no_header: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tells nobody how many calls are left."""
    monkeypatch.setattr("airflow_sf_dedup.salesforce.calling.daily_calls._of_limits", lambda limits: None)


def test_a_floor_that_cannot_be_known_is_not_taken_for_kept(
    salesforce_shared_org: EmulatedOrg, audit_rows: AuditRows, request: pytest.FixtureRequest
) -> None:
    [ref] = staged(partitions=1)
    request.getfixturevalue("silent_org")

    with pytest.raises(AirflowFailException, match="the org does not tell this user"):
        upsert(ref, api_floor_pct=1)
    assert audit_rows(COUNTED) == [("not_sent", "API_FLOOR", 20)]


@pytest.mark.usefixtures("silent_org")
def test_a_floor_that_cannot_be_known_is_refused_before_anything_is_staged(
    salesforce_shared_org: EmulatedOrg, tmp_path: Path
) -> None:
    with pytest.raises(AirflowFailException, match="the org does not tell this user"):
        staged(api_floor_pct=1)
    assert not list(tmp_path.glob("staging/**/*.ndjson"))


def test_the_partition_task_warns_of_a_floor_that_is_reached(
    salesforce_shared_org: EmulatedOrg, caplog: pytest.LogCaptureFixture
) -> None:
    used(salesforce_shared_org, 900)
    staged(api_floor_pct=60)
    assert "of which api_floor_pct keeps 600" in caplog.text


def test_an_empty_source_needs_no_call_and_no_warning_of_the_floor(
    salesforce_shared_org: EmulatedOrg, caplog: pytest.LogCaptureFixture
) -> None:
    used(salesforce_shared_org, 900)
    assert staged(0, api_floor_pct=60) == []
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == ["the source has no row: nothing is sent, and the load is green"]
