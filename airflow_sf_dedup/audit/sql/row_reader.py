"""How do single rows of a load stand: settled, unknown, or without an entry?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from sqlalchemy import ColumnElement, and_, or_, select

from airflow_sf_dedup.audit.sql.conditions import entries_of
from airflow_sf_dedup.audit.sql.part import SqlPart
from airflow_sf_dedup.audit.sql.rows import rule_wait_from
from airflow_sf_dedup.core.entries import UNSETTLED, Action
from airflow_sf_dedup.core.rule_waits import RuleWait
from airflow_sf_dedup.database import tables
from airflow_sf_dedup.database.bulk import among
from airflow_sf_dedup.database.engine import reading

#: Row numbers that are read at a time to find those without an entry.
_NUMBERS_AT_A_TIME = 50_000

_UNSETTLED = sorted(action.value for action in UNSETTLED)


class SqlRowReader(SqlPart):
    """Reads numbers and actions of rows, from ``sf_dedup_entry``."""

    def settled_rows(
        self,
        load_id: str,
        partition: int,
        rows: Iterable[int] | None = None,
        *,
        failed_in_try: int | None = None,
    ) -> Mapping[int, Action]:
        """Row number to action, for the rows of a partition that need not be sent again; of these rows, or all.

        :param failed_in_try: of this try, rows that are ``failed`` count as well.
        """
        columns = tables.entry.c
        failed = and_(columns.action == Action.FAILED.value, columns.try_number == failed_in_try)
        settled = or_(columns.action.not_in(_UNSETTLED), failed)
        among_these = [] if rows is None else [among(self.engine.dialect, columns.row_number, rows)]
        return self._actions(*entries_of(load_id, partition=partition), settled, *among_these)

    def actions(self, load_id: str, rows: Iterable[int]) -> Mapping[int, Action]:
        """Row number to action, of those of these rows that have an entry."""
        return self._actions(*entries_of(load_id), among(self.engine.dialect, tables.entry.c.row_number, rows))

    def unknown_rows(self, load_id: str, partition: int) -> frozenset[int]:
        """The rows of a partition whose entry says ``unknown``."""
        return frozenset(self._numbers(*entries_of(load_id, [Action.UNKNOWN], partition)))

    def rule_waits(self, load_id: str, partition: int) -> Mapping[int, RuleWait]:
        """Row number to how the row waited for a rule that was switched off; rows that did not are absent."""
        entry, wait = tables.entry.c, tables.rule_wait.c
        same_row = and_(wait.load_id == entry.load_id, wait.row_number == entry.row_number)
        query = select(tables.rule_wait).join_from(tables.rule_wait, tables.entry, same_row)
        with reading(self.engine) as connection:
            rows = connection.execute(query.where(*entries_of(load_id, partition=partition))).mappings()
            return {row["row_number"]: rule_wait_from(row) for row in rows}

    def rows_without_entry(self, load_id: str, last: int) -> Iterator[int]:
        """The row numbers from 1 to ``last`` that have no entry; numbers of entries are read page by page."""
        for first in range(1, last + 1, _NUMBERS_AT_A_TIME):
            numbers = range(first, min(last, first + _NUMBERS_AT_A_TIME - 1) + 1)
            there = self._numbers(*entries_of(load_id), tables.entry.c.row_number.between(numbers[0], numbers[-1]))
            yield from (number for number in numbers if number not in there)

    def _actions(self, *conditions: ColumnElement[bool]) -> Mapping[int, Action]:
        query = select(tables.entry.c.row_number, tables.entry.c.action).where(*conditions)
        with reading(self.engine) as connection:
            return {row_number: Action(action) for row_number, action in connection.execute(query)}

    def _numbers(self, *conditions: ColumnElement[bool]) -> set[int]:
        with reading(self.engine) as connection:
            return set(connection.scalars(select(tables.entry.c.row_number).where(*conditions)))
