"""Rows that a unique value keeps out: who holds the key, and may the row go there?

A ``DUPLICATE_VALUE`` whose text names no field, or that outlasts all repeats, is told apart by re-reading
the key. A record that holds it is updated by its id, with what the load may write to it: no path leads from here to a
create.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from airflow_sf_dedup.core.entries import Action
from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.outcomes import Failed, KeyHeldByMany, Saved, Unanswered
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.journeys.sending.by_calls import ByCalls
from airflow_sf_dedup.journeys.sending.known import HoldersMet, LeftAlone
from airflow_sf_dedup.journeys.sending.next_step import Terms
from airflow_sf_dedup.journeys.sending.senders import Room, Senders
from airflow_sf_dedup.journeys.sending.under_way import Answered, UnderWay, under_way
from airflow_sf_dedup.salesforce.ports import ChunkAnswer, ChunkApi, RecordReader, RecordUpdate
from airflow_sf_dedup.salesforce.wire.duplicate_value import DuplicateValue, kind_of, read_message


@dataclass(frozen=True, slots=True)
class Conflict:
    """A row that is settled, and what its key's holders say of it."""

    answered: Answered[Record]
    #: One word for the audit; ``None``: the outcome speaks for itself.
    reason: str | None = None
    #: Records that hold the key, where that is why the row failed.
    holders: tuple[str, ...] = ()
    #: They are in the recycle bin.
    deleted: bool = False
    #: Why the row is not written to the record that holds its key.
    left_alone: LeftAlone | None = None


@dataclass(frozen=True, slots=True)
class _Held:
    """A row that goes to the record that holds its key."""

    answered: Answered[Record]
    #: Its id.
    holder: str


#: A record that this user may not see may be the very one that a lost call created.
_UNSEEN = "DUPLICATE_VALUE, after a call without an answer; no record that this user can see holds the key"


def needs_re_read(answered: Answered[Record], external_id_field: str) -> bool:
    """Whether only a re-read tells what a row's ``DUPLICATE_VALUE`` was about.

    Which of two unique values is refused first is up to Salesforce: another field's may stand for a race for the key,
    or for the row itself, saved by a call without an answer.
    """
    outcome = answered.outcome
    if not isinstance(outcome, Failed) or outcome.code != "DUPLICATE_VALUE":
        return False
    return kind_of(outcome.message, external_id_field) is not DuplicateValue.REPEATED_IN_CALL


