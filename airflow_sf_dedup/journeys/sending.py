"""Send rows in calls of several chunks until each has its outcome.

A row's key is claimed before the call that carries it; rows whose key is in flight elsewhere are put
off. A refused chunk is halved until the row that spoils it stands alone; rows whose failure passes are
sent again after a wait, in smaller chunks; calls that take too long are made smaller. What a refusal
says of the org rather than of a row ends the sending, and no row is lost by it: see :meth:`Sender.left`.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import chain, islice
from typing import Generic, Protocol, TypeVar

from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.core.outcomes import Failed, Outcome, Saved, Unanswered
from airflow_sf_dedup.errors import CallError, OutcomeUnknownError, RequestRefusedError, TransientCallError
from airflow_sf_dedup.journeys.flight import Flight
from airflow_sf_dedup.journeys.guards import Guard
from airflow_sf_dedup.journeys.pace import Pace
from airflow_sf_dedup.journeys.patience import seconds_before_try
from airflow_sf_dedup.journeys.refusals import (
    as_one,
    error_of,
    fails_for_now,
    is_in_doubt,
    is_repeat,
    is_too_much,
    may_be_a_row,
    took_too_long,
    unanswered,
    was_lost,
)
from airflow_sf_dedup.locks.base import Holder
from airflow_sf_dedup.salesforce.answers import SessionExpiredError
from airflow_sf_dedup.salesforce.base import ChunkAnswer, ChunkRefused
from airflow_sf_dedup.salesforce.repeating import LONGEST_RETRY_AFTER, may_run_on
from airflow_sf_dedup.salesforce.wire import in_doubt

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)

#: Bytes of values in one call, roughly; Salesforce takes far more, but slow calls time out.
MOST_BYTES = 5_000_000

#: Times a row is sent in all when its failure may pass.
MOST_TRIES = 4

#: Rows that failed for now before they are sent again; more of them are not kept in memory.
MOST_AGAIN = 10_000

#: Lone rows refused before any chunk is accepted, after which it need not be the rows' fault.
MOST_LONE_REFUSALS = 20

#: Lone rows from everywhere that are refused as well before all are given up.
PROBES = 10

#: Calls in a row that fail; after that it is neither their size nor a row of theirs.
MOST_FAILURES = 12

#: Rows of a chunk by the try that sends them again: those that met a lock meet fewer of their kind.
_ROWS_OF_A_RETRY = {2: 50, 3: 20, 4: 10}


class CarriesChunks(Protocol[T_contra]):
    """One kind of call."""

    def __call__(self, chunks: Sequence[Sequence[T_contra]], /, *, on_late: Callable[[], None]) -> list[ChunkAnswer]:
        """Send the chunks in one call; see :class:`~airflow_sf_dedup.salesforce.base.UpsertApi` for ``on_late``."""


@dataclass(frozen=True, slots=True)
class Answered(Generic[T]):
    """A row with its final outcome, and what it took."""

    row: T
    outcome: Outcome
    #: Times it was sent.
    attempts: int = 1
    #: Seconds from its first to its last sending.
    waited: float = 0.0
    #: Since when the row may have been in the org, by the org's clock: an earlier sending of it got no answer.
    since: datetime | None = None


@dataclass(slots=True)
class _Past:
    """What became of a row in earlier calls."""

    #: Monotonic time of its first sending.
    first: float
    attempts: int = 0
    since: datetime | None = None


@dataclass(slots=True)
class _Call(Generic[T]):
    """One call on its way."""

    chunks: list[list[T]]
    #: Monotonic.
    started: float
    #: The org's time.
    sent_at: datetime
    #: It is the rows' last chance.
    last: bool
    seconds: float = 0.0

    @property
    def rows(self) -> Iterator[T]:
        return chain.from_iterable(self.chunks)


class Sender(Generic[T]):
    """Sends rows, once, through one kind of call.

    :param call: carries chunks and answers chunk by chunk; in a thread if several are in flight.
    :param external_id_field: as :func:`fails_for_now` has it.
    :param repeatable: False: a call of unknown outcome is not followed by a smaller one with its rows.
    :param size: bytes of a row's values, roughly.
    :param guard: asked before each call which of its rows may be sent; ``None``: all.
    :param on_late: told the rows of a call of which a sending was given up that may still be carried out; from any
        thread.
    :param max_in_flight: calls at a time.
    :param now: the org's time, UTC.
    :param sleep: takes seconds.
    """

    def __init__(
        self,
        call: CarriesChunks[T],
        *,
        rows_per_chunk: int,
        chunks_per_call: int,
        external_id_field: str | None,
        repeatable: bool = True,
        size: Callable[[T], int],
        guard: Guard[T] | None = None,
        on_late: Callable[[Iterable[T]], None] = lambda rows: None,
        max_in_flight: int = 1,
        now: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], None] = time.sleep,
        wait: Callable[[int], float] = seconds_before_try,
    ) -> None:
        self._send_call = call
        self._pace = Pace(rows_per_chunk, chunks_per_call)
        self._external_id_field = external_id_field
        self._repeatable = repeatable
        self._size = size
        self._guard = guard
        self._on_late = on_late
        self._now = now
        self._sleep = sleep
        self._wait = wait
        self._flight: Flight[_Call[T], list[ChunkAnswer]] = Flight(self._carried, max_in_flight)
        self._fresh: Iterator[list[T]] = iter(())
        #: Chunks to be sent before fresh ones.
        self._waiting: deque[list[T]] = deque()
        #: Rows to be sent again after a wait.
        self._again: list[T] = []
        #: Those of ``_again`` that must not share a chunk: Salesforce takes their keys for one.
        self._alone: list[T] = []
        #: Rows whose key is in flight elsewhere.
        self.put_off: list[tuple[T, Holder]] = []
        self._past: dict[int, _Past] = {}
        self._accepted_any = False
        self._lone_refusals = 0
        #: Calls that failed since the last one that was answered.
        self._failures = 0
        self._fatal: CallError | None = None

    def send(self, rows: Iterable[T]) -> Iterator[list[Answered[T]]]:
        """Yield rows with their final outcomes, call by call; rows whose key is in flight elsewhere stay put off.

        :raises CallError: a call failed for good; nothing was sent after it, :meth:`left` has the other rows.
        """
        self._fresh = self._chunks(rows)
        all_sent = False
        while not all_sent:
            yield from self._carry_all(self._next_call, until=lambda: len(self._again) >= MOST_AGAIN)
            all_sent = len(self._again) < MOST_AGAIN
            yield from self._send_again()

    def send_put_off(self) -> Iterator[list[Answered[T]]]:
        """Send the rows whose keys were in flight elsewhere; some may be put off again.

        :raises CallError: as :meth:`send`.
        """
        rows, self.put_off = [row for row, _ in self.put_off], []
        yield from self.send(rows)

    def doubt(self, since: Mapping[int, datetime]) -> None:
        """Rows, by their ``id()``, that an earlier process may have sent, and since when. They are yet to be sent."""
        for row_id, moment in since.items():
            self._past.setdefault(row_id, _Past(time.monotonic())).since = moment

    def close(self) -> None:
        """Let go of the threads; nothing is in flight any more."""
        self._flight.close()

    def drain(self) -> Iterator[list[Answered[T]]]:
        """The outcomes of calls that are still in flight; nothing new is sent."""
        while self._flight:
            yield self._landed()

    def abandon(self) -> Iterator[tuple[T, bool]]:
        """The rows of calls that are still in flight; each may be in the org, and nobody waits for an answer."""
        for call in self._flight.abandon():
            self._on_late(call.rows)
            for row in call.rows:
                yield row, True

    def left(self) -> Iterator[tuple[T, bool]]:
        """The rows without an outcome, and whether each may be in the org all the same. After :meth:`drain`.

        What was not sent yet is read as it is asked for, however much it is.
        """
        put_off = (row for row, _ in self.put_off)
        for row in chain(chain.from_iterable(self._waiting), self._again, self._alone, put_off):
            yield row, self.is_in_doubt(row)
        for chunk in self._fresh:
            for row in chunk:
                yield row, False

    def is_in_doubt(self, row: T) -> bool:
        """Whether a row without an outcome may be in the org all the same."""
        past = self._past.get(id(row))
        return past is not None and past.since is not None

    # -- calls ------------------------------------------------------------------------------------

    def _send_again(self) -> Iterator[list[Answered[T]]]:
        """Send the rows that failed for now, a few times, one call at a time."""
        for number in range(2, MOST_TRIES + 1):
            if not (self._again or self._alone):
                return
            self._sleep(self._wait(number))
            last = number == MOST_TRIES
            self._waiting.extend(self._smaller_chunks(number))
            self._again, self._alone = [], []
            with self._flight.one_by_one():
                yield from self._carry_all(partial(self._next_retry, last=last))

    def _smaller_chunks(self, number: int) -> Iterator[list[T]]:
        rows = self._again
        step = max(1, min(_ROWS_OF_A_RETRY[number], self._pace.rows // 2, len(rows) // 2))
        yield from (rows[start : start + step] for start in range(0, len(rows), step))
        yield from ([row] for row in self._alone)

    def _carry_all(
        self, next_call: Callable[[], _Call[T] | None], *, until: Callable[[], bool] = lambda: False
    ) -> Iterator[list[Answered[T]]]:
        """Send call after call while there are any; a fatal error lets those in flight land first."""
        while True:
            while self._fatal is None and self._flight.has_room and not until():
                call = next_call()
                if call is None:
                    break
                if call.chunks:
                    self._flight.start(call)
                else:
                    yield []
            if not self._flight:
                break
            yield self._landed()
        if self._fatal is not None:
            raise self._fatal

    def _next_retry(self, *, last: bool) -> _Call[T] | None:
        """A call of rows that are sent again; the last time one chunk at a time."""
        return self._pack(iter(()), most_chunks=1 if last else self._pace.chunks, last=last)

    def _next_call(self) -> _Call[T] | None:
        return self._pack(self._fresh, most_chunks=self._pace.chunks, last=False)

    def _pack(self, fresh: Iterator[list[T]], *, most_chunks: int, last: bool) -> _Call[T] | None:
        """The next call, without chunks where none of its rows may be sent; ``None``: there are no rows left."""
        chunks = self._gather(fresh, most_chunks)
        return _Call(self._granted(chunks), time.monotonic(), self._now(), last) if chunks else None

    def _gather(self, fresh: Iterator[list[T]], most_chunks: int) -> list[list[T]]:
        chunks: list[list[T]] = []
        size = 0
        while len(chunks) < most_chunks and (chunk := self._next_chunk(fresh)):
            size += sum(map(self._size, chunk))
            if chunks and size > MOST_BYTES:
                self._waiting.appendleft(chunk)
                break
            chunks.append(chunk)
        return chunks

    def _granted(self, chunks: list[list[T]]) -> list[list[T]]:
        """The chunks without the rows whose key is in flight elsewhere."""
        if self._guard is None:
            return chunks
        try:
            taken = self._guard.take([row for chunk in chunks for row in chunk])
        except BaseException:
            self._waiting.extendleft(reversed(chunks))
            raise
        away = {id(row) for row, _ in taken.put_off} | taken.dropped
        self.doubt({row_id: moment for row_id, moment in taken.since.items() if row_id not in taken.dropped})
        if not away:
            return chunks
        self.put_off += taken.put_off
        kept = ([row for row in chunk if id(row) not in away] for chunk in chunks)
        return [chunk for chunk in kept if chunk]

    def _next_chunk(self, fresh: Iterator[list[T]]) -> list[T] | None:
        chunk = self._waiting.popleft() if self._waiting else next(fresh, None)
        if chunk is not None and len(chunk) > self._pace.rows:
            self._waiting.appendleft(chunk[self._pace.rows :])
            chunk = chunk[: self._pace.rows]
        return chunk

    def _chunks(self, rows: Iterable[T]) -> Iterator[list[T]]:
        chunk: list[T] = []
        size = 0
        for row in rows:
            row_size = self._size(row)
            if chunk and (len(chunk) >= self._pace.rows or size + row_size > MOST_BYTES):
                yield chunk
                chunk, size = [], 0
            chunk.append(row)
            size += row_size
        if chunk:
            yield chunk

    def _carried(self, call: _Call[T]) -> list[ChunkAnswer]:
        try:
            return self._send_call(call.chunks, on_late=lambda: self._on_late(call.rows))
        finally:
            call.seconds = time.monotonic() - call.started

    # -- answers ----------------------------------------------------------------------------------

    def _landed(self) -> list[Answered[T]]:
        """What one call settled. A fatal error is kept until everything in flight has landed."""
        call, future = self._flight.land()
        try:
            return self._read(call, self._answers(call, future.result))
        except CallError as error:
            return self._failed(call, error)

    def _answers(self, call: _Call[T], result: Callable[[], list[ChunkAnswer]]) -> list[ChunkAnswer]:
        """The answers chunk by chunk; the refusal of a call of one chunk is the chunk's own."""
        try:
            answers = result()
        except RequestRefusedError as refused:
            if len(call.chunks) > 1 or not may_be_a_row(refused):
                raise
            message = str(refused).removeprefix(f"{refused.code}: ")
            return [ChunkRefused(refused.code, message, refused.in_doubt)]
        self._failures = 0
        self._pace.answered(call.seconds)
        return answers if len(answers) == len(call.chunks) else [[] for _ in call.chunks]

    def _failed(self, call: _Call[T], error: CallError) -> list[Answered[T]]:
        """The call as a whole did not do its work: its rows come again in smaller calls, or it is the end.

        A lone row that always takes too long is given up, and the others go on.
        """
        if may_run_on(error):
            self._on_late(call.rows)
        self._failures += 1
        goes_on = self._failures <= MOST_FAILURES and self._repeatable and took_too_long(error)
        if goes_on and len(call.chunks) == len(call.chunks[0]) == 1:
            return [self._final(call, call.chunks[0][0], Unanswered(str(error)))]
        self._waiting.extendleft(reversed(call.chunks))
        self._come_back(call, call.rows, in_doubt=error.in_doubt)
        if self._may_go_smaller(call, error) and self._failures <= MOST_FAILURES:
            self._pace.slower(max(map(len, call.chunks)))
        else:
            self._fatal = self._fatal or error
        return []

    def _may_go_smaller(self, call: _Call[T], error: CallError) -> bool:
        """Whether the call's rows may be sent again in smaller calls."""
        if isinstance(error, OutcomeUnknownError) and not self._repeatable:
            return False
        if (error.retry_after or 0.0) > LONGEST_RETRY_AFTER:
            return False
        if len(call.chunks) > 1:
            return isinstance(error, TransientCallError) or may_be_a_row(error)
        return took_too_long(error) and len(call.chunks[0]) > 1

    def _read(self, call: _Call[T], answers: list[ChunkAnswer]) -> list[Answered[T]]:
        settled: list[Answered[T]] = []
        back: list[list[T]] = []
        for chunk, answer in zip(call.chunks, map(as_one, answers), strict=True):
            if isinstance(answer, ChunkRefused):
                settled += self._refused(call, chunk, answer, back)
            else:
                self._accepted_any = True
                settled += self._sort(call, chunk, answer, back)
        self._waiting.extendleft(reversed(back))
        if self._lone_refusals == MOST_LONE_REFUSALS and not self._accepted_any:
            self._probe()
        return settled

    def _refused(
        self, call: _Call[T], chunk: list[T], answer: ChunkRefused, back: list[list[T]]
    ) -> Iterable[Answered[T]]:
        """A whole chunk was refused; what can be sent again at once goes into ``back``."""
        why = error_of(answer)
        if isinstance(why, TransientCallError) or (isinstance(why, SessionExpiredError) and not call.last):
            # The session that expired amid a call is renewed by the next one.
            return self._refused_for_now(call, chunk, answer, why)
        if not may_be_a_row(why):
            self._come_back(call, chunk, in_doubt=answer.in_doubt)
            back.append(chunk)
            self._fatal = self._fatal or why
            return ()
        if len(chunk) > 1:
            self._come_back(call, chunk, in_doubt=answer.in_doubt)
            back += _parts(chunk, 2)
            return ()
        self._fatal = self._fatal or self._if_all_are_refused(why)
        return [self._refused_row(call, chunk[0], answer)]

    def _if_all_are_refused(self, error: CallError) -> CallError | None:
        """The error, once so many lone rows met it and nothing else was accepted that every row would."""
        self._lone_refusals += 1
        return error if self._lone_refusals >= MOST_LONE_REFUSALS + PROBES and not self._accepted_any else None

    def _probe(self) -> None:
        """Before every row is given up, let some from everywhere go first, each alone: the bad ones may come first."""
        self._waiting.extend(islice(self._fresh, PROBES))
        rows = [row for chunk in self._waiting for row in chunk]
        probes = rows[:: -max(1, len(rows) // PROBES)][:PROBES]
        chosen = set(map(id, probes))
        rest = ([row for row in chunk if id(row) not in chosen] for chunk in self._waiting)
        self._waiting = deque([*([row] for row in probes), *(chunk for chunk in rest if chunk)])

    def _refused_for_now(
        self, call: _Call[T], chunk: list[T], refusal: ChunkRefused, error: CallError
    ) -> Iterable[Answered[T]]:
        """Put a refused chunk off; after its last try the refusal is each row's own outcome."""
        lost = isinstance(error, OutcomeUnknownError)
        if not call.last and (self._repeatable or not lost):
            self._come_back(call, chunk, in_doubt=lost or refusal.in_doubt)
            self._again += chunk
            return ()
        failed = Failed(refusal.code, refusal.message, in_doubt=refusal.in_doubt, of_many=len(chunk) > 1)
        outcome = Unanswered(error.own_words) if lost else failed
        return [self._final(call, row, outcome) for row in chunk]

    def _refused_row(self, call: _Call[T], row: T, refusal: ChunkRefused) -> Answered[T]:
        """A lone row whose request was refused; of an earlier sending without answer that says nothing."""
        failed = Failed(refusal.code, refusal.message, in_doubt=refusal.in_doubt)
        refused = self._final(call, row, failed)
        return refused if refused.since is None else replace(refused, outcome=unanswered(failed))

    def _sort(self, call: _Call[T], chunk: list[T], outcomes: list[Outcome], back: list[list[T]]) -> list[Answered[T]]:
        """The rows with a final outcome; the others are put off, or go into ``back``."""
        if len(outcomes) != len(chunk):
            outcomes = [Unanswered(f"{len(chunk)} rows sent, {len(outcomes)} answered")] * len(chunk)
        settled: list[Answered[T]] = []
        too_many: list[T] = []
        for row, outcome in zip(chunk, outcomes, strict=True):
            if type(outcome) is Saved:
                settled.append(self._final(call, row, outcome))
            elif len(chunk) > 1 and is_too_much(outcome):
                self._come_back(call, [row], in_doubt=is_in_doubt(outcome))
                too_many.append(row)
            elif call.last or not self._passes(outcome):
                settled.append(self._final(call, row, outcome))
            else:
                self._come_back(call, [row], in_doubt=is_in_doubt(outcome))
                (self._alone if is_repeat(outcome) else self._again).append(row)
        if too_many:
            self._pace.lighter(len(chunk))
            back += _parts(too_many, 2 if len(too_many) == len(chunk) else 1)
        return settled

    def _passes(self, outcome: Outcome) -> bool:
        if isinstance(outcome, Unanswered):
            return self._repeatable
        return fails_for_now(outcome, self._external_id_field)

    # -- the past of rows -------------------------------------------------------------------------

    def _come_back(self, call: _Call[T], rows: Iterable[T], *, in_doubt: bool = False) -> None:
        """The rows were sent and are not settled."""
        for row in rows:
            past = self._past.setdefault(id(row), _Past(call.started))
            if past.attempts == 0:
                past.first = call.started
            past.attempts += 1
            if in_doubt and past.since is None:
                past.since = call.sent_at

    def _final(self, call: _Call[T], row: T, outcome: Outcome) -> Answered[T]:
        past = self._past.pop(id(row), None) if self._past else None
        since = past.since if past else None
        if since is None and was_lost(outcome):
            since = call.sent_at
        if past is None:
            return Answered(row, self._seen(outcome, since), since=since)
        waited = call.started - past.first if past.attempts else 0.0
        return Answered(row, self._seen(outcome, since), past.attempts + 1, waited, since)

    def _seen(self, outcome: Outcome, since: datetime | None) -> Outcome:
        """The outcome, seen in the light of an earlier sending without answer.

        A refusal that passes says nothing of it. Why a unique value was refused, a re-read of the key tells.
        """
        if since is None:
            return outcome
        if isinstance(outcome, Failed) and outcome.code != "DUPLICATE_VALUE":
            passes = fails_for_now(outcome, self._external_id_field) or is_too_much(outcome)
            return unanswered(outcome) if passes else outcome
        return in_doubt(outcome)


def _parts(rows: list[T], number: int) -> list[list[T]]:
    """The rows in so many parts, each with a row at least."""
    size = -(-len(rows) // number)
    return [rows[start : start + size] for start in range(0, len(rows), size)]
