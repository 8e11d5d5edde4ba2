"""Undelete: the one deleted match leaves the recycle bin, is written by its id, and carries the row's key from then on.

The record is claimed before, as for an update, and the claim is what a later try of the load knows it by, should this
one end between the two calls. An undelete whose answer is lost may be sent again: a record that is not in the recycle
bin is refused, and a re-read tells whether it is live.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from airflow_sf_dedup.core.changes import Change
from airflow_sf_dedup.core.decisions import DuplicateCase, UndeleteMatch
from airflow_sf_dedup.core.entries import Entry
from airflow_sf_dedup.core.outcomes import DuplicatesFound, Failed, Outcome, Saved, Unanswered
from airflow_sf_dedup.errors import CallError
from airflow_sf_dedup.journeys.sending.next_step import Terms
from airflow_sf_dedup.journeys.sending.refusals import fails_for_now, is_in_doubt
from airflow_sf_dedup.journeys.sending.senders import Room
from airflow_sf_dedup.journeys.sending.under_way import Answered, under_way
from airflow_sf_dedup.journeys.settling.blocked import Settling, record_of
from airflow_sf_dedup.journeys.settling.book import Book
from airflow_sf_dedup.journeys.settling.changing import of_undelete
from airflow_sf_dedup.journeys.settling.updating import UpdatesMatch, matched
from airflow_sf_dedup.salesforce.ports import ChunkAnswer, RecordReader, RecordUndeletes, StoredRecord
from airflow_sf_dedup.salesforce.soap_access import NO_SOAP

_UNDECIDED = "no answer tells whether the record has left the recycle bin; it was still in there when it was re-read"


@dataclass(frozen=True)
class UpdatesUndeleted(UpdatesMatch):
    """Updates records that have just left the recycle bin; the audit says so, whatever becomes of the update."""

    failed: str = "undeleted_update_failed"

    def release(self, items: Iterable[Settling]) -> None:
        """Nothing: by its claim a later try knows that the load has brought the record back, and goes on with it."""

    def not_undeleted(self, items: Iterable[Settling]) -> None:
        """Give up the claims on records that stayed where they were."""
        super().release(items)

    def undeleted(self, item: Settling) -> Iterable[Change]:
        """That the record leaves the recycle bin, where it is in there: an earlier try may have brought it back."""
        record = matched(item)
        return [of_undelete(item, record)] if record and record.state.in_recycle_bin else []

    def done(self, item: Settling) -> str:
        """Where the record was."""
        return "undeleted"

    def refusal(self, item: Settling, outcome: Outcome) -> str | None:
        """The record is live again all the same: nobody puts it back."""
        return None if super().refusal(item, outcome) is None else "undeleted_update_refused"


@dataclass(frozen=True)
class Undeletes:
    """Undeletes matched records and updates them. Never a create."""

    bin: RecordUndeletes
    reader: RecordReader
    update: UpdatesUndeleted

    @property
    def way(self) -> UpdatesUndeleted:
        """As the records are updated once they are live."""
        return self.update

    def carry_out(self, items: Sequence[Settling], book: Book) -> list[DuplicateCase]:
        """Call by call, so that a record is live without its values no longer than it takes.

        That it is about to leave the recycle bin is committed before, whatever a later try decides.
        """
        writer = self.update.writer
        claimed = self.update.claimed(items, book)
        writer.keep_changes([change for item in claimed for change in self.update.undeleted(item)])
        sender = writer.senders.by_calls(
            self._call, Terms(external_id_field=None), Room(self.bin.ids_per_call), record_of
        )
        reopened: list[DuplicateCase] = []
        try:
            for batch in sender.send(under_way(claimed)):
                live, refused = self._told(batch, book)
                reopened += refused + writer.write(live, self.update, book)
        except CallError:
            left = list(sender.left())
            book.doubt(each.of(each.row.record) for each in left)
            self.update.not_undeleted(each.row for each in left if not each.in_doubt)
            raise
        return reopened

    def _call(self, chunks: Sequence[Sequence[Settling]], *, on_late: Callable[[], None]) -> list[ChunkAnswer]:
        return [self.bin.undelete([_record_id(item) for item in chunk], on_late=on_late) for chunk in chunks]

    def _told(self, batch: Sequence[Answered[Settling]], book: Book) -> tuple[list[Settling], list[DuplicateCase]]:
        """The items whose records are live now, and the cases of which Salesforce refused it; others are closed."""
        stored = self._re_read([each for each in batch if not isinstance(each.outcome, Saved)])
        live = [each.row for each in batch if isinstance(each.outcome, Saved) or _is_live(each.row, stored)]
        rest = [each for each in batch if not isinstance(each.outcome, Saved) and not _is_live(each.row, stored)]
        self.update.not_undeleted(each.row for each in rest if not is_in_doubt(each.outcome))
        over = [each for each in rest if is_in_doubt(each.outcome) or fails_for_now(each.outcome, None)]
        book.close([self._entry(each) for each in over])
        return live, [each.row.refused(_why(each, stored)) for each in rest if each not in over]

    def _entry(self, each: Answered[Settling]) -> Entry:
        """Of a row whose record may leave the recycle bin yet, or which passes after the tries of this task."""
        outcome = each.outcome
        told = outcome if isinstance(outcome, Failed) and not is_in_doubt(outcome) else Unanswered(_UNDECIDED)
        entries = self.update.writer.entries
        return entries.not_saved(
            each.row.record, told, reason="undelete_failed", matches=entries.matches(each.row.case)
        )

    def _re_read(self, answered: Sequence[Answered[Settling]]) -> Mapping[str, StoredRecord]:
        if not answered:
            return {}
        case = answered[0].row.case
        ids = [_record_id(each.row) for each in answered]
        return self.reader.by_id(case.sobject, ids, ["Id", *case.key_fields])


def _record_id(item: Settling) -> str:
    decision = item.decided.decision
    assert isinstance(decision, UndeleteMatch)  # noqa: S101 - narrows the union
    return decision.record_id


def _is_live(item: Settling, stored: Mapping[str, StoredRecord]) -> bool:
    """Somebody has undeleted it already: a call of ours without an answer, or a person."""
    record = stored.get(_record_id(item))
    return record is not None and not record.is_deleted


def _why(each: Answered[Settling], stored: Mapping[str, StoredRecord]) -> str:
    if isinstance(each.outcome, Failed) and each.outcome.code == NO_SOAP:
        return "undelete_needs_soap"
    if _record_id(each.row) not in stored:
        return "match_purged"
    return "undelete_refused_by_rule" if isinstance(each.outcome, DuplicatesFound) else "undelete_refused"
