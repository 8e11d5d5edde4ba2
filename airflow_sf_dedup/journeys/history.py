"""Which earlier load tells how many rows of the next one will be blocked?

The same task loads the same kind of rows again; another Dag's load of the same sObject need not be like it, and is
asked only where the task has none.
"""

from __future__ import annotations

from dataclasses import dataclass

from airflow_sf_dedup.audit.base import LOOKUP, AuditReader, Load
from airflow_sf_dedup.journeys.prediction import Shares, shares_of


@dataclass(frozen=True, slots=True)
class History:
    """What became of the rows of an earlier load."""

    shares: Shares
    #: Which load that was, for people.
    words: str
    #: The look-up that named its matches; ``None``: it does not say.
    lookup: str | None = None


def history_of(audit: AuditReader, load: Load) -> History | None:
    """The latest load that ended and sent rows: of the same Dag and task, else of the same org, sObject and field."""
    target = (load.org_id, load.sobject, load.external_id_field)
    of_target = f"{load.sobject} by {load.external_id_field}"
    own = audit.latest_sent(*target, made_by=(load.dag_id, load.task_id))
    return _told_by(audit, own, "blocked rows as in the latest load of this task") or _told_by(
        audit,
        audit.latest_sent(*target),
        f"this task has no load before, so blocked rows as in the latest load of {of_target}",
    )


def _told_by(audit: AuditReader, load: Load | None, words: str) -> History | None:
    shares = None if load is None else shares_of(audit.totals(load.load_id))
    return None if load is None or shares is None else History(shares, words, load.settings.get(LOOKUP))
