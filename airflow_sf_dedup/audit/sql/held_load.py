"""Whatever is written hangs on a load: it must be there, and stay there until the writing is committed."""

from __future__ import annotations

from sqlalchemy import Connection, select

from airflow_sf_dedup.audit.base import LoadMissingError
from airflow_sf_dedup.database import tables


def hold_load(connection: Connection, load_id: str) -> None:
    """Keep the load from being purged until this transaction ends.

    :raises LoadMissingError: when the load was not opened, or has been purged.
    """
    query = select(tables.load.c.load_id).where(tables.load.c.load_id == load_id)
    if connection.execute(query.with_for_update(read=True, key_share=True)).first() is None:
        raise LoadMissingError(load_id)
