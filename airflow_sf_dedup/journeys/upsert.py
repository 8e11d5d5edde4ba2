"""One task's work: write a partition's rows, settle what duplicate rules block, remember every row.

The order is the promise: a row is remembered as soon as its call has answered, so a crash costs the
calls in flight; everything is committed before anything is raised. Where rows travel in a job, the task may end while
it runs: another process finishes the wave, and goes on with the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, groupby, islice

from airflow_sf_dedup.audit.base import Audit
from airflow_sf_dedup.core.entries import Action, Entry
from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.outcomes import Unanswered
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.rule_waits import RuleWait
from airflow_sf_dedup.errors import CallError, LoginRefusedError, PutOffError
from airflow_sf_dedup.journeys.key_conflicts import Conflict, KeyConflicts, needs_re_read
from airflow_sf_dedup.journeys.kin_waits import KinWaits
from airflow_sf_dedup.journeys.lost_answers import LostAnswers
from airflow_sf_dedup.journeys.parents import ParentRows
from airflow_sf_dedup.journeys.recording import AWAITS_A_PERSON, ENTRIES_TOGETHER, Recorder
from airflow_sf_dedup.journeys.rows_put_off import RowsPutOff
from airflow_sf_dedup.journeys.sending.backoff import WaitBudget
from airflow_sf_dedup.journeys.sending.claiming import HeldKeys
from airflow_sf_dedup.journeys.sending.clearance import Clearance, PutOff, granted, put_off
from airflow_sf_dedup.journeys.sending.delivery import Delivery, FinishesJobs, Parked
from airflow_sf_dedup.journeys.sending.known import AsksFirst, HoldersMet, Vanished, as_far_as_known
from airflow_sf_dedup.journeys.sending.senders import Senders
from airflow_sf_dedup.journeys.sending.under_way import Answered, UnderWay, under_way
from airflow_sf_dedup.journeys.sending.watermarks import WatermarkGuard
from airflow_sf_dedup.journeys.settling.blocked import Blocked
from airflow_sf_dedup.journeys.settling.kept_out import as_policies_see, kept_out
from airflow_sf_dedup.journeys.settling.settlement import Settlement
from airflow_sf_dedup.salesforce.ports import ChunkApi, RecordReader

#: Blocked rows are settled together, this many at a time: as many as one retrieve can read.
SETTLE_TOGETHER = 2000

#: Seconds that a task waits, holding its worker slot, for keys that are in flight elsewhere.
KEY_WAIT = 15.0


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A wave that is on its way in a job. Whatever else its end needs stands in the database and the staged rows.

    :ivar token: under which the keys of its rows are claimed.
    """

    job: str
    wave: int
    token: str


