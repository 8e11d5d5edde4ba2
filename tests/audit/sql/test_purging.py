"""What a purge takes from counted calls and claims, and what it leaves."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from airflow_sf_dedup.database.engine import reading
from airflow_sf_dedup.database.tables import call_count, key_claim
from airflow_sf_dedup.locks.key_claims import SqlKeyClaims
from airflow_sf_dedup.locks.watermarks import SqlWatermarks
from airflow_sf_dedup.testing.contracts.audit import BEGIN, a_load
from airflow_sf_dedup.testing.contracts.claims import a_claimant, a_scope
from tests.audit.sql.claims_kept import KNOWN, LONG_AGO, MARK, claimed


def test_a_purge_takes_counted_calls_and_what_expired_and_leaves_watermarks(audit, engine):
    old, young, scope = a_load(started_at=LONG_AGO), a_load(), a_scope()
    for load in (old, young):
        audit.open_load(load)
        audit.count_call(load.load_id, round_number=1, budget=None)
    SqlKeyClaims(engine, clock=lambda: LONG_AGO).claim(scope, a_claimant(), ["expired"])
    SqlKeyClaims(engine).claim(scope, a_claimant(), ["in flight"])
    SqlWatermarks(engine).announce(scope, {"a": MARK})
    audit.purge(BEGIN - timedelta(days=1))
    with reading(engine) as connection:
        counted = connection.scalars(
            select(call_count.c.load_id).where(call_count.c.load_id.in_([old.load_id, young.load_id]))
        )
        assert list(counted) == [young.load_id]
    assert claimed(engine, scope) == 1
    assert SqlWatermarks(engine).standing(scope, ["a"]) == {"a": KNOWN}


def test_a_purge_passes_over_a_claim_that_somebody_is_taking(audit, engine):
    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    scope = a_scope()
    SqlKeyClaims(engine, clock=lambda: LONG_AGO).claim(scope, a_claimant(), ["a", "b"])
    with engine.connect() as other, other.begin():
        other.execute(select(key_claim).where(key_claim.c.org_id == scope.org_id).limit(1).with_for_update())
        audit.purge(BEGIN - timedelta(days=1))
        assert claimed(engine, scope) == 1
