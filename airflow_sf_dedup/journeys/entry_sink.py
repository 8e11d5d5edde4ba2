"""What happens when rows are settled, in the order that a crash at any point leaves whole.

Watermarks of rows that were not written are taken back, the entries are committed, the keys are given back.
The key of a row that nobody knows the outcome of is left behind until its claim expires: its call may still be under
way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from airflow_sf_dedup.audit.base import EntryWriter
from airflow_sf_dedup.core.entries import Action, Entry
from airflow_sf_dedup.journeys.sending.claiming import HeldKeys
from airflow_sf_dedup.journeys.sending.watermarks import WatermarkGuard


@dataclass
class SettlingSink:
    """An :class:`~airflow_sf_dedup.audit.base.EntryWriter`: the audit, and what has to happen around it."""

    audit: EntryWriter
    keys: HeldKeys
    guard: WatermarkGuard

    def remember(self, load_id: str, entries: Sequence[Entry]) -> None:
        """Settle rows for good."""
        self.guard.settle(entries)
        self.audit.remember(load_id, entries)
        self.keys.release(entry.row_number for entry in entries if entry.action is not Action.UNKNOWN)
        self.keys.leave_unknown(entry.row_number for entry in entries if entry.action is Action.UNKNOWN)
