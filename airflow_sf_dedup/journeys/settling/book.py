"""The rows of one settlement: which have their entry, which may be in the org without one, and who handed them back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.core.entries import Entry
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.journeys.sending.under_way import Answered, UnderWay
from airflow_sf_dedup.journeys.settling.blocked import Blocked


class Book:
    """Every row that comes in leaves with one entry, or is handed back.

    :param rows: that are to be settled.
    :param remember: commits entries.
    """

    def __init__(self, rows: Sequence[Blocked], remember: Callable[[list[Entry]], None]) -> None:
        self._remember = remember
        self._open = {row.record.row_number: row for row in rows}
        self._in_doubt = {row.record.row_number for row in rows if row.sent.in_doubt}
        #: When the matched records were read, UTC.
        self.read_at: datetime = utc_now()
        self.done: list[Entry] = []
        #: Rows without an entry that a unique value kept out, of which only a re-read of the key tells why.
        self.contested: list[Answered[Record]] = []

    @property
    def open(self) -> Mapping[int, Blocked]:
        """The rows that have no entry yet, by number."""
        return self._open

    def replace(self, rows: Iterable[Blocked]) -> None:
        """Rows that have no entry yet are kept out by something else by now; how often they were sent stays."""
        for row in rows:
            before = self._open[row.record.row_number]
            self._open[row.record.row_number] = replace(row, sent=before.sent)

    def close(self, entries: Iterable[Entry]) -> None:
        """Commit entries, all final."""
        told = [self._with_effort(entry) for entry in entries]
        if told:
            self._remember(told)
            self.done += told
            for entry in told:
                self._open.pop(entry.row_number, None)

    def hand_back(self, answered: Answered[Record]) -> None:
        """A row of which only a re-read of its key tells why it was refused."""
        self._open.pop(answered.row.row_number)
        self.contested.append(answered)

    def doubt(self, rows: Iterable[UnderWay[Record]]) -> None:
        """Note those of the rows that may be in the org."""
        self._in_doubt.update(each.row.row_number for each in rows if each.in_doubt)

    def is_in_doubt(self, row_number: int) -> bool:
        """Whether a row may be in the org without an entry that says so."""
        return row_number in self._in_doubt

    def _with_effort(self, entry: Entry) -> Entry:
        sent = self._open[entry.row_number].sent
        return replace(entry, attempts=sent.attempts, waited_seconds=sent.waited)
