"""One task's work: write a partition's rows, settle what duplicate rules block, remember every row.

The order is the promise: a row is remembered as soon as its call has answered, so a crash costs one
call; everything is committed before anything is raised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, groupby, islice

from airflow_sf_dedup.audit.base import Audit
from airflow_sf_dedup.core.entries import UNSETTLED, Action, Entry
from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.outcomes import DuplicatesFound, Outcome, Saved
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.errors import CallError
from airflow_sf_dedup.journeys.collect import BEHIND_A_FAILED_ROW
from airflow_sf_dedup.journeys.duplicates import Blocked, Duplicates, size_of
from airflow_sf_dedup.journeys.entry_maker import EntryMaker
from airflow_sf_dedup.journeys.sending import Sender, seconds_before_try
from airflow_sf_dedup.salesforce.base import UpsertApi

#: Blocked rows are settled together, this many at a time: as many as one retrieve can read.
SETTLE_TOGETHER = 2000

#: Entries of rows that are not sent, written at a time.
ENTRIES_TOGETHER = 1000

#: A later row of a key waits behind these, and is ``held``.
_AWAITS_A_PERSON = (Action.AWAITING_REVIEW, Action.HELD)

#: Actions of a row that keep later rows of its key back. Tuples: an enum's hash is slow, once a row.
_KEEPS_BACK = (*_AWAITS_A_PERSON, *UNSETTLED)


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
    #: Record id to folded key, of the matched records that an earlier try of the load may have stamped.
    stamped: Mapping[str, str] = field(default_factory=dict)
    #: Told the number of rows that got their entry, call by call.
    progress: Callable[[int], None] = lambda rows: None

    def run(self, records: Iterable[Record]) -> None:
        """Send what is not settled yet, wave by wave.

        :param records: ordered by wave; within a wave every key is unique.
        :raises CallError: Salesforce could not be reached or refused the work. Every row has its entry
            by then: a row in a call without an answer is ``unknown``, the others are ``not_sent``.
        """
        settled = self.audit.settled_rows(self.load_id, self.partition)
        #: Folded key to the action its later rows are held behind.
        behind: dict[str, Action] = {}
        waves = groupby(records, key=lambda record: record.wave)
        try:
            for _, wave in waves:
                self._run_wave(wave, settled, behind)
        except CallError as error:
            rest = (record for _, wave in waves for record in wave if record.row_number not in settled)
            self._give_up(((record, False) for record in rest), error)
            raise

    def _run_wave(self, wave: Iterable[Record], settled: Mapping[int, Action], behind: dict[str, Action]) -> None:
        blocked: list[Blocked] = []
        sender = self._sender()
        try:
            for batch in sender.send(self._to_send(wave, settled, behind)):
                self._remember(list(self._entries(batch)), behind)
                blocked += [Blocked(r, o) for r, o in batch if isinstance(o, DuplicatesFound)]
                while len(blocked) >= SETTLE_TOGETHER:
                    now, blocked = blocked[:SETTLE_TOGETHER], blocked[SETTLE_TOGETHER:]
                    self._settle(now, behind)
            now, blocked = blocked, []
            self._settle(now, behind)
        except CallError as error:
            # Rows that a settlement took over have their entries, whatever became of it.
            self._give_up(chain(((row.record, False) for row in blocked), sender.left()), error)
            raise

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
                if len(waiting) >= ENTRIES_TOGETHER:
                    self._remember(waiting, behind)
                    waiting = []
            else:
                yield record
        self._remember(waiting, behind)

    def _waits(self, record: Record, blocker: Action) -> Entry:
        if blocker in _AWAITS_A_PERSON:
            return self.entries.entry(record, Action.HELD, reason="earlier_row_awaits_review")
        return self.entries.entry(record, Action.NOT_SENT, reason=BEHIND_A_FAILED_ROW)

    def _sender(self) -> Sender[Record]:
        return Sender(
            self.api.upsert,
            rows_per_chunk=self.api.rows_per_chunk,
            chunks_per_call=self.api.chunks_per_call,
            external_id_field=self.key_rule.field.name,
            repeatable=self.api.repeatable,
            size=size_of,
            sleep=self.sleep,
            wait=self.wait,
        )

    def _entries(self, batch: Iterable[tuple[Record, Outcome]]) -> Iterator[Entry]:
        """The entries of the rows that their call settled; blocked ones have none yet."""
        entries = self.entries.at_once()
        for record, outcome in batch:
            if isinstance(outcome, Saved):
                yield self._saved(entries, record, outcome)
            elif not isinstance(outcome, DuplicatesFound):
                yield entries.not_saved(record, outcome)

    def _saved(self, entries: EntryMaker, record: Record, outcome: Saved) -> Entry:
        """An update may find by its key a record that an earlier try stamped, without living to say so."""
        claimed_for = self.stamped.get(outcome.record_id) if self.stamped else None
        if claimed_for is None or outcome.created or claimed_for != self.key_rule.fold(record.key):
            return entries.saved(record, outcome)
        return entries.saved(record, outcome, Action.MATCHED_UPDATED, reason="stamped_by_an_earlier_try")

    def not_sent(self, records: Iterable[Record], error: CallError) -> None:
        """Give all rows their entries when the load could not even begin; settled ones keep theirs."""
        self._give_up(((record, False) for record in records), error)

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
            if entry.action in _KEEPS_BACK and entry.key is not None:
                behind[self.key_rule.fold(entry.key)] = entry.action

    def _give_up(self, rows: Iterable[tuple[Record, bool]], error: CallError) -> None:
        """Give rows that are not sent any more their entries.

        :param rows: each with whether it may be in the org all the same; read as they are remembered.
        """
        entries = (self.entries.given_up(record, error, in_doubt=in_doubt) for record, in_doubt in rows)
        while some := list(islice(entries, ENTRIES_TOGETHER)):
            self._remember(some, {})
