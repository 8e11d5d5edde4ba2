from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from airflow_sf_dedup.files import writing


def test_a_file_is_seen_complete_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "whole"
    with pytest.raises(RuntimeError), writing.write_whole(str(path)) as file:
        file.write(b"half")
        assert not path.exists()
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with writing.write_whole(str(path)) as file:
        file.write(b"whole")
    assert path.read_bytes() == b"whole"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_folders_are_made_for_their_owner_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        writing.make_private_folder(str(tmp_path / "a" / "b"))
    finally:
        os.umask(before)
    assert [stat.S_IMODE((tmp_path / part).stat().st_mode) for part in ("a", "a/b")] == [0o700, 0o700]
