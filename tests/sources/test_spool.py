from __future__ import annotations

import stat

import pytest

from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.sources.spool import open_spool


def record(row_number: int, text: str = "") -> Record:
    return Record(row_number, str(row_number), {"Text": text}, "hash", order=f"n:{row_number}")


def test_compartments_keep_their_records_in_order() -> None:
    with open_spool(3) as spool:
        for row_number in range(1, 10):
            spool.add(2 if row_number % 2 else 0, record(row_number))
        found = dict(spool.compartments())
    assert found == {
        0: [record(number) for number in (2, 4, 6, 8)],
        2: [record(number) for number in (1, 3, 5, 7, 9)],
    }


def test_more_than_the_memory_may_hold_is_kept_on_disk() -> None:
    with open_spool(1024) as spool:
        for row_number in range(1, 2049):
            spool.add(row_number % 1024, record(row_number, "x" * 10_000))
        assert sum(len(records) for _, records in spool.compartments()) == 2048


def test_the_folder_is_for_its_owner_only_and_goes_away_whatever_happens() -> None:
    with pytest.raises(RuntimeError), open_spool(1) as spool:
        folder = spool.folder
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        raise RuntimeError
    assert not folder.exists()
