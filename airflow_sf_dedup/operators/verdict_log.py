"""The verdict on a load in a task's log: what ``python -m airflow_sf_dedup.audit show`` prints, and how to go on."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_sf_dedup.audit.report import Report

#: Loads that a log shows, and reasons that it names; a run may have made a thousand.
MOST_SHOWN = 10

_log = logging.getLogger(__name__)


def say_report(report: Report, audit_conn_id: str | None) -> None:
    """The report line by line, so that Airflow's pages show its table as one."""
    from airflow_sf_dedup.audit.report import lines_of, next_steps
    from airflow_sf_dedup.hooks.audit_place import embedded_audit_path

    file = None if audit_conn_id else embedded_audit_path()
    for line in (*lines_of(report), *next_steps(report, audit_conn_id, file)):
        _log.info("%s", line)


def say_verdict(
    reports: Sequence[Report], complaints: Sequence[str], audit_conn_id: str | None, *, go_on: str = ""
) -> None:
    """The reports, and then why the run is red, or what a person should know although it is green.

    :param reports: those of red loads first.
    :param go_on: what to do about a red run.
    """
    from airflow_sf_dedup.audit.report import show_run

    for report in reports[:MOST_SHOWN]:
        say_report(report, audit_conn_id)
    if len(reports) > MOST_SHOWN:
        load = reports[0].load
        more, command = len(reports) - MOST_SHOWN, show_run(load.dag_id, load.run_id, audit_conn_id)
        _log.info("%s", f"and {more:,} more loads of this run: {command}")
    if complaints:
        _say_some(logging.ERROR, complaints, "reasons")
        if go_on:
            _log.error("%s", go_on)
    else:
        _say_some(logging.WARNING, _warnings(reports), "warnings")


def _warnings(reports: Sequence[Report]) -> list[str]:
    from airflow_sf_dedup.journeys.collect import warnings_of

    return [f"load {report.load.load_id} is {said}" for report in reports for said in warnings_of(report.totals)]


def _say_some(level: int, sentences: Sequence[str], what: str) -> None:
    """A line each, and how many there are beyond those that a log holds."""
    for sentence in sentences[:MOST_SHOWN]:
        _log.log(level, "%s", sentence)
    if len(sentences) > MOST_SHOWN:
        _log.log(level, "%s", f"and {len(sentences) - MOST_SHOWN:,} more {what}")
