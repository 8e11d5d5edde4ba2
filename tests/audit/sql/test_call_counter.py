"""A load makes no call beyond its budget, however many processes count."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.database.engine import engine_for
from airflow_sf_dedup.testing.contracts.audit import a_load


def count_calls(url: str, load_id: str, budget: int) -> int:
    audit = SqlAudit(engine_for(url))
    return sum(audit.count_call(load_id, round_number=1, budget=budget) for _ in range(budget))


def test_processes_together_count_exactly_the_budget(audit, audit_url):
    load = a_load()
    audit.open_load(load)
    with ProcessPoolExecutor(4, mp_context=get_context("fork")) as pool:
        counted = list(pool.map(count_calls, [audit_url] * 4, [load.load_id] * 4, [60] * 4))
    assert sum(counted) == 60
    assert audit.load(load.load_id).api_calls == 60
