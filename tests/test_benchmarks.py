"""Each benchmark runs, small: what it measures is nobody's business here, that it still measures is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

#: Benchmark to the arguments with which it is over soon.
SMALL = {
    "audit": ("--chunks", "2", "--chunk", "20"),
    "client": ("--rows", "1000"),
    "emulator": ("--rows", "400", "--existing", "1000"),
    "partition": ("1000",),
}


def test_every_benchmark_is_run_here() -> None:
    assert {path.stem for path in (ROOT / "benchmarks").glob("[a-z]*.py")} == SMALL.keys()


@pytest.mark.parametrize("name", SMALL)
def test_a_benchmark_runs(name: str) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / f"{name}.py"), *SMALL[name]]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert any(character.isdigit() for character in done.stdout)
