"""What docs/extending.md shows is run as it stands there: each example with the contract that it keeps."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.test_readme import blocks, page_text

#: Test classes and functions that the page shows.
SHOWN = 6


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """The page's Python, as one file of tests."""
    code = "\n\n".join(blocks(page_text("extending.md"), "python"))
    file = tmp_path / "test_page.py"
    file.write_text(f"from __future__ import annotations\n\n{code}", encoding="utf-8")
    return file


def test_its_examples_keep_their_contracts(page: Path) -> None:
    shown = re.findall(r"^(?:class Test|def test_)\w+", page.read_text(), re.MULTILINE)
    assert len(shown) == SHOWN

    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(page.parent)]
    home = {**os.environ, "AIRFLOW_HOME": str(page.parent)}
    ended = subprocess.run([*run, str(page)], env=home, capture_output=True, text=True, timeout=300, check=False)

    assert ended.returncode == 0, ended.stdout[-4000:]
    passed = re.search(r"(\d+) passed", ended.stdout)
    assert passed, ended.stdout[-4000:]
    assert int(passed[1]) > 100
    assert "skipped" not in ended.stdout
