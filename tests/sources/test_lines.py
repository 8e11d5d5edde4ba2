"""A row without end is told as such, and never held in memory as a whole."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from airflow_sf_dedup.errors import SourceError
from airflow_sf_dedup.sources import source_of
from airflow_sf_dedup.sources.lines import MOST_ROW_CHARACTERS

#: Characters of a line that no row has.
TOO_MANY = 3 * MOST_ROW_CHARACTERS


def write(path: Path, *parts: str) -> str:
    with path.open("w") as file:
        for part in parts:
            file.write(part)
    return str(path)


def test_an_ndjson_line_without_end_is_one_row_with_a_problem(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ndjson", '{"a": 1}\n{"a": "', "x" * TOO_MANY, '"}\n{"a": 2}\n')
    tracemalloc.start()
    try:
        good, bad, after = source_of(path).rows()
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (good.values, after.values, after.row_number) == ({"a": 1}, {"a": 2}, 3)
    assert bad.problem == f"in line 2 has more than {MOST_ROW_CHARACTERS:,} characters"
    assert most < TOO_MANY


def test_blanks_without_end_are_no_blank_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ndjson", " " * (MOST_ROW_CHARACTERS + 1), '{"a": 1}\n{"a": 2}\n')
    assert [row.problem is None for row in source_of(path).rows()] == [False, True]


def test_a_json_array_in_one_line_is_told_as_such_however_long(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ndjson", "[", "0," * MOST_ROW_CHARACTERS, "0]")
    with pytest.raises(SourceError, match="begins a JSON array"):
        list(source_of(path).rows())


@pytest.mark.parametrize(
    ("before", "line"),
    [('a,b\n1,"', "x" * 999 + "\n"), ("a,b\n1,", "x"), ("", "x"), ("a,b\n1,", ",")],
    ids=["a quote that is not closed", "a cell", "a header", "cells"],
)
def test_a_csv_row_without_end_ends_the_load(tmp_path: Path, before: str, line: str) -> None:
    path = write(tmp_path / "a.csv", before, line * (TOO_MANY // len(line)), "\n")
    with pytest.raises(SourceError, match=f"a row has more than {MOST_ROW_CHARACTERS:,} characters"):
        list(source_of(path).rows())


def test_rows_that_are_long_together_are_read(tmp_path: Path) -> None:
    row = "1," + "x" * (MOST_ROW_CHARACTERS // 4) + "\n"
    path = write(tmp_path / "a.csv", "a,b\n", *(row for _ in range(6)))
    assert sum(len(each.values["b"]) for each in source_of(path).rows()) == 6 * (MOST_ROW_CHARACTERS // 4)
