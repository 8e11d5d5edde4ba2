"""Names that moved to :mod:`~airflow_sf_dedup.hooks.places` and :mod:`~airflow_sf_dedup.hooks.stores`."""

from airflow_sf_dedup.hooks.places import refuse_local_file_elsewhere, staging_path, work_path
from airflow_sf_dedup.hooks.stores import open_audit

__all__ = ["open_audit", "refuse_local_file_elsewhere", "staging_path", "work_path"]
