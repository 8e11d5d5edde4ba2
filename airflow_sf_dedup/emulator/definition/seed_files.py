"""Which rows stand in a CSV, NDJSON or JSON text, and where in it? Nothing here knows what they mean to an sObject."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]


class UnreadableRows(ValueError):
    """A text that holds no rows; the message names the place in it."""


@dataclass(frozen=True)
class Rows:
    """Rows with the place that each came from."""

    rows: tuple[Row, ...]
    #: What the rows are called in errors: ``leads.csv``, ``records.Lead``.
    source: str = ""
    #: The line of each row, when they come from a file.
    lines: tuple[int, ...] = ()

    @classmethod
    def of(cls, rows: Rows | Iterable[Row], source: str = "") -> Rows:
        return rows if isinstance(rows, Rows) else cls(tuple(rows), source)

    def place(self, position: int) -> str:
        """``leads.csv, line 3`` or ``row 2``."""
        where = f"line {self.lines[position]}" if self.lines else f"row {position + 1}"
        return f"{self.source}, {where}" if self.source else where

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


def read_rows(path: Path) -> Rows:
    """:raises UnreadableRows: naming the file, and the line where there is one."""
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise UnreadableRows(f"{path.name}: should be one of: {', '.join(f'*{each}' for each in READERS)}")
    try:
        return reader(path.read_text(encoding="utf-8-sig"), path.name)
    except OSError as error:
        raise UnreadableRows(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise UnreadableRows(f"{path.name}: is not UTF-8") from None


def read_csv(text: str, source: str = "") -> Rows:
    """Rows of a CSV text with a header; an empty cell is an absent field."""
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    rows, lines = [], []
    try:
        for row in reader:
            if None in row:
                raise UnreadableRows(_at(source, reader.line_num, "more cells than the header has columns"))
            rows.append({name: value for name, value in row.items() if value not in ("", None)})
            lines.append(reader.line_num)
    except csv.Error as error:
        raise UnreadableRows(_at(source, reader.line_num, str(error))) from None
    return Rows(tuple(rows), source, tuple(lines))


def read_ndjson(text: str, source: str = "") -> Rows:
    rows, lines = [], []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            rows.append(_json(line, source, number))
            lines.append(number)
    return Rows(tuple(rows), source, tuple(lines))


def read_json(text: str, source: str = "") -> Rows:
    """A list of records, or what a query answers: a mapping with ``records``."""
    found = _json(text, source, 1)
    if isinstance(found, dict):
        found = found.get("records")
    if not isinstance(found, list):
        raise UnreadableRows(_at(source, 1, "should be a list of records"))
    return Rows(tuple(found), source)


def _json(text: str, source: str, line: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UnreadableRows(_at(source, line + error.lineno - 1, f"is no JSON: {error.msg}")) from None
    except RecursionError:
        raise UnreadableRows(_at(source, line, "is nested too deeply")) from None


def _at(source: str, line: int, problem: str) -> str:
    return f"{source}, line {line}: {problem}" if source else f"line {line}: {problem}"


READERS: dict[str, Callable[[str, str], Rows]] = {
    ".csv": read_csv,
    ".ndjson": read_ndjson,
    ".jsonl": read_ndjson,
    ".json": read_json,
}
