"""A person's rows leave what is staged, the others can be sent as before."""

from __future__ import annotations

import stat
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from airflow_sf_dedup.core.partitioning import PartitionRef
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.errors import StagingError
from airflow_sf_dedup.staging.area import StagingArea
from airflow_sf_dedup.staging.by_reference import read_partition
from airflow_sf_dedup.staging.erasing import StagedErasure, StagedRow
from airflow_sf_dedup.staging.workspace import open_workspace
from tests.staging.staged_rows import LOAD, RECORDS, staged

NOW = datetime.now(UTC)


@pytest.fixture
def ref(area: StagingArea) -> PartitionRef:
    ref = staged(area)
    area.write_refs("load-1", [ref])
    return ref


def erase(area: StagingArea, key: str, **scope: Any) -> StagedErasure:
    erasure = StagedErasure(area, lambda record: record.key == key, **scope)
    erasure.carry_out(now=NOW)
    return erasure


def test_the_row_is_gone_and_the_reference_still_leads_to_the_others(area: StagingArea, ref: PartitionRef) -> None:
    assert erase(area, "A-1").rows == [StagedRow("load-1", 4, 1)]
    assert list(read_partition(ref)) == RECORDS[1:]
    assert erase(area, "A-3").rows == [StagedRow("load-1", 4, 8)]
    assert list(read_partition(ref)) == RECORDS[1:2]
    assert area.read_refs("load-1") == [ref]
    files = list(Path(ref.path).parent.iterdir())
    assert not any(b"A-1" in file.read_bytes() or b"A-3" in file.read_bytes() for file in files)
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_a_partition_of_one_person_is_empty_afterwards(area: StagingArea) -> None:
    ref = staged(area, RECORDS[:1])
    area.write_refs("load-1", [ref])
    erase(area, "A-1")
    assert list(read_partition(ref)) == []


def test_what_is_rewritten_is_verified_as_well(area: StagingArea, ref: PartitionRef) -> None:
    erase(area, "A-1")
    path = Path(ref.path)
    path.write_bytes(path.read_bytes().replace(b"A-3", b"A-4"))
    with pytest.raises(StagingError, match="not what was staged"):
        list(read_partition(ref))
    erased = path.with_name("erased.json")
    erased.write_bytes(erased.read_bytes()[:-1])
    with pytest.raises(StagingError, match=r"erased\.json"):
        list(read_partition(ref))


@pytest.mark.parametrize(
    ("scope", "rows"),
    [
        ({"sobject": "Contact"}, 0),
        ({"external_id_field": "Other__c"}, 0),
        ({"sobject": "lead", "external_id_field": "key__c"}, 1),
    ],
)
def test_only_loads_of_what_is_asked_are_touched(
    area: StagingArea, ref: PartitionRef, scope: dict[str, str], rows: int
) -> None:
    assert len(erase(area, "A-1", **scope).rows) == rows
    assert len(list(read_partition(ref))) == 3 - rows


def test_a_key_that_is_not_there_changes_nothing(area: StagingArea, ref: PartitionRef) -> None:
    assert erase(area, "A-1 ").rows == []
    assert [file.name for file in sorted(Path(ref.path).parent.iterdir())] == [
        "load.json",
        "part-00004.ndjson",
        "partitions.json",
    ]


def test_a_damaged_partition_goes_as_a_whole_for_it_may_hold_the_row(area: StagingArea, ref: PartitionRef) -> None:
    good = area.write_partition("load-1", 5, [Record(9, "B-1", {"Key__c": "B-1"}, "h9")])
    other = replace(ref, partition=5, rows=1, path=good.path, checksum=good.checksum)
    area.write_refs("load-1", [ref, other])
    Path(ref.path).write_bytes(Path(ref.path).read_bytes()[:-5])
    assert erase(area, "A-1").removed == ["partition 4 of load load-1"]
    assert not Path(ref.path).exists()
    assert len(list(read_partition(other))) == 1
    assert erase(area, "A-1").removed == []


def test_a_load_whose_partitions_nobody_lists_goes_as_a_whole(area: StagingArea, ref: PartitionRef) -> None:
    Path(ref.path).with_name("partitions.json").write_text("[")
    assert erase(area, "A-1").removed == ["load load-1"]
    assert area.load_ids() == []


def test_a_load_that_is_being_staged_is_named(area: StagingArea, ref: PartitionRef) -> None:
    area.write_manifest(replace(LOAD, load_id="load-2"))
    with open_workspace(area.work_folder, "load-3"):
        erasure = erase(area, "A-1")
    assert erasure.at_work == ["load-2", "load-3"]
    assert len(erasure.rows) == 1


def test_what_a_killed_erasure_was_writing_goes(area: StagingArea, ref: PartitionRef) -> None:
    unfinished = Path(ref.path).with_name(".part-00004.ndjson.4711")
    unfinished.write_bytes(Path(ref.path).read_bytes())
    erase(area, "A-1")
    assert not unfinished.exists()
