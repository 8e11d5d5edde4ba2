"""Rows of another load are read where that load is staged, and a load that is staged no more has none."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.core.partitioning import PartitionRef
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.files import writing
from airflow_sf_dedup.journeys.staged_rows import staged_rows
from airflow_sf_dedup.staging.area import StagingArea
from airflow_sf_dedup.testing.fake_org import KEY, ORG_ID, row

LOAD = Load("load-1", ORG_ID, "Lead", KEY, "leads", "manual", "partition", datetime(2026, 3, 2, tzinfo=UTC))
ROWS = [row(number) for number in range(1, 5)]


def staged(area: StagingArea) -> list[PartitionRef]:
    """Two partitions of two rows."""
    writing.make_private_folder(area.folder(LOAD.load_id))
    refs = [_staged(area, number, ROWS[2 * number : 2 * number + 2]) for number in (0, 1)]
    area.write_refs(LOAD.load_id, refs)
    return refs


def _staged(area: StagingArea, number: int, rows: list[Record]) -> PartitionRef:
    done = area.write_partition(LOAD.load_id, number, rows)
    return PartitionRef(LOAD.load_id, number, 2, done.rows, done.path, done.checksum, "Lead", KEY, ORG_ID, "sf")


@pytest.mark.parametrize("elsewhere", [True, False], ids=["where the load says", "where this load is"])
def test_the_rows_of_another_load_are_found_in_all_its_partitions(tmp_path: Path, elsewhere: bool) -> None:
    here, there = StagingArea(str(tmp_path / "here")), StagingArea(str(tmp_path / "there"))
    staged(there if elsewhere else here)
    load = replace(LOAD, settings={"staging_path": there.base_path if elsewhere else None})
    assert staged_rows(here, load, [2, 3, 9]) == {2: ROWS[1], 3: ROWS[2]}


@pytest.mark.parametrize("left", ["nothing", "references", "a changed partition"])
def test_a_load_that_is_staged_no_more_has_no_rows(tmp_path: Path, left: str) -> None:
    area = StagingArea(str(tmp_path))
    paths_of = [Path(ref.path) for ref in staged(area)]
    if left == "nothing":
        area.remove(LOAD.load_id)
    elif left == "references":
        paths_of[0].unlink()
    else:
        paths_of[0].write_bytes(paths_of[1].read_bytes())
    assert staged_rows(area, LOAD, [1, 2, 3]) == {}
