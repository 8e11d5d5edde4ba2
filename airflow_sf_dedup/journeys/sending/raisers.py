"""What became of the rows that announced a newer state? Their entries tell, and where their load is over, the org.

The state of a raiser, and what the older row does:

=====================================================  ===============================================================
written, by its entry                                  it is stale
settled otherwise (a person, a policy, a newer row)    it goes on
sent, or about to be, and its load is not over         it waits
the same, and its load ended, or began long ago        the key's records tell; where they do not, it waits for a person
                                                       to have the raiser sent again
the same, and its load was purged or its rows removed  nobody can send the raiser again: it goes on
=====================================================  ===============================================================
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Protocol

from airflow_sf_dedup.audit.base import NEVER_ENDS_AFTER, AuditReader, Load
from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.core.entries import IN_THE_ORG, UNSETTLED, Action
from airflow_sf_dedup.core.likeness import Likeness
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import SObject
from airflow_sf_dedup.errors import CallError
from airflow_sf_dedup.journeys.key_holders import KeyHolder, read_holders
from airflow_sf_dedup.locks.base import Holder, Watermark
from airflow_sf_dedup.salesforce.ports import RecordReader


class Fate(IntEnum):
    """What is known of a row that announced a state; of several newer rows the greatest decides."""

    NOT_WRITTEN = 0
    #: It is yet to be told.
    OPEN = 1
    WRITTEN = 2


@dataclass(frozen=True, slots=True)
class Raiser:
    """A row that announced a state."""

    fate: Fate
    #: For people, and for those who wait for it.
    holder: Holder


class Raisers(Protocol):
    """Knows the rows that announced states."""

    def tell(self, newer: Sequence[tuple[Record, Watermark]]) -> Mapping[str, Raiser]:
        """``raised_by`` to the row that raised it.

        :param newer: an older row of the same key, whose claim the caller holds, with each state that is newer.
        """


#: Of these rows of a load, those that are staged, by their numbers.
StagedRows = Callable[[Load, Collection[int]], Mapping[int, Record]]


class AuditedRaisers:
    """Reads the audit, and the records themselves where it has no last word.

    The key's claim is held while this is asked, so that no call with the raiser's row can be under way.

    :param sobject: whose records are read.
    :param key_fields: of which a record's key is made.
    :param staged: answers rows of other loads.
    :param now: the present, UTC.
    """

    def __init__(
        self,
        audit: AuditReader,
        reader: RecordReader,
        sobject: SObject,
        key_fields: Collection[str],
        staged: StagedRows,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._audit = audit
        self._reader = reader
        self._sobject = sobject
        self._key_fields = key_fields
        self._staged = staged
        self._now = now

    def tell(self, newer: Sequence[tuple[Record, Watermark]]) -> Mapping[str, Raiser]:
        """One query a load that announced something; three reads of the org for all whose load is over."""
        marks = {mark.raised_by: mark for _, mark in newer}
        loads = {load_id: self._audit.load(load_id) for load_id in {_load_of(raised_by) for raised_by in marks}}
        actions = self._actions(marks)
        fates = {raised_by: _told(actions.get(raised_by)) for raised_by in marks}
        over = {
            raised_by
            for raised_by, mark in marks.items()
            if fates[raised_by] is Fate.OPEN and self._is_over(loads[_load_of(raised_by)], mark)
        }
        fates |= self._read([(row, mark) for row, mark in newer if mark.raised_by in over], loads)
        return {
            name: Raiser(fates[name], _holder(mark, loads[_load_of(name)], name in over))
            for name, mark in marks.items()
        }

    def _actions(self, raised_by: Iterable[str]) -> dict[str, Action]:
        return {
            f"{load_id}/{row}": action
            for load_id, rows in _by_load(raised_by).items()
            for row, action in self._audit.actions(load_id, rows).items()
        }

    def _is_over(self, load: Load | None, mark: Watermark) -> bool:
        """A load that the audit does not know any more was purged."""
        return load is None or load.ended_at is not None or self._now() - mark.since > NEVER_ENDS_AFTER

    def _read(self, newer: Sequence[tuple[Record, Watermark]], loads: Mapping[str, Load | None]) -> Mapping[str, Fate]:
        """What the org holds of rows whose load is over."""
        if not newer:
            return {}
        staged = self._staged_of([mark.raised_by for _, mark in newer], loads)
        rows = [*(row for row, _ in newer), *staged.values()]
        try:
            holders = read_holders(self._reader, self._sobject, self._key_fields, rows)
        except CallError:
            # Whatever ails the org, the older row waits it out.
            return {mark.raised_by: Fate.OPEN for _, mark in newer}
        return {
            mark.raised_by: _seen(row, mark, staged.get(mark.raised_by), holders.get(row.key, ()))
            for row, mark in newer
        }

    def _staged_of(self, raised_by: Iterable[str], loads: Mapping[str, Load | None]) -> dict[str, Record]:
        return {
            f"{load_id}/{row}": record
            for load_id, rows in _by_load(raised_by).items()
            if (load := loads[load_id])
            for row, record in self._staged(load, rows).items()
        }


def _seen(row: Record, mark: Watermark, raiser: Record | None, holders: Iterable[KeyHolder]) -> Fate:
    """What the records of the key tell of a raiser that nobody settled.

    A record that nobody has written since the raiser was announced does not hold its state. One that holds some of
    its values, or that cannot be read or compared, leaves it open. Where the raiser's row is staged no more, nobody can
    ever say more.
    """
    touched = [each for each in holders if each.was_written_since(mark.since)]
    if not touched or raiser is None:
        return Fate.NOT_WRITTEN
    likenesses = [each.likeness(raiser) if each.values is not None else Likeness.UNTOLD for each in touched]
    if Likeness.SAME in likenesses:
        return Fate.WRITTEN
    if min(likenesses) < Likeness.OTHER or any(each.has_traces_of(raiser, row.fields) for each in touched):
        return Fate.OPEN
    return Fate.NOT_WRITTEN


def _load_of(raised_by: str) -> str:
    return raised_by.rpartition("/")[0]


def _row_of(raised_by: str) -> int:
    return int(raised_by.rpartition("/")[2])


def _by_load(raised_by: Iterable[str]) -> Mapping[str, list[int]]:
    rows: defaultdict[str, list[int]] = defaultdict(list)
    for each in raised_by:
        rows[_load_of(each)].append(_row_of(each))
    return rows


def _told(action: Action | None) -> Fate:
    """An entry that is not settled is older than what its row announced: a row that fails takes its state back."""
    if action is None or action in UNSETTLED:
        return Fate.OPEN
    return Fate.WRITTEN if action in IN_THE_ORG else Fate.NOT_WRITTEN


def _holder(mark: Watermark, load: Load | None, is_over: bool) -> Holder:
    """Whom to wait for, in words, and what a person can do about it."""
    load_id, row = _load_of(mark.raised_by), _row_of(mark.raised_by)
    task = f"{load.dag_id}.{load.task_id}, run {load.run_id}" if load else "a load that was purged"
    remedy = (
        "; that load is over and nobody knows whether the row was written: clear its upsert task" if is_over else ""
    )
    return Holder(load_id, f"{task}, load {load_id}, row {row}{remedy}", mark.since, None)
