"""One `airflow standalone` for all tests of this folder: its start is dearer than any of them.

A process of pytest starts it once. That all of these tests run in one process, whatever their module, and early, is
the business of ``tests/scheduling.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.testing.fixtures import airflow_settings
from tests.acceptance.standalone.airflow_process import Standalone

#: Seconds for which a worker that was killed keeps its claims: tests wait for their end.
CLAIM_LIFETIME = 25


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the Dags find their sources, and the tests what Dags and audit wrote."""
    return tmp_path_factory.mktemp("standalone")


@pytest.fixture(scope="session")
def running_org() -> Iterator[EmulatedOrg]:
    with EmulatedOrg.start() as org:
        yield org


@pytest.fixture(scope="session")
def airflow(folder: Path, running_org: EmulatedOrg) -> Iterator[Standalone]:
    """Airflow with the Dags of ``dags/``; its connection leads to the org."""
    settings = {
        **airflow_settings(running_org.url, running_org.access_token, folder),
        "AIRFLOW__SF_DEDUP__CLAIM_LIFETIME": str(CLAIM_LIFETIME),
        "TEST_FOLDER": str(folder),
    }
    with Standalone(folder / "home", Path(__file__).parent / "dags", settings) as airflow:
        yield airflow


@pytest.fixture(scope="module")
def org(running_org: EmulatedOrg) -> EmulatedOrg:
    """The org, empty at the beginning of each module."""
    running_org.reset()
    return running_org
