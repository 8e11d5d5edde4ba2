"""What killed partition tasks left of loads goes, what was staged to the end stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airflow_sf_dedup.core.partitioning import PartitionRef
from airflow_sf_dedup.staging.area import StagingArea
from airflow_sf_dedup.staging.sweeping import at_work, sweep
from tests.staging.staged_rows import LOAD, staged
from tests.staging.test_workspace import kill, worker

NOW = datetime.now(UTC)


def staged_to_the_end(area: StagingArea) -> PartitionRef:
    ref = staged(area)
    area.write_refs("load-1", [ref])
    return ref


def test_a_load_whose_task_was_killed_while_it_staged_goes_with_its_rows(area: StagingArea) -> None:
    ref = staged(area)
    with worker(area.work_folder) as (process, _):
        assert sweep(area, now=NOW) == []
        assert at_work(area) == {"load-1"}
        kill(process)
        assert sweep(area, now=NOW) == ["load-1"]
    assert not Path(ref.path).parent.exists()
    assert at_work(area) == set()


def test_a_load_that_was_staged_to_the_end_stays(area: StagingArea) -> None:
    ref = staged_to_the_end(area)
    with worker(area.work_folder) as (process, folder):
        kill(process)
        sweep(area, now=NOW)
        assert not folder.exists()
    assert Path(ref.path).exists()
    assert at_work(area) == set()


def test_a_load_that_another_machine_began_long_ago_goes(area: StagingArea) -> None:
    staged(area)
    area.write_manifest(replace(LOAD, load_id="load-2"))
    area.write_refs("load-2", [])
    assert sweep(area, now=NOW + timedelta(hours=23)) == []
    assert sweep(area, now=NOW + timedelta(days=2)) == ["load-1"]
    assert area.load_ids() == ["load-2"]


def test_rows_that_are_staged_at_a_url_are_sorted_below_airflows_folder_or_where_it_is_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    assert StagingArea("s3://bucket/staging").work_folder == tmp_path / "sf_dedup" / "staging"
    assert StagingArea("s3://bucket/staging", "/work").work_folder == Path("/work")
    assert StagingArea("/staging", "/work").work_folder == Path("/staging")
