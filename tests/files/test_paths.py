from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_sf_dedup.errors import SourceError
from airflow_sf_dedup.files import paths


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/data/leads.csv", "/data/leads.csv"),
        ("https://user:secret@host/leads.csv?X-Amz-Signature=secret", "https://user@host/leads.csv"),
        ("s3://my_conn@bucket/leads.csv", "s3://my_conn@bucket/leads.csv"),
    ],
)
def test_messages_show_no_password_and_no_signature(path: str, shown: str) -> None:
    assert paths.shown(path) == shown


@pytest.mark.parametrize(
    ("path", "local"),
    [
        ("/data/a.csv", "/data/a.csv"),
        ("a.csv", "a.csv"),
        ("file:///data/my%20leads.csv", "/data/my leads.csv"),
        ("s3://bucket/a.csv", None),
        ("file://elsewhere/a.csv", None),
    ],
)
def test_only_plain_paths_and_file_urls_are_local(path: str, local: str | None) -> None:
    assert paths.local(path) == (None if local is None else Path(local))


def test_an_unknown_kind_of_url_is_an_error() -> None:
    with pytest.raises(SourceError, match="nosuchscheme"):
        paths.open_binary("nosuchscheme://bucket/key")


def test_a_file_is_seen_complete_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "whole"
    with pytest.raises(RuntimeError), paths.write_whole(str(path)) as file:
        file.write(b"half")
        assert not path.exists()
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with paths.write_whole(str(path)) as file:
        file.write(b"whole")
    assert path.read_bytes() == b"whole"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_folders_are_made_for_their_owner_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        paths.make_private_folder(str(tmp_path / "a" / "b"))
    finally:
        os.umask(before)
    assert [stat.S_IMODE((tmp_path / part).stat().st_mode) for part in ("a", "a/b")] == [0o700, 0o700]


def test_local_files_are_read_without_importing_airflow(tmp_path: Path) -> None:
    path = tmp_path / "leads.csv"
    path.write_text("a\n1\n")
    program = (
        "import sys; from airflow_sf_dedup.sources import source_of; import airflow_sf_dedup.journeys.partition;"
        f"assert len(list(source_of({str(path)!r}).rows())) == 1; assert 'airflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
