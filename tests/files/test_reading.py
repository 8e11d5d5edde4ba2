from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from airflow_sf_dedup.errors import SourceError
from airflow_sf_dedup.files import reading


def test_an_unknown_kind_of_url_is_an_error() -> None:
    with pytest.raises(SourceError, match="nosuchscheme"):
        reading.open_binary("nosuchscheme://bucket/key")


def test_local_files_are_read_without_importing_airflow(tmp_path: Path) -> None:
    path = tmp_path / "leads.csv"
    path.write_text("a\n1\n")
    program = (
        "import sys; from airflow_sf_dedup.sources import source_of; import airflow_sf_dedup.journeys.partition;"
        f"assert len(list(source_of({str(path)!r}).rows())) == 1; assert 'airflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
