from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from airflow_sf_dedup.core.partitioning import PartitionRef
from airflow_sf_dedup.errors import SettingError, StagingError
from airflow_sf_dedup.staging.area import StagingArea
from airflow_sf_dedup.staging.by_reference import read_manifest, read_partition
from airflow_sf_dedup.staging.erasing import StagedErasure
from airflow_sf_dedup.staging.rewritten import write_rewritten
from airflow_sf_dedup.staging.spool import Spool
from tests.staging.staged_rows import LOAD, NOW, RECORDS, staged


def test_staged_files_are_for_their_owner_only(area: StagingArea, tmp_path: Path) -> None:
    staged(area)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert modes == {"staging": 0o700, "load-1": 0o700, "load.json": 0o600, "part-00004.ndjson": 0o600}


@pytest.mark.parametrize("content", [b"", b"[", b"[1]", b'[{"load_id": 1}]', b"{}", b"7"])
def test_a_list_of_partitions_that_is_damaged_is_told(area: StagingArea, content: bytes) -> None:
    ref = staged(area)
    area.write_refs("load-1", [ref])
    assert area.read_refs("load-1") == [ref]
    Path(ref.path).with_name("partitions.json").write_bytes(content)
    with pytest.raises(StagingError, match="list of partitions of load load-1"):
        area.read_refs("load-1")


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("load.json", b'"allow_non_unique_key":false', b'"allow_non_unique_key":true '),
        ("load.json", b'"on_repeat":"last"', b'"on_repeat":"lost"'),
        ("partitions.json", b'"rows":3', b'"rows":2'),
        ("partitions.json", b'"salesforce_conn_id":"sf"', b'"salesforce_conn_id":"sb"'),
    ],
)
def test_what_stands_beside_partitions_is_believed_only_as_it_was_written(
    area: StagingArea, name: str, good: bytes, bad: bytes
) -> None:
    ref = staged(area)
    area.write_refs("load-1", [ref])
    path = Path(ref.path).with_name(name)
    assert good in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(good, bad))
    with pytest.raises(StagingError, match="not what was staged"):
        read_manifest(ref) if name == "load.json" else area.read_refs("load-1")


def test_only_old_loads_are_removed(area: StagingArea, tmp_path: Path) -> None:
    for age in (1, 9):
        area.write_manifest(replace(LOAD, load_id=f"days-{age}", created_at=NOW - timedelta(days=age)))
    (tmp_path / "staging" / "not-ours").mkdir()
    assert area.remove_older_than(7, now=NOW) == ["days-9"]
    assert sorted(path.name for path in (tmp_path / "staging").iterdir()) == ["days-1", "not-ours"]


def test_a_load_whose_manifest_cannot_be_read_goes_by_the_files_age(area: StagingArea) -> None:
    manifest = Path(staged(area).path).with_name("load.json")
    manifest.write_text("of another release")
    os.utime(manifest, (NOW.timestamp(),) * 2)
    assert area.remove_older_than(7, now=NOW + timedelta(days=6)) == []
    assert area.remove_older_than(0, now=NOW + timedelta(hours=12)) == [], "it may be in use"
    assert area.remove_older_than(7, now=NOW + timedelta(days=8)) == ["load-1"]


def test_an_area_that_is_not_there_has_nothing_to_remove(area: StagingArea) -> None:
    assert area.remove_older_than(7) == []


@pytest.mark.parametrize("load_id", ["", "..", "a/b", "../x", ".hidden"])
def test_a_load_id_never_leads_out_of_the_area(area: StagingArea, load_id: str) -> None:
    with pytest.raises(SettingError):
        area.remove(load_id)


def test_the_area_is_known_from_a_reference(area: StagingArea) -> None:
    assert StagingArea.of(staged(area)) == area


