"""Send rows in calls of several chunks until each has its outcome.

A refused chunk is halved until the row that spoils it stands alone; rows whose failure passes are
sent again after a wait; calls that time out are made smaller. What a refusal says of the org rather
than of a row ends the sending, and no row is lost by it: see :meth:`Sender.left`.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Generic, TypeVar

from airflow_sf_dedup.core.outcomes import Failed, Outcome, Saved, Unanswered
from airflow_sf_dedup.errors import CallError, OutcomeUnknownError, RequestRefusedError, TransientCallError
from airflow_sf_dedup.salesforce.answers import error_for
from airflow_sf_dedup.salesforce.base import ChunkAnswer, ChunkRefused
from airflow_sf_dedup.salesforce.duplicate_value import DuplicateValue, kind_of
from airflow_sf_dedup.salesforce.error_codes import Handling, rule_for
from airflow_sf_dedup.salesforce.wire import maybe_created

T = TypeVar("T")

#: Bytes of values in one call, roughly; Salesforce takes far more, but slow calls time out.
MOST_BYTES = 5_000_000

#: Times a row is sent in all when its failure may pass.
MOST_TRIES = 4

#: Rows put off before they are sent again; more of them are not kept in memory.
MOST_PUT_OFF = 10_000

#: Lone rows refused before any chunk is accepted, after which it is not the rows' fault.
MOST_LONE_REFUSALS = 20

#: Statuses of a refusal that may be one row's fault; SOAP faults all have 500. Others speak of the resource.
_OF_A_ROW = frozenset({None, 400, 413, 500})


def seconds_before_try(number: int) -> float:
    """Wait before the given try (from 2): at least two seconds, as Salesforce advises, and jittered."""
    return float(2 ** (number - 1)) + random.uniform(0, 1)  # noqa: S311 - spreads retries, guards nothing


def fails_for_now(outcome: Outcome, external_id_field: str | None) -> bool:
    """Whether the same row may succeed a little later.

    :param external_id_field: ``None`` when the row is not written by its key, so that no race for it can be lost.
    """
    if not isinstance(outcome, Failed):
        return False
    if outcome.code == "DUPLICATE_VALUE":
        return external_id_field is not None and (
            kind_of(outcome.message, external_id_field) is not DuplicateValue.OTHER_FIELD
        )
    return rule_for(outcome.code, outcome.message).handling in (Handling.RETRY_ROW, Handling.RETRY_CALL)


def may_be_a_row(error: CallError) -> bool:
    """Whether a value of one row may have spoilt the request; otherwise any other request meets the same."""
    rule = rule_for(error.code, str(error))
    return (
        isinstance(error, RequestRefusedError)
        and rule.handling is Handling.PERMANENT
        and (rule.listed or error.status in _OF_A_ROW)
    )


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
    """Sends rows, once, through one kind of call.

    :param call: carries chunks and answers chunk by chunk.
    :param external_id_field: as :func:`fails_for_now` has it.
    :param repeatable: False: a call of unknown outcome is not followed by a smaller one with its rows.
    :param size: bytes of a row's values, roughly.
    :param sleep: takes seconds.
    """

    def __init__(
        self,
        call: Callable[[Sequence[Sequence[T]]], list[ChunkAnswer]],
        *,
        rows_per_chunk: int,
        chunks_per_call: int,
        external_id_field: str | None,
        repeatable: bool = True,
        size: Callable[[T], int],
        sleep: Callable[[float], None] = time.sleep,
        wait: Callable[[int], float] = seconds_before_try,
    ) -> None:
        self._call = call
        self._rows_per_chunk = rows_per_chunk
        self._pace = Pace.full(chunks_per_call)
        self._external_id_field = external_id_field
        self._repeatable = repeatable
        self._size = size
        self._sleep = sleep
        self._wait = wait
        self._fresh: Iterator[list[T]] = iter(())
        #: Chunks to be sent before fresh ones.
        self._waiting: deque[list[T]] = deque()
        #: Rows to be sent again after a wait.
        self._again: list[T] = []
        #: Those of ``_again`` that must not share a chunk: Salesforce takes their keys for one.
        self._alone: list[T] = []
        self._accepted_any = False
        self._lone_refusals = 0
        #: ``id()`` of rows that were in a call without an answer.
        self._in_doubt: set[int] = set()

    def send(self, rows: Iterable[T]) -> Iterator[list[tuple[T, Outcome]]]:
        """Yield rows with their final outcomes, call by call.

        :raises CallError: a call failed for good; nothing was sent after it, :meth:`left` has the other rows.
        """
        self._fresh = self._chunks(rows)
        all_sent = False
        while not all_sent:
            all_sent = yield from self._send_fresh()
            yield from self._send_again()

    def left(self) -> Iterator[tuple[T, bool]]:
        """The rows without an outcome, and whether each may be in the org all the same.

        What was not sent yet is read as it is asked for, however much it is.
        """
        for row in chain(chain.from_iterable(self._waiting), self._again, self._alone):
            yield row, id(row) in self._in_doubt
        for chunk in self._fresh:
            for row in chunk:
                yield row, False

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

    def _send_fresh(self) -> Generator[list[tuple[T, Outcome]], None, bool]:
        """Send until there is nothing fresh, or so much put off that its turn has come."""
        while call := self._next_call(self._fresh):
            yield from self._carry(call, last=False)
            if not self._waiting and len(self._again) >= MOST_PUT_OFF:
                return False
        return True

    def _send_again(self) -> Iterator[list[tuple[T, Outcome]]]:
        for number in range(2, MOST_TRIES + 1):
            if not (self._again or self._alone):
                return
            self._sleep(self._wait(number))
            self._waiting.extend(self._chunks_apart())
            self._again, self._alone = [], []
            while call := self._next_call(iter(())):
                yield from self._carry(call, last=number == MOST_TRIES)

    def _chunks_apart(self) -> Iterator[list[T]]:
        """Small chunks: rows that met a lock or each other meet fewer of their kind."""
        rows = self._again
        step = max(1, min(self._rows_per_chunk, len(rows)) // 4)
        yield from (rows[start : start + step] for start in range(0, len(rows), step))
        yield from ([row] for row in self._alone)

    def _next_call(self, fresh: Iterator[list[T]]) -> list[list[T]]:
        call: list[list[T]] = []
        size = 0
        while len(call) < self._pace.now:
            chunk = self._waiting.popleft() if self._waiting else next(fresh, None)
            if chunk is None:
                break
            size += sum(map(self._size, chunk))
            if call and size > MOST_BYTES:
                self._waiting.appendleft(chunk)
                break
            call.append(chunk)
        return call

    def _carry(self, call: list[list[T]], *, last: bool) -> Iterator[list[tuple[T, Outcome]]]:
        """Send one call. What it settled is out of our hands before anything is raised."""
        try:
            answers = self._answers(call)
        except CallError as error:
            self._waiting.extendleft(reversed(call))
            self._doubt(chain.from_iterable(call), error)
            if len(call) > 1 and self._may_go_smaller(error):
                self._pace.slower()
                return
            raise
        settled: list[tuple[T, Outcome]] = []
        back: list[list[T]] = []
        fatal: CallError | None = None
        for chunk, answer in zip(call, answers, strict=True):
            if not isinstance(answer, ChunkRefused):
                self._accepted_any = True
                settled += self._sort(chunk, answer, last=last)
                continue
            why = _error_of(answer)
            if isinstance(why, TransientCallError):
                settled += self._later(chunk, answer, why, last=last)
            elif not may_be_a_row(why):
                back.append(chunk)
                fatal = fatal or why
            elif len(chunk) > 1:
                back += _halves(chunk)
            else:
                settled.append((chunk[0], Failed(answer.code, answer.message)))
                fatal = fatal or self._if_all_are_refused(why)
        self._waiting.extendleft(reversed(back))
        yield self._out_of_doubt(settled)
        if fatal is not None:
            raise fatal

    def _answers(self, call: Sequence[list[T]]) -> list[ChunkAnswer]:
        """The answers chunk by chunk; the refusal of a call of one chunk is the chunk's own."""
        try:
            answers = self._call(call)
        except RequestRefusedError as refused:
            if len(call) > 1 or not may_be_a_row(refused):
                raise
            message = str(refused).removeprefix(f"{refused.code}: ")
            return [ChunkRefused(refused.code, message)]
        self._pace.faster()
        return answers if len(answers) == len(call) else [[] for _ in call]

    def _may_go_smaller(self, error: CallError) -> bool:
        """Whether the call's rows may be sent again in smaller calls."""
        if isinstance(error, OutcomeUnknownError) and not self._repeatable:
            return False
        return isinstance(error, TransientCallError) or may_be_a_row(error)

    def _out_of_doubt(self, settled: list[tuple[T, Outcome]]) -> list[tuple[T, Outcome]]:
        """The outcomes, where rows were sent before without answer with what that leaves open."""
        if not self._in_doubt:
            return settled
        doubted = {id(row) for row, _ in settled} & self._in_doubt
        self._in_doubt -= doubted
        return [(row, maybe_created(outcome) if id(row) in doubted else outcome) for row, outcome in settled]

    def _if_all_are_refused(self, error: CallError) -> CallError | None:
        """The error, once so many lone rows met it and nothing else was accepted that every row would."""
        self._lone_refusals += 1
        return error if self._lone_refusals >= MOST_LONE_REFUSALS and not self._accepted_any else None

    def _doubt(self, rows: Iterable[T], error: CallError) -> None:
        if isinstance(error, OutcomeUnknownError):
            self._in_doubt.update(map(id, rows))

    def _sort(self, chunk: list[T], outcomes: list[Outcome], *, last: bool) -> list[tuple[T, Outcome]]:
        """The rows with a final outcome; the others are put off."""
        if len(outcomes) != len(chunk):
            outcomes = [Unanswered(f"{len(chunk)} rows sent, {len(outcomes)} answered")] * len(chunk)
        settled: list[tuple[T, Outcome]] = []
        for row, outcome in zip(chunk, outcomes, strict=True):
            if type(outcome) is Saved or last or not fails_for_now(outcome, self._external_id_field):
                settled.append((row, outcome))
            elif _is_repeat(outcome):
                self._alone.append(row)
            else:
                self._again.append(row)
        return settled

    def _later(
        self, chunk: list[T], refusal: ChunkRefused, error: TransientCallError, *, last: bool
    ) -> list[tuple[T, Outcome]]:
        """Put a refused chunk off; after its last try the refusal is each row's own outcome."""
        in_doubt = isinstance(error, OutcomeUnknownError)
        if not last and (self._repeatable or not in_doubt):
            self._again += chunk
            self._doubt(chunk, error)
            return []
        outcome = Unanswered(str(error)) if in_doubt else Failed(refusal.code, refusal.message)
        return [(row, outcome) for row in chunk]


def _error_of(refusal: ChunkRefused) -> CallError:
    """What the refusal of a chunk means for a call; one without a code is named by its HTTP status."""
    word, _, status = refusal.code.partition("_")
    by_status = int(status) if word == "HTTP" and status.isdecimal() else None
    return error_for(refusal.code, refusal.message, status=by_status)


def _halves(chunk: list[T]) -> list[list[T]]:
    middle = len(chunk) // 2
    return [chunk[:middle], chunk[middle:]]


def _is_repeat(outcome: Outcome) -> bool:
    """Whether Salesforce took the row's key for the key of another row of the chunk."""
    return (
        isinstance(outcome, Failed)
        and outcome.code == "DUPLICATE_VALUE"
        and kind_of(outcome.message, "") is DuplicateValue.REPEATED_IN_CALL
    )
