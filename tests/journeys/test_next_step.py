"""What follows an answer, as a table."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from airflow_sf_dedup.core.outcomes import DuplicatesFound, Failed, KeyHeldByMany, Outcome, Saved, Unanswered
from airflow_sf_dedup.errors import (
    CallError,
    LimitReachedError,
    OutcomeUnknownError,
    PermissionRefusedError,
    RequestRefusedError,
    TransientCallError,
)
from airflow_sf_dedup.journeys.sending.next_step import (
    MOST_FAILURES,
    Step,
    Terms,
    after_call,
    after_chunk,
    after_row,
    in_its_light,
)
from airflow_sf_dedup.journeys.sending.under_way import Moment, UnderWay
from airflow_sf_dedup.salesforce.http.answers import SessionExpiredError

BY_KEY, BY_LOOSE_KEY, BY_ID = Terms("Key__c"), Terms("Key__c", repeatable=False), Terms(None)
RACE = Failed("DUPLICATE_VALUE", "duplicate value found: Key__c duplicates value on record with id: x")
REPEAT = Failed("DUPLICATE_VALUE", "Duplicate external id specified: A")
LOCKED = Failed("UNABLE_TO_LOCK_ROW", "locked")
CPU = Failed("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "LeadTrigger: System.LimitException: Apex CPU time limit exceeded")
NEVER = Failed("STRING_TOO_LONG", "too long")
MANY, ONE, LAST = {"rows": 200, "last": False}, {"rows": 1, "last": False}, {"rows": 200, "last": True}


@pytest.mark.parametrize(
    ("outcome", "terms", "sent", "expected"),
    [
        (Saved("00Q000000000001AAA", True), BY_KEY, MANY, Step.FINAL),
        (DuplicatesFound("…"), BY_KEY, MANY, Step.FINAL),
        (KeyHeldByMany("…"), BY_KEY, MANY, Step.FINAL),
        (NEVER, BY_KEY, MANY, Step.FINAL),
        (LOCKED, BY_KEY, MANY, Step.AGAIN),
        (LOCKED, BY_KEY, LAST, Step.FINAL),
        (RACE, BY_KEY, MANY, Step.AGAIN),
        (RACE, BY_ID, MANY, Step.FINAL),
        (REPEAT, BY_KEY, MANY, Step.ALONE),
        (REPEAT, BY_KEY, LAST, Step.FINAL),
        (CPU, BY_KEY, MANY, Step.SMALLER),
        (CPU, BY_KEY, LAST, Step.SMALLER),
        (CPU, BY_KEY, ONE, Step.AGAIN),
        (Unanswered("…"), BY_KEY, MANY, Step.AGAIN),
        (Unanswered("…"), BY_LOOSE_KEY, MANY, Step.FINAL),
        (Unanswered("…"), BY_KEY, LAST, Step.FINAL),
    ],
)
def test_after_a_row(outcome: Outcome, terms: Terms, sent: dict[str, int], expected: Step) -> None:
    assert after_row(outcome, terms, **sent) is expected  # type: ignore[arg-type]


BUSY = TransientCallError("busy", code="SERVER_UNAVAILABLE")
LOST = OutcomeUnknownError("no answer", code="READ_TIMEOUT")
BROKEN = OutcomeUnknownError("cut off", code="CONNECTION_BROKEN")
MALFORMED = RequestRefusedError("bad date", code="JSON_PARSER_ERROR", status=400)
GONE = RequestRefusedError("no such resource", code="NOT_FOUND", status=404)
FORBIDDEN = PermissionRefusedError("no", code="INSUFFICIENT_ACCESS")
EXPIRED = SessionExpiredError("expired", code="INVALID_SESSION_ID")


@pytest.mark.parametrize(
    ("why", "terms", "sent", "expected"),
    [
        (BUSY, BY_KEY, MANY, Step.AGAIN),
        (BUSY, BY_LOOSE_KEY, MANY, Step.AGAIN),
        (BUSY, BY_KEY, LAST, Step.FINAL),
        (LOST, BY_KEY, MANY, Step.AGAIN),
        (LOST, BY_LOOSE_KEY, MANY, Step.FINAL),
        (EXPIRED, BY_KEY, MANY, Step.AGAIN),
        (EXPIRED, BY_KEY, LAST, Step.STOP),
        (MALFORMED, BY_KEY, MANY, Step.SMALLER),
        (MALFORMED, BY_KEY, LAST, Step.SMALLER),
        (MALFORMED, BY_KEY, ONE, Step.FINAL),
        (GONE, BY_KEY, MANY, Step.STOP),
        (FORBIDDEN, BY_KEY, ONE, Step.STOP),
    ],
)
def test_after_a_refused_chunk(why: CallError, terms: Terms, sent: dict[str, int], expected: Step) -> None:
    assert after_chunk(why, terms, **sent) is expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "terms", "rows", "failures", "expected"),
    [
        (LOST, BY_KEY, [200, 200], 1, Step.SMALLER),
        (LOST, BY_KEY, [200], 1, Step.SMALLER),
        (LOST, BY_KEY, [1], 1, Step.FINAL),
        (LOST, BY_LOOSE_KEY, [200, 200], 1, Step.STOP),
        (LOST, BY_LOOSE_KEY, [1], 1, Step.STOP),
        (LOST, BY_KEY, [200, 200], MOST_FAILURES + 1, Step.STOP),
        (BROKEN, BY_KEY, [200, 200], 1, Step.SMALLER),
        (BROKEN, BY_KEY, [200], 1, Step.STOP),
        (BUSY, BY_KEY, [200], 1, Step.STOP),
        (TransientCallError("busy", code="SERVER_UNAVAILABLE", retry_after=300.0), BY_KEY, [200, 200], 1, Step.STOP),
        (MALFORMED, BY_KEY, [200, 200], 1, Step.SMALLER),
        (FORBIDDEN, BY_KEY, [200, 200], 1, Step.STOP),
        (LimitReachedError("used up", code="REQUEST_LIMIT_EXCEEDED"), BY_KEY, [200, 200], 1, Step.STOP),
    ],
)
def test_after_a_call_that_failed(
    error: CallError, terms: Terms, rows: list[int], failures: int, expected: Step
) -> None:
    assert after_call(error, terms, rows=rows, failures=failures) is expected


SENT = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)
UPDATED = Saved("00Q000000000001AAA", False)


@pytest.mark.parametrize(
    ("outcome", "since", "expected"),
    [
        (UPDATED, None, UPDATED),
        (UPDATED, SENT, Saved(UPDATED.record_id, None)),
        (LOCKED, None, LOCKED),
        (LOCKED, SENT, Unanswered("UNABLE_TO_LOCK_ROW, after a call without an answer: locked")),
        (NEVER, SENT, NEVER),
        (RACE, SENT, Failed(RACE.code, RACE.message, in_doubt=True)),
    ],
    ids=["sure", "updated", "locked, sure", "locked", "never", "a race"],
)
def test_an_outcome_in_the_light_of_an_earlier_call_without_an_answer(
    outcome: Outcome, since: datetime | None, expected: Outcome
) -> None:
    assert in_its_light(outcome, BY_KEY, since) == expected


def test_a_row_remembers_its_first_call_its_last_one_and_the_first_that_was_lost() -> None:
    later = SENT.replace(minute=31)
    sent = UnderWay("row").after(Moment(10.0, SENT))
    assert (sent.attempts, sent.waited, sent.since) == (1, 0.0, None)
    lost = sent.after(Moment(13.0, SENT), in_doubt=True).after(Moment(17.5, later), in_doubt=True)
    assert (lost.attempts, lost.waited, lost.since) == (3, 7.5, SENT)
    assert lost.doubted(later).since == SENT


def test_a_row_that_goes_another_way_keeps_its_past() -> None:
    before = UnderWay("row", 2, 10.0, 14.0)
    lost = UnderWay("item").after(Moment(20.0, SENT), in_doubt=True)
    assert before.then(lost) == UnderWay("row", 3, 10.0, 20.0, SENT)
    assert before.then(UnderWay("item")) == before
