"""One task's work: write a partition's rows, settle what duplicate rules block, remember every row.

The order is the promise: a row is remembered as soon as its call has answered, so a crash costs one
call; everything is committed before anything is raised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from airflow_sf_dedup.audit.base import Audit
from airflow_sf_dedup.core.entries import UNSETTLED, Action, Entry
from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.outcomes import DuplicatesFound, Outcome, Saved
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.errors import CallError, OutcomeUnknownError
from airflow_sf_dedup.journeys.duplicates import Blocked, Duplicates, size_of
from airflow_sf_dedup.journeys.entry_maker import EntryMaker
from airflow_sf_dedup.journeys.sending import Interrupted, Sender, seconds_before_try
from airflow_sf_dedup.salesforce.base import UpsertApi

#: Blocked rows are settled together, this many at a time: as many as one retrieve can read.
SETTLE_TOGETHER = 2000

#: A later row of a key waits behind these, and is ``held``.
_AWAITS_A_PERSON = frozenset({Action.AWAITING_REVIEW, Action.HELD})


@dataclass
class Upsert:
    """Upserts one partition of a load."""

    load_id: str
    partition: int
    key_rule: KeyRule
    api: UpsertApi
    audit: Audit
    entries: EntryMaker
    duplicates: Duplicates
    sleep: Callable[[float], None]
    wait: Callable[[int], float] = seconds_before_try
    #: Told the number of rows that got their entry, call by call.
    progress: Callable[[int], None] = lambda rows: None

    def run(self, records: Iterable[Record]) -> None:
        """Send what is not settled yet, wave by wave.

        :param records: ordered by wave; within a wave every key is unique.
        :raises CallError: Salesforce could not be reached or refused the work. Every row has its entry
            by then: what was in the failed call is ``unknown`` or ``not_sent``, the rest ``not_sent``.
        """
        settled = self.audit.settled_rows(self.load_id, self.partition)
        #: Folded key to the action its later rows are held behind.
        behind: dict[str, Action] = {}
        waves = groupby(records, key=lambda record: record.wave)
        try:
            for _, wave in waves:
                self._run_wave(wave, settled, behind)
        except CallError as error:
            rest = (record for _, wave in waves for record in wave)
            self._remember([self._given_up(record, Action.NOT_SENT, error) for record in rest], behind)
            raise

    def _run_wave(self, wave: Iterable[Record], settled: Mapping[int, Action], behind: dict[str, Action]) -> None:
        blocked: list[Blocked] = []
        rows = self._to_send(wave, settled, behind)
        try:
            for batch in self._sender().send(rows):
                blocked += [Blocked(record, o) for record, o in batch if isinstance(o, DuplicatesFound)]
                self._remember([self._entry(r, o) for r, o in batch if not isinstance(o, DuplicatesFound)], behind)
                if len(blocked) >= SETTLE_TOGETHER:
                    self._settle(blocked, behind)
                    blocked = []
            self._settle(blocked, behind)
        except Interrupted as interrupted:
            self._give_up(interrupted, (row.record for row in blocked), rows)
            raise interrupted.error from None

    def _to_send(
        self, wave: Iterable[Record], settled: Mapping[int, Action], behind: dict[str, Action]
    ) -> Iterator[Record]:
        """The rows that are sent; those that wait behind an earlier row of their key are remembered."""
        waiting: list[Entry] = []
        for record in wave:
            action = settled.get(record.row_number)
            if action is not None:
                if action in _AWAITS_A_PERSON:
                    behind[self.key_rule.fold(record.key)] = action
            elif behind and (blocker := behind.get(self.key_rule.fold(record.key))):
                waiting.append(self._waits(record, blocker))
            else:
                yield record
        self._remember(waiting, behind)

    def _waits(self, record: Record, blocker: Action) -> Entry:
        if blocker in _AWAITS_A_PERSON:
            return self.entries.entry(record, Action.HELD, reason="earlier_row_awaits_review")
        return self.entries.entry(record, Action.NOT_SENT, reason="earlier_row_not_settled")

    def _sender(self) -> Sender[Record]:
        return Sender(
            self.api.upsert,
            rows_per_chunk=self.api.rows_per_chunk,
            chunks_per_call=self.api.chunks_per_call,
            external_id_field=self.key_rule.field.name,
            size=size_of,
            sleep=self.sleep,
            wait=self.wait,
        )

    def _entry(self, record: Record, outcome: Outcome) -> Entry:
        if isinstance(outcome, Saved):
            return self.entries.saved(record, outcome)
        assert not isinstance(outcome, DuplicatesFound)  # noqa: S101 - narrows the union
        return self.entries.not_saved(record, outcome)

    def _remember(self, entries: list[Entry], behind: dict[str, Action]) -> None:
        if entries:
            self.audit.remember(self.load_id, entries)
            self._note(entries, behind)

    def _settle(self, blocked: list[Blocked], behind: dict[str, Action]) -> None:
        if blocked:
            self._note(self.duplicates.settle(blocked), behind)

    def _note(self, entries: list[Entry], behind: dict[str, Action]) -> None:
        self.progress(len(entries))
        for entry in entries:
            if (entry.action in _AWAITS_A_PERSON or entry.action in UNSETTLED) and entry.key is not None:
                behind[self.key_rule.fold(entry.key)] = entry.action

    def _give_up(self, interrupted: Interrupted[Any], blocked: Iterable[Record], rows: Iterable[Record]) -> None:
        """Give every row of the wave that has no entry one; settled entries are never overwritten."""
        error = interrupted.error
        in_call = [_record_of(item) for item in interrupted.in_call]
        unsent = [*map(_record_of, interrupted.unsent), *blocked, *rows]
        lost = Action.UNKNOWN if isinstance(error, OutcomeUnknownError) else Action.NOT_SENT
        entries = {r.row_number: self._given_up(r, Action.NOT_SENT, error) for r in unsent}
        entries |= {r.row_number: self._given_up(r, lost, error) for r in in_call}
        self._remember(list(entries.values()), {})

    def _given_up(self, record: Record, action: Action, error: CallError) -> Entry:
        return self.entries.entry(record, action, error_code=error.code or None, reason="call_failed")


def _record_of(item: Any) -> Record:
    return item if isinstance(item, Record) else item.case.record
