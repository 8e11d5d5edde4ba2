"""Budgets, claims of others and order in time, as a Dag meets them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, RetryDecision, task

from airflow_sf_dedup import SalesforceUpsertOperator, salesforce_upsert
from airflow_sf_dedup.database.engine import engine_for
from airflow_sf_dedup.database.upgrade import upgrade
from airflow_sf_dedup.emulator import EmulatedOrg, Fault
from airflow_sf_dedup.errors import KeysInFlightError
from airflow_sf_dedup.locks.base import Claimant, KeyScope
from airflow_sf_dedup.locks.key_claims import SqlKeyClaims
from airflow_sf_dedup.operators.rescheduling import SHORTEST_WAIT, SPREAD, come_back_later, has_waited
from airflow_sf_dedup.retry_policy import SALESFORCE_RETRY_POLICY, SalesforceRetryPolicy
from airflow_sf_dedup.testing import run_dag
from tests.acceptance.morning import leads

AuditRows = Callable[[str], list[tuple[Any, ...]]]
LEAD = {"sobject": "Lead", "external_id_field": "External_Id__c"}
OTHER = Claimant("other", "another-load", "other_dag.upsert[2], run manual, try 1")


def states(run: Any) -> dict[str, str]:
    return {ti.task_id: str(ti.state) for ti in run.get_task_instances()}


def test_a_run_that_has_used_its_budget_ends_with_what_was_not_sent_in_the_audit(
    salesforce_org: EmulatedOrg, audit_rows: AuditRows
) -> None:
    with DAG("budget", schedule=None) as dag:
        salesforce_upsert(source=leads(3000), partitions=1, api_budget=3, max_in_flight=1, retries=2, **LEAD)

    run = run_dag(dag)

    assert states(run)["salesforce_upsert.upsert"] == "failed"
    assert audit_rows("SELECT action, error_code, count(*) FROM sf_dedup_entry GROUP BY 1, 2 ORDER BY 1") == [
        ("created", None, 2000),
        ("not_sent", "API_BUDGET", 1000),
    ]
    assert salesforce_org.state.stats()["api_calls"] == 3, "the describe counts; no retry spent more"
    assert audit_rows("SELECT api_calls FROM sf_dedup_load") == [(3,)]


def test_a_run_leaves_the_org_the_share_of_calls_it_shall_keep(
    salesforce_org: EmulatedOrg, audit_rows: AuditRows
) -> None:
    salesforce_org.state.accounting.daily_limit = 10
    with DAG("floor", schedule=None) as dag:
        salesforce_upsert(source=leads(6000), partitions=1, api_floor_pct=60, max_in_flight=1, **LEAD)

    run_dag(dag)

    assert audit_rows("SELECT DISTINCT error_code FROM sf_dedup_entry WHERE action = 'not_sent'") == [("API_FLOOR",)]
    left = 100 * (10 - salesforce_org.state.stats()["api_calls"]) / 10
    assert 50 <= left < 70


def test_rows_whose_keys_are_in_flight_elsewhere_are_waited_for_without_a_worker(
    salesforce_org: EmulatedOrg,
    audit_rows: AuditRows,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The other task gives its key back while this one is rescheduled."""
    rows = leads(5)
    monkeypatch.setattr("airflow_sf_dedup.journeys.upsert.KEY_WAIT", 0.3)
    monkeypatch.setattr("airflow_sf_dedup.operators.rescheduling.SHORTEST_WAIT", 0.5)
    monkeypatch.setattr("airflow_sf_dedup.operators.rescheduling.SPREAD", 0.1)
    give_back = other_claims(tmp_path / "audit.db", rows[2]["External_Id__c"], salesforce_org)
    waiter = threading.Thread(target=when_put_off, args=(audit_rows, give_back))
    with DAG("patient", schedule=None) as dag:
        SalesforceUpsertOperator(task_id="upsert", records=rows, **LEAD)

    waiter.start()
    run = run_dag(dag)
    waiter.join()

    assert states(run) == {"upsert": "success"}
    assert [ti.try_number for ti in run.get_task_instances()] == [1], "a reschedule is no retry"
    assert "1 row was put off: their keys are in flight in other_dag.upsert[2]" in capsys.readouterr().out
    assert audit_rows("SELECT action, count(*) FROM sf_dedup_entry GROUP BY 1") == [("created", 5)]


