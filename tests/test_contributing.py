"""What CONTRIBUTING.md tells a stranger to run, and where it sends them, is there."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest

import airflow_sf_dedup
from tests.chaos.__main__ import _parser

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
SECURITY = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]

CODE = re.findall(r"`([^`\n]+)`", PAGE)
COMMANDS = [shlex.split(line) for line in re.findall(r"^\$ (.+)$", PAGE, re.MULTILINE)]


def targets() -> dict[str, str]:
    """Each target of the Makefile, with what it needs before."""
    return dict(re.findall(r"^([a-z]+):([^#=\n]*)", MAKEFILE, re.MULTILINE))


def test_every_target_that_it_names_is_one() -> None:
    named = {words[1] for words in (*COMMANDS, *map(str.split, CODE)) if words[0] == "make" and len(words) > 1}
    assert len(named) > 10
    assert named - targets().keys() == set()


def test_the_variables_of_its_targets_are_read() -> None:
    given = {word.partition("=")[0] for words in COMMANDS if words[0] == "make" for word in words if "=" in word}
    assert given == {"PYTHON", "N", "SEED", "JOBS"}
    assert [name for name in given if f"$({name})" not in MAKEFILE and f"$(or $({name})" not in MAKEFILE] == []


def test_its_table_has_the_parts_of_the_gate_in_their_order() -> None:
    table = PAGE.split("## The gate", 1)[1].split("\n## ", 1)[0]
    assert re.findall(r"^\| `make (\w+)` \|", table, re.MULTILINE) == targets()["check"].split()


def test_every_path_that_it_names_is_there() -> None:
    paths = {each for each in CODE if re.fullmatch(r"[\w.-]+(/[\w.-]*)+", each)}
    paths |= {word for words in COMMANDS for word in words if word.startswith("tests/")}
    of_make = {".venv-lowest"}
    assert len(paths) > 15
    assert [path for path in sorted(paths - of_make) if not (ROOT / path).exists()] == []


def test_every_file_of_the_root_that_it_names_is_there() -> None:
    names = {each for each in CODE if re.fullmatch(r"[A-Za-z_]+\.(toml|txt|md)", each)}
    assert names >= {"pyproject.toml", "constraints.txt", "CHANGELOG.md"}
    assert [name for name in names if not (ROOT / name).exists()] == []


def test_its_benchmarks_are_those_that_there_are() -> None:
    section = PAGE.split("## Benchmarks", 1)[1].split("\n## ", 1)[0]
    assert set(re.findall(r"`(\w+\.py)`", section)) == {path.name for path in (ROOT / "benchmarks").glob("[a-z]*.py")}


def test_the_fixtures_that_it_names_are_there() -> None:
    places = ["tests/conftest.py", "tests/salesforce/conftest.py", "airflow_sf_dedup/testing/fixtures.py"]
    code = "\n".join((ROOT / place).read_text(encoding="utf-8") for place in places)
    for name in ("salesforce_org", "audit_url", "engine", "empty_url"):
        assert f"`{name}`" in PAGE
        assert f"def {name}(" in code


def test_a_seed_is_repeated_as_it_says() -> None:
    [repeat] = [words for words in COMMANDS if "tests.chaos" in words]
    options = _parser().parse_args(repeat[repeat.index("tests.chaos") + 1 :])
    assert (options.runs, options.kind) == (1, "killed")


@pytest.mark.parametrize("marker", re.findall(r"-m \"not (\w+)\"", PAGE))
def test_what_is_left_out_by_a_marker_has_it(marker: str) -> None:
    markers = [each.partition(":")[0] for each in PYPROJECT["tool"]["pytest"]["ini_options"]["markers"]]
    assert marker in markers


def test_the_versions_of_python_are_those_of_the_package() -> None:
    classified = [each.rpartition(" ")[2] for each in PROJECT["classifiers"] if "Python :: 3." in each]
    [listed] = re.findall(r"^Python (.+?), and `make`", PAGE, re.MULTILINE)
    assert re.findall(r"3\.\d+", listed) == classified
    assert PROJECT["requires-python"] == f">={classified[0]},<3.{int(classified[-1].partition('.')[2]) + 1}"


def test_the_version_stands_in_one_place() -> None:
    assert PROJECT["dynamic"] == ["version"]
    assert "version" not in PROJECT
    place = ROOT / PYPROJECT["tool"]["hatch"]["version"]["path"]
    assert f'__version__ = "{airflow_sf_dedup.__version__}"' in place.read_text(encoding="utf-8")
    assert f"`{place.relative_to(ROOT)}`" in PAGE


def test_changes_of_the_version_and_of_what_is_not_released_have_headings() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", changes, re.MULTILINE)
    assert airflow_sf_dedup.__version__ in headings


def test_a_report_goes_to_no_address_that_nobody_reads() -> None:
    assert "@" not in SECURITY
    assert "advisory form" in SECURITY
