from __future__ import annotations

import pytest

from airflow_sf_dedup.database.engine import engine_for
from airflow_sf_dedup.locks.watermarks import SqlWatermarks
from airflow_sf_dedup.testing.contracts.claims import WatermarksContract


class TestSqlWatermarks(WatermarksContract):
    @pytest.fixture(autouse=True)
    def _engine(self, claims_url):
        self.engine = engine_for(claims_url)
        yield
        self.engine.dispose()

    def make_watermarks(self):
        return SqlWatermarks(self.engine)
