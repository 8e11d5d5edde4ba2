"""The house stays as the architecture says: classes stay small, and the files that the page names are there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "airflow_sf_dedup"

MOST_METHODS = 20
MOST_LINES = 250

#: A contract is a list of promises, inherited as one: a backend that keeps today's keeps those to come among them.
CONTRACTS = PACKAGE / "testing" / "contracts"


def classes() -> Iterator[tuple[str, ast.ClassDef]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        if CONTRACTS not in path.parents:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef):
                    yield f"{path.relative_to(PACKAGE)}: {node.name}", node


def test_no_class_is_wide() -> None:
    methods = {name: sum(isinstance(each, ast.FunctionDef) for each in node.body) for name, node in classes()}
    assert len(methods) > 300
    assert {name: count for name, count in methods.items() if count > MOST_METHODS} == {}


def test_no_class_is_long() -> None:
    lines = {name: (node.end_lineno or 0) - node.lineno + 1 for name, node in classes()}
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


@pytest.mark.parametrize("page", ["docs/architecture.md", "docs/extending.md", "CONTRIBUTING.md"])
def test_the_files_that_a_page_names_are_there(page: str) -> None:
    named = set(re.findall(r"`((?:[a-z_]+/)+(?:[a-z_0-9]+\.py)?)`", (ROOT / page).read_text(encoding="utf-8")))
    assert named
    missing = [name for name in named if not any((root / name).exists() for root in (ROOT, PACKAGE))]
    assert missing == []


def test_every_target_that_a_page_names_is_in_the_makefile() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    named = {
        target for page in pages for target in re.findall(r"`make (?:[A-Z]+=\S+ )?([a-z]+)", page.read_text("utf-8"))
    }
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert {"setup", "check", "test", "chaos"} <= named
    assert named - targets == set()
