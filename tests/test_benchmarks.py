"""Each benchmark runs, small: what it measures is nobody's business here, that it still measures is."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
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


#: Of ``ground_truth``: rows of people that the org knows, and of the others.
KNOWN = ("traced", "right", "asked", "doubled", "wrong", "lost sight", "refused")
OTHERS = ("new", "recognised", "twins", "taken for another", "held up", "refused")


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
    surely = {"traced": 2, "new": 1}
    assert truth_by(*command) == {
        "update_existing": {**surely, "right": 2, "taken for another": 1},
        "update_existing(min_confidence=95) | skip": {**surely, "right": 1, "asked": 1, "taken for another": 1},
        "save_anyway | skip": {**surely, "asked": 1, "doubled": 1, "held up": 1},
    }


def truth_by(*command: str) -> dict[str, dict[str, int]]:
    """Policy to what became of how many rows, without zeros."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    told: dict[str, dict[str, int]] = defaultdict(dict)
    for line in done.stdout.splitlines():
        policy, *cells = (cell.strip() for cell in line.split("│")[1:-1]) if line[0] == "│" else ("",)
        for name, rows in zip(KNOWN if len(cells) == len(KNOWN) else OTHERS, map(int, cells), strict=False):
            told[policy] |= {name: rows} if rows else {}
    return told


def test_ground_truth_counts_twins_of_a_first_load_with_and_without_twin_fields(tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    ada = "Nowak,Nowak Optics,ada@nowak.example"
    people.write_text(
        f"person,place,LastName,Company,Email\nada,load,{ada}\nada,load,{ada}\nben,org,Kuhl,Kuhl AG,b@k.example\n"
    )
    command = [sys.executable, str(ROOT / "benchmarks" / "ground_truth.py"), str(people), "--new", "--policy", "skip"]
    assert truth_by(*command) == {"skip": {"new": 2, "twins": 1}}
    assert truth_by(*command, "--twins", "Email") == {"skip": {"new": 2, "recognised": 1}}
