"""Send rows in calls of several chunks until each has its outcome.

Before a call, its rows are cleared; those that somebody else has in flight are put off. A refused chunk is halved until
the row that spoils it stands alone. Rows whose failure passes are sent again after a wait, in smaller chunks; calls
that take too long are made smaller. What a refusal says of the org rather than of a row ends the sending, and no
row is lost by it: see :meth:`ByCalls.left`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Generic, Protocol, TypeVar

from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.errors import CallError
from airflow_sf_dedup.journeys.sending.answers import Answers, Call
from airflow_sf_dedup.journeys.sending.backoff import seconds_before_try
from airflow_sf_dedup.journeys.sending.clearance import Clearance, PutOff, granted, put_off
from airflow_sf_dedup.journeys.sending.in_flight import InFlight
from airflow_sf_dedup.journeys.sending.lanes import Lanes
from airflow_sf_dedup.journeys.sending.next_step import (
    Terms,
)
from airflow_sf_dedup.journeys.sending.pace import Pace
from airflow_sf_dedup.journeys.sending.packing import Chunk, Packing, chunks_of_a_retry
from airflow_sf_dedup.journeys.sending.suspicion import PROBES
from airflow_sf_dedup.journeys.sending.under_way import Answered, Moment, UnderWay
from airflow_sf_dedup.salesforce.ports import ChunkAnswer

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)

#: Times a row is sent in all when its failure may pass.
MOST_TRIES = 4

#: Rows that failed for now before they are sent again; more of them are not kept in memory.
MOST_AGAIN = 10_000


class CarriesChunks(Protocol[T_contra]):
    """One kind of call."""

    def __call__(self, chunks: Sequence[Sequence[T_contra]], /, *, on_late: Callable[[], None]) -> list[ChunkAnswer]:
        """Send the chunks in one call; see :class:`~airflow_sf_dedup.salesforce.ports.ChunkApi` for ``on_late``."""


class ByCalls(Generic[T]):
    """Sends rows, once, through one kind of call.

    :param call: carries chunks and answers chunk by chunk; in a thread if several are in flight.
    :param size: bytes of a row's values, roughly.
    :param clearance: asked before each call which of its rows may be sent; ``None``: all.
    :param way: how a row is written: rows of a chunk are written in one way.
    :param on_late: told the rows of a call of which a sending was given up that may still be carried out; from any
        thread.
    :param max_in_flight: calls at a time.
    :param now: the org's time, UTC.
    :param sleep: takes seconds.
    """

    def __init__(
        self,
        call: CarriesChunks[T],
        terms: Terms,
        *,
        rows_per_chunk: int,
        chunks_per_call: int,
        size: Callable[[T], int],
        clearance: Clearance[T] | None = None,
        way: Callable[[T], Hashable] = lambda row: None,
        on_late: Callable[[Iterable[T]], None] = lambda rows: None,
        max_in_flight: int = 1,
        now: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], None] = time.sleep,
        wait: Callable[[int], float] = seconds_before_try,
    ) -> None:
        self._send_call = call
        self._pace = Pace(rows_per_chunk, chunks_per_call)
        self._packing = Packing(size, self._pace)
        self._clearance = clearance
        self._lanes = Lanes(way)
        self._on_late = on_late
        self._now = now
        self._sleep = sleep
        self._wait = wait
        self._in_flight: InFlight[Call[T], list[ChunkAnswer]] = InFlight(self._carried, max_in_flight)
        #: Rows to be sent again after a wait.
        self._again: Chunk[T] = []
        #: Those that must not share a chunk: Salesforce takes their keys for one.
        self._alone: Chunk[T] = []
        #: Rows whose key is in flight elsewhere.
        self.put_off: list[PutOff[T]] = []
        self._answers: Answers[T] = Answers(terms, self._pace, on_late)
        self._fatal: CallError | None = None

    def send(self, rows: Iterable[UnderWay[T]]) -> Iterator[list[Answered[T]]]:
        """Yield rows with their final outcomes, call by call; rows whose key is in flight elsewhere stay put off.

        :raises CallError: a call failed for good; nothing was sent after it, :meth:`left` has the other rows.
        """
        self._packing.read(rows)
        all_sent = False
        while not all_sent:
            yield from self._carry_all(self._next_call, until=lambda: len(self._again) >= MOST_AGAIN)
            all_sent = len(self._again) < MOST_AGAIN
            yield from self._send_again()

    def send_put_off(self) -> Iterator[list[Answered[T]]]:
        """Send the rows whose keys were in flight elsewhere; some may be put off again.

        :raises CallError: as :meth:`send`.
        """
        rows, self.put_off = [each.sent for each in self.put_off], []
        yield from self.send(rows)

    def close(self) -> None:
        """Let go of the threads; nothing is in flight any more."""
        self._in_flight.close()

    def drain(self) -> Iterator[list[Answered[T]]]:
        """The outcomes of calls that are still in flight; nothing new is sent."""
        while self._in_flight:
            yield self._landed()

    def abandon(self) -> Iterator[UnderWay[T]]:
        """The rows of calls that are still in flight; each may be in the org, and nobody waits for an answer."""
        for call in self._in_flight.abandon():
            self._on_late(call.rows)
            for chunk in call.chunks:
                yield from call.come_back(chunk, in_doubt=True)

    def left(self) -> Iterator[UnderWay[T]]:
        """The rows without an outcome. After :meth:`drain`.

        What was not sent yet is read as it is asked for, however much it is.
        """
        return chain(self._again, self._alone, (each.sent for each in self.put_off), self._packing.left())

    # -- calls ------------------------------------------------------------------------------------

    def _send_again(self) -> Iterator[list[Answered[T]]]:
        """Send the rows that failed for now, a few times, one call at a time."""
        for number in range(2, MOST_TRIES + 1):
            if not (self._again or self._alone):
                return
            self._sleep(self._wait(number))
            self._packing.append(chunks_of_a_retry(self._again, number, self._pace))
            self._packing.append([each] for each in self._alone)
            self._again, self._alone = [], []
            with self._in_flight.one_by_one():
                yield from self._carry_all(partial(self._next_call, fresh=False, last=number == MOST_TRIES))

    def _carry_all(
        self, next_call: Callable[[], Call[T] | None], *, until: Callable[[], bool] = lambda: False
    ) -> Iterator[list[Answered[T]]]:
        """Send call after call while there are any; a fatal error lets those in flight land first."""
        while True:
            while self._fatal is None and self._in_flight.has_room and not until():
                call = next_call()
                if call is None:
                    break
                if call.chunks:
                    self._in_flight.start(call)
                else:
                    yield []
            if not self._in_flight:
                break
            yield self._landed()
        if self._fatal is not None:
            raise self._fatal

    def _next_call(self, *, fresh: bool = True, last: bool = False) -> Call[T] | None:
        """The next call, without chunks where none of its rows may be sent; ``None``: there are no rows left.

        :param fresh: False: only rows that are sent again.
        :param last: for the last time, one chunk at a time.
        """
        room = 1 if last else self._pace.chunks
        chunks = self._packing.next_call(room, fresh=fresh)
        if not chunks:
            return None
        full = [len(chunk) == self._pace.rows for chunk in chunks]
        apart = self._lanes.apart(self._cleared(chunks), full=full, size=self._pace.rows)
        # What is cleared and finds no room is cleared anew: what the org has may be another thing by then.
        self._packing.put_back(apart[room:])
        return Call(apart[:room], Moment(time.monotonic(), self._now()), last)

    def _cleared(self, chunks: list[Chunk[T]]) -> list[Chunk[T]]:
        """The chunks without the rows that may not be sent; some may have none left."""
        if self._clearance is None:
            return chunks
        try:
            answers = iter(self._clearance.clear([each for chunk in chunks for each in chunk]))
        except BaseException:
            self._packing.put_back(chunks)
            raise
        by_chunk = [[next(answers) for _ in chunk] for chunk in chunks]
        self.put_off += [each for chunk in by_chunk for each in put_off(chunk)]
        return [granted(chunk) for chunk in by_chunk]

    def _carried(self, call: Call[T]) -> list[ChunkAnswer]:
        try:
            chunks = [[each.row for each in chunk] for chunk in call.chunks]
            return self._send_call(chunks, on_late=lambda: self._on_late(call.rows))
        finally:
            call.seconds = time.monotonic() - call.made.ticks

    # -- answers ----------------------------------------------------------------------------------

    def _landed(self) -> list[Answered[T]]:
        """What one call settled. A fatal error is kept until everything in flight has landed."""
        call, future = self._in_flight.land()
        landed = self._answers.read(call, future.result)
        self._again += landed.again
        self._alone += landed.alone
        self._packing.put_back(landed.at_once)
        if landed.wants_probes:
            self._packing.probe(PROBES)
        self._fatal = self._fatal or landed.fatal
        return landed.settled
