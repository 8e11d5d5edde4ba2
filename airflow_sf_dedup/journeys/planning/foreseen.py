"""What would a decision do? The entry that its row would get, from the very object that would carry it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from airflow_sf_dedup.core.decisions import Decision, DuplicateCase, UpdateOther
from airflow_sf_dedup.core.entries import Entry
from airflow_sf_dedup.journeys.entry_maker import EntryMaker
from airflow_sf_dedup.journeys.planning.written import Written
from airflow_sf_dedup.journeys.settling.blocked import Settling
from airflow_sf_dedup.journeys.settling.book import Book
from airflow_sf_dedup.journeys.settling.settlement import CarriesOut
from airflow_sf_dedup.journeys.settling.updating import UpdatesMatch
from airflow_sf_dedup.journeys.settling.writing import Way, Writes, written_to


@dataclass(frozen=True)
class Foresees:
    """Closes rows with what would be done; nothing is sent.

    :ivar way: how a load would write.
    :ivar written: told what it would write.
    """

    way: Way
    entries: EntryMaker
    written: Written

    def carry_out(self, items: Sequence[Settling], book: Book) -> list[DuplicateCase]:
        """Salesforce refuses nothing here. Two keys that want one record are told as a load tells them."""
        if isinstance(self.way, UpdatesMatch):
            items = self.way.claimed(items, book)
        book.close(self._entry(each) for each in items)
        return []

    def _entry(self, item: Settling) -> Entry:
        is_own = not isinstance(item.decided.decision, UpdateOther)
        self.written.decided(item.record.row_number, self.way.as_sent(item).fields, is_own=is_own)
        return self.entries.blocked(item.case, self.way.action, self.way.done(item), record_id=written_to(item))


def foreseeing(
    carries_out: Mapping[type[Decision], CarriesOut], entries: EntryMaker, written: Written
) -> dict[type[Decision], CarriesOut]:
    """The same kinds of decisions: those that write are foreseen, the others are carried out as ever."""
    return {
        kind: Foresees(each.way, entries, written) if isinstance(each, Writes) else each
        for kind, each in carries_out.items()
    }
