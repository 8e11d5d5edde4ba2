"""What was the org like at one moment?

A snapshot keeps records (the recycle bin too), id numbers, query locators, physics, faults (which count anew), the
ledger, and the calls counted until then. Access tokens are not part of it: who is logged in stays logged in, and the
first access token is valid again. Bulk jobs end. Records are values, so that taking a snapshot copies none, and going
back to it puts only those that differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_sf_dedup.emulator.definition.physics import Physics
from airflow_sf_dedup.emulator.faults.switches import FaultPlan
from airflow_sf_dedup.emulator.records.looking import without_nulls
from airflow_sf_dedup.emulator.records.store import Kept
from airflow_sf_dedup.emulator.rules.book import RuleBook
from airflow_sf_dedup.emulator.state.accounting import Accounting
from airflow_sf_dedup.emulator.state.cursors import Cursors
from airflow_sf_dedup.emulator.state.ledger import Ledger
from airflow_sf_dedup.emulator.state.recycle_bin import RecycleBin


@dataclass(frozen=True)
class Snapshot:
    #: When it was taken: ``2026-01-31T12:00:00.000+0000``.
    taken_at: str
    tables: Mapping[str, Kept]
    recycle_bin: RecycleBin
    physics: Physics
    faults: FaultPlan
    ledger: Ledger
    accounting: Accounting
    cursors: Cursors
    #: The duplicate rules; None: those of the org file.
    rules: RuleBook | None = None

    def about(self) -> dict[str, Any]:
        """``{"taken_at": …, "records": {"Lead": 12}}``; the recycle bin is counted too."""
        return {"taken_at": self.taken_at, "records": {name: len(kept.records) for name, kept in self._filled()}}

    def to_json(self) -> dict[str, Any]:
        """What a file can keep: the records and the id numbers."""
        return {
            "taken_at": self.taken_at,
            "last_numbers": {name: kept.last_number for name, kept in self._filled()},
            "records": {name: [without_nulls(each) for each in kept.records.values()] for name, kept in self._filled()},
        }

    def _filled(self) -> list[tuple[str, Kept]]:
        return [(name, kept) for name, kept in self.tables.items() if kept.records]
