from __future__ import annotations

from pathlib import Path

import pytest

from airflow_sf_dedup.staging.area import StagingArea


@pytest.fixture
def area(tmp_path: Path) -> StagingArea:
    return StagingArea(str(tmp_path / "staging"))
