"""Alembic's entry: runs in the transaction that :mod:`airflow_sf_dedup.database.upgrade` has opened."""

from alembic import context

from airflow_sf_dedup.database.tables import metadata
from airflow_sf_dedup.database.upgrade import VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
)
context.run_migrations()
