"""What the package imports it declares, where it is imported; and each lower bound can be told."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections import defaultdict
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

#: Part of the package to the extra that brings what it needs beside the dependencies.
EXTRAS = {"journeys": ("fuzzy",), "emulator": ("emulator",), "testing": ("emulator", "testing")}


def names(requirements: list[str]) -> set[str]:
    """Distributions, as their names compare."""
    return {re.split(r"[\[><=!~ ]", each)[0].lower().replace("_", "-") for each in requirements}


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return {name.partition(".")[0] for name in found} - sys.stdlib_module_names - {"airflow_sf_dedup"}


def test_whatever_is_imported_is_declared() -> None:
    known, undeclared = packages_distributions(), defaultdict(set)
    for path in (ROOT / "airflow_sf_dedup").rglob("*.py"):
        part = path.relative_to(ROOT / "airflow_sf_dedup").parts[0]
        declared = names(PROJECT["dependencies"])
        for extra in EXTRAS.get(part, ()):
            declared |= names(PROJECT["optional-dependencies"][extra])
        for module in imports(path):
            homes = {home.lower().replace("_", "-") for home in known.get(module, ())}
            if not homes & declared and not (module == "airflow" and "apache-airflow" in declared):
                undeclared[module].add(str(path.relative_to(ROOT)))
    assert undeclared == {}


def test_every_dependency_has_a_lower_bound() -> None:
    extras = PROJECT["optional-dependencies"]
    bounded = [*PROJECT["dependencies"], *extras["emulator"]]
    assert [each for each in bounded if ">=" not in each] == []


def test_a_stranger_finds_source_docs_changes_and_issues() -> None:
    assert PROJECT["urls"].keys() == {"Documentation", "Source", "Changelog", "Issues"}
    for url in PROJECT["urls"].values():
        assert url.startswith("https://")
