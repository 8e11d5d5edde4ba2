"""Send rows in calls of several chunks until each has its outcome.

A refused chunk is halved until the row that spoils it stands alone; rows whose failure passes are
sent again after a wait; calls that time out are made smaller.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Generic, TypeVar

from airflow_sf_dedup.core.outcomes import Failed, Outcome
from airflow_sf_dedup.errors import CallError, RequestRefusedError, TransientCallError
from airflow_sf_dedup.salesforce.base import ChunkAnswer, ChunkRefused
from airflow_sf_dedup.salesforce.duplicate_value import DuplicateValue, kind_of
from airflow_sf_dedup.salesforce.error_codes import Handling, rule_for

T = TypeVar("T")

#: Bytes of values in one call, roughly; Salesforce takes far more, but slow calls time out.
MOST_BYTES = 5_000_000

#: Times a row is sent in all when its failure may pass.
MOST_TRIES = 4


class Interrupted(Exception, Generic[T]):
    """A call failed for good: what was in it, and what had not been sent yet."""

    def __init__(self, error: CallError, in_call: list[T], unsent: list[T]) -> None:
        super().__init__(str(error))
        self.error = error
        self.in_call = in_call
        self.unsent = unsent


def seconds_before_try(number: int) -> float:
    """Wait before the given try (from 2): at least two seconds, as Salesforce advises, and jittered."""
    return float(2 ** (number - 1)) + random.uniform(0, 1)  # noqa: S311 - spreads retries, guards nothing


def fails_for_now(outcome: Outcome, external_id_field: str) -> bool:
    """Whether the same row may succeed a little later."""
    if not isinstance(outcome, Failed):
        return False
    if outcome.code == "DUPLICATE_VALUE":
        return kind_of(outcome.message, external_id_field) is not DuplicateValue.OTHER_FIELD
    return rule_for(outcome.code, outcome.message).handling in (Handling.RETRY_ROW, Handling.RETRY_CALL)


@dataclass
class Pace:
    """How many chunks one call carries: fewer after trouble, more while calls succeed."""

    most: int
    now: int

    @classmethod
    def full(cls, most: int) -> Pace:
        """Begin with as much as a call can carry."""
        return cls(most, most)

    def slower(self) -> None:
        """After a call that failed or timed out."""
        self.now = max(1, self.now // 2)

    def faster(self) -> None:
        """After a call that succeeded."""
        self.now = min(self.most, self.now + 1)


class Sender(Generic[T]):
    """Sends rows through one kind of call.

    :param call: carries chunks and answers chunk by chunk.
    :param size: bytes of a row's values, roughly.
    :param sleep: takes seconds.
    """

    def __init__(
        self,
        call: Callable[[Sequence[Sequence[T]]], list[ChunkAnswer]],
        *,
        rows_per_chunk: int,
        chunks_per_call: int,
        external_id_field: str,
        size: Callable[[T], int],
        sleep: Callable[[float], None] = time.sleep,
        wait: Callable[[int], float] = seconds_before_try,
    ) -> None:
        self._call = call
        self._rows_per_chunk = rows_per_chunk
        self._pace = Pace.full(chunks_per_call)
        self._external_id_field = external_id_field
        self._size = size
        self._sleep = sleep
        self._wait = wait

    def send(self, rows: Iterable[T]) -> Iterator[list[tuple[T, Outcome]]]:
        """Yield rows with their final outcomes, call by call.

        :raises Interrupted: a call failed for good; nothing was sent after it.
        """
        again: list[T] = []
        yield from self._round(self._chunks(rows), again, last=False)
        for number in range(2, MOST_TRIES + 1):
            if not again:
                return
            self._sleep(self._wait(number))
            chunks = self._chunks_apart(again)
            again = []
            yield from self._round(chunks, again, last=number == MOST_TRIES)

    def _chunks(self, rows: Iterable[T]) -> Iterator[list[T]]:
        chunk: list[T] = []
        size = 0
        for row in rows:
            row_size = self._size(row)
            if chunk and (len(chunk) >= self._rows_per_chunk or size + row_size > MOST_BYTES):
                yield chunk
                chunk, size = [], 0
            chunk.append(row)
            size += row_size
        if chunk:
            yield chunk

    def _chunks_apart(self, rows: Sequence[T]) -> Iterator[list[T]]:
        """Small chunks: rows that met a lock or each other meet fewer of their kind."""
        step = max(1, min(self._rows_per_chunk, len(rows)) // 4)
        return (list(rows[start : start + step]) for start in range(0, len(rows), step))

    def _round(self, chunks: Iterator[list[T]], again: list[T], *, last: bool) -> Iterator[list[tuple[T, Outcome]]]:
        waiting: deque[list[T]] = deque()
        while call := self._next_call(chunks, waiting):
            try:
                answers = self._answers(call)
            except TransientCallError as error:
                if len(call) == 1:
                    raise self._interrupted(error, call, waiting, chunks, again) from error
                self._pace.slower()
                waiting.extendleft(reversed(call))
                continue
            except CallError as error:
                raise self._interrupted(error, call, waiting, chunks, again) from error
            self._pace.faster()
            settled = []
            for chunk, answer in zip(call, answers, strict=True):
                settled += self._sort(chunk, answer, waiting, again, last=last)
            yield settled

    def _interrupted(
        self,
        error: CallError,
        call: list[list[T]],
        waiting: Iterable[list[T]],
        chunks: Iterator[list[T]],
        again: list[T],
    ) -> Interrupted[T]:
        unsent = [*chain.from_iterable(waiting), *chain.from_iterable(chunks), *again]
        return Interrupted(error, list(chain.from_iterable(call)), unsent)

    def _next_call(self, chunks: Iterator[list[T]], waiting: deque[list[T]]) -> list[list[T]]:
        call: list[list[T]] = []
        size = 0
        while len(call) < self._pace.now:
            chunk = waiting.popleft() if waiting else next(chunks, None)
            if chunk is None:
                break
            size += sum(map(self._size, chunk))
            if call and size > MOST_BYTES:
                waiting.appendleft(chunk)
                break
            call.append(chunk)
        return call

    def _answers(self, call: Sequence[list[T]]) -> list[ChunkAnswer]:
        try:
            return self._call(call)
        except RequestRefusedError as refused:
            return [ChunkRefused(refused.code, str(refused))] * len(call)

    def _sort(
        self, chunk: list[T], answer: ChunkAnswer, waiting: deque[list[T]], again: list[T], *, last: bool
    ) -> list[tuple[T, Outcome]]:
        if isinstance(answer, ChunkRefused):
            answer = self._refused(chunk, answer, waiting)
        settled = []
        for row, outcome in zip(chunk[: len(answer)], answer, strict=True):
            if not last and fails_for_now(outcome, self._external_id_field):
                again.append(row)
            else:
                settled.append((row, outcome))
        return settled

    def _refused(self, chunk: list[T], refusal: ChunkRefused, waiting: deque[list[T]]) -> list[Outcome]:
        """Halve a refused chunk; a refusal that passes, or of a single row, is the rows' own outcome."""
        failed = Failed(refusal.code, refusal.message)
        if len(chunk) == 1 or fails_for_now(failed, self._external_id_field):
            return [failed] * len(chunk)
        middle = len(chunk) // 2
        waiting.appendleft(chunk[middle:])
        waiting.appendleft(chunk[:middle])
        return []
