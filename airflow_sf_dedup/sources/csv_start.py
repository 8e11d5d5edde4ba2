"""How does a CSV file begin? With blank lines, maybe, and maybe with the line by which Excel knows the delimiter.

That line is ``sep=;``. Programs that save the file again, and hands that edit it, leave it padded to the width of the
table (``sep=;;;``), with blanks in it, in quotes, or below a blank line. No field of Salesforce has such a name, so it
is never taken for a header.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from airflow_sf_dedup.sources.lines import RowLines

#: What stands between the cells of files that are seen in the wild.
USUAL_DELIMITERS = (",", ";", "\t", "|")

_SAYS_DELIMITER = re.compile(r"""["'\s]*sep\s*=\s*["']*(?P<delimiter>\\t|[^"'])""", re.IGNORECASE)
_PADDING = "".join(USUAL_DELIMITERS) + " \"'"

#: A tab may be spelled.
_TAB = {"\\t": "\t"}


@dataclass(frozen=True, slots=True)
class CsvStart:
    """The beginning of a file."""

    #: Lines of the file that come before :attr:`line`.
    before: int
    #: The first line that is not blank; empty where there is none.
    line: str

    @property
    def delimiter(self) -> str | None:
        """The delimiter that the line tells Excel; ``None`` for a line that is none of this kind."""
        line = self.line.rstrip("\r\n")
        found = _SAYS_DELIMITER.match(line)
        if found is None or line[found.end() :].strip(_PADDING + found["delimiter"]):
            return None
        return _TAB.get(found["delimiter"], found["delimiter"])


def read_start(lines: RowLines) -> CsvStart:
    """Read a file up to the first line that is not blank.

    :raises RowTooLong: that line is longer than any row can be.
    """
    before = 0
    for line in lines:
        if not line.isspace():
            return CsvStart(before, line)
        lines.end_row()
        before += 1
    return CsvStart(before, "")
