"""May these rows be sent now? The question that is asked before every call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Generic, Protocol, TypeVar

from airflow_sf_dedup.journeys.sending.under_way import UnderWay
from airflow_sf_dedup.locks.base import Holder

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PutOff(Generic[T]):
    """A row that may not be sent now: somebody has its key in flight."""

    sent: UnderWay[T]
    holder: Holder


class Dropped(Enum):
    """A row that must not be sent at all; who says so accounts for it."""

    DROPPED = "dropped"


#: The row itself, with what is known of its past: it may be sent.
Cleared = UnderWay[T] | PutOff[T] | Dropped


class Clearance(Protocol[T]):
    """Says which rows may be sent now, and remembers that they are."""

    def clear(self, rows: Sequence[UnderWay[T]]) -> list[Cleared[T]]:
        """Claim what the rows need; an answer for each, in their order. Nothing waits."""


def granted(cleared: Sequence[Cleared[T]]) -> list[UnderWay[T]]:
    """The rows that may be sent."""
    return [each for each in cleared if isinstance(each, UnderWay)]


def put_off(cleared: Sequence[Cleared[T]]) -> list[PutOff[T]]:
    """The rows that wait for somebody."""
    return [each for each in cleared if isinstance(each, PutOff)]
