from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from airflow_sf_dedup.emulator import EmulatedOrg

from .client import Client


@pytest.fixture(scope="session")
def running() -> Iterator[EmulatedOrg]:
    with EmulatedOrg.start() as org:
        yield org


@pytest.fixture
def org(running: EmulatedOrg) -> EmulatedOrg:
    """The default org, as if it had just been started."""
    running.state.reset()
    return running


@pytest.fixture
def client(org: EmulatedOrg) -> Client:
    return Client(org.url, org.access_token)


@pytest.fixture
def started() -> Iterator[Any]:
    """Starts orgs of their own and stops them after the test."""
    orgs: list[EmulatedOrg] = []

    def start(settings: Any = None, **options: Any) -> tuple[EmulatedOrg, Client]:
        emulator = EmulatedOrg.start(settings, **options)
        orgs.append(emulator)
        return emulator, Client(emulator.url, emulator.access_token)

    yield start
    for emulator in orgs:
        emulator.stop()


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as opened:
        yield opened
