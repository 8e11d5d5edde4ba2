"""What became of rows whose call got no answer? The records themselves tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol

from airflow_sf_dedup.core.outcomes import DuplicatesFound, Failed, Outcome, Saved, Unanswered
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.errors import CallError
from airflow_sf_dedup.journeys.key_conflicts import is_open
from airflow_sf_dedup.journeys.sending import Answered
from airflow_sf_dedup.salesforce.base import Origin, RecordReader


class LostAnswers(Protocol):
    """Re-reads rows that were in a call without an answer."""

    def told(self, answered: Sequence[Answered[Record]]) -> list[Answered[Record]]:
        """The same rows; those that were in doubt with what a re-read tells of them."""

    def refused_or_saved(self, answered: Sequence[Answered[Record]]) -> list[Answered[Record]]:
        """The same rows; of those that are not saved now, whatever kept them out, whether a lost call saved them."""


class ReRead:
    """Tells by the dates of records, and by their values.

    A record that this user created since the row was first sent was created by it. A row that is refused now was
    saved by its lost call if this user has written the key's record since and it holds the row's values; if somebody
    else has written it since, nobody can tell.

    :param user_id: of the API user, 18 characters, once it is known; ``None``: what anybody wrote counts.
    :param keys_repeat: several rows of a key are sent one after the other, so that an earlier one of this task
        may have created the record.
    :param written: with ``keys_repeat``, ids of records that earlier tries of the task are known to have written.
    """

    def __init__(
        self,
        reader: RecordReader,
        sobject: str,
        external_id_field: str,
        user_id: Callable[[], str | None] = lambda: None,
        *,
        keys_repeat: bool = False,
        written: Iterable[str] = (),
    ) -> None:
        self._reader = reader
        self._sobject = sobject
        self._external_id_field = external_id_field
        self._user_id = user_id
        self._keys_repeat = keys_repeat
        #: Records that a row of this task is known to have written.
        self._written = set(written)

    def told(self, answered: Sequence[Answered[Record]]) -> list[Answered[Record]]:
        """A few reads for all rows that are in doubt, and none where none is.

        Why a row's unique value is taken is left to :mod:`airflow_sf_dedup.journeys.key_conflicts`.
        """
        asked = [each for each in answered if not is_open(each, self._external_id_field)]
        known = dict(zip(map(id, asked), self.refused_or_saved(asked), strict=True))
        told = self._created_or_updated([known.get(id(each), each) for each in answered])
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
        if not isinstance(outcome, Saved) or outcome.created is not None or answered.since is None:
            return answered
        origin = origins.get(outcome.record_id)
        if outcome.record_id in self._written:
            created = False
        elif origin is None or origin.created_at is None:
            return answered
        else:
            created = self._is_own(origin.created_by) and _since(origin.created_at, answered.since)
        return replace(answered, outcome=Saved(outcome.record_id, created))

    # -- refused: was it saved before? -------------------------------------------------------------

    def refused_or_saved(self, answered: Sequence[Answered[Record]]) -> list[Answered[Record]]:
        """Three reads for all rows that are in doubt and not saved now."""
        doubted = [each for each in answered if each.since is not None and _says_nothing_of_then(each.outcome)]
        if not doubted:
            return list(answered)
        try:
            found = self._records_of(doubted)
        except CallError as error:
            unread = set(map(id, doubted))
            return [_unknown(each, error.own_words) if id(each) in unread else each for each in answered]
        return [self._seen(each, *found[id(each)]) if id(each) in found else each for each in answered]

    def _records_of(
        self, doubted: Sequence[Answered[Record]]
    ) -> dict[int, tuple[str, Mapping[str, Any] | None, Origin | None]]:
        """``id()`` of an answer to the one record that holds its key, and what can be read of it."""
        holders = self._reader.holders([each.row.key for each in doubted])
        one = {id(each): held[0] for each in doubted if len(held := holders.get(each.row.key, ())) == 1}
        if not one:
            return {}
        ids = sorted(set(one.values()))
        origins = self._reader.origins(ids)
        plain = (name for each in doubted for name, value in each.row.fields.items() if not isinstance(value, Mapping))
        stored = self._reader.by_id(self._sobject, ids, sorted({"Id", *plain}))
        return {
            answer: (record_id, stored[record_id].values if record_id in stored else None, origins.get(record_id))
            for answer, record_id in one.items()
        }

    def _seen(
        self, answered: Answered[Record], record_id: str, values: Mapping[str, Any] | None, origin: Origin | None
    ) -> Answered[Record]:
        if values is None:
            return _unknown(answered, "the record that holds its key cannot be read")
        readable = {name: value for name, value in answered.row.fields.items() if name in values}
        holds = bool(readable) and all(_same(value, values[name]) for name, value in readable.items())
        if not holds or (origin is not None and not _written_since(origin, answered.since)):
            return answered
        if origin is None or self._wrote(origin, answered.since):
            return replace(answered, outcome=Saved(record_id, None))
        return _unknown(answered, "the record that holds its key has been written by another user since")

    def _wrote(self, origin: Origin, since: datetime | None) -> bool:
        """Whether this user may have been one of those who have written the record since the row was first sent."""
        created = origin.created_at is not None and since is not None and _since(origin.created_at, since)
        return self._is_own(origin.modified_by) or (created and self._is_own(origin.created_by))

    def _is_own(self, user_id: str | None) -> bool:
        return None in (user_id, own := self._user_id()) or user_id == own


def _written_since(origin: Origin, since: datetime | None) -> bool:
    return origin.modified_at is None or since is None or _since(origin.modified_at, since)


def _since(moment: datetime, since: datetime) -> bool:
    """Salesforce shows the second of a moment."""
    return moment.replace(microsecond=0) >= since.replace(microsecond=0)


def _same(value: Any, stored: Any) -> bool:
    """Whether the org holds the value, as far as it writes numbers, letters and punctuation in its own way."""
    return value == stored or _plain(value) == _plain(stored)


def _plain(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:.15g}"
    return "" if value is None else "".join(filter(str.isalnum, str(value).lower()))


def _unknown(answered: Answered[Record], why: str) -> Answered[Record]:
    """A refusal of which nobody can tell whether the row was saved before."""
    return replace(answered, outcome=Unanswered(f"{_said(answered.outcome)}, after a call without an answer; {why}"))


def _says_nothing_of_then(outcome: Outcome) -> bool:
    """Who holds a key that several records hold is no question."""
    return isinstance(outcome, Failed | DuplicatesFound | Unanswered)


def _said(outcome: Outcome) -> str:
    match outcome:
        case Failed(code):
            return code
        case DuplicatesFound():
            return "DUPLICATES_DETECTED"
        case _:
            return "no answer"
