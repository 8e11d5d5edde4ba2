"""Put records back into the recycle bin: what a load created, and what it took out of there, where nobody touched them.

As with fields: claimed, read, announced, deleted, marked. A delete of which nobody heard is told by a re-read, and what
another load has written as well, or the audit does not tell for certain, stays where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from airflow_sf_dedup.audit.changes import MadeChange
from airflow_sf_dedup.core.changes import IS_DELETED, ChangeKind
from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.core.deletes import (
    AsCreated,
    AsWritten,
    Delete,
    RecordNow,
    is_created_for_certain,
    is_undeleted_for_certain,
    verdict_on_record,
)
from airflow_sf_dedup.core.outcomes import Saved
from airflow_sf_dedup.core.record_ids import record_id_in
from airflow_sf_dedup.core.record_state import RecordState
from airflow_sf_dedup.core.reverts import Done, Left, RevertState
from airflow_sf_dedup.core.sobjects import SObject
from airflow_sf_dedup.journeys.reverting.calling import Item, send
from airflow_sf_dedup.journeys.reverting.fields import ChangedField, by_field, modstamp
from airflow_sf_dedup.journeys.reverting.ledger import Ledger
from airflow_sf_dedup.journeys.sending.refusals import is_in_doubt
from airflow_sf_dedup.journeys.sending.senders import Room, Senders
from airflow_sf_dedup.journeys.sending.under_way import Answered
from airflow_sf_dedup.salesforce.ports import ChunkAnswer, RecordDeletes, RecordReader, StoredRecord
from airflow_sf_dedup.salesforce.wire.moments import read_org_moment

#: By which it is told whether somebody has touched a record.
_READ = ("Id", "CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById", "SystemModstamp", "IsConverted")

_UNREADABLE = RecordNow(RecordState.UNREADABLE)


@dataclass(frozen=True, slots=True)
class Wish:
    """What of a load is to go into the recycle bin."""

    created: bool = False
    undeleted: bool = False


@dataclass
class Deletes:
    """Deletes records of one load.

    :ivar open_reader: what reads records of an sObject.
    :ivar user_id: of the API user, 18 characters, once it is known.
    :ivar parents_among: which of an sObject's records would take others along.
    :ivar here: the worker's time, UTC, by which entries were made.
    """

    wish: Wish
    ledger: Ledger
    describe: Callable[[str], SObject]
    open_reader: Callable[[SObject], RecordReader]
    bin: RecordDeletes
    user_id: Callable[[], str | None]
    parents_among: Callable[[str, Sequence[str]], frozenset[str]] = lambda sobject, record_ids: frozenset()
    senders: Senders = field(default_factory=Senders)
    here: Callable[[], datetime] = utc_now
    records_per_batch: int = 1000

    def run(self) -> None:
        """Batch by batch; what is done is committed with each.

        :raises CallError: a call failed for good. Another try goes on from here.
        """
        for batch in self._created() if self.wish.created else ():
            self._of_sobject(batch, is_created_for_certain)
        for batch in self._undeleted() if self.wish.undeleted else ():
            self._of_sobject(batch, is_undeleted_for_certain)

    def _created(self) -> Iterator[list[MadeChange]]:
        """The latest rows first: what names another record of the load as its parent goes before it."""
        before: int | None = None
        while batch := self.ledger.log.created(self._load_id, before=before, records=self.records_per_batch):
            yield batch
            before = batch[-1].change.row_number

    def _undeleted(self) -> Iterator[list[MadeChange]]:
        after = ("", "")
        while batch := self.ledger.log.changes(self._load_id, after=after, records=self.records_per_batch):
            of_bin = [made for made in batch if made.change.field == IS_DELETED]
            for _, some in groupby(of_bin, key=lambda made: made.change.sobject):
                yield list(some)
            after = (batch[-1].change.sobject, batch[-1].record_id)

    @property
    def _load_id(self) -> str:
        return self.ledger.load.load_id

    def _of_sobject(self, changes: Sequence[MadeChange], is_certain: Callable[..., bool]) -> None:
        sure = [made for made in changes if made.written_id == made.record_id and is_certain(made.action, made.reason)]
        opened = self.ledger.open([made for made in changes if made not in sure])
        self.ledger.leave(by_field(opened), Left.DOUBTFUL)
        self.ledger.under_claims(sure, self._look_and_delete)

    # -- what is to be done ------------------------------------------------------------------------

    def _look_and_delete(self, fields: list[ChangedField], in_doubt: set[str]) -> None:
        written = self.ledger.log.written_elsewhere(
            self._load_id,
            [each.record_id for each in fields],
            {key for each in fields for key in each.keys},
            since=self.ledger.load.started_at,
        )
        self.ledger.leave((each for each in fields if each.record_id in written), Left.OTHER_LOAD)
        fields = [each for each in fields if each.record_id not in written]
        described = self.describe(fields[0].changes[0].change.sobject) if fields else None
        if described is not None:
            self._delete(self._announced(fields, described), described, in_doubt)

    def _announced(self, fields: Sequence[ChangedField], described: SObject) -> list[Item]:
        """The records that are to be deleted; what is not is marked."""
        stored = self._read(described, fields, _READ)
        standing = self.ledger.standing(made for each in fields for made in each.changes)
        verdicts = [
            (each, verdict_on_record(_now(stored.get(each.record_id)), self._left(each), each.announced(standing)))
            for each in fields
        ]
        self.ledger.mark((each for each, found in verdicts if isinstance(found, Done)), RevertState.REVERTED)
        for why in {found for _, found in verdicts if isinstance(found, Left)}:
            self.ledger.leave((each for each, found in verdicts if found is why), why)
        chosen = self._childless([each for each, found in verdicts if isinstance(found, Delete)], described)
        self.ledger.announce(
            [
                mark
                for each in chosen
                for mark in each.marks(RevertState.ANNOUNCED, system_modstamp=modstamp(stored[each.record_id]))
            ]
        )
        return [Item(each.record_id, (each,)) for each in chosen]

    def _childless(self, chosen: Sequence[ChangedField], described: SObject) -> list[ChangedField]:
        """Those with which nothing else is deleted."""
        parents = self.parents_among(described.name, [each.record_id for each in chosen]) if chosen else frozenset()
        self.ledger.leave((each for each in chosen if each.record_id in parents), Left.HAS_CHILDREN)
        return [each for each in chosen if each.record_id not in parents]

    def _left(self, each: ChangedField) -> AsCreated | AsWritten:
        """How the load left the record."""
        made = each.changes[-1]
        if made.change.kind is ChangeKind.CREATE or made.settled_at is None:
            return AsCreated()
        return AsWritten(made.settled_at + (self.senders.now() - self.here()), self.user_id())

    def _read(
        self, described: SObject, fields: Iterable[ChangedField], names: Sequence[str]
    ) -> Mapping[str, StoredRecord]:
        seen = [found.name for name in names if (found := described.field(name)) is not None]
        ids = list(dict.fromkeys(each.record_id for each in fields))
        return self.open_reader(described).by_id(described.name, ids, seen)

    # -- deleting ----------------------------------------------------------------------------------

    def _delete(self, items: Sequence[Item], described: SObject, in_doubt: set[str]) -> None:
        def call(chunks: Sequence[Sequence[Item]], /, *, on_late: Callable[[], None]) -> list[ChunkAnswer]:
            return self.bin.delete([[item.record_id for item in chunk] for chunk in chunks], on_late=on_late)

        def told(batch: Sequence[Answered[Item]]) -> None:
            self._told(batch, described, in_doubt)

        if items:
            room = Room(self.bin.rows_per_chunk, self.bin.chunks_per_call)
            send(items, self.senders, call, room, told, in_doubt)

    def _told(self, batch: Sequence[Answered[Item]], described: SObject, in_doubt: set[str]) -> None:
        """Of what was not deleted, a re-read tells why: an earlier sending may have done it, or somebody else."""
        refused = [each for each in batch if not isinstance(each.outcome, Saved)]
        fields = [one for each in refused for one in each.row.fields]
        stored = self._read(described, fields, ("Id",)) if refused else {}
        for each in batch:
            self._tell(each, _now(stored.get(each.row.record_id)).state, in_doubt)

    def _tell(self, each: Answered[Item], state: RecordState, in_doubt: set[str]) -> None:
        fields, is_doubtful = each.row.fields, is_in_doubt(each.outcome)
        if is_doubtful and state is not RecordState.DELETED:
            self.ledger.no_answer(fields)
            return
        in_doubt.discard(each.row.record_id)
        if isinstance(each.outcome, Saved) or is_doubtful:
            self.ledger.mark(fields, RevertState.REVERTED)
        elif state is RecordState.LIVE:
            self.ledger.refused(fields, each.outcome)
        else:
            gone = {RecordState.DELETED: Left.ALREADY_DELETED, RecordState.MERGED_AWAY: Left.RECORD_MERGED_AWAY}
            self.ledger.leave(fields, gone.get(state, Left.RECORD_GONE))


def _now(stored: StoredRecord | None) -> RecordNow:
    if stored is None:
        return _UNREADABLE
    values = stored.values
    return RecordNow(
        stored.state,
        read_org_moment(values.get("CreatedDate")),
        record_id_in(values.get("CreatedById")),
        read_org_moment(values.get("LastModifiedDate")),
        record_id_in(values.get("LastModifiedById")),
        modstamp(stored),
    )
