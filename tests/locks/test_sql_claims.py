from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from uuid import uuid4

import pytest
from sqlalchemy import select

from airflow_sf_dedup.audit.engine import engine_for, reading
from airflow_sf_dedup.audit.tables import record_claim
from airflow_sf_dedup.locks.base import RecordClaim
from airflow_sf_dedup.locks.sql import SqlRecordClaims
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


def test_no_row_is_left_of_a_load_that_is_over(claims_url):
    org, engine = uuid4().hex[:18], engine_for(claims_url)
    claims = SqlRecordClaims(engine)
    claims.claim("load-1", org, [RecordClaim(record, f"key-{record}") for record in RECORDS])
    claims.claim("load-2", org, [RecordClaim("00Q000000009999EAA", "key")])
    claims.release_load("load-1", org)
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
