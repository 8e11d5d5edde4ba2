"""What has to be forgotten, and what of it may still be in use?"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from airflow_sf_dedup.audit.base import Purged
from airflow_sf_dedup.audit.sql import erasing, purging
from airflow_sf_dedup.audit.sql.part import SqlPart
from airflow_sf_dedup.database import tables
from airflow_sf_dedup.database.engine import reading


class SqlKeeper(SqlPart):
    """Forgets persons and loads, in all tables of the audit's database."""

    def erase(self, key: str, *, sobject: str | None = None, external_id_field: str | None = None) -> int:
        """Remove a person; see :func:`airflow_sf_dedup.audit.sql.erasing.erase`."""
        return erasing.erase(self.engine, key, sobject=sobject, external_id_field=external_id_field, now=self.clock())

    def purge(self, older_than: datetime, *, force: bool = False) -> Purged:
        """Delete old loads; see :func:`airflow_sf_dedup.audit.sql.purging.purge`."""
        return purging.purge(self.engine, older_than, force=force, now=self.clock())

    def going_on(self, moment: datetime) -> frozenset[str]:
        """The loads that were not over by then, as far as the audit knows: what is staged of them may be in use."""
        return purging.going_on(self.engine, moment)

    def staging_paths(self) -> frozenset[str]:
        """Where loads were staged, beside the configured place."""
        path = tables.load.c.settings["staging_path"].as_string()
        with reading(self.engine) as connection:
            return frozenset(found for found in connection.scalars(select(path).distinct()) if found)
