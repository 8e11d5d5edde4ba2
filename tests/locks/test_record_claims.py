from __future__ import annotations

import random
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from uuid import uuid4

import pytest
from sqlalchemy import select, text

from airflow_sf_dedup.database.engine import engine_for, reading
from airflow_sf_dedup.database.tables import record_claim
from airflow_sf_dedup.locks.base import RecordClaim
from airflow_sf_dedup.locks.record_claims import SqlRecordClaims
from airflow_sf_dedup.testing.contracts.claims import ClaimsContract

RECORDS = [f"00Q{number:012d}EAA" for number in range(300)]


class TestSqlRecordClaims(ClaimsContract):
    @pytest.fixture(autouse=True)
    def _engine(self, claims_url):
        self.engine = engine_for(claims_url)
        yield
        self.engine.dispose()

    def make_claims(self, *, lifetime, clock):
        return SqlRecordClaims(self.engine, lifetime, clock=clock)


def test_ended_claims_are_forgotten_after_a_day(claims_url):
    org, engine, now = uuid4().hex[:18], engine_for(claims_url), datetime(2026, 3, 1, tzinfo=UTC)
    claims = SqlRecordClaims(engine, clock=lambda: now)
    claims.claim("load-1", org, [RecordClaim(record, f"key-{record}") for record in RECORDS])
    claims.release_load("load-1", org)
    now += timedelta(days=1, minutes=1)
    claims.claim("load-2", org, [RecordClaim("00Q000000009999EAA", "key")])
    claims.release_load("load-2", org)
    with reading(engine) as connection:
        left = connection.scalars(select(record_claim.c.load_id).where(record_claim.c.org_id == org)).all()
    assert left == ["load-2"]
    engine.dispose()


def claim_all(url: str, org: str, number: int) -> dict[str, str]:
    claims = SqlRecordClaims(engine_for(url))
    wishes = [RecordClaim(record, f"key-{number}") for record in RECORDS]
    wanted = wishes if number % 2 else wishes[::-1]
    parts = [claims.claim(f"load-{number}", org, wanted[start : start + 50]) for start in range(0, 300, 50)]
    return {record: key for part in parts for record, key in part.items()}


def test_processes_that_race_agree_on_one_holder_a_record(claims_url):
    org = uuid4().hex[:18]
    with ProcessPoolExecutor(4, mp_context=get_context("fork")) as pool:
        answers = list(pool.map(claim_all, [claims_url] * 4, [org] * 4, range(4)))
    assert all(answer == answers[0] for answer in answers)
    assert answers[0].keys() == set(RECORDS)


def claim_and_release(url: str, org: str, number: int) -> None:
    chance, claims = random.Random(number), SqlRecordClaims(engine_for(url))
    for turn in range(25):
        load_id, wanted = f"load-{number}-{turn}", chance.sample(RECORDS, 150)
        held = claims.claim(load_id, org, [RecordClaim(record, f"key-{number}") for record in wanted])
        assert held.keys() == set(wanted)
        claims.release(load_id, org, chance.sample(wanted, 75))
        claims.release_load(load_id, org)
    claims.engine.dispose()


def test_processes_that_claim_and_release_at_once_never_deadlock(claims_url):
    org, ended = uuid4().hex[:18], "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    with ProcessPoolExecutor(6, mp_context=get_context("fork")) as pool:
        list(pool.map(claim_and_release, [claims_url] * 6, [org] * 6, range(6)))
    if claims_url.startswith("postgresql"):
        engine = engine_for(claims_url)
        with reading(engine) as connection:
            assert connection.scalar(text(ended)) == 0
        engine.dispose()
