from __future__ import annotations

import pytest

from airflow_sf_dedup.audit.sql import SqlAudit


@pytest.fixture
def audit(engine) -> SqlAudit:
    return SqlAudit(engine)
