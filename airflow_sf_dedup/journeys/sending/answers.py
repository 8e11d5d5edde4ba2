"""What came of one call: which of its rows are settled, which are sent again and how, and whether it is the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Generic, TypeVar

from airflow_sf_dedup.core.outcomes import Outcome, Unanswered
from airflow_sf_dedup.core.wording import counted
from airflow_sf_dedup.errors import CallError, OutcomeUnknownError
from airflow_sf_dedup.journeys.sending.next_step import (
    Step,
    Terms,
    after_call,
    after_chunk,
    after_row,
    in_its_light,
    is_the_chunks_own,
    outcome_of,
    refused_alone,
)
from airflow_sf_dedup.journeys.sending.pace import Pace
from airflow_sf_dedup.journeys.sending.packing import Chunk, parts
from airflow_sf_dedup.journeys.sending.refusals import as_one, error_of, is_in_doubt, may_be_a_row, was_lost
from airflow_sf_dedup.journeys.sending.suspicion import Suspicion
from airflow_sf_dedup.journeys.sending.under_way import Answered, Moment, UnderWay
from airflow_sf_dedup.salesforce.http.retrying import may_run_on
from airflow_sf_dedup.salesforce.ports import ChunkAnswer, ChunkRefused

T = TypeVar("T")


@dataclass(slots=True)
class Call(Generic[T]):
    """One call on its way."""

    chunks: list[Chunk[T]]
    made: Moment
    #: It is the rows' last chance.
    last: bool
    seconds: float = 0.0

    @property
    def rows(self) -> Iterator[T]:
        return (each.row for each in chain.from_iterable(self.chunks))

    def come_back(self, chunk: Chunk[T], *, in_doubt: bool) -> Chunk[T]:
        """The rows of a chunk that is not settled."""
        return [each.after(self.made, in_doubt=in_doubt) for each in chunk]


@dataclass(slots=True)
class Landed(Generic[T]):
    """The rows of a call, each in one of four places."""

    settled: list[Answered[T]] = field(default_factory=list)
    #: Chunks that are sent again as soon as there is room.
    at_once: list[Chunk[T]] = field(default_factory=list)
    #: Rows that are sent again after a wait.
    again: Chunk[T] = field(default_factory=list)
    #: The same, each in a chunk of its own: Salesforce takes their keys for one.
    alone: Chunk[T] = field(default_factory=list)
    #: Nothing more is sent.
    fatal: CallError | None = None
    #: So much was refused that a few rows are tried alone before more are sent.
    wants_probes: bool = False

    def end(self, error: CallError) -> None:
        """Any other call would meet the same."""
        self.fatal = self.fatal or error


class Answers(Generic[T]):
    """Reads what came of the calls of one sending, and learns from it how much a call may carry.

    :param on_late: told the rows of a call that was given up and may still be carried out.
    """

    def __init__(self, terms: Terms, pace: Pace, on_late: Callable[[Iterable[T]], None]) -> None:
        self._terms = terms
        self._pace = pace
        self._on_late = on_late
        self._suspicion = Suspicion()
        #: Calls that failed since the last one that was answered.
        self._failures = 0

    def read(self, call: Call[T], result: Callable[[], list[ChunkAnswer]]) -> Landed[T]:
        """What is to become of the call's rows.

        :param result: the answers chunk by chunk, or the ``CallError`` of the call as a whole.
        """
        landed = Landed[T]()
        try:
            answers = self._chunk_by_chunk(call, result)
        except CallError as error:
            self._failed(call, error, landed)
            return landed
        for chunk, answer in zip(call.chunks, map(as_one, answers), strict=True):
            if isinstance(answer, ChunkRefused):
                self._refused(call, chunk, answer, landed)
            else:
                self._suspicion.accepted()
                self._answered(call, chunk, answer, landed)
        landed.wants_probes = self._suspicion.wants_probes
        return landed

    def _chunk_by_chunk(self, call: Call[T], result: Callable[[], list[ChunkAnswer]]) -> list[ChunkAnswer]:
        """The refusal of a call of one chunk is the chunk's own."""
        try:
            answers = result()
        except CallError as refused:
            if not is_the_chunks_own(refused, chunks=len(call.chunks)):
                raise
            message = str(refused).removeprefix(f"{refused.code}: ")
            return [ChunkRefused(refused.code, message, refused.in_doubt)]
        self._failures = 0
        self._pace.answered(call.seconds)
        return answers if len(answers) == len(call.chunks) else [[] for _ in call.chunks]

    def _failed(self, call: Call[T], error: CallError, landed: Landed[T]) -> None:
        """The call as a whole did not do its work: its rows come again in smaller calls, or it is the end."""
        if may_run_on(error):
            self._on_late(call.rows)
        self._failures += 1
        rows = [len(chunk) for chunk in call.chunks]
        step = after_call(error, self._terms, rows=rows, failures=self._failures)
        if step is Step.FINAL:
            landed.settled.append(self._final(call, call.chunks[0][0], Unanswered(str(error))))
            return
        landed.at_once += [call.come_back(chunk, in_doubt=error.in_doubt) for chunk in call.chunks]
        if step is Step.SMALLER:
            self._pace.slower(max(rows))
        else:
            landed.end(error)

    def _refused(self, call: Call[T], chunk: Chunk[T], refusal: ChunkRefused, landed: Landed[T]) -> None:
        """A whole chunk was refused."""
        why = error_of(refusal)
        step = after_chunk(why, self._terms, rows=len(chunk), last=call.last)
        if step is Step.FINAL:
            self._refused_for_good(call, chunk, refusal, why, landed)
            return
        rows = call.come_back(chunk, in_doubt=refusal.in_doubt or isinstance(why, OutcomeUnknownError))
        if step is Step.AGAIN:
            landed.again += rows
        elif step is Step.SMALLER:
            landed.at_once += parts(rows, 2)
        else:
            landed.at_once.append(rows)
            landed.end(why)

    def _refused_for_good(
        self, call: Call[T], chunk: Chunk[T], refusal: ChunkRefused, why: CallError, landed: Landed[T]
    ) -> None:
        """It was the last try; or a lone row spoils its request, or any row would."""
        settled = [self._final(call, each, outcome_of(refusal, why, rows=len(chunk))) for each in chunk]
        if not may_be_a_row(why):
            landed.settled += settled
            return
        self._suspicion.refused()
        if self._suspicion.is_certain:
            landed.end(why)
        landed.settled += [Answered(each.sent, refused_alone(refusal, each.sent.since)) for each in settled]

    def _answered(self, call: Call[T], chunk: Chunk[T], outcomes: list[Outcome], landed: Landed[T]) -> None:
        """Each row has its own outcome, which is final or not."""
        if len(outcomes) != len(chunk):
            outcomes = [Unanswered(f"{counted(len(chunk), 'rows')} sent, {len(outcomes)} answered")] * len(chunk)
        too_many: Chunk[T] = []
        places = {Step.AGAIN: landed.again, Step.ALONE: landed.alone, Step.SMALLER: too_many}
        for each, outcome in zip(chunk, outcomes, strict=True):
            step = after_row(outcome, self._terms, rows=len(chunk), last=call.last)
            if step is Step.FINAL:
                landed.settled.append(self._final(call, each, outcome))
            else:
                places[step].append(each.after(call.made, in_doubt=is_in_doubt(outcome)))
        if too_many:
            self._pace.lighter(len(chunk))
            landed.at_once += parts(too_many, 2 if len(too_many) == len(chunk) else 1)

    def _final(self, call: Call[T], each: UnderWay[T], outcome: Outcome) -> Answered[T]:
        sent = each.after(call.made, in_doubt=was_lost(outcome))
        return Answered(sent, in_its_light(outcome, self._terms, sent.since))
