"""How do the rows of a wave travel? What is sent, and under which claims, is the same either way.

By calls, each call answers for its rows while the next ones are sent. By a job, the rows leave together, the delivery
says that it is parked, and whichever process comes when the job is over finishes it: with the claims, the watermarks
and the staged rows, which the database and the staging area keep.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

from airflow_sf_dedup.journeys.sending.clearance import PutOff
from airflow_sf_dedup.journeys.sending.under_way import Answered, UnderWay

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Parked:
    """Rows are on their way in a job; nothing of them is known before it is over.

    :ivar job: by which any process finds it.
    """

    job: str


class Delivery(Protocol[T]):
    """Sends rows, each once it is cleared."""

    #: Rows whose key is in flight elsewhere.
    put_off: list[PutOff[T]]

    def send(self, rows: Iterable[UnderWay[T]]) -> Iterator[list[Answered[T]] | Parked]:
        """Yield rows with their final outcomes, as they are known; at the end, where rows are in a job, that job.

        :raises CallError: it failed for good; nothing was sent after it, :meth:`left` has the other rows.
        """

    def send_put_off(self) -> Iterator[list[Answered[T]] | Parked]:
        """Send the rows whose keys were in flight elsewhere; some may be put off again."""

    def drain(self) -> Iterator[list[Answered[T]]]:
        """The outcomes of what is still in flight; nothing new is sent."""

    def abandon(self) -> Iterator[UnderWay[T]]:
        """The rows still in flight, which may be in the org; nobody waits for an answer."""

    def left(self) -> Iterator[UnderWay[T]]:
        """The rows without an outcome that are in no job. After :meth:`drain` or :meth:`abandon`."""

    def close(self) -> None:
        """Let go of what it holds in this process."""


@runtime_checkable
class FinishesJobs(Protocol[T]):
    """A :class:`Delivery` whose jobs any process can finish."""

    def finish(self, parked: Parked, rows: Iterable[UnderWay[T]]) -> Iterator[list[Answered[T]] | Parked]:
        """Yield the job's rows with their outcomes; the job itself, at the end, when it is not over yet.

        :param rows: those that this process took over, in the order in which they were sent. Each is answered: one
            of which the job says nothing is ``Unanswered``.
        """
