from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_sf_dedup.sources.base import Source
from airflow_sf_dedup.sources.rows import RowsSource
from airflow_sf_dedup.testing.contracts.sources import SourceContract


class TestRowsSource(SourceContract):
    def source_of_rows(self, rows: Sequence[Mapping[str, Any]]) -> Source:
        return RowsSource(rows)


class TestGeneratedRows(SourceContract):
    def source_of_rows(self, rows: Sequence[Mapping[str, Any]]) -> Source:
        return RowsSource(row for row in rows)


def test_an_item_that_is_no_mapping_is_a_row_with_a_problem() -> None:
    rows = list(RowsSource([{"a": 1}, "secret", None, {1: 2}]).rows())
    assert [row.row_number for row in rows] == [1, 2, 3, 4]
    assert [row.problem is None for row in rows] == [True, False, False, False]
    assert not any("secret" in str(row.problem) for row in rows)


def test_absent_and_null_are_kept_apart() -> None:
    first, second = RowsSource([{"a": None}, {}]).rows()
    assert first.values == {"a": None}
    assert second.values == {}


def test_rows_show_as_their_number() -> None:
    assert repr(RowsSource([{"a": 1}] * 5000)) == "<5,000 rows>"