@dataclass
class Upsert:
    """Upserts one partition of a load."""

    load_id: str
    partition: int
    key_rule: KeyRule
    api: ChunkApi
    reader: RecordReader
    audit: Audit
    recorder: Recorder
    settlement: Settlement
    lost_answers: LostAnswers
    #: The keys that the task has in flight.
    keys: HeldKeys
    #: Asked before each call which of its rows may be sent; begins with the keys.
    clearance: Clearance[Record]
    #: Makes what carries the rows of one wave.
    deliver: Callable[[], Delivery[Record]]
    senders: Senders
    #: What keeps older rows back, where the load has an order.
    guard: WatermarkGuard
    #: What rows wait for that go after other rows of the load, and why a parent among these was not found.
    kin_waits: KinWaits
    parents: ParentRows
    #: What the org has of keys decides how their rows are sent; part of the clearance, where the load asks first.
    known: AsksFirst
    #: Rows that this very try found ``failed`` before it gave its worker slot back are not sent again in it.
    try_number: int = 1
    #: Rows that an earlier try left ``unknown``: they may be in the org.
    unknown: frozenset[int] = frozenset()

    def run(self, records: Iterable[Record]) -> Unfinished | None:
        """Send what is not settled yet, wave by wave.

        :param records: ordered by wave; within a wave every key is unique.
        :returns: a wave that is on its way, to be finished before this is called again; ``None``: all is over.
        :raises CallError: Salesforce could not be reached or refused the work. Every row has its entry
            by then: a row in a call without an answer is ``unknown``, the others are ``not_sent``. Its message
            is our own: what Salesforce says of a call may quote a row of it.
        :raises PutOffError: other processes had keys in flight to the end, or rows wait for rules that were switched
            off; see there for the rows' entries.
        """
        run = self._begun()
        self.recorder.progress.begin(len(run.settled))
        waves = groupby(records, key=lambda record: record.wave)
        rest = (record for _, wave in waves for record in wave if record.row_number not in run.settled)
        try:
            for number, wave in waves:
                if parked := run.wave(wave):
                    return self._unfinished(parked, number)
        except CallError as error:
            self.not_sent(rest, error)
            _in_own_words(error)
            raise
        except BaseException as error:
            with suppress(Exception):
                self.not_sent(rest, _ended(error))
            raise
        if put_off := run.put_off():
            raise put_off
        return None

    def finish(self, unfinished: Unfinished, records: Iterable[Record]) -> Unfinished | None:
        """Take in what became of a wave that a process left on its way; :meth:`run` goes on from there.

        Made with the wave's token. The claims tell which rows are the wave's, the watermarks which states they
        announced, the entries which rows are settled and keep later ones back.

        :param records: as for :meth:`run`.
        :returns: the wave again, when it is not over yet.
        :raises CallError: as :meth:`run`; rows of the wave without an answer keep their claims, and get no entries.
        """
        run = self._begun()
        wave = (row for row in records if row.wave == unfinished.wave and row.row_number not in run.settled)
        try:
            parked = run.finish(Parked(unfinished.job), self._taken_over(wave))
        except CallError as error:
            _in_own_words(error)
            raise
        return None if parked is None else self._unfinished(parked, unfinished.wave)

    def _begun(self) -> _Run:
        settled = self.audit.settled_rows(self.load_id, self.partition, failed_in_try=self.try_number)
        waiting = {row: wait for row, wait in self.settlement.stale_rules.not_due().items() if row not in settled}
        return _Run(self, {**settled, **self.recorder.unsettled}, waiting)

    def _unfinished(self, parked: Parked, wave: int) -> Unfinished:
        return Unfinished(parked.job, wave, self.keys.claimant.token)

    def _taken_over(self, rows: Iterator[Record]) -> Iterator[UnderWay[Record]]:
        """The rows that were sent under this task's token, as they are asked for."""
        while some := list(islice(rows, SETTLE_TOGETHER)):
            taken = self.keys.take_over(some)
            self.guard.take_over(taken)
            yield from under_way(taken)

    def not_sent(self, records: Iterable[Record], error: CallError) -> None:
        """Give all rows their entries when the load could not even begin; settled ones keep theirs."""
        self.recorder.give_up(under_way(records), error)

    def conflicts(self) -> KeyConflicts:
        """Settles rows that a unique value kept out."""
        return KeyConflicts(self.key_rule, self.api, self.reader, self.senders, HoldersMet(self.known.question))


