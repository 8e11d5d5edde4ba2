"""One task's work: write a partition's rows, settle what duplicate rules block, remember every row.

The order is the promise: a row is remembered as soon as its call has answered, so a crash costs the
calls in flight; everything is committed before anything is raised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain, groupby, islice

from airflow_sf_dedup.audit.base import Audit
from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.core.entries import UNSETTLED, Action, Entry
from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.outcomes import DuplicatesFound, Saved, Unanswered
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.errors import CallError, KeysInFlightError, LoginRefusedError
from airflow_sf_dedup.journeys.claiming import HeldKeys
from airflow_sf_dedup.journeys.collect import BEHIND_A_FAILED_ROW
from airflow_sf_dedup.journeys.duplicates import Blocked, Duplicates, size_of
from airflow_sf_dedup.journeys.entry_maker import EntryMaker
from airflow_sf_dedup.journeys.guards import Guard
from airflow_sf_dedup.journeys.key_conflicts import Conflict, KeyConflicts, is_open
from airflow_sf_dedup.journeys.lost_answers import LostAnswers
from airflow_sf_dedup.journeys.newest import NewestOnly
from airflow_sf_dedup.journeys.patience import Patience, seconds_before_try
from airflow_sf_dedup.journeys.progress import Progress
from airflow_sf_dedup.journeys.remembering import Remembers
from airflow_sf_dedup.journeys.sending import Answered, Sender
from airflow_sf_dedup.locks.base import Holder
from airflow_sf_dedup.salesforce.base import RecordReader, UpsertApi

#: Blocked rows are settled together, this many at a time: as many as one retrieve can read.
SETTLE_TOGETHER = 2000

#: Entries of rows that are not sent, written at a time.
ENTRIES_TOGETHER = 1000

#: Seconds that a task waits, holding its worker slot, for keys that are in flight elsewhere.
PATIENCE = 15.0

#: Holders of keys that an error names.
MOST_HOLDERS = 5

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
    reader: RecordReader
    audit: Audit
    #: Takes the entries; the audit itself, or what stands before it.
    memory: Remembers
    entries: EntryMaker
    duplicates: Duplicates
    lost_answers: LostAnswers
    #: The keys that the task has in flight.
    keys: HeldKeys
    #: Asked before each call which of its rows may be sent; begins with the keys.
    guard: Guard[Record]
    sleep: Callable[[float], None]
    #: The guard that keeps older rows back, where the load has an order.
    newest: NewestOnly | None = None
    #: Rows that this very try found ``failed`` before it gave its worker slot back are not sent again in it.
    try_number: int = 1
    max_in_flight: int = 1
    wait: Callable[[int], float] = seconds_before_try
    #: The org's time, UTC.
    now: Callable[[], datetime] = utc_now
    #: Rows that an earlier try left ``unknown``: they may be in the org.
    unknown: frozenset[int] = frozenset()
    #: Record id to folded key, of the matched records that an earlier try of the load may have stamped.
    stamped: Mapping[str, str] = field(default_factory=dict)
    #: Told the entries of rows, call by call.
    progress: Progress = field(default_factory=Progress)

    def run(self, records: Iterable[Record]) -> None:
        """Send what is not settled yet, wave by wave.

        :param records: ordered by wave; within a wave every key is unique.
        :raises CallError: Salesforce could not be reached or refused the work. Every row has its entry
            by then: a row in a call without an answer is ``unknown``, the others are ``not_sent``. Its message
            is our own: what Salesforce says of a call may quote a row of it.
        :raises KeysInFlightError: other processes had keys in flight to the end; see there for the rows' entries.
        """
        run = _Run(self, self.audit.settled_rows(self.load_id, self.partition, failed_in_try=self.try_number))
        self.progress.begin(len(run.settled))
        waves = groupby(records, key=lambda record: record.wave)
        rest = (record for _, wave in waves for record in wave if record.row_number not in run.settled)
        try:
            for _, wave in waves:
                run.wave(wave)
        except CallError as error:
            self.not_sent(rest, error)
            # What a login refuses quotes no row, and its words help.
            if not isinstance(error, LoginRefusedError):
                error.in_own_words()
            raise
        except BaseException as error:
            with suppress(Exception):
                self.not_sent(rest, _ended(error))
            raise
        if run.holders:
            raise run.keys_in_flight()

    def not_sent(self, records: Iterable[Record], error: CallError) -> None:
        """Give all rows their entries when the load could not even begin; settled ones keep theirs."""
        self.give_up(((record, False) for record in records), error)

    def give_up(self, rows: Iterable[tuple[Record, bool]], error: CallError) -> None:
        """Give rows that are not sent any more their entries.

        :param rows: each with whether it may be in the org all the same; read as they are remembered.
        """
        rows = iter(rows)
        while some := list(islice(rows, ENTRIES_TOGETHER)):
            may_be_sent = self.keys.may_have_been_sent([record for record, in_doubt in some if not in_doubt])
            entries = [
                self.entries.given_up(record, error, in_doubt=in_doubt or record.row_number in may_be_sent)
                for record, in_doubt in some
            ]
            self.memory.remember(self.load_id, entries)
            self.progress.note(entries)

    def sender(self) -> Sender[Record]:
        """Sends rows by their keys."""
        return Sender(
            self.api.upsert,
            rows_per_chunk=self.api.rows_per_chunk,
            chunks_per_call=self.api.chunks_per_call,
            external_id_field=self.key_rule.field.name,
            repeatable=self.api.repeatable,
            size=size_of,
            guard=self.guard,
            on_late=lambda rows: self.keys.mark_late(row.row_number for row in rows),
            max_in_flight=self.max_in_flight,
            now=self.now,
            sleep=self.sleep,
            wait=self.wait,
        )

    def conflicts(self) -> KeyConflicts:
        """Settles rows that a unique value kept out."""
        return KeyConflicts(
            self.key_rule,
            self.api,
            self.reader,
            size_of,
            self.sleep,
            self.wait,
            now=self.now,
            on_late=self.keys.mark_late,
        )


class _Run:
    """One run of a task over its partition.

    :param settled: row number to action, of rows that an earlier try settled.
    """

    def __init__(self, task: Upsert, settled: Mapping[int, Action]) -> None:
        self._task = task
        self.settled = settled
        #: Rows that must not be sent before their keys have been re-read.
        self._in_doubt = frozenset() if task.api.repeatable else task.unknown
        self._doubtful: list[Record] = []
        self._patience = Patience(PATIENCE, task.sleep)
        #: Folded key to the action its later rows are held behind.
        self._behind: dict[str, Action] = {}
        self._blocked: list[Blocked] = []
        #: Rows that a unique value kept out, of which a re-read tells why.
        self._open: list[Answered[Record]] = []
        #: Row numbers of those that have been re-read: no row goes round in circles.
        self._re_read: set[int] = set()
        self.rows_put_off = 0
        #: Who had their keys in flight, by task.
        self.holders: dict[str, Holder] = {}

    def wave(self, wave: Iterable[Record]) -> None:
        """Send the rows of one wave; each has its entry when this returns or raises a ``CallError``."""
        sender = self._task.sender()
        try:
            self._take_in(sender.send(self._to_send(wave)))
            self._re_read_doubtful(sender)
            self._settle_open()
            while self._is_worth_waiting(sender.put_off) and self._patience.wait():
                self._take_in(sender.send_put_off())
                self._settle_open()
        except CallError as error:
            self._give_up(sender, error)
            raise
        except Exception as error:
            with suppress(Exception):
                self._give_up(sender, _ended(error))
            raise
        except BaseException as error:
            # Airflow's time-out, or a signal: nothing is waited for any more.
            with suppress(Exception):
                self._give_up_rows(chain(sender.abandon(), self._unsettled(sender)), _ended(error))
            raise
        finally:
            sender.close()
        self._put_off(sender.put_off, sender.is_in_doubt)

    def keys_in_flight(self) -> KeysInFlightError:
        """What to say of the rows whose keys others had to the end."""
        holders = list(self.holders.values())
        named = map(str, holders)
        own = (each.expires_at for each in holders if each.load_id == self._task.load_id and each.expires_at)
        return KeysInFlightError(self.rows_put_off, tuple(islice(named, MOST_HOLDERS)), max(own, default=None))

    def _is_worth_waiting(self, put_off: Iterable[tuple[Record, Holder]]) -> bool:
        """What a process of the same load left behind ends minutes later only."""
        return any(holder.load_id != self._task.load_id for _, holder in put_off)

    def _take_in(self, batches: Iterable[list[Answered[Record]]]) -> None:
        for batch in batches:
            self._settle_answered(batch)
            if len(self._open) >= SETTLE_TOGETHER:
                self._settle_open()
            while len(self._blocked) >= SETTLE_TOGETHER:
                now, self._blocked = self._blocked[:SETTLE_TOGETHER], self._blocked[SETTLE_TOGETHER:]
                self._settle_blocked(now)

    def _settle_open(self) -> None:
        """Settle the rows that need more than their call; some need both ways, each of them once."""
        while self._open or self._blocked:
            rows, self._open = self._open, []
            again = [each for each in rows if each.row.row_number in self._re_read]
            self._settle_conflicting([Conflict(each) for each in again])
            rows = [each for each in rows if each.row.row_number not in self._re_read]
            self._re_read.update(each.row.row_number for each in rows)
            conflicts = self._task.conflicts()
            self._settle_conflicts(conflicts, conflicts.settle(rows) if rows else ())
            now, self._blocked = self._blocked[:SETTLE_TOGETHER], self._blocked[SETTLE_TOGETHER:]
            self._settle_blocked(now)
        self._account_for_dropped()

    def _settle_blocked(self, blocked: list[Blocked]) -> None:
        if not blocked:
            return
        try:
            self._note(self._task.duplicates.settle(blocked))
        finally:
            self._open += self._task.duplicates.contested()

    def _re_read_doubtful(self, sender: Sender[Record]) -> None:
        """Rows that may be in the org by a key that is not unique: who holds it is updated, else they are sent."""
        rows, self._doubtful = self._doubtful, []
        if not rows:
            return
        taken = self._task.guard.take(rows)
        self._put_off(taken.put_off, lambda row: True)
        away = {id(row) for row, _ in taken.put_off} | taken.dropped
        rows = [row for row in rows if id(row) not in away]
        sender.doubt({row_id: moment for row_id, moment in taken.since.items() if row_id not in away})
        try:
            holders = self._task.reader.holders([row.key for row in rows])
        except CallError:
            self._task.keys.release(row.row_number for row in rows)
            raise
        held = [
            Answered(row, Unanswered("sent by an earlier try"), 0, since=taken.since.get(id(row)))
            for row in rows
            if row.key in holders
        ]
        conflicts = self._task.conflicts()
        self._settle_conflicts(conflicts, conflicts.write_to_holders(held, holders))
        self._take_in(sender.send(row for row in rows if row.key not in holders))

    def _settle_conflicts(self, conflicts: KeyConflicts, batches: Iterable[list[Conflict]]) -> None:
        try:
            for batch in batches:
                self._settle_conflicting(batch)
        except CallError as error:
            self._task.give_up(conflicts.left(), error)
            raise

    def _give_up(self, sender: Sender[Record], error: CallError) -> None:
        """Nothing more is sent: what is in flight still counts, the other rows are given up.

        Rows that a settlement took over have their entries, whatever became of it.
        """
        for batch in sender.drain():
            self._settle_answered(batch)
        self._give_up_rows(self._unsettled(sender), error)

    def _unsettled(self, sender: Sender[Record]) -> Iterator[tuple[Record, bool]]:
        """The rows that are not in flight and not settled, and whether each may be in the org."""
        blocked = ((each.record, each.in_doubt) for each in self._blocked)
        contested = ((each.row, each.since is not None) for each in self._open)
        return chain(blocked, contested, sender.left())

    def _give_up_rows(self, rows: Iterable[tuple[Record, bool]], error: CallError) -> None:
        self._task.give_up(rows, error)
        self._account_for_dropped()

    # -- rows that are sent -----------------------------------------------------------------------

    def _to_send(self, wave: Iterable[Record]) -> Iterator[Record]:
        """The rows that are sent; those that wait behind an earlier row of their key are remembered."""
        waiting: list[Entry] = []
        for record in wave:
            action = self.settled.get(record.row_number)
            if action is not None:
                if action in _KEEPS_BACK:
                    self._behind[self._fold(record.key)] = action
            elif self._behind and (blocker := self._behind.get(self._fold(record.key))):
                waiting.append(self._waits(record, blocker))
                if len(waiting) >= ENTRIES_TOGETHER:
                    self._remember(waiting)
                    waiting = []
            elif record.row_number in self._in_doubt:
                self._doubtful.append(record)
            else:
                yield record
        self._remember(waiting)

    def _waits(self, record: Record, blocker: Action) -> Entry:
        if blocker in _AWAITS_A_PERSON:
            return self._task.entries.entry(record, Action.HELD, reason="earlier_row_awaits_review")
        return self._task.entries.entry(record, Action.NOT_SENT, reason=BEHIND_A_FAILED_ROW)

    def _put_off(self, rows: Sequence[tuple[Record, Holder]], is_in_doubt: Callable[[Record], bool]) -> None:
        """Rows that were not sent because of their keys; one that may be in the org is ``unknown``."""
        for record, _ in rows:
            self._behind.setdefault(self._fold(record.key), Action.NOT_SENT)
        task = self._task
        self._remember(
            [
                task.entries.put_off(record, holder, in_doubt=holder.load_id == task.load_id or is_in_doubt(record))
                for record, holder in rows
                if record.row_number not in task.unknown
            ]
        )
        self.rows_put_off += len(rows)
        self.holders.update({holder.task: holder for _, holder in rows})

    # -- rows that were answered ------------------------------------------------------------------

    def _settle_answered(self, batch: list[Answered[Record]]) -> None:
        """Remember what a call settled, and sort out what it did not."""
        task, key_field = self._task, self._task.key_rule.field.name
        entries: list[Entry] = []
        maker = task.entries.at_once()
        for answered in task.lost_answers.told(batch):
            if isinstance(answered.outcome, DuplicatesFound):
                self._blocked.append(_blocked(answered, answered.outcome))
            elif is_open(answered, key_field):
                self._open.append(answered)
            else:
                entries.append(self._entry(maker, answered, None))
        self._remember(entries)
        self._account_for_dropped()

    def _settle_conflicting(self, batch: list[Conflict]) -> None:
        told = self._task.lost_answers.told_at_last([conflict.answered for conflict in batch])
        entries: list[Entry] = []
        for conflict, answered in zip(batch, told, strict=True):
            if isinstance(answered.outcome, DuplicatesFound):
                self._blocked.append(_blocked(answered, answered.outcome))
            else:
                entries.append(self._entry(self._task.entries, answered, conflict))
        self._remember(entries)

    def _entry(self, maker: EntryMaker, answered: Answered[Record], conflict: Conflict | None) -> Entry:
        entry = self._plain_entry(maker, answered, conflict)
        if answered.attempts == 1:
            return entry
        return replace(entry, attempts=answered.attempts, waited_seconds=answered.waited)

    def _plain_entry(self, maker: EntryMaker, answered: Answered[Record], conflict: Conflict | None) -> Entry:
        outcome = answered.outcome
        assert not isinstance(outcome, DuplicatesFound)  # noqa: S101 - narrows the union
        if isinstance(outcome, Saved):
            return self._saved(maker, answered, outcome, conflict)
        if conflict is None:
            return maker.not_saved(answered.row, outcome)
        holders = maker.holders(answered.row, conflict.holders, deleted=conflict.deleted)
        return maker.not_saved(answered.row, outcome, reason=conflict.reason, matches=holders)

    def _saved(self, maker: EntryMaker, answered: Answered[Record], outcome: Saved, conflict: Conflict | None) -> Entry:
        """An update may find by its key a record that an earlier try stamped, without living to say so."""
        record, stamped = answered.row, self._task.stamped
        claimed_for = stamped.get(outcome.record_id) if stamped else None
        if claimed_for is not None and not outcome.created and claimed_for == self._fold(record.key):
            return maker.saved(record, outcome, Action.MATCHED_UPDATED, reason="stamped_by_an_earlier_try")
        if outcome.created is None:
            return maker.saved(record, outcome)
        if conflict is not None and isinstance(conflict.answered.outcome, Saved):
            return maker.saved(record, outcome, reason=conflict.reason)
        if answered.since is not None:
            return maker.saved(record, outcome, reason="answer_lost")
        return maker.saved(record, outcome)

    # -- remembering ------------------------------------------------------------------------------

    def _account_for_dropped(self) -> None:
        """Rows that a guard kept back: older than what was written of their key, or settled by another process."""
        if self._task.newest is not None:
            stale = self._task.newest.stale()
            self._remember([self._task.entries.entry(row, Action.SKIPPED, reason=why) for row, why in stale])
        for record, action in self._task.keys.settled_meanwhile():
            if action in _AWAITS_A_PERSON:
                self._behind[self._fold(record.key)] = action

    def _remember(self, entries: list[Entry]) -> None:
        if entries:
            self._task.memory.remember(self._task.load_id, entries)
            self._note(entries)

    def _note(self, entries: list[Entry]) -> None:
        self._task.progress.note(entries)
        for entry in entries:
            if entry.action in _KEEPS_BACK and entry.key is not None:
                self._behind[self._fold(entry.key)] = entry.action

    def _fold(self, key: str) -> str:
        return self._task.key_rule.fold(key)


def _ended(error: BaseException) -> CallError:
    """The end of a task that has nothing to do with Salesforce, as its rows' entries tell it."""
    return CallError(f"the task ended early: {type(error).__name__}", code="TASK_ENDED")


def _blocked(answered: Answered[Record], found: DuplicatesFound) -> Blocked:
    return Blocked(answered.row, found, answered.attempts, answered.waited, answered.since is not None)
