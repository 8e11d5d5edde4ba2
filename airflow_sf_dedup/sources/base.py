"""Where do records come from? A source is a stream of rows; it knows nothing of Salesforce.

A source that cannot be read as a whole raises ``SourceError``; a single row that cannot be read is a
row with a ``problem``, so that it ends in the audit and the rest of the load goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable


class SourceRow(NamedTuple):
    """One row as it was read. A column that is absent leaves its field alone, ``None`` clears it."""

    #: Place in the source, from 1; a header line and blank lines are no rows.
    row_number: int
    values: Mapping[str, Any]
    #: Why the row cannot be read, in words that repeat none of its content; ``None`` for a good row.
    problem: str | None = None


@runtime_checkable
class Source(Protocol):
    """A stream of rows."""

    @property
    def name(self) -> str:
        """What to call it in messages; never a value of a row, never a credential of a URL."""

    def columns(self) -> tuple[str, ...] | None:
        """The columns of all rows, or ``None`` where each row brings its own.

        :raises SourceError: the source cannot be read, or its header is unusable.
        """

    def rows(self) -> Iterator[SourceRow]:
        """The rows in their order, one at a time.

        :raises SourceError: the source cannot be read any further.
        """
