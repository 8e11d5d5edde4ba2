"""Rows of a CSV file (RFC 4180, any one-character delimiter).

A row with too few or too many cells is a row with a problem. A quote that is never closed swallows
the rows after it, so it ends the load before anything was sent. A first line such as ``sep=;``, by which Excel
knows the delimiter, is no row.
"""

from __future__ import annotations

import csv
import re
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Literal, TextIO

from airflow_sf_dedup.core.wording import listed
from airflow_sf_dedup.errors import SettingError, SourceError
from airflow_sf_dedup.sources.base import SourceRow
from airflow_sf_dedup.sources.lines import MOST_ROW_CHARACTERS, RowLines, RowTooLong
from airflow_sf_dedup.sources.paths import shown
from airflow_sf_dedup.sources.text import TextFile

#: How the Bulk API writes "clear this field" in a CSV cell.
BULK_API_NULL = "#N/A"

#: The line by which a file tells Excel its delimiter.
_SAYS_DELIMITER = re.compile(r'\ufeff?"?sep=(?P<delimiter>[^"]|\\t)"?', re.IGNORECASE)

#: A tab may be spelled.
_TAB = {"\\t": "\t"}

_ROWS_AT_A_TIME = 500
_CHARACTERS_AT_A_TIME = 1 << 20

#: The csv module keeps its cell limit for the whole process.
_cell_limit = threading.Lock()


@dataclass(frozen=True)
class CsvFile:
    """A CSV file with a header line.

    :param text: the file.
    :param delimiter: one character; a first line ``sep=;`` of the file decides, if there is one.
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
        with self.text.open() as text:
            return self._header(self._cells(text))

    def rows(self) -> Iterator[SourceRow]:
        """The rows below the header; blank lines are no rows."""
        with self.text.open() as text:
            cells = self._cells(text)
            header = self._header(cells)
            numbered = enumerate((line for line in cells if line[1]), start=1)
            for row_number, (line, row) in numbered:
                yield self._row(row_number, line, header, row)

    def _header(self, cells: Iterator[tuple[int, list[str]]]) -> tuple[str, ...]:
        line, header = next(((line, row) for line, row in cells if row), (0, None))
        if header is None:
            raise SourceError(f"{self.name}: the file is empty; expected a header line with column names")
        return self._checked_names(line, tuple(name.strip() for name in header))

    def _checked_names(self, line: int, names: tuple[str, ...]) -> tuple[str, ...]:
        """The names themselves. Messages say places: in a file without a header these are a customer's values."""
        blank = [place for place, name in enumerate(names, start=1) if not name]
        if blank:
            raise SourceError(
                f"{self.name}: line {line} has no name for column {listed(blank)} of {len(names)}; "
                "name it, remove it, or set delimiter if the cells are separated by another character"
            )
        counts = Counter(name.lower() for name in names)
        repeated = [place for place, name in enumerate(names, start=1) if counts[name.lower()] > 1]
        if repeated:
            raise SourceError(
                f"{self.name}: line {line} names columns more than once: columns {listed(repeated)} of {len(names)} "
                "(names are compared without case); rename or remove one, or add a header line if there is none"
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

    def _cells(self, text: TextIO) -> Iterator[tuple[int, list[str]]]:
        """Number of the line a row ends in, from 1, and its cells."""
        lines = RowLines(text)
        first = self._first_line(lines)
        said = _SAYS_DELIMITER.fullmatch(first.rstrip("\r\n"))
        before = 1 if said else 0
        delimiter = _TAB.get(said["delimiter"], said["delimiter"]) if said else self.delimiter
        reader = csv.reader(lines if said else chain([first], lines), delimiter=delimiter, strict=True)
        while True:
            try:
                with _cell_limit:
                    some = _pull(reader, lines, before)
            except (csv.Error, RowTooLong) as error:
                raise self._unreadable(reader.line_num + before, error) from None
            if not some:
                return
            yield from some

    def _first_line(self, lines: RowLines) -> str:
        try:
            return next(lines, "")
        except RowTooLong as error:
            raise self._unreadable(1, error) from None

    def _unreadable(self, line: int, error: Exception) -> SourceError:
        if isinstance(error, RowTooLong):
            words = f"a row has more than {MOST_ROW_CHARACTERS:,} characters; is a quote before it not closed?"
        elif "unexpected end" in str(error):
            words = "the file ends inside quotes: a quote before it is not closed"
        else:
            words = "text follows a closing quote; a quote inside a quoted cell is written twice"
        return SourceError(f"{self.name}: up to line {line}: {words}")


def _pull(reader: Any, lines: RowLines, before: int) -> list[tuple[int, list[str]]]:
    """The next rows, read under our own cell limit.

    :param before: lines of the file that the reader has not seen.
    """
    limit = csv.field_size_limit(MOST_ROW_CHARACTERS)
    rows, characters = [], 0
    try:
        for row in islice(reader, _ROWS_AT_A_TIME):
            rows.append((reader.line_num + before, row))
            characters += lines.end_row()
            if characters > _CHARACTERS_AT_A_TIME:
                break
    finally:
        csv.field_size_limit(limit)
    return rows
