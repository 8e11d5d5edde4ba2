"""What became of rows whose call got no answer? The records themselves tell."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from enum import Enum
from itertools import compress
from typing import Protocol

from airflow_sf_dedup.core.likeness import Likeness
from airflow_sf_dedup.core.outcomes import DuplicatesFound, Failed, KeyHeldByMany, Outcome, Saved, Unanswered
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import SObject
from airflow_sf_dedup.errors import CallError
from airflow_sf_dedup.journeys.key_conflicts import needs_re_read
from airflow_sf_dedup.journeys.key_holders import KeyHolder, is_since, read_holders
from airflow_sf_dedup.journeys.sending.under_way import Answered
from airflow_sf_dedup.salesforce.ports import Origin, RecordReader


class Written(Enum):
    """Whether a lost call wrote a record."""

    YES = "yes"
    NO = "no"
    PERHAPS = "perhaps"


class LostAnswers(Protocol):
    """Re-reads rows that were in a call without an answer."""

    def resolved(self, answered: Sequence[Answered[Record]]) -> list[Answered[Record]]:
        """The same rows; those that were in doubt with what a re-read tells of them, but for those of which
        :func:`~airflow_sf_dedup.journeys.key_conflicts.needs_re_read` holds: they have a re-read to come.
        """

    def resolved_at_last(self, answered: Sequence[Answered[Record]]) -> list[Answered[Record]]:
        """The same rows; all that were in doubt with what a re-read tells of them."""

    def refused_or_saved(self, answered: Sequence[Answered[Record]]) -> list[Answered[Record]]:
        """The same rows; of those that are not saved now, whatever kept them out, whether a lost call saved them.

        A refusal now is no proof that an earlier call did nothing.
        """


class ReRead:
    """Tells by the dates of records, and by their values.

    A record that this user created since the row was first sent was created by it. A row that is refused now was
    saved by its lost call if this user has written a record of its key since that holds the row's values. Nobody can
    tell where somebody else has written such a record since, where the values cannot be compared, where a record was
    overwritten since or was created with some of the values, or where several records may be the one. Any other record
    is not the row's: nobody has written it since, or it was created with other values, or another row of this task is
    known to have written it last.

    :param user_id: of the API user, 18 characters, once it is known; ``None``: what anybody wrote counts.
    :param key_fields: of which a record's key is made; by default the external ID alone.
    :param keys_repeat: several rows of a key are sent one after the other, so that an earlier one of this task
        may have created the record.
    :param written: with ``keys_repeat``, ids of records that earlier tries of the task are known to have written.
    :param stamped: ids of matched records that an earlier try of the load may have stamped, with only some of the
        values of a row: one that holds the row's key by now was.
    """

    def __init__(
        self,
        reader: RecordReader,
        sobject: SObject,
        external_id_field: str,
        user_id: Callable[[], str | None] = lambda: None,
        *,
        key_fields: Sequence[str] = (),
        keys_repeat: bool = False,
        written: Iterable[str] = (),
        stamped: Container[str] = (),
    ) -> None:
        self._reader = reader
        self._sobject = sobject
        self._external_id_field = external_id_field
        self._user_id = user_id
        self._key_fields = tuple(key_fields) or (external_id_field,)
        self._keys_repeat = keys_repeat
        self._stamped = stamped
        #: Records that a row of this task is known to have written.
        self._written = set(written)

    def resolved(self, answered: Sequence[Answered[Record]]) -> list[Answered[Record]]:
        """A few reads for all rows that are in doubt, and none where none is.

        Why a row's unique value is taken is left to :mod:`airflow_sf_dedup.journeys.key_conflicts`.
        """
        return self._written_by(self._re_read(answered, lambda each: not needs_re_read(each, self._external_id_field)))

    def resolved_at_last(self, answered: Sequence[Answered[Record]]) -> list[Answered[Record]]:
        """The same of rows that come from a conflict: whatever kept them out is no proof of then."""
        return self._written_by(self._re_read(answered))

    def refused_or_saved(self, answered: Sequence[Answered[Record]]) -> list[Answered[Record]]:
        """Three reads for all rows that are in doubt and not saved now."""
        return self._re_read(answered)

    def _written_by(self, answered: Sequence[Answered[Record]]) -> list[Answered[Record]]:
        told = self._created_or_updated(answered)
        if self._keys_repeat:
            self._written.update(each.outcome.record_id for each in told if isinstance(each.outcome, Saved))
        return told

    # -- saved: by which call? ---------------------------------------------------------------------

    def _created_or_updated(self, answered: Sequence[Answered[Record]]) -> list[Answered[Record]]:
        open_ids = {a.outcome.record_id for a in answered if isinstance(a.outcome, Saved) and a.outcome.created is None}
        if not open_ids:
            return list(answered)
        try:
            origins = self._reader.origins(sorted(open_ids))
        except CallError:
            return list(answered)
        return [self._told(each, origins) for each in answered]

    def _told(self, answered: Answered[Record], origins: Mapping[str, Origin]) -> Answered[Record]:
        outcome = answered.outcome
        if not isinstance(outcome, Saved) or outcome.created is not None or answered.sent.since is None:
            return answered
        origin = origins.get(outcome.record_id)
        if outcome.record_id in self._written:
            created = False
        elif origin is None or origin.created_at is None:
            return answered
        else:
            created = self._is_own(origin.created_by) and is_since(origin.created_at, answered.sent.since)
        return replace(answered, outcome=Saved(outcome.record_id, created))

    # -- refused: was it saved before? -------------------------------------------------------------

    def _re_read(
        self, answered: Sequence[Answered[Record]], asked: Callable[[Answered[Record]], bool] = lambda each: True
    ) -> list[Answered[Record]]:
        doubted = [_is_doubted(each) and asked(each) for each in answered]
        if not any(doubted):
            return list(answered)
        told = iter(self._read([*compress(answered, doubted)]))
        return [next(told) if was else each for each, was in zip(answered, doubted, strict=True)]

    def _read(self, doubted: Sequence[Answered[Record]]) -> list[Answered[Record]]:
        rows = [each.row for each in doubted]
        try:
            holders = read_holders(self._reader, self._sobject, self._key_fields, rows)
        except CallError as error:
            return [_unknown(each, error.own_words) for each in doubted]
        return [self._seen(each, holders.get(each.row.key, ())) for each in doubted]

    def _seen(self, answered: Answered[Record], holders: Sequence[KeyHolder]) -> Answered[Record]:
        """The one record that the row's call surely wrote is the row's; where nobody can tell, the row is unknown."""
        written = [(holder, self._was_written(answered, holder)) for holder in holders]
        surely = [holder for holder, was in written if was is Written.YES]
        if len(surely) == 1:
            return replace(answered, outcome=Saved(surely[0].record_id, None))
        maybe = [holder for holder, was in written if was is not Written.NO]
        return _unknown(answered, _why_unknown(maybe), [each.record_id for each in maybe]) if maybe else answered

    def _was_written(self, answered: Answered[Record], holder: KeyHolder) -> Written:
        """Whether the row's call wrote a record that holds its key."""
        if holder.values is None:
            return Written.PERHAPS
        if not holder.was_written_since(answered.sent.since):
            return Written.NO
        alike, origin = holder.likeness(answered.row), holder.origin
        if alike is Likeness.SAME:
            return Written.YES if origin is None or self._wrote(origin, answered.sent.since) else Written.PERHAPS
        if alike is not Likeness.OTHER:
            return Written.YES if self._made(answered, holder) else Written.PERHAPS
        if isinstance(answered.outcome, DuplicatesFound):
            # A policy decides by what the org holds now.
            return Written.NO
        if holder.record_id in self._written and origin is not None and self._is_own(origin.modified_by):
            return Written.NO
        return Written.PERHAPS if self._has_signs(answered, holder) else Written.NO

    def _made(self, answered: Answered[Record], holder: KeyHolder) -> bool:
        """Whether this user created the record since, with values of the row, and nobody has written it after that."""
        if holder.origin is None or answered.sent.since is None or holder.was_overwritten_since(answered.sent.since):
            return False
        return self._created(holder.origin, answered.sent.since) and holder.has_traces_of(answered.row, {})

    def _has_signs(self, answered: Answered[Record], holder: KeyHolder) -> bool:
        """Whether the row may have written a record that holds other values by now.

        A match that was claimed for the row's key may have been stamped, with some of its values or by another row.
        """
        if holder.record_id in self._stamped or answered.sent.since is None:
            return True
        return holder.was_overwritten_since(answered.sent.since) or holder.has_traces_of(answered.row, {})

    def _wrote(self, origin: Origin, since: datetime | None) -> bool:
        """Whether this user may have been one of those who have written the record since the row was first sent."""
        return self._is_own(origin.modified_by) or self._created(origin, since)

    def _created(self, origin: Origin, since: datetime | None) -> bool:
        """Whether this user may have created the record since then, whoever has written it last."""
        known = origin.created_at is not None and since is not None and is_since(origin.created_at, since)
        return known and self._is_own(origin.created_by)

    def _is_own(self, user_id: str | None) -> bool:
        return None in (user_id, own := self._user_id()) or user_id == own


def _is_doubted(answered: Answered[Record]) -> bool:
    """Whether the row is not saved now and may have been before."""
    return answered.sent.in_doubt and not isinstance(answered.outcome, Saved)


def _unknown(answered: Answered[Record], why: str, record_ids: Iterable[str] = ()) -> Answered[Record]:
    """A refusal of which nobody can tell whether the row was saved before."""
    reason = f"{_said(answered.outcome)}, after a call without an answer; {why}"
    return replace(answered, outcome=Unanswered(reason, tuple(record_ids)))


def _why_unknown(maybe: Sequence[KeyHolder]) -> str:
    if len(maybe) > 1:
        return f"{len(maybe)} records that hold its key may be the one that it wrote"
    if maybe[0].values is None:
        return "the record that holds its key cannot be read"
    return "the record that holds its key was written since; its dates and values do not tell by which call"


def _said(outcome: Outcome) -> str:
    match outcome:
        case Failed(code):
            return code
        case DuplicatesFound():
            return "DUPLICATES_DETECTED"
        case KeyHeldByMany():
            return "DUPLICATE_EXTERNAL_ID"
        case _:
            return "no answer"
