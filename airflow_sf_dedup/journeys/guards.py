"""May these rows be sent now? The question that is asked before every call."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from airflow_sf_dedup.locks.base import Holder

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Taken(Generic[T]):
    """Which rows may not be sent now, and of the others what is known of them."""

    put_off: list[tuple[T, Holder]] = field(default_factory=list)
    #: ``id()`` of rows that an earlier process may have sent, to since when; rows that are put off among them.
    since: dict[int, datetime] = field(default_factory=dict)
    #: ``id()`` of rows that must not be sent at all; the guard keeps them.
    dropped: Set[int] = frozenset()


class Guard(Protocol[T]):
    """Says which rows may be sent now, and remembers that they are."""

    def take(self, rows: Sequence[T]) -> Taken[T]:
        """Claim what the rows need; nothing waits."""
