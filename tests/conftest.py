"""Airflow for tests: a home of its own, set before anything imports Airflow."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

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


# Machines are slow at times; how long an example takes is no property of the code.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


#: Airflow's lists of what it masks: of its tasks, and of itself.
_MASKERS = ("airflow.sdk._shared.secrets_masker", "airflow._shared.secrets_masker")


@pytest.fixture(autouse=True)
def no_secrets_of_other_tests() -> Iterator[None]:
    """Airflow looks for all secrets that it was ever told, in one pattern that it compiles anew for each.

    Every emulated org has tokens of its own, so that a process would be slower with each test that it has run.
    """
    yield
    for masker in filter(None, map(sys.modules.get, _MASKERS)):
        masker.reset_secrets_masker()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real PostgreSQL server, for the tests that ask for one."""
    from airflow_sf_dedup.testing.postgres import postgres_server

    with postgres_server() as url:
        yield url


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def audit_url(request, tmp_path_factory) -> str:
    """An upgraded database that tests share; they use loads of their own."""
    from airflow_sf_dedup.database.engine import engine_for
    from airflow_sf_dedup.database.upgrade import upgrade
    from airflow_sf_dedup.testing.postgres import new_database

    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('audit') / 'audit.db'}"
    else:
        url = new_database(request.getfixturevalue("postgres_url"))
    engine = engine_for(url)
    upgrade(engine)
    engine.dispose()
    return url


@pytest.fixture(scope="session")
def engine(audit_url):
    from airflow_sf_dedup.database.engine import engine_for

    engine = engine_for(audit_url)
    yield engine
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request, tmp_path) -> str:
    """A database of one's own, without tables."""
    from airflow_sf_dedup.testing.postgres import new_database

    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'new' / 'audit.db'}"
    return new_database(request.getfixturevalue("postgres_url"))


def pytest_configure(config: pytest.Config) -> None:
    """Deprecated imports are errors. In ``pyproject.toml`` this line would import Airflow before its home is set."""
    config.addinivalue_line("filterwarnings", "error::airflow.utils.deprecation_tools.DeprecatedImportWarning")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes minutes begins first, so that no process is left alone with it at the end."""
    items.sort(key=lambda item: item.get_closest_marker("standalone") is None)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Modules that share a dear fixture go to one process. Called only with ``-n``."""
    if config.getoption("dist") != "loadscope":
        return None
    from tests.scheduling import DearThingsOnce

    return DearThingsOnce(config, log)


def pytest_unconfigure() -> None:
    """Leave nothing behind."""
    shutil.rmtree(_HOME, ignore_errors=True)
