"""Opening the audit's database as Airflow knows it: everything that it stores is reached through one engine."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_sf_dedup.core.numeric_settings import CLAIM_LIFETIME
from airflow_sf_dedup.hooks.audit_place import audit_url
from airflow_sf_dedup.hooks.configuration import configured
from airflow_sf_dedup.hooks.places import refuse_local_file_elsewhere

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from airflow_sf_dedup.audit.base import Audit
    from airflow_sf_dedup.audit.sql.duplicate_jobs import SqlDuplicateJobs
    from airflow_sf_dedup.journeys.stores import Stores


def open_stores(audit_conn_id: str | None, *, upgrade: bool = False) -> Stores:
    """All stores of a load: its audit, claims and watermarks.

    How long claims hold (``[sf_dedup] claim_lifetime``) is read when a key is to be claimed, and not here: a number
    that is unusable keeps nobody from writing into the audit why nothing was sent.

    :param audit_conn_id: an Airflow connection to PostgreSQL (or SQLite); ``None`` for the embedded file.
    :param upgrade: create or upgrade the tables; mapped tasks never do.
    :raises ConnectionMissingError: there is no such connection.
    :raises SettingError: the database is not supported, or its tables do not fit; an embedded file under an executor
        that spreads tasks over machines.
    :raises AuditUnreachableError: the database does not answer.
    """
    from airflow_sf_dedup.journeys.sql_stores import stores_in

    return stores_in(ready_engine(audit_conn_id, upgrade=upgrade), claim_lifetime=_claim_lifetime)


def open_audit(audit_conn_id: str | None, *, upgrade: bool = False) -> Audit:
    """The audit alone, for those who claim nothing; otherwise as :func:`open_stores`."""
    from airflow_sf_dedup.audit.sql import SqlAudit

    return SqlAudit(ready_engine(audit_conn_id, upgrade=upgrade))


def duplicate_jobs(audit_conn_id: str | None) -> SqlDuplicateJobs:
    """What was looked for, and found, after loads; otherwise as :func:`open_stores`."""
    from airflow_sf_dedup.audit.sql.duplicate_jobs import SqlDuplicateJobs

    return SqlDuplicateJobs(ready_engine(audit_conn_id, upgrade=False))


def ready_engine(audit_conn_id: str | None, *, upgrade: bool) -> Engine:
    """An engine for a database whose tables are current."""
    from airflow_sf_dedup.database import upgrade as tables
    from airflow_sf_dedup.database.engine import engine_for

    if audit_conn_id is None:
        refuse_local_file_elsewhere("audit_conn_id", "the embedded audit")
    engine = engine_for(audit_url(audit_conn_id), create=upgrade)
    (tables.upgrade if upgrade else tables.ensure_current)(engine)
    return engine


def _claim_lifetime() -> timedelta:
    from airflow_sf_dedup.locks.key_claims import LIFETIME

    return timedelta(seconds=configured(CLAIM_LIFETIME, LIFETIME.total_seconds()))
