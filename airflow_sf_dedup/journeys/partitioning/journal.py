"""The audit's entries of rows that are not sent, and of a load that is staged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from airflow_sf_dedup.audit.base import AuditWriter
from airflow_sf_dedup.core.entries import Action, Entry
from airflow_sf_dedup.core.repeats import Superseded
from airflow_sf_dedup.journeys.partitioning.kin_found import KinFound
from airflow_sf_dedup.sources.reading import RejectedRow
from airflow_sf_dedup.staging.area import StagedPartition

#: Entries written to the audit at a time.
_ENTRIES_AT_A_TIME = 1000


@dataclass
class Journal:
    """Remembers, many at a time, the rows that end here."""

    audit: AuditWriter
    load_id: str
    clock: Callable[[], datetime]
    #: What the rows that go on have to do with each other.
    kin: KinFound = field(default_factory=KinFound)
    _waiting: list[Entry] = field(default_factory=list)
    _counts: dict[Action, int] = field(default_factory=dict)

    def invalid(self, refusal: RejectedRow) -> None:
        """A row that cannot be sent."""
        self._add(
            Entry(
                row_number=refusal.row_number,
                action=Action.INVALID,
                at=self.clock(),
                key=refusal.key,
                error_code=refusal.code,
                error_message=refusal.message,
                reason=refusal.reason,
            )
        )

    def superseded(self, superseded: Superseded, on_repeat: str) -> None:
        """A row in whose place another one is sent.

        The reason is a word that can be counted; which row it was stands in the message.
        """
        record = superseded.record
        self._add(
            Entry(
                row_number=record.row_number,
                action=Action.SUPERSEDED,
                at=self.clock(),
                key=record.key,
                row_hash=record.row_hash,
                error_message=f"superseded by row {superseded.by}",
                reason=f"on_repeat_{on_repeat}",
            )
        )

    def close(self, rows_read: int, staged: Mapping[int, StagedPartition]) -> None:
        """All was read and staged: remember what waits, then say so in the load."""
        self._flush()
        self.audit.note(
            self.load_id,
            "partitioned",
            {
                "rows_read": rows_read,
                "staged": sum(part.rows for part in staged.values()),
                "partitions": len(staged),
                **{action.value: count for action, count in self._counts.items()},
                **self.kin.counts(),
            },
        )
        self.audit.update_load(self.load_id, rows_read=rows_read, partitions=len(staged))

    def _add(self, entry: Entry) -> None:
        self._waiting.append(entry)
        self._counts[entry.action] = self._counts.get(entry.action, 0) + 1
        if len(self._waiting) >= _ENTRIES_AT_A_TIME:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self.audit.remember(self.load_id, self._waiting)
            self._waiting = []
