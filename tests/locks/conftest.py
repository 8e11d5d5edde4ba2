from __future__ import annotations

import pytest

from airflow_sf_dedup.database.engine import engine_for
from airflow_sf_dedup.database.upgrade import upgrade


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def claims_url(request, tmp_path_factory) -> str:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('claims') / 'audit.db'}"
    else:
        url = request.getfixturevalue("postgres_url")
    engine = engine_for(url)
    upgrade(engine)
    engine.dispose()
    return url
