"""Update the match: the matched record is claimed, written by its id, and carries the row's key from then on.

A record of another sObject carries it in the field that the policy calls its stamp.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from airflow_sf_dedup.core.changes import Change
from airflow_sf_dedup.core.decisions import DuplicateCase, MatchedRecord, UndeleteMatch, UpdateMatch, UpdateOther
from airflow_sf_dedup.core.entries import Action
from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.obstacles import Obstacle
from airflow_sf_dedup.core.outcomes import DuplicatesFound, Failed, Outcome, Saved
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import SObject
from airflow_sf_dedup.journeys.sending.next_step import Terms
from airflow_sf_dedup.journeys.sending.refusals import says_gone
from airflow_sf_dedup.journeys.sending.senders import Room
from airflow_sf_dedup.journeys.sending.under_way import Answered
from airflow_sf_dedup.journeys.settling.blocked import Settling
from airflow_sf_dedup.journeys.settling.book import Book
from airflow_sf_dedup.journeys.settling.changing import Told
from airflow_sf_dedup.journeys.settling.writing import Writer
from airflow_sf_dedup.locks.base import RecordClaim, RecordClaims
from airflow_sf_dedup.salesforce.ports import ChunkAnswer, ChunkApi, RecordUpdate
from airflow_sf_dedup.salesforce.wire.duplicate_value import DuplicateValue, read_message


@dataclass(frozen=True)
class UpdatesMatch:
    """Updates matched records of one sObject. Never a create: no path leads from a failed update to one.

    :ivar key_rule: of the rows.
    :ivar key_field: the records' field that carries the key.
    :ivar other: their sObject, where it is another than that of the rows.
    """

    load_id: str
    org_id: str
    key_rule: KeyRule
    key_field: str
    api: ChunkApi
    claims: RecordClaims
    writer: Writer
    action: Action = Action.MATCHED_UPDATED
    failed: str = "matched_updated_failed"
    other: SObject | None = None

    @property
    def way(self) -> UpdatesMatch:
        """Itself."""
        return self

    def done(self, item: Settling) -> str | None:
        """That the record is another than the one that was named."""
        found = matched(item)
        if found is None and isinstance(item.decided.decision, UpdateOther):
            return "followed_conversion"
        return "followed_merge" if found and found.merges else None

    @property
    def terms(self) -> Terms:
        """By their ids: that may always be repeated."""
        return Terms(external_id_field=None)

    @property
    def room(self) -> Room:
        """As the API takes it."""
        return Room.of(self.api)

    def carry_out(self, items: Sequence[Settling], book: Book) -> list[DuplicateCase]:
        """Only one key of all loads may stamp a record; the others go to a person."""
        return self.writer.write(self.claimed(items, book), self, book)

    def call(self, chunks: Sequence[Sequence[Settling]], /, *, on_late: Callable[[], None]) -> list[ChunkAnswer]:
        """One update for each."""
        return self.api.update([[_update(item) for item in chunk] for chunk in chunks], on_late=on_late)

    def changes(self, item: Settling) -> Iterable[Change]:
        """The fields of the matched record that will differ."""
        record = matched(item)
        return Told(self.writer.entries.keeps).of_update(item, record, _update(item)) if record else ()

    def as_sent(self, item: Settling) -> Record:
        """With the fields that the decision chose."""
        return replace(item.record, fields=_update(item).fields)

    def is_about(self, item: Settling, saved: Saved) -> bool:
        """The matched record itself."""
        return saved.record_id == _update(item).record_id

    def refusal(self, item: Settling, outcome: Outcome) -> str | None:
        """By a rule, since the match is gone, or since another record holds the key by now."""
        if isinstance(outcome, DuplicatesFound):
            return "settle_refused_by_rule"
        if not isinstance(outcome, Failed):
            return None
        if outcome.code == Obstacle.KEY_HELD_BY_CONVERTED.code:
            return "match_converted"
        if says_gone(outcome):
            return "match_deleted"
        if outcome.code == "DUPLICATE_VALUE" and self._is_key_held(item, outcome.message):
            return "key_already_held"
        return None

    def _is_key_held(self, item: Settling, message: str) -> bool:
        """Whether the value that is taken is the key's; where no field is told, it is if no other one is unique."""
        sobject = self.other or item.case.described
        fields = sobject.fields if sobject else ()
        kind = read_message(message, self.key_field, [field.name for field in fields]).kind
        if kind is not DuplicateValue.UNCLEAR:
            return kind is DuplicateValue.RACE
        written = _update(item).fields
        return [field.name for field in fields if field.unique and field.name in written] == [self.key_field]

    def is_contested(self, answered: Answered[Record]) -> bool:
        """The record is known, whoever holds the key."""
        return False

    def release(self, items: Iterable[Settling]) -> None:
        """Give up the claims on the records."""
        ids = [_update(item).record_id for item in items]
        if ids:
            self.claims.release(self.load_id, self.org_id, ids)

    def claimed(self, items: Sequence[Settling], book: Book) -> list[Settling]:
        """The items whose records are ours now; the rows of the others go to a person."""
        claims = [RecordClaim(_update(item).record_id, self._key(item)) for item in items]
        holders = self.claims.claim(self.load_id, self.org_id, claims, read_at=book.read_at) if claims else {}
        got = [holders.get(_update(item).record_id) == self._key(item) for item in items]
        entries = self.writer.entries
        book.close(
            entries.blocked(item.case, Action.AWAITING_REVIEW, "match_claimed")
            for item, is_ours in zip(items, got, strict=True)
            if not is_ours
        )
        return [item for item, is_ours in zip(items, got, strict=True) if is_ours]

    def _key(self, item: Settling) -> str:
        return self.key_rule.fold(item.record.key)


def _update(item: Settling) -> RecordUpdate:
    """A key that the record carries already is not written again: it may be spelled in another case."""
    decision = item.decided.decision
    if isinstance(decision, UpdateOther):
        return RecordUpdate(decision.record_id, decision.fields)
    assert isinstance(decision, UpdateMatch | UndeleteMatch)  # noqa: S101 - narrows the union
    found, key_field = matched(item), item.case.external_id_field
    if found is None or not found.key or not found.key.strip() or found.key == item.record.key:
        return RecordUpdate(decision.record_id, decision.fields)
    return RecordUpdate(decision.record_id, {n: v for n, v in decision.fields.items() if n != key_field})


def matched(item: Settling) -> MatchedRecord | None:
    """The record that is written to, as it was read."""
    decision = item.decided.decision
    assert isinstance(decision, UpdateMatch | UpdateOther | UndeleteMatch)  # noqa: S101 - narrows the union
    return next((each for each in item.case.matched if each.record_id == decision.record_id), None)
