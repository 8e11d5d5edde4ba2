"""A row on its way into the org carries its own past: how often it was sent, and since when it may be there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from airflow_sf_dedup.core.outcomes import Outcome

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Moment:
    """When a call was made."""

    #: Seconds, monotonic.
    ticks: float
    #: By the org's clock, UTC.
    org_time: datetime


# A new value for each step. Not frozen: that would cost a microsecond a row, and there are millions.
@dataclass(slots=True)
class UnderWay(Generic[T]):
    """A row that is sent, or was."""

    row: T
    #: Calls that carried it.
    attempts: int = 0
    #: Seconds, monotonic: its first call and its last.
    first_sent: float = 0.0
    last_sent: float = 0.0
    #: Since when it may be in the org, by the org's clock: a call that carried it got no answer. ``None``: it is not.
    since: datetime | None = None

    @property
    def in_doubt(self) -> bool:
        """Whether it may be in the org, without anybody having said so."""
        return self.since is not None

    @property
    def waited(self) -> float:
        """Seconds from its first call to its last."""
        return self.last_sent - self.first_sent

    def after(self, call: Moment, *, in_doubt: bool = False) -> UnderWay[T]:
        """The row after one more call.

        :param in_doubt: nobody knows what became of that call.
        """
        first = self.first_sent if self.attempts else call.ticks
        since = call.org_time if in_doubt and self.since is None else self.since
        return UnderWay(self.row, self.attempts + 1, first, call.ticks, since)

    def of(self, row: R) -> UnderWay[R]:
        """The same past, of what else the row is."""
        return UnderWay(row, self.attempts, self.first_sent, self.last_sent, self.since)

    def then(self, later: UnderWay[Any]) -> UnderWay[T]:
        """The row after it was sent in another way."""
        if not later.attempts:
            return self.doubted(later.since)
        first = self.first_sent if self.attempts else later.first_sent
        return UnderWay(self.row, self.attempts + later.attempts, first, later.last_sent, self.since or later.since)

    def doubted(self, since: datetime | None) -> UnderWay[T]:
        """The row, where an earlier process may have sent it; what the row knows itself goes before."""
        if since is None or self.since is not None:
            return self
        return UnderWay(self.row, self.attempts, self.first_sent, self.last_sent, since)


@dataclass(slots=True)
class Answered(Generic[T]):
    """A row with its outcome."""

    sent: UnderWay[T]
    outcome: Outcome

    @property
    def row(self) -> T:
        return self.sent.row


def under_way(rows: Iterable[T]) -> Iterable[UnderWay[T]]:
    """Rows that nobody has sent yet."""
    return map(UnderWay, rows)
