"""Which records of a table point at a record? References are indexed when somebody first asks, and from then on."""

from __future__ import annotations

from collections.abc import Collection

from airflow_sf_dedup.emulator.records.match_index import Column
from airflow_sf_dedup.emulator.records.store import Table


def pointing_at(table: Table, reference: str, record_id: str) -> Collection[str]:
    """The ids of the records, live and deleted, that may hold ``record_id`` in the field ``reference``."""
    return table.match_index((Column(reference, "exact", False),)).find(record_id.lower())
