"""Take back what a load changed in records, where nobody has changed it since.

A thousand records at a time are claimed, read, compared field by field, announced in the audit, written by their ids,
and marked. A change that is marked as reverted is never looked at again, by any revert; an announced one whose call got
no answer is told by a re-read. So whatever ends a task between two steps, its next try reverts nothing twice.

Records that are to go into the recycle bin go first: to put a field back would be to touch them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from airflow_sf_dedup.audit.changes import MadeChange
from airflow_sf_dedup.core.changes import IS_DELETED
from airflow_sf_dedup.core.outcomes import Saved
from airflow_sf_dedup.core.reverts import Done, Left, PutBack, RevertState
from airflow_sf_dedup.core.sobjects import SObject
from airflow_sf_dedup.journeys.reverting.calling import Item, send
from airflow_sf_dedup.journeys.reverting.deleting import Deletes
from airflow_sf_dedup.journeys.reverting.fields import (
    ChangedField,
    by_field,
    fields_to_read,
    modstamp,
    verdict_on,
    was_written,
)
from airflow_sf_dedup.journeys.reverting.ledger import Ledger, Reverted
from airflow_sf_dedup.journeys.sending.refusals import is_in_doubt
from airflow_sf_dedup.journeys.sending.senders import Room, Senders
from airflow_sf_dedup.journeys.sending.under_way import Answered
from airflow_sf_dedup.salesforce.ports import ChunkAnswer, ChunkApi, RecordReader, RecordUpdate, StoredRecord


@dataclass
class Revert:
    """Reverts one load.

    :ivar describe: describes an sObject, each once.
    :ivar open_sobject: what writes to records of an sObject, and reads them.
    :ivar deletes: what puts records into the recycle bin; ``None``: nothing does.
    :ivar clear_opt_outs: whether opt-outs that the load set are taken back, too.
    :ivar records_per_batch: records that are looked at together.
    """

    ledger: Ledger
    describe: Callable[[str], SObject]
    open_sobject: Callable[[SObject], tuple[ChunkApi, RecordReader]]
    senders: Senders = field(default_factory=Senders)
    deletes: Deletes | None = None
    clear_opt_outs: bool = False
    records_per_batch: int = 1000

    def run(self) -> Reverted:
        """Batch by batch; what is done is committed with each.

        :raises CallError: a call failed for good. Another try goes on from here.
        """
        ledger, after = self.ledger, ("", "")
        ledger.begin()
        if self.deletes:
            self.deletes.run()
        while batch := ledger.log.changes(ledger.load.load_id, after=after, records=self.records_per_batch):
            for sobject, some in groupby(batch, key=lambda made: made.change.sobject):
                self._of_sobject(sobject, list(some))
            after = (batch[-1].change.sobject, batch[-1].record_id)
        ledger.end()
        return ledger.done

    def _of_sobject(self, name: str, changes: Sequence[MadeChange]) -> None:
        of_bin = [made for made in changes if made.change.field == IS_DELETED]
        fields = [made for made in changes if made.change.field != IS_DELETED]
        if of_bin and not (self.deletes and self.deletes.wish.undeleted):
            self._leave_live(of_bin)
        self.ledger.leave(by_field(made for made in fields if not was_written(made)), Left.NOT_WRITTEN)

        def put_back(still_open: list[ChangedField], in_doubt: set[str]) -> None:
            self._put_back(self._decided(name, still_open), name, in_doubt)

        self.ledger.under_claims([made for made in fields if was_written(made)], put_back)

    def _leave_live(self, of_bin: Sequence[MadeChange]) -> None:
        """Nobody has asked to put into the recycle bin what the load took out of there."""
        opened = self.ledger.open(of_bin)
        self.ledger.leave(by_field(made for made in opened if was_written(made)), Left.NOT_ASKED)
        self.ledger.leave(by_field(made for made in opened if not was_written(made)), Left.NOT_WRITTEN)

    # -- what is to be done ------------------------------------------------------------------------

    def _decided(self, name: str, fields: Sequence[ChangedField]) -> list[Item]:
        """The records that are to be written, announced; what is not to be written is marked."""
        described = self.describe(name)
        ids = list(dict.fromkeys(each.record_id for each in fields))
        stored = self.open_sobject(described)[1].by_id(described.name, ids, fields_to_read(described, fields))
        verdicts = self._verdicts(fields, stored, described)
        self.ledger.mark((each for each, found in verdicts if isinstance(found, Done)), RevertState.REVERTED)
        for why in {found for _, found in verdicts if isinstance(found, Left)}:
            self.ledger.leave((each for each, found in verdicts if found is why), why)
        return self._announced([(each, found) for each, found in verdicts if isinstance(found, PutBack)], stored)

    def _verdicts(
        self, fields: Sequence[ChangedField], stored: Mapping[str, StoredRecord], described: SObject
    ) -> list[tuple[ChangedField, PutBack | Done | Left]]:
        standing = self.ledger.standing(made for each in fields for made in each.changes)
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
        self.ledger.announce(marks)
        by_record: defaultdict[str, list[tuple[ChangedField, PutBack]]] = defaultdict(list)
        for each, found in chosen:
            by_record[each.record_id].append((each, found))
        return [
            Item(record_id, tuple(each for each, _ in some), {each.field: found.value for each, found in some})
            for record_id, some in by_record.items()
        ]

    # -- writing -----------------------------------------------------------------------------------

    def _put_back(self, items: Sequence[Item], name: str, in_doubt: set[str]) -> None:
        if not items:
            return
        api, _ = self.open_sobject(self.describe(name))

        def call(chunks: Sequence[Sequence[Item]], /, *, on_late: Callable[[], None]) -> list[ChunkAnswer]:
            updates = [[RecordUpdate(item.record_id, item.values) for item in chunk] for chunk in chunks]
            return api.update(updates, on_late=on_late)

        def told(batch: Sequence[Answered[Item]]) -> None:
            for each in batch:
                self._told(each, in_doubt)

        send(items, self.senders, call, Room.of(api), told, in_doubt)

    def _told(self, answered: Answered[Item], in_doubt: set[str]) -> None:
        item, outcome = answered.row, answered.outcome
        if is_in_doubt(outcome):
            self.ledger.no_answer(item.fields)
            return
        in_doubt.discard(item.record_id)
        if isinstance(outcome, Saved):
            self.ledger.mark(item.fields, RevertState.REVERTED)
        else:
            self.ledger.refused(item.fields, outcome)
