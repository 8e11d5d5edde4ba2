"""Order in time: a row that is older than what was sent of its key is not sent (``newer_than``)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from airflow_sf_dedup.core.entries import WRITTEN, Action, Entry
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.journeys.guards import Guard, Taken
from airflow_sf_dedup.locks.base import KeyScope, Watermark, Watermarks

#: Why a row was not sent: a newer state of its key was.
STALE = "stale"

#: The same, where an earlier call with the row got no answer: it may have been in the org for a while.
STALE_IN_DOUBT = "stale_in_doubt"

#: With these actions a row's state is in the org, or may be.
_MAY_BE_WRITTEN = WRITTEN | {Action.UNKNOWN}


class NewestOnly:
    """A :class:`~airflow_sf_dedup.journeys.guards.Guard` that keeps older rows back.

    Watermarks are read and raised under the claim of the key, before the row is sent: whatever becomes of its call
    or of this process, no older row overwrites it. A row that was not written after all takes its watermark back.

    :param claims: claims the keys.
    :param load_id: a row of it that is sent again knows the watermark that its last try raised, and died.
    :param key_of: the narrow folding: what the org takes for one key, and no more.
    """

    def __init__(
        self,
        claims: Guard[Record],
        watermarks: Watermarks,
        scope: KeyScope,
        load_id: str,
        key_of: Callable[[str], str],
    ) -> None:
        self._claims = claims
        self._watermarks = watermarks
        self._scope = scope
        self._load_id = load_id
        self._key_of = key_of
        #: Row number to key and watermark, of rows on their way.
        self._sent: dict[int, tuple[str, Watermark]] = {}
        self._stale: list[tuple[Record, str]] = []

    def take(self, rows: Sequence[Record]) -> Taken[Record]:
        """Claim keys, and keep back the rows that are older than what was sent of them."""
        taken = self._claims.take(rows)
        away = {id(row) for row, _ in taken.put_off} | taken.dropped
        asked = [row for row in rows if self._is_ordered(row) and id(row) not in away]
        if not asked:
            return taken
        newest = self._watermarks.newest(self._scope, [self._key_of(row.key) for row in asked])
        stale = {id(row) for row in asked if _is_older(row, newest.get(self._key_of(row.key)))}
        self._stale += [(row, STALE_IN_DOUBT if id(row) in taken.since else STALE) for row in asked if id(row) in stale]
        self._raise([row for row in asked if id(row) not in stale], newest)
        return Taken(taken.put_off, taken.since, taken.dropped | stale)

    def _is_ordered(self, row: Record) -> bool:
        return row.order is not None and row.row_number not in self._sent

    def _raise(self, rows: Iterable[Record], newest: Mapping[str, Watermark]) -> None:
        marks: dict[str, Watermark] = {}
        for row in rows:
            key = self._key_of(row.key)
            marks[key] = self._mark(row, newest.get(key))
            self._sent[row.row_number] = (key, marks[key])
        self._watermarks.raise_to(self._scope, marks)

    def _mark(self, row: Record, newest: Watermark | None) -> Watermark:
        order, raised_by = row.order or "", f"{self._load_id}/{row.row_number}"
        if newest is None:
            return Watermark(order, None, raised_by)
        is_its_own = newest.raised_by == raised_by and newest.order == order
        return Watermark(order, newest.before if is_its_own else newest.order, raised_by)

    def stale(self) -> list[tuple[Record, str]]:
        """The rows that were kept back since this was asked last, and why in a word."""
        rows, self._stale = self._stale, []
        return rows

    def settle(self, entries: Iterable[Entry]) -> None:
        """Take the watermarks of rows back that these entries say are surely not written."""
        back: dict[str, Watermark] = {}
        for entry in entries:
            key, mark = self._sent.pop(entry.row_number, (None, None))
            if key and mark and mark.order != mark.before and entry.action not in _MAY_BE_WRITTEN:
                back[key] = mark
        self._watermarks.take_back(self._scope, back)


def _is_older(row: Record, newest: Watermark | None) -> bool:
    """Orders of two kinds, as after the source's column became a date, say nothing of each other."""
    if row.order is None or newest is None:
        return False
    return row.order.partition(":")[0] == newest.order.partition(":")[0] and row.order < newest.order
