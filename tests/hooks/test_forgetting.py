"""An erasure and a purge take what is staged as well, and the loads still account for every row."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_sf_dedup.audit.__main__ import main
from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.core.entries import Action
from airflow_sf_dedup.core.partitioning import PartitionRef
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.database.engine import engine_for
from airflow_sf_dedup.staging.area import StagingArea
from airflow_sf_dedup.staging.by_reference import read_partition
from airflow_sf_dedup.testing.contracts.audit import a_load, an_entry
from tests.staging.staged_rows import LOAD
from tests.staging.test_workspace import kill, worker

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
KEYS = ("K-1", "K-2", "K-3")


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AIRFLOW__SF_DEDUP__STAGING_PATH", str(tmp_path / "staging"))
    url = f"sqlite:///{tmp_path / 'audit.db'}"
    assert main(["upgrade", "--url", url]) == 0
    return url


@pytest.fixture
def audit(url: str) -> SqlAudit:
    return SqlAudit(engine_for(url))


@pytest.fixture(params=["configured place", "the load's own"])
def area(request: pytest.FixtureRequest, tmp_path: Path) -> StagingArea:
    return StagingArea(str(tmp_path / ("staging" if request.param == "configured place" else "elsewhere")))


@pytest.fixture
def staged(audit: SqlAudit, area: StagingArea, tmp_path: Path) -> tuple[Load, PartitionRef]:
    """A load of three staged rows, of which the first has its entry."""
    own = {} if area.base_path == str(tmp_path / "staging") else {"staging_path": area.base_path}
    load = a_load(rows_read=3, started_at=LONG_AGO, ended_at=LONG_AGO, settings=own)
    audit.open_load(load)
    audit.remember(load.load_id, [an_entry(1, Action.FAILED, key="K-1", partition=4)])
    area.write_manifest(replace(LOAD, load_id=load.load_id, created_at=datetime.now(UTC)))
    records = [Record(number, key, {"Email": f"{key}@example.com"}, "h") for number, key in enumerate(KEYS, start=1)]
    part = area.write_partition(load.load_id, 4, records)
    ref = PartitionRef(load.load_id, 4, 8, 3, part.path, part.checksum, "Lead", "Source_Key__c", "00D", "sf")
    area.write_refs(load.load_id, [ref])
    return load, ref


def rows(audit: SqlAudit, load: Load) -> list[tuple[Any, ...]]:
    return [(each.row_number, each.action, each.key, each.reason) for each in audit.entries(load.load_id)]


def test_an_erased_row_leaves_staging_and_keeps_its_tombstone(
    url: str, audit: SqlAudit, staged: tuple[Load, PartitionRef]
) -> None:
    load, ref = staged
    assert main(["erase", "--url", url, "--key", "K-1"]) == 0
    assert [record.key for record in read_partition(ref)] == ["K-2", "K-3"]
    assert rows(audit, load) == [(1, Action.FAILED, None, "erased")]


def test_a_row_that_was_only_staged_gets_its_tombstone(
    url: str, audit: SqlAudit, staged: tuple[Load, PartitionRef], capsys: pytest.CaptureFixture[str]
) -> None:
    load, ref = staged
    assert main(["erase", "--url", url, "--key", "K-2", "--sobject", "Lead"]) == 0
    assert "1 row erased" in capsys.readouterr().out
    assert [record.key for record in read_partition(ref)] == ["K-1", "K-3"]
    assert rows(audit, load)[1:] == [(2, Action.UNKNOWN, None, "erased")]


def test_a_purge_takes_what_is_staged_of_the_loads_that_it_takes(
    url: str, audit: SqlAudit, area: StagingArea, staged: tuple[Load, PartitionRef]
) -> None:
    load, _ = staged
    audit.remember(load.load_id, [an_entry(2, Action.AWAITING_REVIEW, key="K-2")])
    assert main(["purge", "--url", url, "--older-than", "90d"]) == 0
    assert area.load_ids() == [load.load_id]
    assert main(["purge", "--url", url, "--older-than", "90d", "--force"]) == 0
    assert area.load_ids() == []
    assert audit.load(load.load_id) is None


def test_a_purge_takes_what_was_staged_long_ago_or_left_by_a_killed_task(
    url: str, area: StagingArea, staged: tuple[Load, PartitionRef]
) -> None:
    area.write_manifest(replace(LOAD, load_id="nobody-knows", created_at=datetime.now(UTC) - timedelta(days=91)))
    area.write_refs("nobody-knows", [])
    with worker(area.work_folder) as (process, folder):
        kill(process)
        assert main(["purge", "--url", url, "--older-than", "90d"]) == 0
        assert not folder.exists()
    assert "nobody-knows" not in area.load_ids()


def test_a_purge_leaves_a_load_that_may_be_going_on(
    url: str, audit: SqlAudit, area: StagingArea, staged: tuple[Load, PartitionRef]
) -> None:
    load, _ = staged
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    going_on = replace(load, load_id="going-on", started_at=an_hour_ago, ended_at=None)
    audit.open_load(going_on)
    area.write_manifest(replace(LOAD, load_id="going-on", created_at=an_hour_ago))
    area.write_refs("going-on", [])
    assert main(["purge", "--url", url, "--older-than", "0d", "--force"]) == 0
    assert audit.load(load.load_id) is None
    assert audit.load("going-on") == going_on
    assert area.load_ids() == ["going-on"]


def test_an_erasure_says_which_loads_are_being_staged(
    url: str, area: StagingArea, staged: tuple[Load, PartitionRef], capsys: pytest.CaptureFixture[str]
) -> None:
    with worker(area.work_folder):
        assert main(["erase", "--url", url, "--key", "K-1"]) == 2
    said = capsys.readouterr()
    assert "1 row erased" in said.out
    assert "load-1 is being staged: erase again" in said.err


def test_a_place_that_cannot_be_reached_keeps_nobody_from_erasing_elsewhere(
    url: str, audit: SqlAudit, staged: tuple[Load, PartitionRef], capsys: pytest.CaptureFixture[str]
) -> None:
    audit.open_load(a_load(settings={"staging_path": "nothing-installed://user:secret@bucket/staging"}))
    assert main(["erase", "--url", url, "--key", "K-1"]) == 2
    said = capsys.readouterr()
    assert "1 row erased" in said.out
    assert "nothing-installed://user@bucket/staging" in said.err
    assert "secret" not in said.err
    assert main(["purge", "--url", url, "--older-than", "90d"]) == 2


@pytest.mark.parametrize("text", ["K-1", "K-1\n", "K-1\r\n"])
def test_the_key_may_come_from_standard_input(
    url: str, audit: SqlAudit, staged: tuple[Load, PartitionRef], given: Callable[[str], None], text: str
) -> None:
    given(text)
    assert main(["erase", "--url", url, "--key", "-"]) == 0
    assert rows(audit, staged[0]) == [(1, Action.FAILED, None, "erased")]


@pytest.mark.parametrize("text", ["", "\n", "K-1\nK-2\n"])
def test_standard_input_that_is_not_one_line_erases_nothing(
    url: str, audit: SqlAudit, staged: tuple[Load, PartitionRef], given: Callable[[str], None], text: str
) -> None:
    given(text)
    assert main(["erase", "--url", url, "--key", "-"]) == 2
    assert rows(audit, staged[0])[0][2] == "K-1"


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return lambda text: monkeypatch.setattr(sys, "stdin", io.StringIO(text))
