"""Rows that are already in memory, such as an upstream XCom, or any iterable of mappings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized
from typing import Any

from airflow_sf_dedup.core.wording import counted
from airflow_sf_dedup.sources.base import SourceRow


class RowsSource:
    """An iterable of mappings from column to value; rows may differ in their columns.

    :param rows: read once, one item at a time; an item that is no mapping is a row with a problem.
    """

    def __init__(self, rows: Iterable[Any]) -> None:
        self._rows = rows

    @property
    def name(self) -> str:
        """What to call it in messages."""
        return "the list of rows"

    def columns(self) -> None:
        """Each row brings its own columns."""

    def rows(self) -> Iterator[SourceRow]:
        """The rows in their order."""
        for row_number, item in enumerate(self._rows, start=1):
            yield _row(row_number, item)

    def __repr__(self) -> str:
        """Without the rows, which are customers' data."""
        return f"<{counted(len(self._rows), 'rows')}>" if isinstance(self._rows, Sized) else "<rows>"


def _row(row_number: int, item: Any) -> SourceRow:
    if not isinstance(item, Mapping):
        return SourceRow(row_number, {}, f"is a {type(item).__name__}, not a mapping of column to value")
    if not all(isinstance(column, str) for column in item):
        return SourceRow(row_number, {}, "has a column whose name is no text")
    return SourceRow(row_number, item)
