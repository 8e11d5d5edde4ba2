"""What Airflow does after each of our errors: decisions one by one, and in runs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator, RetryAction

from airflow_sf_dedup import errors
from airflow_sf_dedup.errors import AuditUnreachableError
from airflow_sf_dedup.operators.failing import failing_at_once
from airflow_sf_dedup.retry_policy import SALESFORCE_RETRY_POLICY, SalesforceRetryPolicy
from airflow_sf_dedup.testing import run_dag

FAILED_AT_ONCE = [
    errors.KeysInFlightError(3, ("task",)),
    errors.SettingError("x"),
    errors.PreflightError("x"),
    errors.SourceError("x"),
    errors.ConnectionMissingError("x"),
    errors.WrongOrgError("x"),
    errors.LoginRefusedError("x"),
    errors.PermissionRefusedError("x"),
    errors.StagingError("x"),
    errors.OwnLimitReachedError("x", retry_after=5),
    errors.RepeatsRefusedError("x", codes={"UNABLE_TO_LOCK_ROW": 1}),
]
LEFT_TO_AIRFLOW = [
    ValueError("x"),
    SystemExit(1),
    errors.RequestRefusedError("x"),
    errors.LoadFailedError("3 of 9 rows failed", codes={"STRING_TOO_LONG": 3}),
    errors.LoadFailedError("1 of 9 rows failed: 1 failed X, see UNABLE_TO_LOCK_ROW in the handbook", codes={"X": 1}),
]
SECONDS = [
    (errors.LimitReachedError("x"), 1, 3600),
    (errors.LimitReachedError("x"), 4, 3600),
    (errors.LimitReachedError("x", retry_after=7.5), 1, 7.5),
    (errors.LimitReachedError("x", retry_after=0.0), 1, 1),
    (errors.LimitReachedError("x", retry_after=float("inf")), 1, 86_400),
    (errors.TransientCallError("x"), 1, 60),
    (errors.TransientCallError("x"), 3, 240),
    (errors.TransientCallError("x"), 10_000, 1200),
    (errors.TransientCallError("x"), 0, 60),
    (errors.OutcomeUnknownError("x", retry_after=90.0), 2, 90),
    (AuditUnreachableError("postgresql://host/db", "refused"), 2, 120),
    (errors.FileUnreachableError("s3://bucket/leads.csv: cannot be read"), 2, 120),
    (errors.LoadFailedError("6 of 9 rows failed", codes={"STRING_TOO_LONG": 4, "UNABLE_TO_LOCK_ROW": 2}), 1, 180),
]


def name_of(value: object) -> str:
    return type(value).__name__ if isinstance(value, BaseException) else str(value)


@pytest.mark.parametrize("error", FAILED_AT_ONCE, ids=name_of)
def test_what_a_person_has_to_change_fails_at_once(error: BaseException) -> None:
    assert SALESFORCE_RETRY_POLICY.evaluate(error, 1, 5).action is RetryAction.FAIL


@pytest.mark.parametrize("error", LEFT_TO_AIRFLOW, ids=name_of)
def test_of_anything_else_the_policy_has_no_opinion(error: BaseException) -> None:
    assert SALESFORCE_RETRY_POLICY.evaluate(error, 1, 5).action is RetryAction.DEFAULT


@pytest.mark.parametrize(("error", "try_number", "seconds"), SECONDS, ids=name_of)
def test_what_passes_is_tried_again_when_it_may_have_passed(
    error: BaseException, try_number: int, seconds: float
) -> None:
    policy = SalesforceRetryPolicy(jitter=lambda least, most: least)
    decision = policy.evaluate(error, try_number, 5)
    assert (decision.action, decision.retry_delay) == (RetryAction.RETRY, timedelta(seconds=seconds))


def test_tasks_that_failed_together_do_not_come_back_together() -> None:
    error = errors.TransientCallError("x")
    delays = {SALESFORCE_RETRY_POLICY.evaluate(error, 1, 5).retry_delay for _ in range(20)}
    assert len(delays) > 1
    assert all(delay and timedelta(seconds=60) <= delay <= timedelta(seconds=90) for delay in delays)


def test_the_reason_that_airflow_shows_holds_nothing_of_the_message() -> None:
    for error in (errors.LoginRefusedError("s3cret"), errors.TransientCallError("s3cret")):
        assert "s3cret" not in (SALESFORCE_RETRY_POLICY.evaluate(error, 1, 5).reason or "")


def test_the_policy_is_written_the_same_way_by_every_parse_of_a_dag_file() -> None:
    assert repr(SALESFORCE_RETRY_POLICY) == repr(SalesforceRetryPolicy()) == "SalesforceRetryPolicy()"
    assert isinstance(SalesforceRetryPolicy.deserialize(SALESFORCE_RETRY_POLICY.serialize()), SalesforceRetryPolicy)


class Raises(BaseOperator):
    """Raises once, as a task of this package does or, ``bare``, as one that uses the hook; then it succeeds."""

    def __init__(self, *, error: str, retry_after: float | None = None, bare: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.error = error
        self.retry_after = retry_after
        self.bare = bare

    def execute(self, context: Any) -> None:
        if context["ti"].try_number > 1:
            return
        error = getattr(errors, self.error)
        arguments = {} if self.retry_after is None else {"retry_after": self.retry_after}
        if self.bare:
            raise error("no", **arguments)
        with failing_at_once():
            raise error("no", **arguments)


def test_in_a_run_the_policy_overrides_an_hours_retry_delay_for_plain_and_mapped_tasks() -> None:
    """A policy that did not reach a task would leave this test waiting for an hour."""
    task = {"retries": 2, "retry_delay": timedelta(hours=1), "retry_policy": SALESFORCE_RETRY_POLICY}
    with DAG("retry_policy", schedule=None) as dag:
        Raises(task_id="limit", error="LimitReachedError", retry_after=1.0, **task)
        Raises(task_id="login", error="LoginRefusedError", **task)
        Raises(task_id="budget", error="OwnLimitReachedError", retry_after=1.0, **task)
        Raises.partial(task_id="mapped", bare=True, retry_after=1.0, **task).expand(
            error=["TransientCallError", "OutcomeUnknownError", "PermissionRefusedError"]
        )

    run = run_dag(dag)

    assert {(ti.task_id, ti.map_index): (str(ti.state), ti.try_number) for ti in run.get_task_instances()} == {
        ("limit", -1): ("success", 2),
        ("login", -1): ("failed", 1),
        ("budget", -1): ("failed", 1),
        ("mapped", 0): ("success", 2),
        ("mapped", 1): ("success", 2),
        ("mapped", 2): ("failed", 1),
    }


def test_a_dag_with_the_policy_is_serialised_the_same_way_twice() -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    def written() -> Any:
        with DAG("retry_policy_written", schedule=None) as dag:
            Raises.partial(task_id="mapped", retry_policy=SalesforceRetryPolicy()).expand(error=["SettingError"])
        return DagSerialization.to_dict(dag)

    assert written() == written()
    assert "has_retry_policy" in str(written())
