"""Claims on keys in real databases, under real threads and processes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import event, select

from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.database.engine import engine_for, reading
from airflow_sf_dedup.database.tables import key_claim
from airflow_sf_dedup.locks.key_claims import LIFETIME, SqlKeyClaims
from airflow_sf_dedup.testing.contracts.claims import KeyClaimsContract, a_claimant, a_scope


@pytest.fixture
def engine(claims_url):
    engine = engine_for(claims_url)
    yield engine
    engine.dispose()


class TestSqlKeyClaims(KeyClaimsContract):
    @pytest.fixture(autouse=True)
    def _engine(self, engine):
        self.engine = engine

    def make_claims(self, *, lifetime, clock):
        return SqlKeyClaims(self.engine, lifetime, clock=clock)


def test_without_a_clock_the_database_says_what_time_it_is(engine):
    scope, first = a_scope(), a_claimant()
    lasting, fleeting = SqlKeyClaims(engine), SqlKeyClaims(engine, timedelta(0))
    before = utc_now() - timedelta(seconds=30)
    lasting.claim(scope, first, ["lasting"])
    fleeting.claim(scope, first, ["fleeting"])
    grant = lasting.claim(scope, a_claimant(), ["lasting", "fleeting"])
    holder = grant.refused["lasting"]
    assert holder.expires_at - holder.claimed_at == LIFETIME
    assert before < holder.claimed_at < utc_now() + timedelta(seconds=30)
    assert grant.granted == {"fleeting": None}


def test_a_lifetime_that_has_to_be_found_out_is_asked_for_once_and_not_before_a_key_is_claimed(engine):
    asked = []

    def lifetime() -> timedelta:
        asked.append("asked")
        return timedelta(minutes=3)

    claims, scope, first = SqlKeyClaims(engine, lifetime), a_scope(), a_claimant()
    claims.release(scope, first, ["k"])
    assert asked == []
    claims.claim(scope, first, ["k"])
    holder = claims.claim(scope, a_claimant(), ["k"]).refused["k"]
    assert (asked, holder.expires_at - holder.claimed_at) == (["asked"], timedelta(minutes=3))


def test_the_table_holds_no_key(engine):
    scope = a_scope()
    SqlKeyClaims(engine).claim(scope, a_claimant(), ["ada@example.com"])
    with reading(engine) as connection:
        stored = connection.execute(select(key_claim).where(key_claim.c.org_id == scope.org_id)).one()
    assert "ada@" not in repr(stored)
    assert len(stored.key_hash) == 32


def test_a_claim_is_one_statement_and_a_look_at_doubts_however_many_the_keys(engine):
    scope, statements = a_scope(), []
    SqlKeyClaims(engine).claim(scope, a_claimant(), ["warm"])
    listener = lambda *call: statements.append(call[2].partition(" ")[0])  # noqa: E731
    event.listen(engine, "before_cursor_execute", listener)
    SqlKeyClaims(engine).claim(scope, a_claimant(), [f"key-{number}" for number in range(1000)])
    SqlKeyClaims(engine).claim(scope, a_claimant(), [f"key-{number}" for number in range(1000)])
    event.remove(engine, "before_cursor_execute", listener)
    holders_too = ["INSERT", "SELECT", "SELECT"]
    assert [word for word in statements if word != "BEGIN"] == ["INSERT", "SELECT", *holders_too]
