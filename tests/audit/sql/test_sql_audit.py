"""The audit keeps every promise of the contract on both databases, and its tables can be judged in plain SQL."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.core.entries import Action
from airflow_sf_dedup.database.engine import reading
from airflow_sf_dedup.testing.contracts.audit import AuditContract, a_load, an_entry


class TestSqlAudit(AuditContract):
    @pytest.fixture(autouse=True)
    def _engine(self, engine):
        self.engine = engine

    def make_audit(self) -> SqlAudit:
        return SqlAudit(self.engine)


def test_judges_count_actions_in_plain_sql(audit, engine):
    load = a_load()
    audit.open_load(load)
    audit.remember(load.load_id, [an_entry(1), an_entry(2, Action.SKIPPED), an_entry(3)])
    query = "SELECT action, count(*) FROM sf_dedup_entry WHERE load_id = :load GROUP BY action ORDER BY action"
    with reading(engine) as connection:
        rows = connection.execute(text(query), {"load": load.load_id}).all()
    assert rows == [("created", 2), ("skipped", 1)]


def test_times_compare_in_plain_sql(audit, engine):
    load = a_load()
    audit.open_load(load)
    year = (
        "strftime('%Y-%m-%d %H:%M', started_at)"
        if engine.dialect.name == "sqlite"
        else "to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')"
    )
    with reading(engine) as connection:
        query = text(f"SELECT {year} FROM sf_dedup_load WHERE load_id = :load")
        assert connection.scalar(query, {"load": load.load_id}) == "2001-02-03 04:05"
