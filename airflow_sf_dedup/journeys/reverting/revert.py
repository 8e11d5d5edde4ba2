"""Take back what a load changed in matched records, where nobody has changed it since.

A thousand records at a time are claimed, read, compared field by field, announced in the audit, written by their ids,
and marked. A change that is marked as reverted is never looked at again, by any revert; an announced one whose call got
no answer is told by a re-read. So whatever ends a task between two steps, its next try reverts nothing twice.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from typing import Any

from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.audit.changes import ChangeId, ChangeLog, MadeChange, Mark
from airflow_sf_dedup.core.outcomes import DuplicatesFound, Failed, Outcome, Saved
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.reverts import Done, Left, PutBack, RevertState
from airflow_sf_dedup.core.sobjects import SObject
from airflow_sf_dedup.errors import CallError
from airflow_sf_dedup.journeys.reverting.claiming import RevertClaims
from airflow_sf_dedup.journeys.reverting.fields import (
    ChangedField,
    by_field,
    fields_to_read,
    modstamp,
    verdict_on,
    was_written,
)
from airflow_sf_dedup.journeys.sending.next_step import Terms
from airflow_sf_dedup.journeys.sending.refusals import fails_for_now, is_in_doubt
from airflow_sf_dedup.journeys.sending.senders import Room, Senders
from airflow_sf_dedup.journeys.sending.under_way import Answered, under_way
from airflow_sf_dedup.salesforce.ports import ChunkAnswer, ChunkApi, RecordReader, RecordUpdate, StoredRecord

#: Rows that are told in the log.
MOST_EXAMPLES = 100


@dataclass(frozen=True, slots=True)
class Example:
    """A change that was not taken back."""

    load_id: str
    row_number: int
    record_id: str
    field: str
    reason: Left
    error_code: str | None = None


@dataclass
class Reverted:
    """What became of the changes, each of which is one field of one row."""

    #: Taken back now.
    reverted: int = 0
    #: Taken back earlier, by this revert or another one.
    before: int = 0
    records: set[str] = field(default_factory=set)
    left: Counter[Left] = field(default_factory=Counter)
    #: The first ones.
    examples: list[Example] = field(default_factory=list)

    def note(self, load_id: str, made: MadeChange, mark: Mark) -> None:
        """Count one change."""
        if mark.state is RevertState.REVERTED:
            self.reverted += 1
            self.records.add(made.record_id)
            return
        reason = mark.reason or Left.NO_ANSWER
        self.left[reason] += 1
        if len(self.examples) < MOST_EXAMPLES:
            row, _, name = mark.id
            self.examples.append(Example(load_id, row, made.record_id, name, reason, mark.error_code))


@dataclass(frozen=True, slots=True)
class Item:
    """A record that is put back."""

    record_id: str
    values: Mapping[str, Any]
    fields: tuple[ChangedField, ...]

    def as_record(self) -> Record:
        """By which a sender knows how much it is."""
        return Record(0, "", self.values, "")


@dataclass
class Revert:
    """Reverts one load.

    :ivar open_sobject: what writes to records of an sObject, and reads them.
    :ivar clear_opt_outs: whether opt-outs that the load set are taken back, too.
    :ivar records_per_batch: records that are looked at together.
    """

    load: Load
    log: ChangeLog
    claims: RevertClaims
    describe: Callable[[str], SObject]
    open_sobject: Callable[[SObject], tuple[ChunkApi, RecordReader]]
    senders: Senders = field(default_factory=Senders)
    clear_opt_outs: bool = False
    records_per_batch: int = 1000
    done: Reverted = field(default_factory=Reverted)

    def run(self) -> Reverted:
        """Batch by batch; what is done is committed with each.

        :raises CallError: a call failed for good. Another try goes on from here.
        """
        self.log.begin_revert(self.revert_id, self.load.load_id, self.claims.claimant.task)
        after = ("", "")
        while batch := self.log.changes(self.load.load_id, after=after, records=self.records_per_batch):
            for sobject, some in groupby(batch, key=lambda made: made.change.sobject):
                self._of_sobject(sobject, list(some))
            after = (batch[-1].change.sobject, batch[-1].record_id)
        self.log.end_revert(self.revert_id, self.load.load_id)
        return self.done

    @property
    def revert_id(self) -> str:
        """The same for each try of the task."""
        return self.claims.claimant.token

    @cached_property
    def _described(self) -> dict[str, SObject]:
        return {}

    def _of_sobject(self, name: str, changes: Sequence[MadeChange]) -> None:
        written = [made for made in changes if was_written(made)]
        self._leave(by_field(made for made in changes if not was_written(made)), Left.NOT_WRITTEN)
        opened = self._open(written)
        fields = by_field(opened)
        if not fields:
            return
        ours = self.claims.claimed(fields)
        in_doubt: set[str] = set()
        try:
            self._leave((each for each in fields if each.record_id not in ours), Left.IN_FLIGHT)
            # Again, now that nobody else can say anything of them.
            still_open = by_field(self._open([made for made in opened if made.record_id in ours]))
            self._put_back(self._decided(name, still_open), name, in_doubt)
        finally:
            self.claims.release((each for each in fields if each.record_id in ours), frozenset(in_doubt))

    def _open(self, changes: Sequence[MadeChange]) -> list[MadeChange]:
        """Those that no revert has taken back."""
        standing = self._standing(changes)
        marks = [standing.get(made.id) for made in changes]
        is_back = [mark is not None and mark.state is RevertState.REVERTED for mark in marks]
        self.done.before += sum(is_back)
        return [made for made, was in zip(changes, is_back, strict=True) if not was]

    def _standing(self, changes: Iterable[MadeChange]) -> Mapping[ChangeId, Mark]:
        return self.log.standing(self.load.load_id, sorted({made.change.row_number for made in changes}))

    # -- what is to be done ------------------------------------------------------------------------

    def _decided(self, name: str, fields: Sequence[ChangedField]) -> list[Item]:
        """The records that are to be written, announced; what is not to be written is marked."""
        if not fields:
            return []
        described = self._describe(name)
        ids = list(dict.fromkeys(each.record_id for each in fields))
        stored = self.open_sobject(described)[1].by_id(described.name, ids, fields_to_read(described, fields))
        verdicts = self._verdicts(fields, stored, described)
        self._mark((each for each, found in verdicts if isinstance(found, Done)), RevertState.REVERTED)
        for why in {found for _, found in verdicts if isinstance(found, Left)}:
            self._leave((each for each, found in verdicts if found is why), why)
        return self._announced([(each, found) for each, found in verdicts if isinstance(found, PutBack)], stored)

    def _verdicts(
        self, fields: Sequence[ChangedField], stored: Mapping[str, StoredRecord], described: SObject
    ) -> list[tuple[ChangedField, PutBack | Done | Left]]:
        standing = self._standing(made for each in fields for made in each.changes)
        asked = {"clear_opt_outs": self.clear_opt_outs}
        return [
            (each, verdict_on(each, stored.get(each.record_id), described, each.announced(standing), **asked))
            for each in fields
        ]

    def _announced(
        self, chosen: Sequence[tuple[ChangedField, PutBack]], stored: Mapping[str, StoredRecord]
    ) -> list[Item]:
        """What a call is about to put back, committed before it is made."""
        marks = [
            mark
            for each, _ in chosen
            for mark in each.marks(RevertState.ANNOUNCED, system_modstamp=modstamp(stored[each.record_id]))
        ]
        self.log.mark(self.revert_id, self.load.load_id, marks)
        by_record: defaultdict[str, list[tuple[ChangedField, PutBack]]] = defaultdict(list)
        for each, found in chosen:
            by_record[each.record_id].append((each, found))
        return [
            Item(record_id, {each.field: found.value for each, found in some}, tuple(each for each, _ in some))
            for record_id, some in by_record.items()
        ]

    def _describe(self, name: str) -> SObject:
        if name not in self._described:
            self._described[name] = self.describe(name)
        return self._described[name]

    # -- writing -----------------------------------------------------------------------------------

    def _put_back(self, items: Sequence[Item], name: str, in_doubt: set[str]) -> None:
        if not items:
            return
        api, _ = self.open_sobject(self._describe(name))

        def call(chunks: Sequence[Sequence[Item]], /, *, on_late: Callable[[], None]) -> list[ChunkAnswer]:
            updates = [[RecordUpdate(item.record_id, item.values) for item in chunk] for chunk in chunks]
            return api.update(updates, on_late=on_late)

        sender = self.senders.by_calls(call, Terms(external_id_field=None), Room.of(api), Item.as_record)
        in_doubt.update(item.record_id for item in items)
        try:
            for batch in sender.send(under_way(items)):
                for answered in batch:
                    self._told(answered, in_doubt)
        except CallError:
            in_doubt.difference_update(each.row.record_id for each in sender.left() if not each.in_doubt)
            raise
        finally:
            sender.close()

    def _told(self, answered: Answered[Item], in_doubt: set[str]) -> None:
        """What is in doubt stays announced: the next try re-reads it."""
        item, outcome = answered.row, answered.outcome
        if is_in_doubt(outcome):
            self._note(item.fields, Mark((0, "", ""), RevertState.ANNOUNCED, Left.NO_ANSWER))
            return
        in_doubt.discard(item.record_id)
        if isinstance(outcome, Saved):
            self._mark(item.fields, RevertState.REVERTED)
        else:
            self._leave(item.fields, _why(outcome), error_code=_code(outcome))

    # -- what is said ------------------------------------------------------------------------------

    def _leave(self, fields: Iterable[ChangedField], why: Left, **more: Any) -> None:
        self._mark(fields, RevertState.LEFT, why, **more)

    def _mark(self, fields: Iterable[ChangedField], state: RevertState, why: Left | None = None, **more: Any) -> None:
        fields = list(fields)
        marks = [mark for each in fields for mark in each.marks(state, why, **more)]
        self.log.mark(self.revert_id, self.load.load_id, marks)
        for made, mark in zip((made for each in fields for made in each.changes), marks, strict=True):
            self.done.note(self.load.load_id, made, mark)

    def _note(self, fields: Iterable[ChangedField], like: Mark) -> None:
        """Count, and commit nothing."""
        for made in (made for each in fields for made in each.changes):
            self.done.note(self.load.load_id, made, Mark(made.id, like.state, like.reason))


def _why(outcome: Outcome) -> Left:
    return Left.TRIES_USED_UP if fails_for_now(outcome, external_id_field=None) else Left.REFUSED


def _code(outcome: Outcome) -> str | None:
    if isinstance(outcome, DuplicatesFound):
        return "DUPLICATES_DETECTED"
    return outcome.code if isinstance(outcome, Failed) else None
