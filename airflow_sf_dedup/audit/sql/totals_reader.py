"""A load in numbers: how many rows ended how, and why?"""

from __future__ import annotations

from collections import Counter, defaultdict

from sqlalchemy import func, select

from airflow_sf_dedup.audit.base import Totals
from airflow_sf_dedup.audit.sql.conditions import entries_of
from airflow_sf_dedup.audit.sql.part import SqlPart
from airflow_sf_dedup.audit.sql.rows import words_in
from airflow_sf_dedup.core.entries import Action
from airflow_sf_dedup.database import tables
from airflow_sf_dedup.database.engine import reading

_PLAIN = frozenset({Action.CREATED, Action.UPDATED, Action.UNCHANGED})


class SqlTotalsReader(SqlPart):
    """Counts rows by action and by reason, in ``sf_dedup_entry``."""

    def totals(self, load_id: str, partition: int | None = None) -> Totals:
        """Count the entries of a load, or of one of its partitions."""
        entry = tables.entry.c
        columns = (entry.action, entry.error_code, entry.reason, entry.error_fields)
        query = select(*columns, func.count()).where(*entries_of(load_id, partition=partition)).group_by(*columns)
        actions: Counter[Action] = Counter()
        reasons: Counter[tuple[Action, str | None, str | None]] = Counter()
        fields: defaultdict[tuple[Action, str | None, str | None], Counter[str]] = defaultdict(Counter)
        with reading(self.engine) as connection:
            for name, code, reason, names, rows in connection.execute(query):
                key = (Action(name), code, reason)
                actions[key[0]] += rows
                if code or reason or key[0] not in _PLAIN:
                    reasons[key] += rows
                for each in words_in(names):
                    fields[key][each] += rows
        return Totals(dict(actions), dict(reasons), {key: dict(counts) for key, counts in fields.items()})
