from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.errors import StagingError
from airflow_sf_dedup.staging.spool import Spool


def record(row_number: int, text: str = "") -> Record:
    return Record(row_number, str(row_number), {"Text": text}, "hash", order=f"n:{row_number}")


def test_compartments_keep_their_records_in_order(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", 3)
    for row_number in range(1, 10):
        spool.add(2 if row_number % 2 else 0, record(row_number))
    assert dict(spool.compartments()) == {
        0: [record(number) for number in (2, 4, 6, 8)],
        2: [record(number) for number in (1, 3, 5, 7, 9)],
    }


def test_more_than_the_memory_may_hold_is_kept_on_disk_for_its_owner_only(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", 1024)
    for row_number in range(1, 2049):
        spool.add(row_number % 1024, record(row_number, "x" * 10_000))
    assert stat.S_IMODE(spool.folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in spool.folder.iterdir()} == {0o600}
    assert sum(len(records) for _, records in spool.compartments()) == 2048
    assert list(spool.folder.iterdir()) == []


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(Path.unlink, id="removed"),
        pytest.param(lambda file: file.write_bytes(file.read_bytes().splitlines(keepends=True)[0]), id="a row less"),
        pytest.param(lambda file: file.write_bytes(file.read_bytes().replace(b"aaaa", b"bbbb")), id="changed"),
    ],
)
def test_no_row_is_handed_on_that_is_not_what_was_added(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    spool = Spool(tmp_path / "spool", 1)
    for row_number in range(1, 1001):
        spool.add(0, record(row_number, "a" * 10_000))
    damage(spool.folder / "00000")
    with pytest.raises(StagingError, match="Clear the task"):
        list(spool.compartments())
