"""What a purge and an erasure take from claims, watermarks and counted calls."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.database.engine import reading
from airflow_sf_dedup.database.tables import call_count, key_claim
from airflow_sf_dedup.locks.base import Standing, Watermark
from airflow_sf_dedup.locks.key_claims import SqlKeyClaims
from airflow_sf_dedup.locks.watermarks import SqlWatermarks
from airflow_sf_dedup.testing.contracts.audit import BEGIN, a_load, an_entry
from airflow_sf_dedup.testing.contracts.claims import a_claimant, a_scope

LONG_AGO = datetime(1999, 1, 1, tzinfo=UTC)
MARK = Watermark("t:1999-01-01T00:00:00.000000Z", "load/1", LONG_AGO)
KNOWN = Standing(None, (MARK,))


@pytest.fixture
def audit(engine) -> SqlAudit:
    return SqlAudit(engine)


def claimed(engine, scope) -> int:
    with reading(engine) as connection:
        return len(connection.execute(select(key_claim.c.token).where(key_claim.c.org_id == scope.org_id)).all())


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


def test_an_erased_key_is_forgotten_by_watermarks_and_expired_claims(audit, engine):
    load, scope = a_load(), a_scope()
    audit.open_load(load)
    audit.remember(load.load_id, [an_entry(1, key="Ada@Straße.example")])
    narrow = ["Ada@Straße.example", "ada@straße.example"]
    watermarks = SqlWatermarks(engine)
    watermarks.announce(scope, dict.fromkeys([*narrow, "b"], MARK))
    SqlKeyClaims(engine, clock=lambda: LONG_AGO).claim(scope, a_claimant(), ["ada@strasse.example", "b"])
    assert audit.erase("Ada@Straße.example") == 1
    assert watermarks.standing(scope, [*narrow, "b"]) == {"b": KNOWN}
    assert claimed(engine, scope) == 1


def test_a_claim_that_holds_survives_an_erasure(audit, engine):
    scope = a_scope()
    SqlKeyClaims(engine).claim(scope, a_claimant(), ["k"])
    audit.erase("k")
    assert SqlKeyClaims(engine).claim(scope, a_claimant(), ["k"]).refused.keys() == {"k"}


def test_an_erasure_keeps_to_its_sobject_and_field(audit, engine):
    scope = a_scope()
    other_sobject, other_field = replace(scope, sobject="Contact"), replace(scope, external_id_field="Other__c")
    watermarks = SqlWatermarks(engine)
    for each in (scope, other_sobject, other_field):
        watermarks.announce(each, {"k": MARK})
    audit.erase("K", sobject=scope.sobject, external_id_field=scope.external_id_field)
    assert [len(watermarks.standing(each, ["k"])) for each in (scope, other_sobject, other_field)] == [0, 1, 1]


def test_an_erasure_finds_its_loads_however_their_sobject_and_field_are_spelled(audit):
    load = a_load()
    audit.open_load(load)
    audit.remember(load.load_id, [an_entry(1, key="Spelled-1")])
    wanted = {"sobject": load.sobject.upper(), "external_id_field": load.external_id_field.lower()}
    assert audit.erase("Spelled-1", sobject="Nothing", external_id_field=None) == 0
    assert audit.erase("Spelled-1", **wanted) == 1