def test_a_relative_folder_is_staged_absolutely(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert staged(StagingArea("here")).path == str(tmp_path / "here" / "load-1" / "part-00004.ndjson")


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def link_to_itself(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


STAGED_FILES = {
    "part-00004.ndjson": (lambda area, ref: list(read_partition(ref)), "it is a folder"),
    "erased.json": (lambda area, ref: list(read_partition(ref)), "its erased.json cannot be read"),
    "load.json": (lambda area, ref: read_manifest(ref), "its load.json cannot be read"),
    "partitions.json": (lambda area, ref: area.read_refs("load-1"), "is not what was staged"),
}
Read = Callable[[StagingArea, PartitionRef], object]


@pytest.mark.parametrize(
    ("name", "read", "says"), [(name, *each) for name, each in STAGED_FILES.items()], ids=STAGED_FILES
)
def test_a_folder_in_place_of_a_staged_file_is_not_what_was_staged(
    area: StagingArea, name: str, read: Read, says: str
) -> None:
    ref = with_every_file(area)
    folder(Path(ref.path).with_name(name))
    with pytest.raises(StagingError, match=f"{says}.*Clear the partition task"):
        read(area, ref)


@pytest.mark.parametrize(("name", "read"), [(name, read) for name, (read, _) in STAGED_FILES.items()], ids=STAGED_FILES)
def test_a_staged_file_that_may_not_be_read_is_told_with_its_setting_and_not_taken_for_a_damaged_one(
    area: StagingArea, name: str, read: Read
) -> None:
    ref = with_every_file(area)
    link_to_itself(Path(ref.path).with_name(name))
    with pytest.raises(SettingError, match=f"^staging_path: .*{name}: cannot be read") as refused:
        read(area, ref)
    assert refused.value.setting == "staging_path"
    erasure = StagedErasure(area, lambda record: True)
    with suppress(SettingError):
        erasure.carry_out(now=NOW)
    assert erasure.removed == []
    assert os.path.lexists(Path(ref.path).with_name(name))


def with_every_file(area: StagingArea) -> PartitionRef:
    ref = staged(area)
    area.write_refs("load-1", [ref])
    write_rewritten(area.folder("load-1"), {})
    return ref


NO_PLACE = {
    "where no folder can be made": ("/proc/nope", "cannot be made"),
    "below a file": ("/dev/null/staging", "cannot be made"),
    "name too long": ("/tmp/" + "x" * 5000, "File name too long"),
    "home of nobody": ("~nobody-of-this-name/staging", "no home folder"),
    "NUL": ("/tmp/a\0b", "has a NUL"),
    "no bucket": ("s3://", "names no bucket"),
    "no bucket at all": ("s3:///", "names no bucket"),
    "password": ("s3://AKIA:SECRET@bucket/staging", "id of an Airflow connection"),
    "password with a slash": ("s3://AKIA:SEC/RET@bucket/staging", "id of an Airflow connection"),
    "signature": ("s3://bucket/staging?sig=SECRET", "a folder has no query"),
    "no URL": ("https://[bad/staging", "is no URL"),
}


@pytest.mark.parametrize(("base_path", "says"), NO_PLACE.values(), ids=NO_PLACE.keys())
def test_a_place_that_can_be_none_for_rows_is_refused_by_its_setting(base_path: str, says: str, tmp_path: Path) -> None:
    area = StagingArea(base_path, str(tmp_path))
    with pytest.raises(SettingError, match=f"^staging_path: .*{says}") as refused, area.workspace("load-1"):
        area.write_manifest(LOAD)
    assert refused.value.setting == "staging_path"
    assert "SECRET" not in str(refused.value)
    assert "RET@" not in str(refused.value)


def test_a_place_where_rows_cannot_be_sorted_is_refused_by_its_setting() -> None:
    area = StagingArea("s3://conn@bucket/staging", "/proc/nope")
    with (
        pytest.raises(SettingError, match=r"^work_path: /proc/nope/load-1/.*: cannot be made"),
        area.workspace("load-1"),
    ):
        pass


def test_rows_that_cannot_be_sorted_are_told_with_the_setting(area: StagingArea) -> None:
    record = RECORDS[0]
    with pytest.raises(SettingError, match=r"^staging_path: .*: cannot be written"), area.workspace("load-1") as work:
        spool = Spool(work, 1)
        spool.add(0, record)
        (work / "00000").mkdir()
        list(spool.compartments())
