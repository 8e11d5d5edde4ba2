"""Fail: the row stays as Salesforce refused it, red as ever, and the audit shows who holds its key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from airflow_sf_dedup.core.decisions import DuplicateCase
from airflow_sf_dedup.core.entries import Entry
from airflow_sf_dedup.core.outcomes import Failed
from airflow_sf_dedup.journeys.entry_maker import EntryMaker
from airflow_sf_dedup.journeys.settling.blocked import Settling
from airflow_sf_dedup.journeys.settling.book import Book


@dataclass(frozen=True)
class Fails:
    """Closes rows as ``failed``, with what Salesforce said."""

    entries: EntryMaker

    def carry_out(self, items: Sequence[Settling], book: Book) -> list[DuplicateCase]:
        """Nothing refuses it."""
        book.close([self._entry(each, book) for each in items])
        return []

    def _entry(self, item: Settling, book: Book) -> Entry:
        case = item.case
        refused = book.open[item.record.row_number].refused or Failed(case.obstacle.code, "")
        return self.entries.not_saved(
            item.record, refused, reason=case.obstacle.value, matches=self.entries.matches(case)
        )
