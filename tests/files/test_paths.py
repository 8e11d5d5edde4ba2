from __future__ import annotations

from pathlib import Path

import pytest

from airflow_sf_dedup.files import paths


@pytest.mark.parametrize(
    ("path", "local"),
    [
        ("/data/a.csv", "/data/a.csv"),
        ("a.csv", "a.csv"),
        ("file:///data/my%20leads.csv", "/data/my leads.csv"),
        ("s3://bucket/a.csv", None),
        ("file://elsewhere/a.csv", None),
    ],
)
def test_only_plain_paths_and_file_urls_are_local(path: str, local: str | None) -> None:
    assert paths.local(path) == (None if local is None else Path(local))