def when_put_off(audit_rows: AuditRows, then: Callable[[], None]) -> None:
    """Wait until the audit says that a row is in flight elsewhere."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if audit_rows("SELECT 1 FROM sf_dedup_entry WHERE reason = 'key_in_flight'"):
            break
        time.sleep(0.05)
    then()


def other_claims(audit: Path, key: str, org: EmulatedOrg) -> Callable[[], None]:
    """Another task has the key; call the answer to give it back."""
    engine = engine_for(f"sqlite:///{audit}")
    upgrade(engine)
    claims, scope = SqlKeyClaims(engine), KeyScope(org.org_id, "Lead", "External_Id__c")
    claims.claim(scope, OTHER, [key.lower()])
    return lambda: claims.release(scope, OTHER, [key.lower()])


class FakeInstance:
    def __init__(self, first: datetime | None) -> None:
        self.first = first

    def get_first_reschedule_date(self, context: Any) -> datetime | None:
        return self.first


ERROR = KeysInFlightError(3, ("other_dag.upsert[2], run manual, try 1",))


def test_a_task_comes_back_after_half_a_minute_or_more() -> None:
    from airflow.sdk.exceptions import AirflowRescheduleException

    now = datetime.now(UTC)
    with pytest.raises(AirflowRescheduleException) as raised:
        come_back_later(ERROR)
    assert raised.value.reschedule_date >= now + timedelta(seconds=SHORTEST_WAIT)


def test_a_task_comes_back_when_what_its_own_load_left_behind_ends() -> None:
    from airflow.sdk.exceptions import AirflowRescheduleException

    until = datetime.now(UTC) + timedelta(minutes=9)
    with pytest.raises(AirflowRescheduleException) as raised:
        come_back_later(KeysInFlightError(3, ("leads.upsert[2], run x, try 1",), until))
    assert until <= raised.value.reschedule_date <= until + timedelta(seconds=SPREAD)


def test_rows_that_stay_locked_bring_the_task_back_and_are_sent_again(
    salesforce_org: EmulatedOrg, audit_rows: AuditRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the whole group: the mapped task is red, so that Airflow's retries send the rows again."""
    # Two tries wait two seconds, four of them fifteen.
    monkeypatch.setattr("airflow_sf_dedup.journeys.sending.by_calls.MOST_TRIES", 2)
    salesforce_org.state.faults.replace(
        [Fault("refuse_rows", on="write", times=2, parameters={"code": "UNABLE_TO_LOCK_ROW", "share": 1.0})]
    )
    with DAG("locked", schedule=None) as dag:
        salesforce_upsert(source=leads(1), partitions=1, retries=1, retry_policy=None, retry_delay=timedelta(0), **LEAD)

    run = run_dag(dag)

    assert set(states(run).values()) == {"success"}
    tries = {ti.task_id: ti.try_number for ti in run.get_task_instances()}
    assert tries["salesforce_upsert.upsert"] == 2
    assert audit_rows("SELECT action, try_number, count(*) FROM sf_dedup_entry GROUP BY 1, 2") == [("created", 2, 1)]


class Noting(SalesforceRetryPolicy):
    """Lets the task fail, and notes the codes of its error."""

    def __init__(self) -> None:
        super().__init__()
        self.codes: list[Any] = []

    def evaluate(self, exception: BaseException, *args: Any, **kwargs: Any) -> RetryDecision:
        self.codes.append(getattr(exception, "codes", None))
        return RetryDecision.fail("noted")


def test_a_red_upsert_task_says_by_code_how_many_rows_failed(salesforce_org: EmulatedOrg) -> None:
    rows = leads(4)
    rows[0]["LastName"] = rows[3]["LastName"] = None
    rows[2]["External_Id__c"] = ""
    noting = Noting()
    with DAG("codes", schedule=None) as dag:
        SalesforceUpsertOperator(task_id="upsert", records=rows, retries=1, retry_policy=noting, **LEAD)

    run_dag(dag)

    assert noting.codes == [{"UNUSABLE_KEY": 1, "REQUIRED_FIELD_MISSING": 2}]


@pytest.mark.parametrize(
    ("waited", "timeout", "expected"),
    [(None, 100, False), (0, 100, False), (99, 100, False), (101, 100, True), (None, 0, True)],
)
def test_a_task_waits_as_long_as_it_is_told(waited: float | None, timeout: float, expected: bool) -> None:
    first = None if waited is None else datetime.now(UTC) - timedelta(seconds=waited)
    context: Any = {"ti": FakeInstance(first)}
    assert has_waited(context, timeout) is expected


