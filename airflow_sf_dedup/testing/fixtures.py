"""The pytest fixtures, found by pytest itself through the ``pytest11`` entry point."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from airflow_sf_dedup.emulator import EmulatedOrg

OrgFile = Path | str | Mapping[str, Any] | None

_OPTION = "salesforce_org_file"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini(_OPTION, "org file of the emulated Salesforce org, from the folder of the ini file", default="")


def _configured(config: pytest.Config) -> Path | None:
    named = config.getini(_OPTION)
    folder = config.inipath.parent if config.inipath else config.rootpath
    return folder / named if named else None


@pytest.fixture(scope="session")
def salesforce_session_org_file(pytestconfig: pytest.Config) -> OrgFile:
    """What the org of ``salesforce_shared_org`` is like; override it, with session scope, to bring your own."""
    return _configured(pytestconfig)


@pytest.fixture
def salesforce_org_file(pytestconfig: pytest.Config) -> OrgFile:
    """What the emulated org is like: an org file, the same as a mapping, or ``None`` for the common org.

    Override it in a test module or a ``conftest.py`` to bring an org of your own; the setting ``salesforce_org_file``
    of pytest names one for all tests.
    """
    return _configured(pytestconfig)


@pytest.fixture
def salesforce_org(
    salesforce_org_file: OrgFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[EmulatedOrg]:
    """An emulated org behind the connection ``salesforce_default``, with audit and staging of its own."""
    from airflow_sf_dedup.emulator import EmulatedOrg

    with EmulatedOrg.start(salesforce_org_file) as org:
        _lead_airflow_to(org, tmp_path, monkeypatch)
        yield org


@pytest.fixture(scope="session")
def salesforce_session_org(salesforce_session_org_file: OrgFile) -> Iterator[EmulatedOrg]:
    """An emulated org that lives as long as the session; no connection leads to it."""
    from airflow_sf_dedup.emulator import EmulatedOrg

    with EmulatedOrg.start(salesforce_session_org_file) as org:
        yield org


@pytest.fixture
def salesforce_shared_org(
    salesforce_session_org: EmulatedOrg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> EmulatedOrg:
    """Like ``salesforce_org``, but one org for all tests, put back before each: for orgs with many records."""
    salesforce_session_org.reset()
    _lead_airflow_to(salesforce_session_org, tmp_path, monkeypatch)
    return salesforce_session_org


def _lead_airflow_to(org: EmulatedOrg, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in airflow_settings(org.url, org.access_token, folder).items():
        monkeypatch.setenv(name, value)


def airflow_settings(url: str, access_token: str, folder: Path) -> dict[str, str]:
    """The environment variables that lead Airflow to an emulated org, keeping audit and staging in a folder."""
    connection = {
        "conn_type": "salesforce",
        "extra": {"access_token": access_token, "instance_url": url},
    }
    return {
        "AIRFLOW_CONN_SALESFORCE_DEFAULT": json.dumps(connection),
        "AIRFLOW__SF_DEDUP__AUDIT_PATH": str(folder / "audit.db"),
        "AIRFLOW__SF_DEDUP__STAGING_PATH": str(folder / "staging"),
    }
