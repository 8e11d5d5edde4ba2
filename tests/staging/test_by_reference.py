"""A task gets just the rows that were staged for it, or is told what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.errors import StagingError
from airflow_sf_dedup.staging.area import StagingArea
from airflow_sf_dedup.staging.by_reference import read_manifest, read_partition
from tests.staging.staged_rows import LOAD, RECORDS, staged


def test_records_come_back_as_they_were(area: StagingArea) -> None:
    assert list(read_partition(staged(area))) == RECORDS


def test_the_manifest_comes_back_as_it_was(area: StagingArea) -> None:
    assert read_manifest(staged(area)) == LOAD


def test_a_row_of_4_mb_and_many_rows_are_streamed(area: StagingArea) -> None:
    records = [Record(n, str(n), {"Text": "x" * (4_000_000 if n == 5 else 10)}, "h") for n in range(1, 3000)]
    assert list(read_partition(staged(area, records))) == records


def test_a_removed_partition_says_what_to_do(area: StagingArea) -> None:
    ref = staged(area)
    area.remove("load-1")
    area.remove("load-1")
    for read in (lambda: list(read_partition(ref)), lambda: read_manifest(ref)):
        with pytest.raises(StagingError, match="Clear the partition task"):
            read()


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda content: content[:-40], id="cut off"),
        pytest.param(lambda content: content.replace(b'"Name":null', b'"Name":true'), id="changed"),
        pytest.param(lambda content: content.splitlines(keepends=True)[0], id="a row less"),
        pytest.param(lambda content: content + b"\xff\xfe\n", id="garbage"),
        pytest.param(lambda content: b"", id="empty"),
        pytest.param(lambda content: content.split(b"\n", 1)[1], id="without its first line"),
        pytest.param(lambda content: content.replace(b'"A-3"', b'"A-4"'), id="another key in the last row"),
        pytest.param(lambda content: content.replace(b'{"row_number":8', b'{"row_number":9'), id="another number"),
    ],
)
def test_a_partition_that_is_not_what_was_staged_is_told(area: StagingArea, damage: object) -> None:
    ref = staged(area)
    path = Path(ref.path)
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(StagingError, match="is not what was staged") as refused:
        list(read_partition(ref))
    assert "Zoë" not in str(refused.value)


@pytest.mark.parametrize("spoilt", [0, 2_999], ids=["first row", "last row"])
def test_no_row_is_handed_on_before_its_block_is_verified(area: StagingArea, spoilt: int) -> None:
    records = [Record(n, str(n), {"Text": "x" * 1000}, "h") for n in range(3000)]
    ref = staged(area, records)
    path = Path(ref.path)
    content = path.read_bytes()
    line = content.index(b'{"row_number":%d,' % spoilt)
    path.write_bytes(content[: line + 60] + b"y" + content[line + 61 :])
    read, handed_on = read_partition(ref), []
    with pytest.raises(StagingError, match="changed or cut off"):
        handed_on.extend(read)
    assert handed_on == records[: len(handed_on)]
    assert spoilt not in [record.row_number for record in handed_on]
    assert bool(handed_on) is bool(spoilt), "what was verified before is handed on"


@pytest.mark.parametrize("content", ['{"version": 99}', '{"version": 1}', "no json", "[]"])
def test_a_manifest_that_is_damaged_or_of_another_release_is_told(area: StagingArea, content: str) -> None:
    ref = staged(area)
    Path(ref.path).with_name("load.json").write_text(content)
    assert area.remove_older_than(-1) == []
    with pytest.raises(StagingError, match=r"load\.json"):
        read_manifest(ref)
