"""Is a source doubtful as a whole? It is when it has rows and not one of them can be sent.

A few bad rows are bad rows, and the others go on. Where all are bad, the cause is hardly in the rows: a query whose
rows are tuples, a column taken for the key that is none, a file in another format.
"""

from __future__ import annotations

from collections import Counter

from airflow_sf_dedup.errors import SourceError
from airflow_sf_dedup.sources.base import Source
from airflow_sf_dedup.sources.reading import RejectedRow
from airflow_sf_dedup.sources.renamed import innermost
from airflow_sf_dedup.sources.rows import RowsSource

#: Reasons that the error counts.
_MOST_REASONS = 5

_ROWS_ARE_NO_MAPPINGS = (
    "Each row must be a mapping of column to value. SQLExecuteQueryOperator and database hooks return tuples: give it "
    "handler=lambda cursor: [dict(zip([column[0] for column in cursor.description], row)) for row in cursor.fetchall()]"
)
_LINES_ARE_NO_ROWS = "Check the format, delimiter and encoding of the file, and that its rows have the header's columns"
_REMEDIES = {
    "UNUSABLE_KEY": "Check that external_id_field names the column that identifies a row, and that the source fills it",
    "MALFORMED_VALUE": "Check how the source writes the values of that column",
    "UNUSABLE_ORDER": "Check that newer_than names a column of times or growing numbers, and that the source fills it",
}


class RejectedRows:
    """The rows of one source that cannot be sent, counted by why."""

    def __init__(self) -> None:
        self.first: RejectedRow | None = None
        self._reasons: Counter[tuple[str, str]] = Counter()

    def __call__(self, refusal: RejectedRow) -> None:
        """Count a row."""
        self.first = self.first or refusal
        self._reasons[refusal.code, refusal.reason] += 1

    def __str__(self) -> str:
        commonest = self._reasons.most_common(_MOST_REASONS)
        more = len(self._reasons) - len(commonest)
        counted = ", ".join(f"{rows:,} {code} ({reason})" for (code, reason), rows in commonest)
        return counted + (f" and {more} further reason{'s' if more > 1 else ''}" if more else "")


def doubt_of(source: Source, refusals: RejectedRows) -> SourceError | None:
    """Why a source of which nothing can be sent is doubtful; ``None``: it is merely empty."""
    first = refusals.first
    if first is None:
        return None
    row = f"row {first.row_number}"
    why = first.message if first.message.startswith(row) else f"{row}: {first.message}"
    return SourceError(
        f"source: no row of {source.name} can be sent: {refusals}. First, {why}. {_remedy(source, first)}. "
        "The audit has every row as invalid",
        setting="source",
    )


def _remedy(source: Source, first: RejectedRow) -> str:
    if first.code == "UNREADABLE_ROW":
        return _ROWS_ARE_NO_MAPPINGS if isinstance(innermost(source), RowsSource) else _LINES_ARE_NO_ROWS
    return _REMEDIES[first.code]
