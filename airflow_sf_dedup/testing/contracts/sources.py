"""The promises that every source keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_sf_dedup.sources.base import Source

_ROWS: Sequence[Mapping[str, Any]] = (
    {"Key__c": "A-1", "Name": "Ada"},
    {"Key__c": "a/1?#..", "Name": "Zoë 😀"},
    {"Key__c": "A-3", "Name": 'two\nlines, "quoted"'},
)


class SourceContract:
    """Inherit it in a test class and say how to make a source of given rows.

    Every row given has the same columns, and text that is neither blank nor padded as values.
    """

    def source_of_rows(self, rows: Sequence[Mapping[str, Any]]) -> Source:
        """A source that holds these rows.

        :raises NotImplementedError: the test class does not say.
        """
        raise NotImplementedError

    def test_it_is_a_source(self) -> None:
        """It has all that the port asks for."""
        assert isinstance(self.source_of_rows(_ROWS), Source)  # noqa: S101

    def test_values_come_as_they_are(self) -> None:
        """Odd characters, quotes and line ends included."""
        rows = list(self.source_of_rows(_ROWS).rows())
        assert [dict(row.values) for row in rows] == [dict(row) for row in _ROWS]  # noqa: S101
        assert [row.problem for row in rows] == [None] * len(_ROWS)  # noqa: S101

    def test_rows_are_numbered_from_one(self) -> None:
        """Without gaps, in the source's order."""
        numbers = [row.row_number for row in self.source_of_rows(_ROWS).rows()]
        assert numbers == list(range(1, len(_ROWS) + 1))  # noqa: S101

    def test_columns_are_those_of_the_rows_or_unknown(self) -> None:
        """``None`` where each row brings its own."""
        columns = self.source_of_rows(_ROWS).columns()
        assert columns is None or set(columns) == {"Key__c", "Name"}  # noqa: S101

    def test_no_rows_is_no_error(self) -> None:
        """A source that is empty ends at once."""
        assert list(self.source_of_rows([]).rows()) == []  # noqa: S101

    def test_its_name_and_repr_hold_no_values(self) -> None:
        """They stand in logs."""
        source = self.source_of_rows(_ROWS)
        assert "Ada" not in source.name + repr(source)  # noqa: S101
