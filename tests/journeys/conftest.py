"""A real audit in a SQLite file, with claims beside it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count

import pytest
from sqlalchemy import Engine, delete

from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.database import tables
from airflow_sf_dedup.database.engine import engine_for
from airflow_sf_dedup.database.upgrade import upgrade
from airflow_sf_dedup.testing.fake_org import KEY, ORG_ID

NOW = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)


@pytest.fixture(scope="session")
def sql_engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    engine = engine_for(f"sqlite:///{tmp_path_factory.mktemp('audit') / 'audit.db'}")
    upgrade(engine)
    return engine


@pytest.fixture
def empty_engine(engine: Engine) -> Engine:
    """The shared audit in SQLite and in PostgreSQL, emptied: for tests that ask what all loads did to a record."""
    with engine.begin() as connection:
        for table in reversed(tables.metadata.sorted_tables):
            connection.execute(delete(table))
    return engine


@pytest.fixture
def unclaimed(sql_engine: Engine) -> Engine:
    """The audit in SQLite; records that other tests claimed are free."""
    with sql_engine.begin() as connection:
        connection.execute(delete(tables.record_claim))
    return sql_engine


@pytest.fixture(scope="session")
def sql_audit(sql_engine: Engine) -> SqlAudit:
    return SqlAudit(sql_engine)


@pytest.fixture(scope="session")
def new_load(sql_audit: SqlAudit) -> Callable[..., Load]:
    """Opens a load of its own at each call."""
    numbers = count(1)

    def opened(**settings: object) -> Load:
        load = Load(
            load_id=f"load-{next(numbers)}",
            org_id=ORG_ID,
            sobject="Lead",
            external_id_field=KEY,
            dag_id="leads",
            run_id="manual",
            task_id="partition",
            started_at=NOW,
        )
        sql_audit.open_load(load)
        sql_audit.update_load(load.load_id, **settings)
        return load

    return opened
