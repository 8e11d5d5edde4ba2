"""Rows of a CSV file (RFC 4180, any one-character delimiter).

A row with too few or too many cells is a row with a problem, and so is one that shows that another file was appended:
it begins with a byte order mark, or repeats the header. A quote that is never closed swallows
the rows after it, so it ends the load before anything was sent. A first line such as ``sep=;``, by which Excel
knows the delimiter, is no row.
"""

from __future__ import annotations

import csv
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Literal, NamedTuple, TextIO

from airflow_sf_dedup.core.wording import counted, listed
from airflow_sf_dedup.errors import SettingError, SourceError
from airflow_sf_dedup.files.addresses import shown
from airflow_sf_dedup.sources.base import SourceRow
from airflow_sf_dedup.sources.csv_start import USUAL_DELIMITERS, CsvStart, read_start
from airflow_sf_dedup.sources.lines import MOST_ROW_CHARACTERS, RowLines, RowTooLong
from airflow_sf_dedup.sources.text import TextFile

#: How the Bulk API writes "clear this field" in a CSV cell.
BULK_API_NULL = "#N/A"

_ROWS_AT_A_TIME = 500
_CHARACTERS_AT_A_TIME = 1 << 20

#: The csv module keeps its cell limit for the whole process.
_cell_limit = threading.Lock()


class _Cells(NamedTuple):
    """A row as the csv module reads it."""

    #: Number of the line it ends in, from 1.
    line: int
    #: Empty for a blank line.
    cells: list[str]
    #: It began with a byte order mark.
    marked: bool


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
            numbered = enumerate((row for row in cells if row.cells), start=1)
            for row_number, row in numbered:
                yield self._row(row_number, row, header)

    def _header(self, rows: Iterator[_Cells]) -> tuple[str, ...]:
        header = next((row for row in rows if row.cells), None)
        if header is None:
            raise SourceError(f"{self.name}: the file is empty; expected a header line with column names")
        return self._checked_names(header.line, tuple(name.strip() for name in header.cells))

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

    def _row(self, row_number: int, row: _Cells, header: tuple[str, ...]) -> SourceRow:
        if problem := _problem(row, header):
            return SourceRow(row_number, {}, f"ends in line {row.line} {problem}")
        values: dict[str, Any] = {}
        for name, cell in zip(header, row.cells, strict=True):
            if not cell or cell.isspace():
                if self.blank_means == "null":
                    values[name] = None
            else:
                values[name] = None if cell == BULK_API_NULL else cell
        return SourceRow(row_number, values)

    def _cells(self, text: TextIO) -> Iterator[_Cells]:
        lines = RowLines(text)
        start = self._start(lines)
        said = start.delimiter
        if said is None:
            reader = csv.reader(chain([start.line], lines), delimiter=self.delimiter, strict=True)
            yield from self._rows_of(reader, lines, start.before)
        else:
            reader = csv.reader(lines, delimiter=said, strict=True)
            yield from self._as_said(start, self._rows_of(reader, lines, start.before + 1))

    def _start(self, lines: RowLines) -> CsvStart:
        try:
            return read_start(lines)
        except RowTooLong as error:
            raise self._unreadable(1, error) from None

    def _as_said(self, start: CsvStart, rows: Iterator[_Cells]) -> Iterator[_Cells]:
        """The rows of a file that tells its delimiter.

        :raises SourceError: another one stands in the header; the setting ``delimiter`` could not help.
        """
        for row in rows:
            other = next((usual for usual in USUAL_DELIMITERS if len(row.cells) == 1 and usual in row.cells[0]), None)
            if other is not None:
                raise SourceError(
                    f"{self.name}: line {start.before + 1} says that {start.delimiter!r} stands between the cells, but "
                    f"in line {row.line} it is {other!r}; correct that line, or remove it and set delimiter"
                )
            yield row
            if row.cells:
                break
        yield from rows

    def _rows_of(self, reader: Any, lines: RowLines, before: int) -> Iterator[_Cells]:
        """The rows that are left.

        :param before: lines of the file that the reader has not seen.
        """
        while True:
            try:
                with _cell_limit:
                    some = _pull(reader, lines, before)
            except (csv.Error, RowTooLong) as error:
                raise self._unreadable(reader.line_num + before, error) from None
            if not some:
                return
            yield from some

    def _unreadable(self, line: int, error: Exception) -> SourceError:
        if isinstance(error, RowTooLong):
            words = f"a row has more than {MOST_ROW_CHARACTERS:,} characters; is a quote before it not closed?"
        elif "unexpected end" in str(error):
            words = "the file ends inside quotes: a quote before it is not closed"
        else:
            words = "text follows a closing quote; a quote inside a quoted cell is written twice"
        return SourceError(f"{self.name}: up to line {line}: {words}")


def csv_source(
    path: str, *, encoding: str = "utf-8", delimiter: str = ",", blank_means: Literal["absent", "null"] = "absent"
) -> CsvFile:
    """The CSV file of that path or URL.

    :param encoding: of the text; a byte order mark is dropped.
    :raises SettingError: as for :class:`CsvFile`.
    """
    return CsvFile(TextFile(path, encoding), delimiter, blank_means)


def _problem(row: _Cells, header: tuple[str, ...]) -> str | None:
    """Why a row cannot be read; ``None`` for a good one."""
    if row.marked:
        return "and begins with a byte order mark, as only a file does: another file was appended here"
    if len(row.cells) != len(header):
        return f"with {counted(len(row.cells), 'cells')} where the header has {len(header)}"
    if row.cells[0].strip() == header[0] and tuple(cell.strip() for cell in row.cells) == header:
        return "and is the header once more: another file was appended here"
    return None


def _pull(reader: Any, lines: RowLines, before: int) -> list[_Cells]:
    """The next rows, read under our own cell limit."""
    limit = csv.field_size_limit(MOST_ROW_CHARACTERS)
    rows: list[_Cells] = []
    characters = 0
    try:
        for row in islice(reader, _ROWS_AT_A_TIME):
            rows.append(_Cells(reader.line_num + before, row, lines.marked))
            characters += lines.end_row()
            if characters > _CHARACTERS_AT_A_TIME:
                break
    finally:
        csv.field_size_limit(limit)
    return rows
