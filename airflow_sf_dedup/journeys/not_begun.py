"""Has a partition's sending begun? Until its first call none of its rows can be in the org.

So a task that ends before that says ``not_sent`` of its rows, and why; after it, nobody can without their entries.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import islice

from airflow_sf_dedup.audit.base import Audit, Load
from airflow_sf_dedup.core.entries import Action, Entry
from airflow_sf_dedup.core.partitioning import PartitionRef
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.errors import CallError, SalesforceDedupError
from airflow_sf_dedup.journeys.collect import NOT_BEGUN, begun_partitions
from airflow_sf_dedup.journeys.entry_maker import TaskMark

_ENTRIES_TOGETHER = 1000


class NotesBeginning:
    """A gate of a session: notes once, before the first call, that rows may be in the org from now on.

    :param note: commits it; when that fails the call is not made.
    """

    def __init__(self, note: Callable[[], None]) -> None:
        self._note = note
        self._lock = threading.Lock()
        self._noted = False

    def __call__(self) -> None:
        """Asked before each call, by several threads at once."""
        with self._lock:
            if not self._noted:
                self._note()
                self._noted = True


def remember_not_begun(
    audit: Audit,
    load: Load,
    ref: PartitionRef,
    records: Iterable[Record],
    error: BaseException,
    *,
    mark: TaskMark,
    clock: Callable[[], datetime],
) -> None:
    """Give the rows of a partition their entries when its task ended before its first call.

    Rows keep the entries of an earlier try. Where such a try began to send and said nothing of a row, nobody knows;
    the row gets no entry here, and the load's end says so.

    :param error: why the task ended.
    """
    begun = begun_partitions(audit, load)
    if begun is None or ref.partition in begun:
        return
    code, message = _code(error), _words(error)
    entries = (_not_sent(record, code, message, mark, clock()) for record in records)
    while some := list(islice(entries, _ENTRIES_TOGETHER)):
        audit.remember(ref.load_id, some)


def _code(error: BaseException) -> str:
    if isinstance(error, CallError):
        return error.code or (f"HTTP_{error.status}" if error.status else "CALL_FAILED")
    return "TASK_ENDED"


def _words(error: BaseException) -> str:
    """Our own errors quote no row; any other might."""
    return str(error) if isinstance(error, SalesforceDedupError) else f"the task ended early: {type(error).__name__}"


def _not_sent(record: Record, code: str, message: str, mark: TaskMark, at: datetime) -> Entry:
    return Entry(
        row_number=record.row_number,
        action=Action.NOT_SENT,
        at=at,
        key=record.key,
        row_hash=record.row_hash,
        error_code=code,
        error_message=message,
        reason=NOT_BEGUN,
        partition=mark.partition,
        map_index=mark.map_index,
        try_number=mark.try_number,
        twin_group=record.twin_group,
    )
