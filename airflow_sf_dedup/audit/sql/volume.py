"""How much of a load created, changed or was blocked? Counted in the transactions that write its entries.

So it is what the entries say at any time, of all tasks and tries, and asking costs a line a partition however many rows
a load has.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, select

from airflow_sf_dedup.audit.sql.held_load import hold_load
from airflow_sf_dedup.audit.sql.part import SqlPart
from airflow_sf_dedup.core.volume import Volume
from airflow_sf_dedup.database import tables
from airflow_sf_dedup.database.bulk import insert_into
from airflow_sf_dedup.database.engine import reading, writing

_KEY = ["load_id", "partition"]
_COUNTS = ("created", "changed", "blocked")


class SqlVolumeCounter(SqlPart):
    """Answers from ``sf_dedup_volume``."""

    def volumes(self, load_id: str) -> Mapping[int, Volume]:
        """Partition to what its entries count as, and to its blocked rows without one."""
        columns = tables.volume.c
        counts = (columns.created, columns.changed, columns.blocked, columns.waiting)
        query = select(columns.partition, *counts).where(columns.load_id == load_id)
        with reading(self.engine) as connection:
            return {partition: Volume(*counted) for partition, *counted in connection.execute(query)}

    def note_waiting(self, load_id: str, partition: int, rows: int) -> None:
        """So many rows of a partition are blocked by now and have no entry yet.

        :raises LoadMissingError: when the load was not opened.
        """
        noted = {"load_id": load_id, "partition": partition, "waiting": rows}
        with writing(self.engine) as connection:
            hold_load(connection, load_id)
            insert = insert_into(connection.dialect, tables.volume).values(noted)
            connection.execute(insert.on_conflict_do_update(index_elements=_KEY, set_={"waiting": rows}))


def add_volumes(connection: Connection, load_id: str, counted: Iterable[tuple[int, Volume]]) -> None:
    """Add what entries count as, by partition. The last that a transaction writes, in the order of the partitions."""
    sums = defaultdict[int, Volume](Volume)
    for partition, volume in counted:
        if volume != Volume():
            sums[partition] += volume
    if sums:
        insert = insert_into(connection.dialect, tables.volume)
        more = {name: tables.volume.c[name] + insert.excluded[name] for name in _COUNTS}
        adding = insert.on_conflict_do_update(index_elements=_KEY, set_=more)
        connection.execute(adding, [_row(load_id, *each) for each in sorted(sums.items())])


def _row(load_id: str, partition: int, volume: Volume) -> dict[str, Any]:
    counts = {name: getattr(volume, name) for name in _COUNTS}
    return {"load_id": load_id, "partition": partition, **counts}
