"""Writes that do not repeat safely are announced before they are made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from airflow_sf_dedup.audit.base import EntryWriter
from airflow_sf_dedup.core.entries import Action
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.journeys.entry_maker import EntryMaker
from airflow_sf_dedup.journeys.sending.clearance import Clearance, Cleared, granted
from airflow_sf_dedup.journeys.sending.under_way import UnderWay

#: Why a row is ``unknown`` whose call is under way, or was when its task died.
UNDER_WAY = "under_way"


@dataclass
class Intents:
    """A :class:`~airflow_sf_dedup.journeys.sending.clearance.Clearance` for writes that do not repeat safely.

    Before a call its rows are remembered as ``unknown``: whoever comes after a crash re-reads them before
    anything is sent.
    """

    clearance: Clearance[Record]
    audit: EntryWriter
    load_id: str
    entries: EntryMaker

    def clear(self, rows: Sequence[UnderWay[Record]]) -> list[Cleared[Record]]:
        """Write down that the rows are about to be sent."""
        cleared = self.clearance.clear(rows)
        sent = [self.entries.entry(each.row, Action.UNKNOWN, reason=UNDER_WAY) for each in granted(cleared)]
        if sent:
            self.audit.remember(self.load_id, sent)
        return cleared
