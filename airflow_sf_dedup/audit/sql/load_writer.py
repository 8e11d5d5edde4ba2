"""How does a load begin, change and end, and what is noted of it meanwhile?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import insert, update

from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.audit.sql.held_load import hold_load
from airflow_sf_dedup.audit.sql.part import SqlPart
from airflow_sf_dedup.audit.sql.rows import BEGUN, load_row, load_value
from airflow_sf_dedup.database import tables
from airflow_sf_dedup.database.bulk import insert_into
from airflow_sf_dedup.database.engine import writing
from airflow_sf_dedup.database.storable import storable, stored_word

#: Columns of a load that :meth:`SqlLoadWriter.update_load` may set.
CHANGEABLE = frozenset(
    {"policy", "api", "settings", "rows_read", "partitions", "ended_at", "api_calls", "predicted_calls", "digest"}
)


class SqlLoadWriter(SqlPart):
    """Writes loads and their journal, in ``sf_dedup_load`` and ``sf_dedup_event``."""

    def open_load(self, load: Load) -> None:
        """Begin a load; opening the same ``load_id`` again changes nothing."""
        insertion = insert_into(self.engine.dialect, tables.load).values(load_row(load))
        with writing(self.engine) as connection:
            connection.execute(insertion.on_conflict_do_nothing())

    def update_load(self, load_id: str, **changes: Any) -> None:
        """Set columns of the load.

        :raises LoadMissingError: when the load was not opened.
        :raises TypeError: when a name is not in :data:`CHANGEABLE`.
        """
        if unknown := changes.keys() - CHANGEABLE:
            raise TypeError(f"A load's {sorted(unknown)} cannot change; {sorted(CHANGEABLE)} can.")
        columns = {name: load_value(name, value) for name, value in changes.items()}
        with writing(self.engine) as connection:
            hold_load(connection, load_id)
            if columns:
                connection.execute(update(tables.load).where(tables.load.c.load_id == load_id).values(columns))

    def note(self, load_id: str, event: str, detail: Mapping[str, Any]) -> None:
        """Append one event to the journal, dated now.

        :raises LoadMissingError: when the load was not opened.
        """
        row = {"load_id": load_id, "at": self.clock(), "event": stored_word(event), "detail": storable(detail)}
        with writing(self.engine) as connection:
            hold_load(connection, load_id)
            connection.execute(insert(tables.event).values(row))

    def note_beginning(self, load_id: str, partition: int) -> None:
        """From now on rows of that partition may be in the org.

        :raises LoadMissingError: when the load was not opened.
        """
        self.note(load_id, BEGUN, {"partition": partition})
