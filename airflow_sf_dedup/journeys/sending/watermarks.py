"""Order in time: a row that is older than what was written of its key is not sent (``newer_than``)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.core.entries import WRITTEN, Action, Entry
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.journeys.sending.clearance import Clearance, Cleared, Dropped, PutOff, granted
from airflow_sf_dedup.journeys.sending.raisers import Fate, Raiser, Raisers
from airflow_sf_dedup.journeys.sending.under_way import UnderWay
from airflow_sf_dedup.locks.base import Holder, KeyScope, Standing, Watermark, Watermarks

#: Why a row was not sent: a newer state of its key was written.
STALE = "stale"

#: The same, where an earlier call with the row got no answer: it may have been in the org for a while.
STALE_IN_DOUBT = "stale_in_doubt"


class ClaimsKeys(Clearance[Record], Protocol):
    """Claims the keys of rows, and gives them back unsent."""

    def give_back(self, row_numbers: Iterable[int]) -> None:
        """As :meth:`airflow_sf_dedup.journeys.sending.claiming.HeldKeys.give_back`."""


class WatermarkGuard:
    """A :class:`~airflow_sf_dedup.journeys.sending.clearance.Clearance` that keeps older rows back.

    Before it is sent, and under the claim of its key, a row announces its state. Only a newer state that was written
    makes a row ``skipped``. While nobody has said what became of a newer one, the row is put off as if its key were
    in flight, and its entry names whom it waits for.

    :param claims: claims the keys.
    :param raisers: say what became of the rows that announced newer states.
    :param load_id: of the rows; one that is sent again after a crash announces its state again.
    :param key_of: the narrow folding: what the org takes for one key, and no more.
    :param org_now: the org's own time, UTC.
    """

    def __init__(
        self,
        claims: ClaimsKeys,
        watermarks: Watermarks,
        raisers: Raisers,
        scope: KeyScope,
        load_id: str,
        key_of: Callable[[str], str],
        org_now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._claims = claims
        self._watermarks = watermarks
        self._raisers = raisers
        self._scope = scope
        self._load_id = load_id
        self._key_of = key_of
        self._org_now = org_now
        #: Row number to key and watermark, of rows on their way.
        self._sent: dict[int, tuple[str, Watermark]] = {}
        self._stale: list[tuple[Record, str]] = []

    def clear(self, rows: Sequence[UnderWay[Record]]) -> list[Cleared[Record]]:
        """Claim keys, and keep back the rows that are older than what was sent of them."""
        cleared = self._claims.clear(rows)
        asked = [each.row for each in granted(cleared) if self._is_ordered(each.row)]
        if not asked:
            return cleared
        above = self._above(asked)
        # Whoever holds a row up gets its key.
        self._claims.give_back([number for number, holder in above.items() if holder])
        self._announce([row for row in asked if row.row_number not in above])
        return [self._kept_back(each, above) if isinstance(each, UnderWay) else each for each in cleared]

    def _kept_back(self, each: UnderWay[Record], above: Mapping[int, Holder | None]) -> Cleared[Record]:
        if each.row.row_number not in above:
            return each
        holder = above[each.row.row_number]
        if holder is not None:
            return PutOff(each, holder)
        self._stale.append((each.row, STALE_IN_DOUBT if each.in_doubt else STALE))
        return Dropped.DROPPED

    def _is_ordered(self, row: Record) -> bool:
        return row.order is not None and row.row_number not in self._sent

    def _above(self, rows: Sequence[Record]) -> dict[int, Holder | None]:
        """The rows that may not be sent, by number, to the newer row that each waits for; ``None``: it is stale."""
        standing = self._watermarks.standing(self._scope, [self._key_of(row.key) for row in rows])
        found: dict[int, Holder | None] = {}
        newer: list[tuple[Record, Watermark]] = []
        for row in rows:
            known = standing.get(self._key_of(row.key), Standing())
            if is_older(row, known.confirmed):
                found[row.row_number] = None
            else:
                newer += [(row, mark) for mark in known.provisional if self._is_held_up(row, mark)]
        raisers = self._raisers.tell(newer) if newer else {}
        self._learn(newer, raisers)
        # What was written comes last: it decides.
        for row, mark in sorted(newer, key=lambda each: raisers[each[1].raised_by].fate):
            raiser = raisers[mark.raised_by]
            if raiser.fate is not Fate.NOT_WRITTEN:
                found[row.row_number] = raiser.holder if raiser.fate is Fate.OPEN else None
        return found

    def _is_held_up(self, row: Record, mark: Watermark) -> bool:
        """A later row of its own load is sent after it, and holds it up no more than it does itself."""
        return is_older(row, mark.order) and mark.raised_by.rpartition("/")[0] != self._load_id

    def _learn(self, newer: Sequence[tuple[Record, Watermark]], raisers: Mapping[str, Raiser]) -> None:
        """What the audit or the org says of a row need not be asked again."""
        for fate, remember in (
            (Fate.WRITTEN, self._watermarks.confirm),
            (Fate.NOT_WRITTEN, self._watermarks.take_back),
        ):
            told = [(self._key_of(row.key), mark) for row, mark in newer if raisers[mark.raised_by].fate is fate]
            for marks in _one_a_key(told):
                remember(self._scope, marks)

    def _announce(self, rows: Iterable[Record]) -> None:
        since, marks = self._org_now(), dict[str, Watermark]()
        for row in rows:
            key = self._key_of(row.key)
            marks[key] = Watermark(row.order or "", self._name(row), since)
            self._sent[row.row_number] = (key, marks[key])
        self._watermarks.announce(self._scope, marks)

    def take_over(self, rows: Sequence[Record]) -> None:
        """Find the states that another process announced for these rows of the load, so that they can be settled."""
        ordered = [row for row in rows if self._is_ordered(row)]
        standing = self._watermarks.standing(self._scope, [self._key_of(row.key) for row in ordered]) if ordered else {}
        for row in ordered:
            key = self._key_of(row.key)
            known = standing.get(key, Standing())
            own = (mark for mark in known.provisional if mark.raised_by == self._name(row))
            self._sent.update((row.row_number, (key, mark)) for mark in own)

    def _name(self, row: Record) -> str:
        return f"{self._load_id}/{row.row_number}"

    def stale(self) -> list[tuple[Record, str]]:
        """The rows that turned out to be stale since this was asked last, and why in a word."""
        rows, self._stale = self._stale, []
        return rows

    def settle(self, entries: Iterable[Entry]) -> None:
        """Confirm the states of rows that these entries say are written, and take those back that surely are not.

        A row whose entry is ``unknown`` leaves its state as it announced it.
        """
        written: dict[str, Watermark] = {}
        not_written: dict[str, Watermark] = {}
        for entry in entries:
            if entry.row_number not in self._sent or entry.action is Action.UNKNOWN:
                self._sent.pop(entry.row_number, None)
                continue
            key, mark = self._sent.pop(entry.row_number)
            (written if entry.action in WRITTEN else not_written)[key] = mark
        self._watermarks.confirm(self._scope, written)
        self._watermarks.take_back(self._scope, not_written)


def _one_a_key(marks: Iterable[tuple[str, Watermark]]) -> Iterable[Mapping[str, Watermark]]:
    """The marks in as few parts as have each key once."""
    parts: list[dict[str, Watermark]] = []
    for key, mark in marks:
        part = next((each for each in parts if key not in each), None)
        if part is None:
            parts.append(part := {})
        part[key] = mark
    return parts


def is_older(row: Record, order: str | None) -> bool:
    """Whether a row is older than a state of its key.

    Orders of two kinds, as after the source's column became a date, say nothing of each other.
    """
    if row.order is None or order is None:
        return False
    return row.order.partition(":")[0] == order.partition(":")[0] and row.order < order
