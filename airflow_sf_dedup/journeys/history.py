"""Which earlier load tells how many rows of the next one will be blocked?

The same task loads the same kind of rows again; another Dag's load of the same sObject need not be like it, and is
asked only where the task has none.
"""

from __future__ import annotations

from dataclasses import dataclass

from airflow_sf_dedup.audit.base import AuditReader, Load
from airflow_sf_dedup.journeys.prediction import Shares, shares_of


@dataclass(frozen=True, slots=True)
class History:
    """What became of the rows of an earlier load."""

    shares: Shares
    #: Which load that was, for people.
    words: str


def history_of(audit: AuditReader, load: Load) -> History | None:
    """The latest load that ended and sent rows: of the same Dag and task, else of the same org, sObject and field."""
    target = (load.org_id, load.sobject, load.external_id_field)
    own = audit.latest_totals(*target, made_by=(load.dag_id, load.task_id))
    if own is not None and (shares := shares_of(own)) is not None:
        return History(shares, "blocked rows as in the latest load of this task")
    other = audit.latest_totals(*target)
    if other is not None and (shares := shares_of(other)) is not None:
        of_target = f"{load.sobject} by {load.external_id_field}"
        return History(shares, f"this task has no load before, so blocked rows as in the latest load of {of_target}")
    return None
