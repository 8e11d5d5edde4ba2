"""Airflow for tests: a home of its own, set before anything imports Airflow."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

_HOME = Path(tempfile.mkdtemp(prefix="sf-dedup-airflow-"))
(_HOME / "dags").mkdir()

os.environ.update(
    AIRFLOW_HOME=str(_HOME),
    AIRFLOW__CORE__DAGS_FOLDER=str(_HOME / "dags"),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__UNIT_TEST_MODE="False",
    AIRFLOW__CORE__EXECUTOR="LocalExecutor",
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{_HOME / 'airflow.db'}",
)


def pytest_configure(config: pytest.Config) -> None:
    """Deprecated imports are errors. In ``pyproject.toml`` this line would import Airflow before its home is set."""
    config.addinivalue_line("filterwarnings", "error::airflow.utils.deprecation_tools.DeprecatedImportWarning")
