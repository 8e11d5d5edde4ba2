"""Ask: the row waits for a person, and the audit keeps its values until then."""

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
class Asks:
    """Closes rows as ``awaiting_review``."""

    entries: EntryMaker

    def carry_out(self, items: Sequence[Settling], book: Book) -> list[DuplicateCase]:
        """Nothing refuses it."""
        book.close(self.entries.blocked(each.case, Action.AWAITING_REVIEW, reason_of(each)) for each in items)
        return []
