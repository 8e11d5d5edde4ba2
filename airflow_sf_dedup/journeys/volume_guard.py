"""Does a load create, change or have blocked far more than it should? Asked before each of its writes.

A wrong file, a mapping that lost a column or a rule that somebody switched on last night shows in these numbers long
before it shows in a single row. What was written by then is in the audit; the other rows are ``not_sent``.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial

from airflow_sf_dedup.audit.base import Audit, Load, VolumeCounter
from airflow_sf_dedup.core.entries import Action, Entry
from airflow_sf_dedup.core.partitioning import PartitionRef
from airflow_sf_dedup.core.volume import Volume, VolumeLimits, volume_of
from airflow_sf_dedup.core.volume_history import MOST_LOADS, VolumeHistory
from airflow_sf_dedup.core.wording import counted
from airflow_sf_dedup.errors import VolumeGuardError
from airflow_sf_dedup.journeys.keeping.given import plan_of_load

_log = logging.getLogger(__name__)

#: Entries that say nothing of what a rule said of the row, unless they have its code.
_SAYS_NOTHING = (Action.NOT_SENT, Action.UNKNOWN)


@dataclass
class VolumeGuard:
    """Counts what this task has seen and not written down yet, beside what the audit has of all tasks and tries.

    :ivar rows: of the whole load, of which percentages are.
    :ivar planned: what a plan foresees of the load, once; ``None``: it has none.
    :ivar history: what the task's earlier loads did, where a limit goes by it.
    :ivar earlier: what an earlier load of the same kind did, in words; blank where there is none.
    """

    load_id: str
    partition: int
    limits: VolumeLimits
    rows: int
    audit: VolumeCounter
    planned: Volume | None = None
    history: VolumeHistory = VolumeHistory(())  # noqa: RUF009 - a frozen value
    earlier: Callable[[], str] = lambda: ""
    #: Row number to what its call answered, until its entry is committed.
    _seen: dict[int, Volume] = field(default_factory=dict, init=False)
    #: The threads of calls see answers, the task's own asks what they add up to.
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    #: What was said of blocked rows without an entry. ``None``: nothing by this try, and what an earlier one said of
    #: them holds, so that a load that was stopped by them is stopped again before it sends them again.
    _said: int | None = field(default=None, init=False)

    def check(self, more: Volume = Volume()) -> None:  # noqa: B008 - a frozen value
        """Ask before something is written; one or two small statements, no API call.

        :param more: what is about to be written.
        :raises VolumeGuardError: with it the load would exceed a limit, or has done so already.
        """
        if self.planned is not None and self._said is None:
            self._refuse(self.planned, by_plan=True)
        self._say()
        volumes = self.audit.volumes(self.load_id)
        own = volumes.get(self.partition, Volume())
        self._refuse(self._done(volumes, own), more)
        if self._said is None:
            self._said = own.waiting

    def check_end(self) -> None:
        """Ask after the last call of the task, which nothing could stop: a person has to look all the same.

        :raises VolumeGuardError: the load has exceeded a limit.
        """
        volumes = self.audit.volumes(self.load_id)
        self._refuse(self._done(volumes, volumes.get(self.partition, Volume())), all_sent=True)

    def see(self, seen: Mapping[int, Volume]) -> None:
        """Take in what a call answered, by row number; from any thread."""
        with self._lock:
            self._seen.update(seen)

    def settle(self, entries: Iterable[Entry]) -> None:
        """These are about to be committed, and count from then on by themselves."""
        with self._lock:
            for entry in entries:
                if entry.action not in _SAYS_NOTHING or volume_of(entry.action, entry.error_code).blocked:
                    self._seen.pop(entry.row_number, None)
        self._say()

    def _done(self, volumes: Mapping[int, Volume], own: Volume) -> Volume:
        others = sum((each for partition, each in volumes.items() if partition != self.partition), Volume())
        with self._lock:
            here = sum(self._seen.values(), Volume(own.created, own.changed, own.blocked))
        return others + here + Volume(waiting=own.waiting if self._said is None else 0)

    def _refuse(
        self,
        done: Volume,
        more: Volume = Volume(),  # noqa: B008 - a frozen value
        *,
        by_plan: bool = False,
        all_sent: bool = False,
    ) -> None:
        volume, factor = done + more, self.limits.max_vs_history
        by_history = None if factor is None else self.history.exceeded(volume, factor)
        exceeded = ", ".join(filter(None, (self.limits.exceeded(volume, self.rows), by_history)))
        if exceeded:
            saw = _in_words(done, more, self.rows, by_plan=by_plan)
            raise VolumeGuardError(exceeded, saw, earlier=self.earlier(), all_sent=all_sent)

    def _say(self) -> None:
        """Other tasks of the load count the blocked rows of this one, whose entries may be long in coming."""
        with self._lock:
            waiting = sum(each.blocked for each in self._seen.values())
        if self._said is not None and waiting != self._said:
            self.audit.note_waiting(self.load_id, self.partition, waiting)
            self._said = waiting


def _in_words(done: Volume, more: Volume, rows: int, *, by_plan: bool) -> str:
    """What the guard saw."""
    if by_plan:
        return f"the plan foresees {done} of {counted(rows, 'rows')}"
    next_call = f", and the next call would add {more}" if more != Volume() else ""
    return f"the load has {done} of {counted(rows, 'rows')}{next_call}"


def volume_guard_of(limits: VolumeLimits, audit: Audit, ref: PartitionRef) -> VolumeGuard | None:
    """The guard of one partition of a load; ``None``: nothing is limited."""
    load = audit.load(ref.load_id) if limits else None
    if load is None:
        return None
    given = plan_of_load(load)
    return VolumeGuard(
        load.load_id,
        ref.partition,
        limits,
        # The partition task has read the whole source by then.
        rows=load.rows_read or ref.rows,
        audit=audit,
        planned=sum(audit.volumes(given.plan_id).values(), Volume()) if given else None,
        history=_history(limits, audit, load),
        earlier=partial(_earlier, audit, load),
    )


def _history(limits: VolumeLimits, audit: Audit, load: Load) -> VolumeHistory:
    """What the load is compared with; said in the log, so that nobody takes a guard without a history for one."""
    if limits.max_vs_history is None:
        return VolumeHistory(())
    history = VolumeHistory(audit.earlier_volumes(load, MOST_LOADS))
    _log.info("%s", history.words(limits.max_vs_history))
    return history


def _earlier(audit: Audit, load: Load) -> str:
    """What the latest load of the same task did."""
    latest = audit.latest_sent(load.org_id, load.sobject, load.external_id_field, made_by=(load.dag_id, load.task_id))
    if latest is None:
        return ""
    volume = sum(audit.volumes(latest.load_id).values(), Volume())
    return f"the latest load of this task had {volume} of {latest.rows_read or 0:,}"
