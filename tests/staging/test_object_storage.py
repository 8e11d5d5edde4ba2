"""Staging through a real S3 interface, with the connection named in the URL."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airflow_sf_dedup.errors import FileUnreachableError, StagingError
from airflow_sf_dedup.staging.area import StagingArea
from airflow_sf_dedup.staging.by_reference import read_manifest, read_partition
from airflow_sf_dedup.staging.erasing import StagedErasure
from airflow_sf_dedup.staging.sweeping import sweep
from tests.object_store import name_a_store_that_is_away, store
from tests.staging.staged_rows import LOAD, NOW, RECORDS, staged
from tests.staging.test_workspace import kill, worker


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with store("staging_s3") as url:
        yield url


def test_a_store_that_is_away_is_told_as_what_may_pass(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    name_a_store_that_is_away(monkeypatch)
    area = StagingArea("s3://away@leads/staging", str(tmp_path))
    attempts = (
        area.load_ids,
        lambda: area.write_manifest(LOAD),
        lambda: area.read_refs("load-1"),
    )
    for attempt in attempts:
        with pytest.raises(FileUnreachableError, match=r"^s3://away@leads/.*: cannot be (read|written) ") as raised:
            attempt()
        assert "SECRET" not in "".join(traceback.format_exception(raised.value))


def test_partitions_are_staged_read_and_removed(bucket: str) -> None:
    area = StagingArea(f"{bucket}/staging")
    ref = staged(area)
    assert list(read_partition(ref)) == RECORDS
    assert read_manifest(ref) == LOAD
    assert area.remove_older_than(7, now=NOW) == []
    assert area.remove_older_than(-1, now=NOW) == ["load-1"]
    with pytest.raises(StagingError):
        list(read_partition(ref))
    area.remove("load-1")


def test_a_persons_row_is_erased_and_the_others_stay(bucket: str, tmp_path: Path) -> None:
    area = StagingArea(f"{bucket}/erased", str(tmp_path))
    ref = staged(area)
    area.write_refs("load-1", [ref])
    erasure = StagedErasure(area, lambda record: record.key == "A-1")
    erasure.carry_out(now=datetime.now(UTC))
    assert [row.row_number for row in erasure.rows] == [1]
    assert list(read_partition(ref)) == RECORDS[1:]


def test_what_a_killed_task_left_goes_with_what_it_staged(bucket: str, tmp_path: Path) -> None:
    area = StagingArea(f"{bucket}/left", str(tmp_path))
    staged(area)
    with worker(area.work_folder) as (process, folder):
        kill(process)
        assert sweep(area, now=datetime.now(UTC)) == ["load-1"]
        assert not folder.exists()
    assert area.load_ids() == []


def test_a_load_that_a_lost_machine_began_goes_a_day_later(bucket: str, tmp_path: Path) -> None:
    area = StagingArea(f"{bucket}/lost", str(tmp_path))
    staged(area)
    assert sweep(area, now=datetime.now(UTC)) == []
    assert sweep(area, now=datetime.now(UTC) + timedelta(days=2)) == ["load-1"]
