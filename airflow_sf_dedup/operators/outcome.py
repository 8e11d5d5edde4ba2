"""What an upsert task says when its rows are written: its XCom, its log, and whether it is red."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_sf_dedup.errors import LoadFailedError, SettingError
from airflow_sf_dedup.operators.verdict_log import say_report

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_sf_dedup.audit.base import Load, Totals
    from airflow_sf_dedup.core.partitioning import PartitionRef
    from airflow_sf_dedup.journeys.collect import Thresholds
    from airflow_sf_dedup.journeys.stores import Stores
    from airflow_sf_dedup.salesforce.calling.session import SalesforceSession

XCOM_KEY = "duplicate_audit"


@dataclass(frozen=True, slots=True)
class Work:
    """What one task has to load."""

    load_id: str
    audit_conn_id: str | None
    #: One login for all of it.
    session: Callable[[], SalesforceSession]
    #: The references to its partitions; staging few records is part of the work.
    refs: Callable[[], Sequence[PartitionRef]]
    #: The partition of a load that is staged and closed by other tasks; ``None``: the load is this task's own.
    partition: int | None = None

    def api_calls(self) -> int:
        """Calls that the org counted; none where a session cannot even be had."""
        with suppress(Exception):
            return self.session().api_calls
        return 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a task's rows."""

    document: dict[str, Any]
    load: Load
    totals: Totals


def push_outcome(context: Context, work: Work) -> Outcome:
    """Push the document, and log it; a load that is the task's own is closed.

    :raises SettingError: the audit does not know the load.
    """
    from airflow_sf_dedup.audit.report import Report, report_of
    from airflow_sf_dedup.hooks.stores import open_stores
    from airflow_sf_dedup.journeys.summary import summarise

    stores = open_stores(work.audit_conn_id)
    load = stores.audit.load(work.load_id)
    if load is None:
        raise SettingError(f"the audit does not know load {work.load_id!r}; was it purged?", setting="audit_conn_id")
    totals, calls = _totals(stores, load, work.partition), work.api_calls()
    document = summarise(
        stores.audit, load, totals, audit_conn_id=work.audit_conn_id, partition=work.partition, api_calls=calls
    )
    context["ti"].xcom_push(key=XCOM_KEY, value=document)
    if work.partition is None:
        report = report_of(stores.audit, load, totals)
    else:
        report = Report(load, totals, partition=work.partition, api_calls=calls)
    say_report(report, work.audit_conn_id)
    return Outcome(document, load, totals)


def _totals(stores: Stores, load: Load, partition: int | None) -> Totals:
    from airflow_sf_dedup.hooks.places import staging_area
    from airflow_sf_dedup.journeys.ending import close_load

    if partition is None:
        return close_load(stores, load, staging_area(load.settings.get("staging_path"))).totals
    return stores.audit.totals(load.load_id, partition)


def judge(outcome: Outcome, thresholds: Thresholds, *, by_all: bool) -> None:
    """Red by ``max_failed``, or for rows that a retry can still send.

    :param by_all: by all rows that failed; False: another task judges those that a retry cannot help.
    :raises LoadFailedError: more rows failed than allowed; all of them are in the audit by now.
    """
    from airflow_sf_dedup.core.shortfall import fall_short
    from airflow_sf_dedup.journeys.collect import failed_codes, failed_rows, may_still_be_sent, why_failed
    from airflow_sf_dedup.journeys.way_on import go_on, ways_on

    totals = outcome.totals
    judged = totals if by_all else may_still_be_sent(totals)
    if failed_rows(judged) > (thresholds.max_failed or 0):
        message = f"{fall_short(judged.actions, totals.rows)}: {why_failed(judged)}"
        way = go_on(ways_on(outcome.load, judged, thresholds))
        raise LoadFailedError(f"{message}. {way}", codes=failed_codes(totals))
