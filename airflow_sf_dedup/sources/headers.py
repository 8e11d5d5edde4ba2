"""Was a file's first line read as the header it is? It is not where the delimiter is wrong, or where there is none."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_sf_dedup.sources.csv_start import USUAL_DELIMITERS


def other_delimiter(names: Sequence[str]) -> str:
    """A sentence for a file whose whole header was taken for one column; it shows the delimiter only.

    It begins with a blank, and is empty for a file in which nothing hints at that.
    """
    # Of equally many the last: a comma stands in texts too.
    likely = max(reversed(USUAL_DELIMITERS), key=names[0].count)
    if len(names) > 1 or likely not in names[0]:
        return ""
    return f" Its only column holds {likely!r}: if that stands between the cells, set delimiter={likely!r} in source"


def may_be_values(names: Sequence[str]) -> bool:
    """Whether they look like the first row of a file without a header, so that no message may quote them.

    A mail address, a number or a date is no name of a column.
    """
    return any("@" in name or not any(map(str.isalpha, name)) for name in names)


def doubt_of_header(names: Sequence[str]) -> str:
    """A sentence for whoever misses a column among these, where they may be no names at all."""
    return other_delimiter(names) or (" Is the first line a header?" if may_be_values(names) else "")
