"""What became of the rows of a load, row by row? However many there are, a page is held at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, select

from airflow_sf_dedup.audit.sql.conditions import entries_of
from airflow_sf_dedup.audit.sql.part import SqlPart
from airflow_sf_dedup.audit.sql.rows import entry_from, match_from, rule_report_from, rule_wait_from
from airflow_sf_dedup.core.entries import Action, Entry, MatchEntry
from airflow_sf_dedup.core.rule_reports import RuleReport
from airflow_sf_dedup.core.rule_waits import RuleWait
from airflow_sf_dedup.database import tables
from airflow_sf_dedup.database.bulk import among
from airflow_sf_dedup.database.engine import reading


class SqlEntryReader(SqlPart):
    """Reads whole entries, from ``sf_dedup_entry``, ``sf_dedup_match`` and ``sf_dedup_payload``."""

    def entries(
        self,
        load_id: str,
        *,
        actions: Iterable[Action] | None = None,
        partition: int | None = None,
        page_size: int = 500,
    ) -> Iterator[Entry]:
        """The entries with matches and kept values, by row number.

        :param page_size: entries read by one set of queries, at least 1. No transaction is open between
            pages, so a slow consumer holds nothing up.
        """
        conditions = entries_of(load_id, actions, partition)
        page = self._page(conditions, after=-1, size=page_size)
        while page:
            yield from page
            page = self._page(conditions, after=page[-1].row_number, size=page_size)

    def entries_of(self, load_id: str, rows: Iterable[int]) -> Mapping[int, Entry]:
        """Row number to entry, with matches and kept values, of those of some thousand rows that have one."""
        numbers = list(rows)
        conditions = (*entries_of(load_id), among(self.engine.dialect, tables.entry.c.row_number, numbers))
        page = self._page(conditions, after=-1, size=len(numbers)) if numbers else []
        return {entry.row_number: entry for entry in page}

    def _page(self, conditions: Sequence[ColumnElement[bool]], *, after: int, size: int) -> list[Entry]:
        query = (
            select(tables.entry)
            .where(*conditions, tables.entry.c.row_number > after)
            .order_by(tables.entry.c.row_number)
            .limit(max(1, size))
        )
        with reading(self.engine) as connection:
            rows = connection.execute(query).mappings().all()
            if not rows:
                return []
            load_id, numbers = rows[0]["load_id"], [row["row_number"] for row in rows]
            matches = _matches(connection, load_id, numbers)
            values = _values(connection, load_id, numbers)
            waits = _waits(connection, load_id, numbers)
            reports = _reports(connection, load_id, numbers)
        return [
            entry_from(row, matches[number], values.get(number), waits.get(number), reports.get(number, ()))
            for number, row in zip(numbers, rows, strict=True)
        ]


def _of_rows(connection: Connection, query: Select[Any], load_id: str, rows: list[int]) -> Select[Any]:
    columns = query.selected_columns
    return query.where(columns.load_id == load_id, among(connection.dialect, columns.row_number, rows))


def _matches(connection: Connection, load_id: str, rows: list[int]) -> Mapping[int, list[MatchEntry]]:
    query = _of_rows(connection, select(tables.match), load_id, rows)
    matches: defaultdict[int, list[MatchEntry]] = defaultdict(list)
    for row in connection.execute(query.order_by(tables.match.c.row_number, tables.match.c.position)).mappings():
        matches[row["row_number"]].append(match_from(row))
    return matches


def _values(connection: Connection, load_id: str, rows: list[int]) -> Mapping[int, Mapping[str, Any]]:
    query = _of_rows(connection, select(tables.payload), load_id, rows)
    return {row.row_number: row.field_values for row in connection.execute(query)}


def _waits(connection: Connection, load_id: str, rows: list[int]) -> Mapping[int, RuleWait]:
    query = _of_rows(connection, select(tables.rule_wait), load_id, rows)
    return {row["row_number"]: rule_wait_from(row) for row in connection.execute(query).mappings()}


def _reports(connection: Connection, load_id: str, rows: list[int]) -> Mapping[int, list[RuleReport]]:
    query = _of_rows(connection, select(tables.rule_report), load_id, rows)
    reports: defaultdict[int, list[RuleReport]] = defaultdict(list)
    for row in connection.execute(query.order_by(tables.rule_report.c.record_set_id)).mappings():
        reports[row["row_number"]].append(rule_report_from(row))
    return reports
