"""The keys that one task has claimed: taken before a call, given back once their rows are settled."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime

from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.core.entries import Action
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.errors import CallError
from airflow_sf_dedup.journeys.sending.clearance import Cleared, Dropped, PutOff
from airflow_sf_dedup.journeys.sending.under_way import UnderWay
from airflow_sf_dedup.locks.base import Claimant, Grant, KeyClaims, KeyScope

#: The part of its lifetime after which a claim is renewed: what is left is more than the longest call takes.
_RENEWED_AFTER = 1 / 6


@dataclass
class HeldKeys:
    """A :class:`~airflow_sf_dedup.journeys.sending.clearance.Clearance`: a key that is in flight elsewhere is not sent.

    :param key_of: the broadest folding of a key: what any org may take for one key is one claim.
    :param settled_among: which of these rows are settled by now, and how: another process of the same task, which
        Airflow took for dead, may have settled them since this one began.
    :param unknown: rows that an earlier try left ``unknown``; ``unknown_since`` says since when at most they may be in
        the org, by the org's clock. Where a claim was left behind, it knows better.
    :param org_now: the org's own time, UTC.
    """

    claims: KeyClaims
    scope: KeyScope
    claimant: Claimant
    key_of: Callable[[str], str]
    settled_among: Callable[[Sequence[int]], Mapping[int, Action]] = lambda rows: {}
    unknown: Set[int] = frozenset()
    unknown_since: Callable[[], datetime] = utc_now
    org_now: Callable[[], datetime] = utc_now
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        #: Row number to claimed key.
        self._rows: dict[int, str] = {}
        #: Keys to the number of rows that need them: two keys of an org may fold alike.
        self._users: Counter[str] = Counter()
        #: Keys in a call that was given up and may still be under way.
        self._late_keys: set[str] = set()
        #: Keys of rows that nobody knows the outcome of.
        self._unknown_keys: set[str] = set()
        self._settled: list[tuple[Record, Action]] = []
        #: Seconds. Read here: a lifetime that is unusable ends the load before its first call.
        self._renewed_after = self.claims.lifetime.total_seconds() * _RENEWED_AFTER
        self._renewed = self.clock()
        self._lock = threading.RLock()

    def clear(self, rows: Sequence[UnderWay[Record]]) -> list[Cleared[Record]]:
        """Claim the keys of rows that are about to be sent; those in flight elsewhere are put off.

        Rows that are put off may be in doubt all the same. Rows that another process settled are dropped.
        """
        with self._lock:
            wanted = {each.row.row_number: self.key_of(each.row.key) for each in rows if not self._holds(each.row)}
            if not wanted:
                return list(rows)
            if not self._rows:
                self._renewed = self.clock()
            grant = self.claims.claim(self.scope, self.claimant, list(wanted.values()), org_time=self.org_now())
            taken = {number: key for number, key in wanted.items() if key not in grant.refused}
            self._rows.update(taken)
            self._users.update(taken.values())
            settled = self._drop_settled([each.row for each in rows if each.row.row_number in taken])
            return [
                each if (key := wanted.get(each.row.row_number)) is None else self._cleared(each, key, grant, settled)
                for each in rows
            ]

    def take_over(self, rows: Sequence[Record]) -> list[Record]:
        """Of rows that another process sent under this claimant, those whose keys are still claimed; they are held now.

        The others were settled and given back, or their claims have expired: they are sent again like any row.
        """
        with self._lock:
            keys = {row.row_number: self.key_of(row.key) for row in rows if not self._holds(row)}
            claimed = self.claims.held(self.scope, self.claimant, keys.values())
            taken = {number: key for number, key in keys.items() if key in claimed}
            self._rows.update(taken)
            self._users.update(taken.values())
            return [row for row in rows if row.row_number in taken]

    def _holds(self, row: Record) -> bool:
        return row.row_number in self._rows

    def _cleared(self, each: UnderWay[Record], key: str, grant: Grant, settled: Set[int]) -> Cleared[Record]:
        number = each.row.row_number
        if number in settled:
            return Dropped.DROPPED
        doubted = grant.granted.get(key) or grant.doubted.get(key)
        if doubted or number in self.unknown:
            each = each.doubted(doubted or self.unknown_since())
        return PutOff(each, grant.refused[key]) if key in grant.refused else each

    def _drop_settled(self, rows: Sequence[Record]) -> Set[int]:
        """The numbers of the rows that need not be sent any more; their keys are given back."""
        held = {row.row_number: row for row in rows}
        settled = self.settled_among(list(held)) if held else {}
        self._settled += [(held[number], action) for number, action in settled.items()]
        self.release(settled)
        return settled.keys()

    def settled_meanwhile(self) -> list[tuple[Record, Action]]:
        """The rows that turned out to be settled since this was asked last, and how."""
        settled, self._settled = self._settled, []
        return settled

    def release(self, row_numbers: Iterable[int]) -> None:
        """Give back the keys of rows that are settled and remembered."""
        with self._lock:
            self._part_with({key for number in row_numbers if (key := self._no_longer_needed_by(number)) is not None})

    def give_back(self, row_numbers: Iterable[int]) -> None:
        """Give back the keys of rows that are not sent now; what is in doubt of them stays in doubt."""
        with self._lock:
            keys = {key for number in row_numbers if (key := self._no_longer_needed_by(number)) is not None}
            free = keys - self._unknown_keys - self._late_keys
            self._part_with(keys - free)
            if free:
                self.claims.release(self.scope, self.claimant, free, settled=False)

    def may_have_been_sent(self, rows: Iterable[Record]) -> set[int]:
        """The numbers of the rows that an earlier process of the load may have sent, without taking their keys."""
        keys = {row.row_number: self.key_of(row.key) for row in rows}
        doubted = self.claims.doubted(self.scope, self.claimant, keys.values()) if keys else frozenset()
        return {number for number, key in keys.items() if number in self.unknown or key in doubted}

    def leave_unknown(self, row_numbers: Iterable[int]) -> None:
        """Leave the keys of rows that nobody knows the outcome of: they stay taken while a call may be under way."""
        with self._lock:
            numbers = [number for number in row_numbers if number in self._rows]
            self._unknown_keys.update(self._rows[number] for number in numbers)
            self.release(numbers)

    def _no_longer_needed_by(self, row_number: int) -> str | None:
        """The key of a row that is done with it, if no other row needs it."""
        key = self._rows.pop(row_number, None)
        if key is None:
            return None
        self._users[key] -= 1
        if self._users[key]:
            return None
        del self._users[key]
        return key

    def _part_with(self, keys: set[str]) -> None:
        unknown = keys & self._unknown_keys
        late = keys & self._late_keys - unknown
        if free := keys - unknown - late:
            self.claims.release(self.scope, self.claimant, free)
        if late:
            self.claims.leave(self.scope, self.claimant, late)
        if unknown:
            self.claims.leave(self.scope, self.claimant, unknown, unknown=True)
        self._late_keys -= keys
        self._unknown_keys -= keys

    def mark_late(self, row_numbers: Iterable[int]) -> None:
        """A call with these rows was given up and may still be carried out: their keys stay taken until it cannot.

        Salesforce ends a call after ten minutes at the latest (REST API Developer Guide, API request limits).
        """
        with self._lock:
            self._late_keys.update(self._rows[number] for number in row_numbers if number in self._rows)

    def keep(self) -> None:
        """Renew the claims when their time has come. Called before every call, from any thread.

        :raises CallError: claims expired while this process was held up, and others have their keys by now.
        """
        with self._lock:
            now = self.clock()
            if now - self._renewed < self._renewed_after:
                return
            if self.claims.renew(self.claimant) < len(self._users):
                raise CallError(
                    "claims on keys expired while this process was held up, and others may have their keys",
                    code="CLAIMS_EXPIRED",
                )
            self._renewed = now
