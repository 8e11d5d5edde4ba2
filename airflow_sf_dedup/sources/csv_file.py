"""Rows of a CSV file (RFC 4180, any one-character delimiter).

A row with too few or too many cells is a row with a problem. A quote that is never closed swallows
the rows after it, so it ends the load before anything was sent.
"""

from __future__ import annotations

import csv
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from airflow_sf_dedup.errors import SettingError, SourceError
from airflow_sf_dedup.sources.base import SourceRow
from airflow_sf_dedup.sources.paths import shown
from airflow_sf_dedup.sources.text import TextFile

#: Most characters of a cell. Salesforce takes requests of 50 MB; the csv module alone stops at 131,072.
MOST_CELL_CHARACTERS = 64 * 1024 * 1024

#: How the Bulk API writes "clear this field" in a CSV cell.
BULK_API_NULL = "#N/A"

#: Longest column name that is quoted in a message; longer ones are content, not names.
_NAME_CHARACTERS = 80

_ROWS_AT_A_TIME = 500

#: The csv module keeps its cell limit for the whole process.
_cell_limit = threading.Lock()


@dataclass(frozen=True)
class CsvFile:
    """A CSV file with a header line.

    :param text: the file.
    :param delimiter: one character.
    :param blank_means: ``absent`` leaves the field of a blank cell alone, ``null`` clears it.
    """

    text: TextFile
    delimiter: str = ","
    blank_means: Literal["absent", "null"] = "absent"

    def __post_init__(self) -> None:
        if not isinstance(self.delimiter, str) or len(self.delimiter) != 1 or self.delimiter in '"\r\n':
            raise SettingError(
                f"delimiter: {self.delimiter!r} is not one character other than a quote or line end",
                setting="delimiter",
            )
        if self.blank_means not in ("absent", "null"):
            raise SettingError(
                f"blank_means: {self.blank_means!r} is neither 'absent' nor 'null'", setting="blank_means"
            )

    @property
    def name(self) -> str:
        """The file, without credentials."""
        return shown(self.text.path)

    def columns(self) -> tuple[str, ...]:
        """The names in the header line.

        :raises SourceError: there is no header, or a name is blank or repeated.
        """
        with self.text.open() as lines:
            return self._header(self._cells(lines))

    def rows(self) -> Iterator[SourceRow]:
        """The rows below the header; blank lines are no rows."""
        with self.text.open() as lines:
            cells = self._cells(lines)
            header = self._header(cells)
            numbered = enumerate((line for line in cells if line[1]), start=1)
            for row_number, (line, row) in numbered:
                yield self._row(row_number, line, header, row)

    def _header(self, cells: Iterator[tuple[int, list[str]]]) -> tuple[str, ...]:
        header = next((row for _, row in cells if row), None)
        if header is None:
            raise SourceError(f"{self.name}: the file is empty; expected a header line with column names")
        return self._checked_names(tuple(name.strip() for name in header))

    def _checked_names(self, names: tuple[str, ...]) -> tuple[str, ...]:
        blank = [str(place) for place, name in enumerate(names, start=1) if not name]
        if blank:
            raise SourceError(
                f"{self.name}: line 1 has no name for column {', '.join(blank)} of {len(names)}; "
                "name it, remove it, or set delimiter if the cells are separated by another character"
            )
        counts = Counter(name.lower() for name in names)
        repeated = [_quoted(name, place) for place, name in enumerate(names, start=1) if counts[name.lower()] > 1]
        if repeated:
            raise SourceError(
                f"{self.name}: line 1 names columns more than once: {', '.join(repeated)} "
                "(names are compared without case); rename or remove one"
            )
        return names

    def _row(self, row_number: int, line: int, header: tuple[str, ...], cells: list[str]) -> SourceRow:
        if len(cells) != len(header):
            return SourceRow(
                row_number,
                {},
                f"ends in line {line} with {len(cells)} cells where the header has {len(header)}",
            )
        values: dict[str, Any] = {}
        for name, cell in zip(header, cells, strict=True):
            if not cell or cell.isspace():
                if self.blank_means == "null":
                    values[name] = None
            else:
                values[name] = None if cell == BULK_API_NULL else cell
        return SourceRow(row_number, values)

    def _cells(self, lines: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
        """Number of the line a row ends in, from 1, and its cells."""
        reader = csv.reader(lines, delimiter=self.delimiter, strict=True)
        while True:
            try:
                with _cell_limit:
                    some = _pull(reader)
            except csv.Error as error:
                raise self._unreadable(reader.line_num, error) from None
            if not some:
                return
            yield from some

    def _unreadable(self, line: int, error: csv.Error) -> SourceError:
        if "limit" in str(error):
            words = f"a cell has more than {MOST_CELL_CHARACTERS} characters; is a quote before it not closed?"
        elif "unexpected end" in str(error):
            words = "the file ends inside quotes: a quote before it is not closed"
        else:
            words = "text follows a closing quote; a quote inside a quoted cell is written twice"
        return SourceError(f"{self.name}: up to line {line}: {words}")


def _pull(reader: Any) -> list[tuple[int, list[str]]]:
    """The next rows, read under our own cell limit."""
    before = csv.field_size_limit(MOST_CELL_CHARACTERS)
    try:
        return [(reader.line_num, row) for row in islice(reader, _ROWS_AT_A_TIME)]
    finally:
        csv.field_size_limit(before)


def _quoted(name: str, place: int) -> str:
    return repr(name) if len(name) <= _NAME_CHARACTERS else f"column {place}"
