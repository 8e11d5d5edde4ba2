"""What is worth a sentence in a report, beyond the totals: retries, doubtful matches, the rules that blocked rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from sqlalchemy import Table, and_, func, select

from airflow_sf_dedup.audit.base import DOUBTFUL_BELOW, DoubtfulMatches, SentAgain, WaitedForRules
from airflow_sf_dedup.audit.sql.part import SqlPart
from airflow_sf_dedup.audit.sql.rows import rule_wait_from, words_in
from airflow_sf_dedup.core.entries import Action
from airflow_sf_dedup.database import tables
from airflow_sf_dedup.database.engine import reading


class SqlDetailReader(SqlPart):
    """Counts in ``sf_dedup_entry`` and ``sf_dedup_match``."""

    def sent_again(self, load_id: str) -> SentAgain:
        """How many rows of a load were sent more than once by their last try, how often and how long."""
        columns = tables.entry.c
        longest = func.coalesce(func.max(columns.waited_seconds), 0.0)
        query = select(func.count(), func.coalesce(func.max(columns.attempts), 0), longest).where(
            columns.load_id == load_id, columns.attempts > 1
        )
        with reading(self.engine) as connection:
            return SentAgain(*connection.execute(query).one())

    def waited_for_rules(self, load_id: str) -> WaitedForRules:
        """How many rows of a load waited for rules that were switched off, how often and how long."""
        columns = tables.rule_wait.c
        query = select(tables.rule_wait).where(columns.load_id == load_id)
        with reading(self.engine) as connection:
            waits = [rule_wait_from(row) for row in connection.execute(query).mappings()]
        most, longest = (max(each, default=0) for each in ((w.times for w in waits), (w.seconds for w in waits)))
        return WaitedForRules(len(waits), int(most), float(longest))

    def doubtful_matches(self, load_id: str) -> DoubtfulMatches:
        """The rows of a load that updated a record whose match confidence was low, by the best match of each."""
        entry, match = tables.entry.c, tables.match.c
        best = func.max(match.confidence).label("best")
        same_row = and_(match.load_id == entry.load_id, match.row_number == entry.row_number)
        of_row = (
            select(best)
            .join_from(tables.entry, tables.match, and_(same_row, match.record_id == entry.record_id))
            .where(entry.load_id == load_id, entry.action == Action.MATCHED_UPDATED.value)
            .group_by(entry.row_number)
            .having(best < DOUBTFUL_BELOW)
            .subquery()
        )
        query = select(func.count(), func.coalesce(func.min(of_row.c.best), 0.0)).select_from(of_row)
        with reading(self.engine) as connection:
            return DoubtfulMatches(*connection.execute(query).one())

    def rows_by_rule(self, load_id: str) -> Mapping[str, int]:
        """Duplicate rule to the number of rows of a load that it named records for, most first."""
        return self._rows_by_rule(tables.match, load_id)

    def rows_by_report(self, load_id: str) -> Mapping[str, int]:
        """Duplicate rule to the number of rows of a load that were saved and that it reports, most first."""
        return self._rows_by_rule(tables.rule_report, load_id)

    def _rows_by_rule(self, table: Table, load_id: str) -> Mapping[str, int]:
        columns, rows = table.c, func.count(table.c.row_number.distinct())
        query = (
            select(columns.duplicate_rule, rows)
            .where(columns.load_id == load_id, columns.duplicate_rule.is_not(None))
            .group_by(columns.duplicate_rule)
            .order_by(rows.desc(), columns.duplicate_rule)
        )
        with reading(self.engine) as connection:
            return {rule: int(count) for rule, count in connection.execute(query)}

    def rows_by_caution(self, load_id: str) -> Mapping[str, int]:
        """Caution to the number of waiting rows of a load one of whose matches has it, most first."""
        entry, match = tables.entry.c, tables.match.c
        same_row = and_(match.load_id == entry.load_id, match.row_number == entry.row_number)
        query = (
            select(match.row_number, match.cautions)
            .join_from(tables.entry, tables.match, same_row)
            .where(entry.load_id == load_id, entry.action == Action.AWAITING_REVIEW.value, match.cautions.is_not(None))
            .distinct()
        )
        with reading(self.engine) as connection:
            told = {(row, caution) for row, text in connection.execute(query) for caution in words_in(text)}
        rows = Counter(caution for _, caution in told)
        return dict(sorted(rows.items(), key=lambda item: (-item[1], item[0])))
