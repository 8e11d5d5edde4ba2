"""A process that is killed leaves nothing for long, and nobody takes from one that lives."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from airflow_sf_dedup.staging import workspace
from airflow_sf_dedup.staging.workspace import at_work, open_workspace, sweep

WORKER = """
import sys, time
from pathlib import Path
from airflow_sf_dedup.staging.workspace import open_workspace
with open_workspace(Path(sys.argv[1]), "load-1") as folder:
    (folder / "00000").write_text("a customer's row")
    print(folder, flush=True)
    time.sleep(600)
"""


@contextmanager
def worker(base: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Another process with rows in a workspace."""
    process = subprocess.Popen([sys.executable, "-c", WORKER, str(base)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield process, Path(process.stdout.readline().strip())
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


def age(folder: Path, seconds: float) -> None:
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (time.time() - seconds,) * 2)


def test_a_workspace_is_for_its_owner_only_and_goes_away_whatever_happens(tmp_path: Path) -> None:
    base = tmp_path / "staging"
    with pytest.raises(RuntimeError), open_workspace(base, "load-1") as folder:
        assert folder.is_relative_to(base / "load-1")
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
        assert modes == {"staging": 0o700, "load-1": 0o700, folder.name: 0o700, "owner": 0o600}
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_what_is_staged_of_the_load_stays(tmp_path: Path) -> None:
    with open_workspace(tmp_path, "load-1") as folder:
        (folder.parent / "load.json").touch()
    assert [path.name for path in tmp_path.rglob("*")] == ["load-1", "load.json"]


def test_what_a_killed_process_left_is_swept_and_a_living_one_keeps_its_rows(tmp_path: Path) -> None:
    with worker(tmp_path) as (process, folder):
        assert sweep(tmp_path) == []
        assert (folder / "00000").exists()
        assert at_work(tmp_path) == {"load-1"}
        kill(process)
        assert sweep(tmp_path) == ["load-1"]
    assert list(tmp_path.iterdir()) == []


def test_of_two_processes_of_a_load_only_the_living_one_keeps_its_rows(tmp_path: Path) -> None:
    with worker(tmp_path) as (process, dead), open_workspace(tmp_path, "load-1") as living:
        kill(process)
        assert sweep(tmp_path) == ["load-1"]
        assert not dead.exists()
        assert living.exists()


def test_a_workspace_of_another_machine_is_swept_when_it_was_silent_for_long(tmp_path: Path) -> None:
    with worker(tmp_path) as (process, folder):
        kill(process)
        (folder / "owner").write_text("another machine")
        assert sweep(tmp_path) == []
        age(folder, workspace.MOST_SILENCE + 60)
        assert sweep(tmp_path) == ["load-1"]


def test_a_living_process_keeps_its_rows_however_silent_it_is(tmp_path: Path) -> None:
    with worker(tmp_path) as (_, folder):
        age(folder, workspace.MOST_SILENCE + 60)
        assert sweep(tmp_path) == []


def test_a_workspace_that_was_never_finished_is_swept_when_it_is_old(tmp_path: Path) -> None:
    unfinished = tmp_path / "load-1" / ".work-0123"
    unfinished.mkdir(parents=True)
    assert sweep(tmp_path) == []
    age(unfinished, workspace.MOST_SILENCE + 60)
    assert sweep(tmp_path) == ["load-1"]
    assert not unfinished.exists()


def test_what_is_no_workspace_is_left_alone(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "staging" / "load-1" / "workers").mkdir(parents=True)
    (tmp_path / "staging" / "load-1" / "work-link").symlink_to(elsewhere)
    (tmp_path / "staging" / "a file").touch()
    assert sweep(tmp_path / "staging") == []
    assert sweep(tmp_path / "nowhere") == []
