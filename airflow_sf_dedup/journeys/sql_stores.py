"""All stores of a load in one SQL database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import Engine

from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.journeys.stores import Stores
from airflow_sf_dedup.locks.key_claims import LIFETIME, SqlKeyClaims
from airflow_sf_dedup.locks.record_claims import SqlRecordClaims
from airflow_sf_dedup.locks.watermarks import SqlWatermarks


def stores_in(engine: Engine, *, claim_lifetime: timedelta | Callable[[], timedelta] = LIFETIME) -> Stores:
    """The stores in a database whose tables are there and current; they share the engine.

    :param engine: from :func:`airflow_sf_dedup.database.engine.engine_for`.
    :param claim_lifetime: how long a claim on a key holds; or what answers that when a key is to be claimed.
    """
    audit = SqlAudit(engine)
    return Stores(
        audit=audit,
        changes=audit,
        key_claims=SqlKeyClaims(engine, claim_lifetime),
        record_claims=SqlRecordClaims(engine),
        watermarks=SqlWatermarks(engine),
    )
