"""Where in a query is what is refused? The text with a pointer under it, as Salesforce shows it.

The window around the place, found by comparing captured answers: it starts after the last blank or comma that stands 31
characters or more before the place, and ends at the first one 30 characters or more after it; it never leaves the line.
"""

from __future__ import annotations

import re

from airflow_sf_dedup.emulator.errors import ApiError

_BEFORE = 31
_AFTER = 30
_GAP = re.compile(r"[ ,\t]")


def refusal(text: str, position: int, message: str, *, code: str = "MALFORMED_QUERY") -> ApiError:
    """A refusal that points at ``position``, an index into ``text``."""
    row_start = text.rfind("\n", 0, position) + 1
    row = text[row_start:].partition("\n")[0].rstrip("\r")
    column = position - row_start
    start = max((found.end() for found in _GAP.finditer(row, 0, max(column - _BEFORE + 1, 0))), default=0)
    end = _GAP.search(row, min(column + _AFTER, len(row)))
    shown = row[start : end.start() if end else len(row)]
    number = text.count("\n", 0, position) + 1
    pointer = " " * (column - start) + "^"
    return ApiError(code, f"\n{shown}\n{pointer}\nERROR at Row:{number}:Column:{column + 1}\n{message}")
