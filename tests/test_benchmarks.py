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
    "ground_truth": ("benchmarks/truth/example.csv", "--policy", "update_existing(min_confidence=95) | ask_reviewer"),
    "partition": ("1000",),
}


#: Of ``ground_truth``: rows of people that the org knows, then of the others.
COUNTS = (
    *("traced", "right", "asked", "doubled", "wrong", "lost sight", "refused"),
    *("new", "taken for another", "held up", "others refused"),
)


def test_every_benchmark_is_run_here() -> None:
    assert {path.stem for path in (ROOT / "benchmarks").glob("[a-z]*.py")} == SMALL.keys()


@pytest.mark.parametrize("name", SMALL)
def test_a_benchmark_runs(name: str) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / f"{name}.py"), *SMALL[name]]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert any(character.isdigit() for character in done.stdout)


def test_ground_truth_counts_what_became_of_people_that_it_knows() -> None:
    """Ada's address is hers; Ben writes from another one but for the same company; Emil uses Cleo's address."""
    policies = ("update_existing", "update_existing(min_confidence=95) | skip", "save_anyway | skip")
    command = [sys.executable, str(ROOT / "benchmarks" / "ground_truth.py"), "benchmarks/truth/example.csv"]
    command += [word for policy in policies for word in ("--policy", policy)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in done.stdout.splitlines() if line[0] == "│"]
    told = {cells[0]: dict(zip(COUNTS, map(int, cells[1:]), strict=True)) for cells in lines if cells[1]}
    surely = {"traced": 2, "new": 1}
    assert {name: _but_zeros(counts) for name, counts in told.items()} == {
        "update_existing": {**surely, "right": 2, "taken for another": 1},
        "update_existing(min_confidence=95)": {**surely, "right": 1, "asked": 1, "taken for another": 1},
        "save_anyway | skip": {**surely, "asked": 1, "doubled": 1, "held up": 1},
    }


def _but_zeros(counts: dict[str, int]) -> dict[str, int]:
    return {name: rows for name, rows in counts.items() if rows}
