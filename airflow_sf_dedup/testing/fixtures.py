"""The pytest fixtures, found by pytest itself through the ``pytest11`` entry point."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from airflow_sf_dedup.emulator import EmulatedOrg


@pytest.fixture
def salesforce_org_file() -> Path | Mapping[str, Any] | None:
    """What the emulated org is like: an org file, the same as a mapping, or ``None`` for the common org.

    Override it in a test module or a ``conftest.py`` to bring an org of your own.
    """
    return None


@pytest.fixture
def salesforce_org(
    salesforce_org_file: Path | Mapping[str, Any] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[EmulatedOrg]:
    """An emulated org behind the connection ``salesforce_default``, with audit and staging of its own."""
    from airflow_sf_dedup.emulator import EmulatedOrg

    with EmulatedOrg.start(salesforce_org_file) as org:
        for name, value in airflow_settings(org.url, org.access_token, tmp_path).items():
            monkeypatch.setenv(name, value)
        yield org


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