@dataclass
class KeyConflicts:
    """Settles rows by whoever holds their keys."""

    key_rule: KeyRule
    api: ChunkApi
    reader: RecordReader
    senders: Senders
    #: Which rows are written to the record that holds their key, and what of them.
    met: HoldersMet
    #: Rows that are not settled, by number, in case a call fails for good.
    _open: dict[int, Answered[Record]] = field(default_factory=dict)
    _sender: ByCalls[_Held] | None = None

    def settle(self, rows: Sequence[Answered[Record]]) -> Iterator[list[Conflict]]:
        """Re-read the keys of rows that a unique value kept out, and settle them, call by call.

        :raises CallError: a call failed for good; :meth:`left` has the rows that were not settled.
        """
        self._open = {each.row.row_number: each for each in rows}
        if any(each.sent.attempts == 1 for each in rows):
            self.senders.sleep(self.senders.wait(2))
        holders = self.reader.holders([each.row.key for each in rows])
        others = [each for each in rows if self._is_other_record(each, holders.get(each.row.key, ()))]
        yield self._closed(Conflict(each) for each in others)
        rest = list(self._open.values())
        yield from self.write_to_holders([each for each in rest if each.row.key in holders], holders)
        yield self._closed(self._not_held([each for each in rest if each.row.key not in holders]))

    def write_to_holders(
        self, rows: Sequence[Answered[Record]], holders: Mapping[str, tuple[str, ...]]
    ) -> Iterator[list[Conflict]]:
        """Update the one record that holds a row's key, by its id; a key that several hold fails its row.

        :raises CallError: as :meth:`settle`.
        """
        self._open.update({each.row.row_number: each for each in rows})
        decided = list(self.met.decide(rows, holders))
        yield self._closed(_left(each, left) for each, left in decided if left)
        rows = [each for each, left in decided if left is None]
        several = [each for each in rows if len(holders[each.row.key]) > 1]
        yield self._closed(Conflict(replace(each, outcome=_many(holders[each.row.key]))) for each in several)
        room = Room.of(self.api)
        self._sender = self.senders.by_calls(self._update, Terms(external_id_field=None), room, _record_of)
        one = [_Held(each, holders[each.row.key][0]) for each in rows if len(holders[each.row.key]) == 1]
        for batch in self._sender.send(under_way(one)):
            yield self._closed(map(self._updated, batch))

    def left(self) -> Iterator[UnderWay[Record]]:
        """The rows that are not settled."""
        sent = {each.row.answered.row.row_number: each for each in self._sender.left()} if self._sender else {}
        for number, answered in self._open.items():
            yield answered.sent.then(sent[number]) if number in sent else answered.sent

    def _update(self, chunks: Sequence[Sequence[_Held]], *, on_late: Callable[[], None]) -> list[ChunkAnswer]:
        updates = [[RecordUpdate(each.holder, each.answered.row.fields) for each in chunk] for chunk in chunks]
        return self.api.update(updates, on_late=on_late)

    def _updated(self, answered: Answered[_Held]) -> Conflict:
        """A row that was written to its key's holder; a value that is still taken is another field's."""
        outcome, reason, before = answered.outcome, None, answered.row.answered.sent
        if isinstance(outcome, Saved):
            outcome, reason = Saved(outcome.record_id, None if before.in_doubt else False), "written_to_key_holder"
        elif isinstance(outcome, Failed) and outcome.code == "DUPLICATE_VALUE":
            reason = DuplicateValue.OTHER_FIELD
        return Conflict(Answered(before.then(answered.sent), outcome), reason)

    def _not_held(self, rows: Sequence[Answered[Record]]) -> Iterator[Conflict]:
        deleted = self.reader.deleted_holders([each.row.key for each in rows]) if rows else {}
        for each in rows:
            found = deleted.get(each.row.key, ())
            if each.sent.in_doubt and not found:
                each = replace(each, outcome=Unanswered(_UNSEEN))
            yield Conflict(each, "key_held_in_recycle_bin" if found else "holder_not_visible", found, bool(found))

    def _is_other_record(self, each: Answered[Record], holders: Sequence[str]) -> bool:
        """Whether another field's value is taken by another record than the one that holds the row's key."""
        outcome = each.outcome
        read = read_message(outcome.message, self.key_rule.field.name) if isinstance(outcome, Failed) else None
        if read is None or read.kind is not DuplicateValue.OTHER_FIELD:
            return False
        itself = read.holder_id in holders if read.holder_id else bool(holders) and each.sent.in_doubt
        return not itself

    def _closed(self, conflicts: Iterable[Conflict]) -> list[Conflict]:
        closed = list(conflicts)
        for each in closed:
            self._open.pop(each.answered.row.row_number, None)
        return closed


def _left(each: Answered[Record], left: LeftAlone) -> Conflict:
    """A row that has nothing for the record counts as saved there: who created it, its dates tell."""
    if left.action is Action.UNCHANGED and left.record_id:
        each = replace(each, outcome=Saved(left.record_id, None if each.sent.in_doubt else False))
    return Conflict(each, left.reason, left_alone=left)


def _record_of(item: _Held) -> Record:
    return item.answered.row


def _many(record_ids: tuple[str, ...]) -> KeyHeldByMany:
    return KeyHeldByMany(f"{len(record_ids)} records hold the key", record_ids)
