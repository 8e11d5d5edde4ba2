"""All that a journey remembers, in the database behind one connection."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_sf_dedup.core.numeric_settings import CLAIM_LIFETIME
from airflow_sf_dedup.hooks.configuration import configured

if TYPE_CHECKING:
    from airflow_sf_dedup.journeys.stores import Stores


def open_stores(audit_conn_id: str | None, *, upgrade: bool = False) -> Stores:
    """The stores behind a connection id."""
    from airflow_sf_dedup.hooks.audit import open_audit
    from airflow_sf_dedup.journeys.stores import Stores
    from airflow_sf_dedup.locks.key_claims import LIFETIME, SqlKeyClaims
    from airflow_sf_dedup.locks.record_claims import SqlRecordClaims
    from airflow_sf_dedup.locks.watermarks import SqlWatermarks

    audit = open_audit(audit_conn_id, upgrade=upgrade)
    lifetime = timedelta(seconds=configured(CLAIM_LIFETIME, LIFETIME.total_seconds()))
    return Stores(
        audit,
        SqlKeyClaims(audit.engine, lifetime),
        SqlRecordClaims(audit.engine),
        SqlWatermarks(audit.engine),
    )
