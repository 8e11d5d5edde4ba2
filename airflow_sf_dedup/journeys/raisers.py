"""What became of the rows that announced a newer state? Their entries tell, and where their load is over, the org."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Protocol

from airflow_sf_dedup.audit.base import AuditReader, Load
from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.core.entries import WRITTEN, Action
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.errors import CallError
from airflow_sf_dedup.locks.base import Holder, Watermark
from airflow_sf_dedup.salesforce.base import Origin, RecordReader

#: A load that has neither ended nor settled a row for so long is over: its run was deleted, or nobody clears it.
GIVEN_UP_AFTER = timedelta(days=1)

#: With these actions a row's state is in the org.
_IN_THE_ORG = WRITTEN | {Action.UNCHANGED}


class Fate(IntEnum):
    """What is known of a row that announced a state; of several newer rows the greatest decides."""

    NOT_WRITTEN = 0
    #: Its load is over, and the org does not tell either.
    UNKNOWN = 1
    #: Its task is at work, or will be tried again.
    OPEN = 2
    WRITTEN = 3


@dataclass(frozen=True, slots=True)
class Raiser:
    """A row that announced a state."""

    fate: Fate
    #: For people, and for those who wait for it; ``None``: nobody need ask which row it was.
    holder: Holder | None = None


#: Whichever row it was, its state was written.
CONFIRMED = Raiser(Fate.WRITTEN)


class Raisers(Protocol):
    """Knows the rows that announced states."""

    def tell(self, newer: Sequence[tuple[Record, Watermark]]) -> Mapping[str, Raiser]:
        """``raised_by`` to the row that raised it.

        :param newer: an older row of the same key, whose claim the caller holds, with each state that is newer.
        """


class AuditedRaisers:
    """Reads the audit, and the records themselves where it has no last word.

    The key's claim is held while this is asked, so that no call with the raiser's row can be under way. A record that
    nobody has written since the row was announced does not hold its state.

    :param now: the present, UTC.
    """

    def __init__(self, audit: AuditReader, reader: RecordReader, now: Callable[[], datetime] = utc_now) -> None:
        self._audit = audit
        self._reader = reader
        self._now = now

    def tell(self, newer: Sequence[tuple[Record, Watermark]]) -> Mapping[str, Raiser]:
        """One query a load that announced something; two reads of the org for all whose load is over."""
        marks = {mark.raised_by: mark for _, mark in newer}
        loads = {load_id: self._audit.load(load_id) for load_id in {_load_of(raised_by) for raised_by in marks}}
        actions = self._actions(marks)
        fates = {
            raised_by: _told(actions.get(raised_by), self._is_over(loads[_load_of(raised_by)], mark))
            for raised_by, mark in marks.items()
        }
        over = [(row, mark) for row, mark in newer if fates[mark.raised_by] is Fate.UNKNOWN]
        fates |= self._read(over)
        return {name: Raiser(fates[name], _holder(mark, loads[_load_of(name)])) for name, mark in marks.items()}

    def _actions(self, raised_by: Iterable[str]) -> dict[str, Action]:
        rows: defaultdict[str, list[int]] = defaultdict(list)
        for each in raised_by:
            rows[_load_of(each)].append(int(each.rpartition("/")[2]))
        return {
            f"{load_id}/{row}": action
            for load_id, numbers in rows.items()
            for row, action in self._audit.actions(load_id, numbers).items()
        }

    def _is_over(self, load: Load | None, mark: Watermark) -> bool:
        """A load that the audit does not know any more was purged."""
        return load is None or load.ended_at is not None or self._now() - mark.since > GIVEN_UP_AFTER

    def _read(self, newer: Sequence[tuple[Record, Watermark]]) -> dict[str, Fate]:
        """Of rows whose load is over, those whose state the org surely does not hold."""
        if not newer:
            return {}
        try:
            holders = self._reader.holders(sorted({row.key for row, _ in newer}))
            origins = self._reader.origins(sorted({each for held in holders.values() for each in held}))
        except CallError:
            # Whatever ails the org, the older row waits it out.
            return {mark.raised_by: Fate.OPEN for _, mark in newer}
        return {
            mark.raised_by: Fate.NOT_WRITTEN
            for row, mark in newer
            if all(_untouched(origins.get(each), mark.since) for each in holders.get(row.key, ()))
        }


def _load_of(raised_by: str) -> str:
    return raised_by.rpartition("/")[0]


def _told(action: Action | None, is_over: bool) -> Fate:
    if action is None or action is Action.UNKNOWN:
        return Fate.UNKNOWN if is_over else Fate.OPEN
    return Fate.WRITTEN if action in _IN_THE_ORG else Fate.NOT_WRITTEN


def _untouched(origin: Origin | None, since: datetime) -> bool:
    """Whether nobody has written the record since; Salesforce shows the second of a moment."""
    if origin is None or origin.modified_at is None:
        return False
    return origin.modified_at < since.replace(microsecond=0)


def _holder(mark: Watermark, load: Load | None) -> Holder:
    load_id = _load_of(mark.raised_by)
    name = f"{load.dag_id}.{load.task_id}, run {load.run_id}" if load else "a load that was purged"
    return Holder(load_id, f"{name}, load {load_id}", mark.since, None)
