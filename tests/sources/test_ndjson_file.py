from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from airflow_sf_dedup.errors import SourceError
from airflow_sf_dedup.sources import source_of
from airflow_sf_dedup.sources.base import Source, SourceRow
from airflow_sf_dedup.testing.contracts.sources import SourceContract


def source_in(folder: Path, content: bytes, **options: Any) -> Source:
    path = folder / "leads.ndjson"
    path.write_bytes(content)
    return source_of({"path": str(path), **options})


def rows_of(folder: Path, content: str, **options: Any) -> list[SourceRow]:
    return list(source_in(folder, content.encode(), **options).rows())


class TestNdjson(SourceContract):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def source_of_rows(self, rows: Sequence[Mapping[str, Any]]) -> Source:
        return source_in(self.folder, "".join(json.dumps(row) + "\n" for row in rows).encode())


def test_absent_and_null_are_kept_apart(tmp_path: Path) -> None:
    first, second = rows_of(tmp_path, '{"a": null}\n{}\n')
    assert (first.values, second.values) == ({"a": None}, {})


def test_blank_lines_marks_and_a_missing_last_line_end_are_fine(tmp_path: Path) -> None:
    rows = rows_of(tmp_path, '\ufeff{"a": 1}\r\n\n  \n{"a": "x\u2028y"}')
    assert [(row.row_number, row.values) for row in rows] == [(1, {"a": 1}), (2, {"a": "x\u2028y"})]


def test_no_digit_of_a_number_is_lost(tmp_path: Path) -> None:
    (row,) = rows_of(tmp_path, '{"a": 1.50, "b": 1234567890123456.78, "c": 9007199254740993, "d": 1e999, "e": 1e-999}')
    assert row.values == {
        "a": 1.5,
        "b": Decimal("1234567890123456.78"),
        "c": 9007199254740993,
        "d": Decimal("1e999"),
        "e": Decimal("1e-999"),
    }
    assert type(row.values["a"]) is float


@pytest.mark.parametrize(
    ("line", "words"),
    [
        pytest.param("secret", "is not valid JSON", id="no JSON"),
        pytest.param('{"a": "secret', "is not valid JSON", id="cut off"),
        pytest.param('{"a": NaN}', "is not valid JSON", id="NaN"),
        pytest.param('{"a": 1e99999999999999999999}', "is not valid JSON", id="huge exponent"),
        pytest.param("7", "no object", id="number"),
        pytest.param('["secret"]', "no object", id="array"),
        pytest.param('{"a": 1, "a": "secret"}', "one column two values", id="name twice"),
        pytest.param("[" * 100_000, "is not valid JSON", id="deep nesting"),
        pytest.param('{"a": ' + "9" * 5000 + "}", "is not valid JSON", id="huge number"),
    ],
)
def test_a_line_that_is_no_object_is_one_row_with_a_problem(tmp_path: Path, line: str, words: str) -> None:
    good, bad, after = rows_of(tmp_path, f'{{"a": 1}}\n{line}\n{{"a": 2}}\n')
    assert good.values == {"a": 1}
    assert bad.problem is not None
    assert words in bad.problem
    assert "line 2" in bad.problem
    assert "secret" not in bad.problem
    assert (after.row_number, after.values) == (3, {"a": 2})


def test_a_json_array_is_told_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="one JSON object a line"):
        rows_of(tmp_path, '[{"a": 1}]\n')


def test_a_wrong_encoding_names_line_and_setting(tmp_path: Path) -> None:
    source = source_in(tmp_path, b'{"a": 1}\n{"a": "Zo\xeb"}\n')
    with pytest.raises(SourceError, match="line 2, byte 19") as refused:
        list(source.rows())
    assert refused.value.setting == "encoding"