def test_a_task_that_has_waited_in_vain_is_red_at_once_and_names_who_has_the_keys(
    salesforce_org: EmulatedOrg,
    audit_rows: AuditRows,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = leads(3)
    monkeypatch.setattr("airflow_sf_dedup.journeys.upsert.KEY_WAIT", 0.3)
    other_claims(tmp_path / "audit.db", rows[0]["External_Id__c"], salesforce_org)
    with DAG("in_vain", schedule=None) as dag:
        SalesforceUpsertOperator(task_id="upsert", records=rows, claim_timeout=0, retries=3, **LEAD)

    run = run_dag(dag)

    assert [(str(ti.state), ti.try_number) for ti in run.get_task_instances()] == [("failed", 1)]
    said = capsys.readouterr().out
    assert "their keys are in flight in other_dag.upsert[2], run manual, try 1 (its claim holds until" in said
    assert "Gave up after claim_timeout=0 s; clear this task and what follows" in said
    assert audit_rows("SELECT action, reason, count(*) FROM sf_dedup_entry GROUP BY 1, 2") == [
        ("created", None, 2),
        ("not_sent", "key_in_flight", 1),
    ]


def test_an_older_file_does_not_overwrite_what_a_newer_one_wrote(
    salesforce_org: EmulatedOrg, audit_rows: AuditRows
) -> None:
    def load(name: str, *rows: tuple[str, str, str]) -> None:
        records = [
            {"External_Id__c": key, "LastName": last, "Company": "C", "modified_at": at} for key, last, at in rows
        ]
        with DAG(name, schedule=None) as dag:
            salesforce_upsert(source=records, partitions=2, newer_than="modified_at", **LEAD)
        assert set(states(run_dag(dag)).values()) == {"success"}

    load("newer", ("A", "New", "2026-03-02T08:00:00Z"), ("B", "Old", "2026-03-01"))
    load("older", ("A", "Older", "2026-03-02 07:59"), ("B", "Newer", "2026-03-02"), ("B", "Oldest", "2026-02-01"))

    names = {record["External_Id__c"]: record["LastName"] for record in salesforce_org.state.records("Lead")}
    assert names == {"A": "New", "B": "Newer"}
    older = "SELECT e.row_number, action, reason FROM sf_dedup_entry e JOIN sf_dedup_load USING (load_id) "
    assert audit_rows(older + "WHERE dag_id = 'older' ORDER BY 1") == [
        (1, "skipped", "stale"),
        (2, "updated", None),
        (3, "superseded", "on_repeat_last"),
    ]


@pytest.mark.parametrize(
    "setting",
    ["max_in_flight", "max_lookup_calls", "max_failed", "api_budget", "api_floor_pct", "claim_timeout"],
)
def test_a_number_that_a_task_gives_is_read_before_anything_is_sent(
    salesforce_org: EmulatedOrg, setting: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Mapped over, so that no parse of the Dag file sees it."""

    @task
    def numbers() -> list[float]:
        return [-1]

    with DAG("wrong", schedule=None) as dag:
        SalesforceUpsertOperator.partial(
            task_id="upsert", records=leads(1), retries=2, retry_policy=SALESFORCE_RETRY_POLICY, **LEAD
        ).expand(**{setting: numbers()})

    run = run_dag(dag)

    assert f"{setting}=-1: expected" in capsys.readouterr().out
    [upsert] = [ti for ti in run.get_task_instances() if ti.task_id == "upsert"]
    assert (upsert.state, upsert.try_number) == ("failed", 1)
    assert salesforce_org.state.stats()["api_calls"] == 0


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ("STAGING_RETENTION_DAYS", "0"),
        ("STAGING_RETENTION_DAYS", "-7"),
        ("STAGING_RETENTION_DAYS", "1.5"),
        ("STAGING_RETENTION_DAYS", "nan"),
        ("STAGING_RETENTION_DAYS", "a week"),
        ("CLAIM_LIFETIME", "0"),
        ("CLAIM_LIFETIME", "nan"),
        ("CLAIM_LIFETIME", "inf"),
        ("CLAIM_LIFETIME", "1e300"),
        ("CLAIM_LIFETIME", "soon"),
        ("CLAIM_LIFETIME", ""),
    ],
)
def test_a_configured_number_that_cannot_be_ends_the_load_before_a_row_is_sent(
    salesforce_org: EmulatedOrg,
    option: str,
    text: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(f"AIRFLOW__SF_DEDUP__{option}", text)
    with DAG("configured", schedule=None) as dag:
        SalesforceUpsertOperator(task_id="upsert", records=leads(1), retries=2, **LEAD)

    run = run_dag(dag)

    assert f"[sf_dedup] {option.lower()}=" in capsys.readouterr().out
    assert [(ti.state, ti.try_number) for ti in run.get_task_instances()] == [("failed", 1)]
    assert salesforce_org.state.records("Lead") == []
