"""Skip: the row and the matched records stay as they are, and the audit says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from airflow_sf_dedup.core.decisions import DuplicateCase
from airflow_sf_dedup.core.entries import Action
from airflow_sf_dedup.journeys.entry_maker import EntryMaker
from airflow_sf_dedup.journeys.settling.blocked import Settling
from airflow_sf_dedup.journeys.settling.book import Book
from airflow_sf_dedup.journeys.settling.deciding import reason_of


@dataclass(frozen=True)
class Skips:
    """Closes rows as ``skipped``."""

    entries: EntryMaker

    def carry_out(self, items: Sequence[Settling], book: Book) -> list[DuplicateCase]:
        """Nothing refuses it."""
        book.close(self.entries.blocked(each.case, Action.SKIPPED, reason_of(each)) for each in items)
        return []
