"""What is kept of keys beside entries, for the tests of what forgets."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Engine, select

from airflow_sf_dedup.database.engine import reading
from airflow_sf_dedup.database.tables import key_claim
from airflow_sf_dedup.locks.base import KeyScope, Standing, Watermark

LONG_AGO = datetime(1999, 1, 1, tzinfo=UTC)
MARK = Watermark("t:1999-01-01T00:00:00.000000Z", "load/1", LONG_AGO)
KNOWN = Standing(None, (MARK,))


def claimed(engine: Engine, scope: KeyScope) -> int:
    """How many keys of the scope are claimed, by claims that hold or have expired."""
    with reading(engine) as connection:
        return len(connection.execute(select(key_claim.c.token).where(key_claim.c.org_id == scope.org_id)).all())
