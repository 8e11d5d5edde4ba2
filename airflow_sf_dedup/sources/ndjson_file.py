"""Rows of an NDJSON file: one JSON object a line, UTF-8 unless told otherwise."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from airflow_sf_dedup.core.values import fits_a_float
from airflow_sf_dedup.errors import SourceError
from airflow_sf_dedup.files.addresses import shown
from airflow_sf_dedup.sources.base import SourceRow
from airflow_sf_dedup.sources.lines import MOST_ROW_CHARACTERS, bounded_lines
from airflow_sf_dedup.sources.text import TextFile


class _NamedTwice(ValueError):
    """An object that gives one name two values; which one is meant is anyone's guess."""


@dataclass(frozen=True)
class NdjsonFile:
    """A file with one JSON object a line; blank lines are no rows.

    :param text: the file.
    """

    text: TextFile

    @property
    def name(self) -> str:
        """The file, without credentials."""
        return shown(self.text.path)

    def columns(self) -> None:
        """Each row brings its own columns."""

    def rows(self) -> Iterator[SourceRow]:
        """The rows; a line that is no JSON object is a row with a problem."""
        row_number = 0
        # Only a line feed ends a line: JSON text may hold U+2028 and other line ends of Unicode.
        with self.text.open(newline="\n") as lines:
            for line_number, line in enumerate(bounded_lines(lines), start=1):
                if len(line) <= MOST_ROW_CHARACTERS and line.isspace():
                    continue
                row_number += 1
                if row_number == 1:
                    self._refuse_array(line)
                yield _row(row_number, line_number, line)

    def _refuse_array(self, first_line: str) -> None:
        if first_line.lstrip().startswith("["):
            raise SourceError(
                f"{self.name}: line 1 begins a JSON array; expected one JSON object a line (NDJSON)",
                setting="format",
            )


def ndjson_source(path: str, *, encoding: str = "utf-8") -> NdjsonFile:
    """The NDJSON file of that path or URL.

    :param encoding: of the text; a byte order mark is dropped.
    """
    return NdjsonFile(TextFile(path, encoding))


def _row(row_number: int, line_number: int, line: str) -> SourceRow:
    if len(line) > MOST_ROW_CHARACTERS:
        return SourceRow(row_number, {}, f"in line {line_number} has more than {MOST_ROW_CHARACTERS:,} characters")
    try:
        values = _decode(line)
    except _NamedTwice:
        return SourceRow(row_number, {}, f"in line {line_number} gives one column two values")
    except (ValueError, RecursionError, InvalidOperation):
        return SourceRow(row_number, {}, f"in line {line_number} is not valid JSON")
    if not isinstance(values, dict):
        return SourceRow(row_number, {}, f"in line {line_number} is JSON but no object")
    return SourceRow(row_number, values)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise _NamedTwice
    return values


def _no_constant(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are no JSON")


def _decimals(text: str) -> float | Decimal:
    """A float, unless it would lose digits that were written: then the field or the key decides."""
    number = Decimal(text)
    return float(number) if fits_a_float(number) else number


_decode = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant, parse_float=_decimals).decode
