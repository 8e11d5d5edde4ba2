"""A SQLite file and a real PostgreSQL server, each upgraded once a session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from airflow_sf_dedup.audit.engine import engine_for
from airflow_sf_dedup.audit.upgrade import upgrade
from airflow_sf_dedup.testing.postgres import new_database


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def audit_url(request, tmp_path_factory) -> str:
    """An upgraded database that tests share; they use loads of their own."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('audit') / 'audit.db'}"
    else:
        url = new_database(request.getfixturevalue("postgres_url"))
    engine = engine_for(url)
    upgrade(engine)
    engine.dispose()
    return url


@pytest.fixture(scope="session")
def engine(audit_url) -> Iterator[Engine]:
    engine = engine_for(audit_url)
    yield engine
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request, tmp_path) -> str:
    """A database of one's own, without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'new' / 'audit.db'}"
    return new_database(request.getfixturevalue("postgres_url"))