class _Run:
    """One run of a task over its partition.

    :param settled: row number to action, of rows that an earlier try settled.
    :param waiting: rows that wait for rules that were switched off, and are not sent before.
    """

    def __init__(self, task: Upsert, settled: Mapping[int, Action], waiting: Mapping[int, RuleWait]) -> None:
        self._task = task
        self.settled = {**dict.fromkeys(waiting, Action.NOT_SENT), **settled}
        #: Rows that must not be sent before their keys have been re-read.
        self._in_doubt = frozenset() if task.api.repeatable else task.unknown
        self._doubtful: list[Record] = []
        self._key_wait = WaitBudget(KEY_WAIT, task.senders.sleep)
        self._blocked: list[Blocked] = []
        #: Rows that a unique value kept out, of which a re-read tells why.
        self._conflicting: list[Answered[Record]] = []
        #: Row numbers of those that have been re-read: no row goes round in circles.
        self._re_read: set[int] = set()
        self._vanished = Vanished()
        self._rows_put_off = RowsPutOff(task.load_id, waiting)

    def wave(self, wave: Iterable[Record]) -> Parked | None:
        """Send the rows of one wave; each has its entry when this returns or raises a ``CallError``, unless they are
        on their way in a job.
        """
        return self._deliver(lambda delivery: delivery.send(under_way(self._to_send(wave))))

    def finish(self, parked: Parked, rows: Iterable[UnderWay[Record]]) -> Parked | None:
        """Take in what became of the rows of a job; the same job where it is not over yet."""

        def finished(delivery: Delivery[Record]) -> Iterator[list[Answered[Record]] | Parked]:
            if not isinstance(delivery, FinishesJobs):
                raise TypeError(f"{type(delivery).__name__} knows no jobs, and so not {parked.job}")
            return delivery.finish(parked, rows)

        return self._deliver(finished)

    def _deliver(
        self, batches: Callable[[Delivery[Record]], Iterator[list[Answered[Record]] | Parked]]
    ) -> Parked | None:
        sender = self._task.deliver()
        try:
            parked = self._take_in(batches(sender)) or self._re_read_doubtful(sender) or self._ask_again(sender)
            self._settle_conflicting_rows()
            while not parked and self._rows_put_off.is_worth_waiting(sender.put_off) and self._key_wait.wait():
                parked = self._take_in(sender.send_put_off()) or self._ask_again(sender)
                self._settle_conflicting_rows()
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
        self._put_off(sender.put_off)
        return parked

    def put_off(self) -> PutOffError | None:
        """What to say of the rows that are not sent now; ``None``: there are none."""
        return self._rows_put_off.error(self._task.settlement.stale_rules.waits.values())

    def _take_in(self, batches: Iterable[list[Answered[Record]] | Parked]) -> Parked | None:
        for batch in batches:
            if isinstance(batch, Parked):
                return batch
            self._settle_answered(batch)
            if len(self._conflicting) >= SETTLE_TOGETHER:
                self._settle_conflicting_rows()
            while len(self._blocked) >= SETTLE_TOGETHER:
                now, self._blocked = self._blocked[:SETTLE_TOGETHER], self._blocked[SETTLE_TOGETHER:]
                self._settle_blocked(now)
        return None

    def _settle_conflicting_rows(self) -> None:
        """Settle the rows that need more than their call; some need both ways, each of them once."""
        while self._conflicting or self._blocked:
            rows, self._conflicting = self._conflicting, []
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
            entries = self._task.settlement.settle(blocked)
            self._task.recorder.note(entries)
            self._rows_put_off.for_rules(entries)
        finally:
            self._conflicting += self._task.settlement.contested()

    def _re_read_doubtful(self, sender: Delivery[Record]) -> Parked | None:
        """Rows that may be in the org by a key that is not unique: who holds it is updated, else they are sent."""
        rows, self._doubtful = self._doubtful, []
        if not rows:
            return None
        cleared = self._task.clearance.clear(list(under_way(rows)))
        self._put_off(put_off(cleared))
        sent = granted(cleared)
        try:
            holders = self._task.reader.holders([each.row.key for each in sent])
        except CallError:
            self._task.keys.release(each.row.row_number for each in sent)
            raise
        held = [Answered(each, Unanswered("sent by an earlier try")) for each in sent if each.row.key in holders]
        conflicts = self._task.conflicts()
        self._settle_conflicts(conflicts, conflicts.write_to_holders(held, holders))
        return self._take_in(sender.send(each for each in sent if each.row.key not in holders))

    def _ask_again(self, sender: Delivery[Record]) -> Parked | None:
        """Rows whose record left the org between the question and the write: by what the org has now."""
        rows = self._vanished.rows()
        return self._take_in(sender.send(rows)) if rows else None

    def _settle_conflicts(self, conflicts: KeyConflicts, batches: Iterable[list[Conflict]]) -> None:
        try:
            for batch in batches:
                self._settle_conflicting(batch)
        except CallError as error:
            self._task.recorder.give_up(conflicts.left(), error)
            raise

    def _give_up(self, sender: Delivery[Record], error: CallError) -> None:
        """Nothing more is sent: what is in flight still counts, the other rows are given up.

        Rows that a settlement took over have their entries, whatever became of it.
        """
        for batch in sender.drain():
            self._settle_answered(batch)
        self._give_up_rows(self._unsettled(sender), error)

    def _unsettled(self, sender: Delivery[Record]) -> Iterator[UnderWay[Record]]:
        """The rows that are not in flight and not settled."""
        answered = chain(self._conflicting, self._task.known.told())
        return chain((b.sent for b in self._blocked), (a.sent for a in answered), self._vanished.rows(), sender.left())

    def _give_up_rows(self, rows: Iterable[UnderWay[Record]], error: CallError) -> None:
        self._task.recorder.give_up(rows, error)
        self._account_for_dropped()

    # -- rows that are sent -----------------------------------------------------------------------

    def _to_send(self, wave: Iterable[Record]) -> Iterator[Record]:
        """The rows that are sent; those that wait behind an earlier row of their key are remembered."""
        recorder, waiting = self._task.recorder, list[Entry]()
        for record in wave:
            action = self.settled.get(record.row_number)
            if action is not None:
                recorder.hold_back(record, action)
            elif entry := recorder.waiting(record) or self._task.kin_waits.waiting(record):
                waiting.append(entry)
                if len(waiting) >= ENTRIES_TOGETHER:
                    recorder.record(waiting)
                    waiting = []
            elif record.row_number in self._in_doubt:
                self._doubtful.append(record)
            else:
                yield record
        recorder.record(waiting)

    def _put_off(self, rows: Sequence[PutOff[Record]]) -> None:
        self._task.recorder.put_off(rows, self._task.unknown)
        self._rows_put_off.in_flight(rows)

    # -- rows that were answered ------------------------------------------------------------------

    def _settle_answered(self, batch: list[Answered[Record]]) -> None:
        """Remember what a call settled, and sort out what it did not."""
        task, key_field = self._task, self._task.key_rule.field.name
        entries: list[Entry] = []
        maker = task.recorder.entries.at_once()
        resolved = task.lost_answers.resolved([*map(as_far_as_known, batch)])
        for answered in resolved:
            if blocked := kept_out(answered):
                self._blocked.append(as_policies_see(blocked, self._task.known.write))
            elif self._vanished.takes(answered):
                continue
            elif needs_re_read(answered, key_field):
                self._conflicting.append(answered)
            else:
                entries.append(task.recorder.entry(answered, maker))
        task.recorder.record(task.parents.explained(resolved, entries))
        self._account_for_dropped()
        if told := task.known.told():
            self._settle_answered(told)

    def _settle_conflicting(self, batch: list[Conflict]) -> None:
        recorder = self._task.recorder
        told = self._task.lost_answers.resolved_at_last([conflict.answered for conflict in batch])
        entries: list[Entry] = []
        for conflict, answered in zip(batch, told, strict=True):
            if blocked := kept_out(answered, conflict.holders if conflict.deleted else ()):
                self._blocked.append(as_policies_see(blocked, self._task.known.write))
            else:
                entries.append(recorder.entry(answered, recorder.entries, conflict))
        recorder.record(self._task.parents.explained(told, entries))

    def _account_for_dropped(self) -> None:
        """Rows that were kept back: older than what was written of their key, or settled by another process."""
        recorder, stale = self._task.recorder, self._task.guard.stale()
        recorder.record([recorder.entries.entry(row, Action.SKIPPED, reason=why) for row, why in stale])
        recorder.left_alone(self._task.known.left_alone())
        for record, action in self._task.keys.settled_meanwhile():
            if action in AWAITS_A_PERSON:
                recorder.hold_back(record, action)


def _in_own_words(error: CallError) -> None:
    """What Salesforce says of a call may quote a row of it; what a login refuses quotes none, and its words help."""
    if not isinstance(error, LoginRefusedError):
        error.in_own_words()


def _ended(error: BaseException) -> CallError:
    """The end of a task that has nothing to do with Salesforce, as its rows' entries tell it."""
    return CallError(f"the task ended early: {type(error).__name__}", code="TASK_ENDED")
