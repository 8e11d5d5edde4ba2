"""The verdict on a load in a task's log: what ``python -m airflow_sf_dedup.audit show`` prints, and how to go on."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_sf_dedup.audit.report import Report

#: Loads that a log shows; a run may have made a thousand.
MOST_SHOWN = 10

_log = logging.getLogger(__name__)


def say_report(report: Report, audit_conn_id: str | None) -> None:
    """The report line by line, so that Airflow's pages show its table as one."""
    from airflow_sf_dedup.audit.report import lines_of, next_steps

    for line in (*lines_of(report), *next_steps(report, audit_conn_id)):
        _log.info("%s", line)


def say_verdict(reports: Sequence[Report], complaints: Sequence[str], audit_conn_id: str | None) -> None:
    """The reports, and then why the run is red, or what a person should know although it is green.

    :param reports: those of red loads first.
    """
    from airflow_sf_dedup.journeys.collect import warnings_of

    for report in reports[:MOST_SHOWN]:
        say_report(report, audit_conn_id)
    if len(reports) > MOST_SHOWN:
        _log.info("and %d more loads of this run", len(reports) - MOST_SHOWN)
    for complaint in complaints:
        _log.error("%s", complaint)
    if complaints:
        return
    for report in reports:
        for warning in warnings_of(report.totals):
            _log.warning("load %s is %s", report.load.load_id, warning)
