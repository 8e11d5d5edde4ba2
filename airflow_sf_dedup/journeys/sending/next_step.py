"""What follows an answer: is the row done, is it sent again, alone, in fewer rows a call, or is it the end?

Pure: from what Salesforce said, how much was sent, and on which terms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from airflow_sf_dedup.core.outcomes import Failed, Outcome, Saved, Unanswered
from airflow_sf_dedup.errors import CallError, OutcomeUnknownError, RequestRefusedError, TransientCallError
from airflow_sf_dedup.journeys.sending.refusals import (
    fails_for_now,
    is_repeat,
    is_too_much,
    may_be_a_row,
    took_too_long,
    unanswered,
)
from airflow_sf_dedup.salesforce.http.answers import SessionExpiredError
from airflow_sf_dedup.salesforce.http.retrying import LONGEST_RETRY_AFTER
from airflow_sf_dedup.salesforce.ports import ChunkRefused
from airflow_sf_dedup.salesforce.wire.rest import in_doubt

#: Calls in a row that fail; after that it is neither their size nor a row of theirs.
MOST_FAILURES = 12


class Step(Enum):
    """What is done next with what was sent."""

    #: The row has its outcome.
    FINAL = "final"
    #: After a wait.
    AGAIN = "again"
    #: After a wait, in a chunk of its own.
    ALONE = "alone"
    #: At once, with fewer rows beside it.
    SMALLER = "smaller"
    #: Any other call would meet the same: nothing more is sent.
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Terms:
    """How rows are written.

    :ivar external_id_field: by which key; ``None``: by their ids.
    :ivar repeatable: whether a call of unknown outcome may be made again: it creates nothing twice.
    """

    external_id_field: str | None
    repeatable: bool = True


def after_row(outcome: Outcome, terms: Terms, *, rows: int, last: bool) -> Step:
    """What follows the outcome of one row.

    :param rows: of its chunk.
    :param last: the row has no further try.
    """
    if type(outcome) is Saved:
        return Step.FINAL
    if rows > 1 and is_too_much(outcome):
        return Step.SMALLER
    if last or not _passes(outcome, terms):
        return Step.FINAL
    return Step.ALONE if is_repeat(outcome) else Step.AGAIN


def after_chunk(why: CallError, terms: Terms, *, rows: int, last: bool) -> Step:
    """What follows the refusal of a whole chunk.

    :param why: what the refusal means for a call.
    """
    if _is_for_now(why, last=last):
        lost = isinstance(why, OutcomeUnknownError)
        return Step.FINAL if last or (lost and not terms.repeatable) else Step.AGAIN
    if not may_be_a_row(why):
        return Step.STOP
    return Step.SMALLER if rows > 1 else Step.FINAL


def after_call(error: CallError, terms: Terms, *, rows: Sequence[int], failures: int) -> Step:
    """What follows a call that did not do its work.

    :param rows: of each chunk.
    :param failures: calls that failed since the last one that was answered, this one among them.
    """
    if failures > MOST_FAILURES:
        return Step.STOP
    lone = list(rows) == [1]
    if lone and terms.repeatable and took_too_long(error):
        # It always takes too long, and the others go on.
        return Step.FINAL
    return Step.SMALLER if _may_go_smaller(error, terms, rows) else Step.STOP


def outcome_of(refusal: ChunkRefused, why: CallError, *, rows: int) -> Outcome:
    """The outcome of each row of a chunk that was refused for the last time."""
    if isinstance(why, OutcomeUnknownError):
        return Unanswered(why.own_words)
    return Failed(refusal.code, refusal.message, in_doubt=refusal.in_doubt, of_many=rows > 1)


def in_its_light(outcome: Outcome, terms: Terms, since: datetime | None) -> Outcome:
    """The outcome, seen in the light of an earlier call without an answer.

    A refusal that passes says nothing of it. Why a unique value was refused, a re-read of the key tells.
    """
    if since is None:
        return outcome
    if isinstance(outcome, Failed) and outcome.code != "DUPLICATE_VALUE":
        passes = fails_for_now(outcome, terms.external_id_field) or is_too_much(outcome)
        return unanswered(outcome) if passes else outcome
    return in_doubt(outcome)


def refused_alone(refusal: ChunkRefused, since: datetime | None) -> Outcome:
    """The outcome of a lone row whose request was refused; of an earlier call without an answer that says nothing."""
    failed = Failed(refusal.code, refusal.message, in_doubt=refusal.in_doubt)
    return failed if since is None else unanswered(failed)


def is_the_chunks_own(error: CallError, *, chunks: int) -> bool:
    """Whether the refusal of a call is that of its only chunk, which a row of it may have spoilt."""
    return chunks == 1 and isinstance(error, RequestRefusedError) and may_be_a_row(error)


def _passes(outcome: Outcome, terms: Terms) -> bool:
    if isinstance(outcome, Unanswered):
        return terms.repeatable
    return fails_for_now(outcome, terms.external_id_field)


def _is_for_now(why: CallError, *, last: bool) -> bool:
    """The session that expired amid a call is renewed by the next one."""
    return isinstance(why, TransientCallError) or (isinstance(why, SessionExpiredError) and not last)


def _may_go_smaller(error: CallError, terms: Terms, rows: Sequence[int]) -> bool:
    """Whether the call's rows may be sent again in smaller calls."""
    if isinstance(error, OutcomeUnknownError) and not terms.repeatable:
        return False
    if (error.retry_after or 0.0) > LONGEST_RETRY_AFTER:
        return False
    if len(rows) > 1:
        return isinstance(error, TransientCallError) or may_be_a_row(error)
    return took_too_long(error) and rows[0] > 1
