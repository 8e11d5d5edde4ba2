"""Every row that is sent has one outcome, or is still in the sender's hands when it gives up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_sf_dedup.core.outcomes import DuplicatesFound, Failed, KeyHeldByMany, Outcome, Saved, Unanswered
from airflow_sf_dedup.errors import (
    CallError,
    LimitReachedError,
    LoginRefusedError,
    OutcomeUnknownError,
    PermissionRefusedError,
    RequestRefusedError,
    TransientCallError,
)
from airflow_sf_dedup.journeys.sending import by_calls
from airflow_sf_dedup.journeys.sending.backoff import WaitBudget, seconds_before_try
from airflow_sf_dedup.journeys.sending.by_calls import MOST_TRIES, ByCalls
from airflow_sf_dedup.journeys.sending.clearance import Cleared, PutOff
from airflow_sf_dedup.journeys.sending.next_step import Terms
from airflow_sf_dedup.journeys.sending.packing import MOST_BYTES
from airflow_sf_dedup.journeys.sending.refusals import fails_for_now
from airflow_sf_dedup.journeys.sending.under_way import UnderWay, under_way
from airflow_sf_dedup.locks.base import Holder
from airflow_sf_dedup.salesforce.ports import ChunkAnswer, ChunkRefused

KEY = "Key__c"
SAVED = Saved("00Q000000000001AAA", True)
LOCKED = Failed("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record")
MALFORMED = ChunkRefused("JSON_PARSER_ERROR", "Cannot deserialize instance of date")

Call = Callable[[Sequence[Sequence[int]]], list[ChunkAnswer]]


class Recorder:
    """A call that keeps what it carried."""

    def __init__(self, answer: Call) -> None:
        self.answer = answer
        self.calls: list[list[list[int]]] = []

    def __call__(self, chunks: Sequence[Sequence[int]]) -> list[ChunkAnswer]:
        self.calls.append([list(chunk) for chunk in chunks])
        return self.answer(chunks)


def by_chunk(answer: Callable[[Sequence[int]], ChunkAnswer]) -> Call:
    return lambda chunks: [answer(chunk) for chunk in chunks]


def by_row(answer: Callable[[int], Outcome]) -> Call:
    return by_chunk(lambda chunk: [answer(row) for row in chunk])


def sender(call: Call, *, repeatable: bool = True, **settings: Any) -> ByCalls[int]:
    defaults: dict[str, Any] = {
        "rows_per_chunk": 200,
        "chunks_per_call": 5,
        "size": lambda row: 10,
        "sleep": lambda seconds: None,
    }
    return ByCalls(told_of_nothing_late(call), Terms(KEY, repeatable), **{**defaults, **settings})


def told_of_nothing_late(call: Call) -> Any:
    return lambda chunks, on_late: call(chunks)


def outcomes(subject: ByCalls[int], rows: Iterable[int]) -> dict[int, Outcome]:
    answered = [(each.row, each.outcome) for batch in subject.send(under_way(rows)) for each in batch]
    assert len(answered) == len({row for row, _ in answered}), "a row was answered twice"
    return dict(answered)


def left(subject: ByCalls[int]) -> list[tuple[int, bool]]:
    """The rows without an outcome, and whether each may be in the org."""
    return [(each.row, each.in_doubt) for each in subject.left()]


def test_a_thousand_rows_go_in_one_call_of_five_chunks() -> None:
    call = Recorder(by_row(lambda row: SAVED))
    assert len(outcomes(sender(call), range(1000))) == 1000
    assert [[len(chunk) for chunk in chunks] for chunks in call.calls] == [[200] * 5]


def test_no_rows_make_no_call() -> None:
    call = Recorder(by_row(lambda row: SAVED))
    assert outcomes(sender(call), []) == {}
    assert call.calls == []


@pytest.mark.parametrize(
    ("bad", "most_calls"),
    [({17}, 9), ({0, 99, 100, 199}, 20), (set(range(0, 200, 10)), 90), ({0}, 9)],
    ids=["one of 200", "several", "one in ten", "the first"],
)
def test_a_refused_chunk_is_halved_until_only_the_bad_rows_fail(bad: set[int], most_calls: int) -> None:
    call = Recorder(by_chunk(lambda chunk: MALFORMED if bad & set(chunk) else [SAVED] * len(chunk)))
    found = outcomes(sender(call), range(200))
    assert {row for row, outcome in found.items() if outcome != SAVED} == bad
    assert all(found[row] == Failed("JSON_PARSER_ERROR", MALFORMED.message) for row in bad)
    assert len(found) == 200
    assert len(call.calls) <= most_calls


def test_when_every_row_is_refused_the_sending_ends_after_a_few_calls_and_no_row_is_lost() -> None:
    call = Recorder(by_chunk(lambda chunk: MALFORMED))
    subject = sender(call)
    failed: list[int] = []
    with pytest.raises(RequestRefusedError):
        for batch in subject.send(under_way(range(5000))):
            failed += [each.row for each in batch]
    assert len(call.calls) < 60
    assert sorted(failed + [row for row, _ in left(subject)]) == list(range(5000))


def test_a_refused_single_row_is_its_own_outcome_without_another_call() -> None:
    call = Recorder(by_chunk(lambda chunk: MALFORMED))
    assert outcomes(sender(call), [1]) == {1: Failed("JSON_PARSER_ERROR", MALFORMED.message)}
    assert len(call.calls) == 1


def test_a_refused_call_is_halved_like_a_refused_chunk_and_its_message_names_the_code_once() -> None:
    def call(chunks: Sequence[Sequence[int]]) -> list[ChunkAnswer]:
        if any(3 in chunk for chunk in chunks):
            raise RequestRefusedError("JSON_PARSER_ERROR: bad date", code="JSON_PARSER_ERROR", status=400)
        return [[SAVED] * len(chunk) for chunk in chunks]

    found = outcomes(sender(call, rows_per_chunk=4), range(12))
    assert found[3] == Failed("JSON_PARSER_ERROR", "bad date")
    assert [row for row, outcome in found.items() if outcome == SAVED] == [0, 1, 2, *range(4, 12)]


def test_halves_keep_the_order_of_rows() -> None:
    seen: list[int] = []

    def answer(chunk: Sequence[int]) -> ChunkAnswer:
        if len(chunk) > 1 and 5 in chunk:
            return MALFORMED
        seen.extend(chunk)
        return [SAVED] * len(chunk)

    outcomes(sender(by_chunk(answer), rows_per_chunk=8, chunks_per_call=1), range(16))
    assert seen == list(range(16))


FATAL = [
    (ChunkRefused("INSUFFICIENT_ACCESS", "no"), PermissionRefusedError),
    (ChunkRefused("STORAGE_LIMIT_EXCEEDED", "full"), PermissionRefusedError),
    (ChunkRefused("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."), LimitReachedError),
    (ChunkRefused("NOT_FOUND", "no such resource"), RequestRefusedError),
    (ChunkRefused("HTTP_405", ""), RequestRefusedError),
]


@pytest.mark.parametrize(("refusal", "error"), FATAL, ids=[refusal.code for refusal, _ in FATAL])
def test_a_refusal_that_speaks_of_the_org_ends_the_sending_at_once(
    refusal: ChunkRefused, error: type[CallError]
) -> None:
    call = Recorder(by_chunk(lambda chunk: refusal if 2 in chunk else [SAVED] * len(chunk)))
    subject = sender(call, rows_per_chunk=2, chunks_per_call=3)
    answered: dict[int, Outcome] = {}
    with pytest.raises(error) as raised:
        for batch in subject.send(under_way(range(20))):
            answered.update((each.row, each.outcome) for each in batch)
    assert raised.value.code == refusal.code
    assert len(call.calls) == 1
    assert answered == dict.fromkeys([0, 1, 4, 5], SAVED), "the other chunks of the call were carried out"
    assert left(subject) == [(row, False) for row in [2, 3, *range(6, 20)]]


@pytest.mark.parametrize(
    "error",
    [
        RequestRefusedError("elsewhere", code="REDIRECTED", status=302),
        RequestRefusedError("no", code="INVALID_TYPE", status=404),
        PermissionRefusedError("no", code="API_DISABLED_FOR_ORG", status=403),
        LimitReachedError("used up", code="REQUEST_LIMIT_EXCEEDED", status=403),
    ],
    ids=lambda error: error.code,
)
def test_a_call_refused_for_no_row_is_not_halved(error: CallError) -> None:
    def call(chunks: Sequence[Sequence[int]]) -> list[ChunkAnswer]:
        raise error

    recorder = Recorder(call)
    subject = sender(recorder)
    with pytest.raises(type(error)):
        list(subject.send(under_way(range(3000))))
    assert len(recorder.calls) == 1
    assert sorted(row for row, _ in left(subject)) == list(range(3000))


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (LOCKED, True),
        (Failed("ALL_OR_NONE_OPERATION_ROLLED_BACK", "…"), True),
        (Failed("UNKNOWN_EXCEPTION", "…"), True),
        (Failed("DUPLICATE_VALUE", f"duplicate value found: {KEY} duplicates value on record with id: x"), True),
        (Failed("DUPLICATE_VALUE", "duplicate value found: <unknown> duplicates value on record with id: x"), False),
        (Failed("DUPLICATE_VALUE", "Duplicate external id specified: A"), True),
        (Failed("DUPLICATE_VALUE", "duplicate value found: Email__c duplicates value on record with id: x"), False),
        (Failed("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "trigger: UNABLE_TO_LOCK_ROW"), True),
        (Failed("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "trigger: null pointer"), False),
        (Failed("STRING_TOO_LONG", "…"), False),
        (SAVED, False),
        (DuplicatesFound("…"), False),
        (KeyHeldByMany("…"), False),
        (Unanswered("…"), False),
    ],
    ids=lambda value: getattr(value, "message", None) if isinstance(value, Failed) else None,
)
def test_only_what_may_pass_is_sent_again(outcome: Outcome, expected: bool) -> None:
    assert fails_for_now(outcome, KEY) is expected


def test_a_row_written_by_its_id_loses_no_race_for_a_key() -> None:
    for message in ("duplicate value found: <unknown> duplicates value …", "Wert doppelt", f"{KEY} doppelt"):
        assert not fails_for_now(Failed("DUPLICATE_VALUE", message), None)


def test_rows_that_fail_for_now_are_sent_again_after_waits_and_only_they() -> None:
    tries: dict[int, int] = {}

    def answer(row: int) -> Outcome:
        tries[row] = tries.get(row, 0) + 1
        return LOCKED if row in (3, 7) and tries[row] < 3 else SAVED

    slept: list[float] = []
    found = outcomes(sender(by_row(answer), sleep=slept.append), range(10))
    assert set(found.values()) == {SAVED}
    assert tries == {row: 3 if row in (3, 7) else 1 for row in range(10)}
    assert len(slept) == 2
    assert all(seconds >= 2 for seconds in slept)


def test_a_row_is_sent_at_most_so_many_times_and_then_keeps_its_failure() -> None:
    call = Recorder(by_row(lambda row: LOCKED))
    assert outcomes(sender(call), [1, 2]) == {1: LOCKED, 2: LOCKED}
    assert sum(row == 1 for chunks in call.calls for chunk in chunks for row in chunk) == MOST_TRIES


@pytest.mark.parametrize("number", range(2, MOST_TRIES + 1))
def test_every_wait_is_two_seconds_or_more_and_bounded(number: int) -> None:
    assert all(2 <= seconds_before_try(number) <= 2 ** (number - 1) + 1 for _ in range(50))


def test_rows_whose_keys_salesforce_takes_for_one_are_sent_apart() -> None:
    twins = {20: 21, 21: 20, 50: 51, 51: 50}

    def answer(chunk: Sequence[int]) -> ChunkAnswer:
        repeat = Failed("DUPLICATE_VALUE", "Duplicate external id specified: STRASSE")
        return [repeat if twins.get(row) in chunk else SAVED for row in chunk]

    call = Recorder(by_chunk(answer))
    assert set(outcomes(sender(call), range(100)).values()) == {SAVED}
    assert len(call.calls) == 2


def test_many_put_off_rows_are_sent_again_before_more_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_calls, "MOST_AGAIN", 8)
    read = 0

    def source() -> Iterable[int]:
        nonlocal read
        while read < 100:
            read += 1
            yield read

    at_wait: list[int] = []
    subject = sender(
        by_row(lambda row: LOCKED), rows_per_chunk=4, chunks_per_call=1, sleep=lambda s: at_wait.append(read)
    )
    assert len(outcomes(subject, source())) == 100
    assert at_wait[0] <= 9


@pytest.mark.parametrize(
    ("refusal", "final"),
    [
        (ChunkRefused("SERVER_UNAVAILABLE", "busy"), Unanswered),
        (ChunkRefused("HTTP_503", ""), Unanswered),
        (ChunkRefused("UNABLE_TO_LOCK_ROW", "locked"), Failed),
    ],
    ids=["503 with a code", "503 without", "locked"],
)
def test_a_chunk_refused_for_now_is_sent_again_whole_and_unknown_where_it_may_have_been_saved(
    refusal: ChunkRefused, final: type
) -> None:
    def call_of(refusals: int) -> Recorder:
        left = [refusal] * refusals
        return Recorder(by_chunk(lambda chunk: left.pop() if left else [SAVED] * len(chunk)))

    once = call_of(1)
    assert set(outcomes(sender(once, rows_per_chunk=4), range(4)).values()) == {SAVED}
    assert len(once.calls) == 2
    always = outcomes(sender(call_of(1000), rows_per_chunk=4), range(4))
    assert {type(outcome) for outcome in always.values()} == {final}


def test_a_call_that_times_out_is_made_smaller_and_grows_again() -> None:
    def call(chunks: Sequence[Sequence[int]]) -> list[ChunkAnswer]:
        if len(chunks) > 2 and chunks[0][0] == 0:
            raise OutcomeUnknownError("no answer", code="READ_TIMEOUT")
        return [[SAVED] * len(chunk) for chunk in chunks]

    recorder = Recorder(call)
    found = outcomes(sender(recorder, rows_per_chunk=1), range(20))
    assert len(found) == 20
    assert [len(chunks) for chunks in recorder.calls] == [5, 2, 2, 4, 4, 5, 3]


def test_after_a_call_without_answer_its_rows_are_in_doubt_and_the_others_are_not() -> None:
    def call(chunks: Sequence[Sequence[int]]) -> list[ChunkAnswer]:
        if any(row >= 4 for chunk in chunks for row in chunk):
            raise OutcomeUnknownError("no answer", code="CONNECTION_BROKEN")
        return [[SAVED] * len(chunk) for chunk in chunks]

    subject = sender(call, rows_per_chunk=2, chunks_per_call=2)
    answered: dict[int, Outcome] = {}
    with pytest.raises(OutcomeUnknownError):
        for batch in subject.send(under_way(range(20))):
            answered.update((each.row, each.outcome) for each in batch)
    assert sorted(answered) == [0, 1, 2, 3]
    rest = dict(left(subject))
    assert [row for row in rest if rest[row]] == [4, 5, 6, 7], "both chunks of the first, larger call went out"
    assert sorted(rest) == list(range(4, 20))


def test_a_row_sent_again_after_a_lost_answer_does_not_say_whether_it_was_created() -> None:
    lost = iter([OutcomeUnknownError("timed out")])

    def call(chunks: Sequence[Sequence[int]]) -> list[ChunkAnswer]:
        for error in lost:
            raise error
        return [[Saved("00Q000000000001AAA", False)] * len(chunk) for chunk in chunks]

    assert {outcome.created for outcome in outcomes(sender(call), range(400)).values()} == {None}  # type: ignore[union-attr]


def test_rows_whose_key_is_not_unique_are_not_sent_again_after_a_lost_answer() -> None:
    def call(chunks: Sequence[Sequence[int]]) -> list[ChunkAnswer]:
        raise OutcomeUnknownError("timed out")

    recorder = Recorder(call)
    subject = sender(recorder, repeatable=False)
    with pytest.raises(OutcomeUnknownError):
        outcomes(subject, range(400))
    assert len(recorder.calls) == 1
    assert dict(left(subject)) == dict.fromkeys(range(400), True)


def test_a_chunk_of_unknown_outcome_is_not_sent_again_where_the_key_is_not_unique() -> None:
    call = Recorder(by_chunk(lambda chunk: ChunkRefused("UNKNOWN_EXCEPTION", "an unexpected error occurred")))
    found = outcomes(sender(call, repeatable=False), range(3))
    assert all(isinstance(outcome, Unanswered) for outcome in found.values())
    assert len(call.calls) == 1


def test_rows_of_a_call_that_never_went_out_are_not_in_doubt() -> None:
    def call(chunks: Sequence[Sequence[int]]) -> list[ChunkAnswer]:
        raise TransientCallError("no connection", code="CONNECT_FAILED")

    subject = sender(call)
    with pytest.raises(TransientCallError):
        list(subject.send(under_way(range(600))))
    assert dict(left(subject)) == dict.fromkeys(range(600), False)


def test_a_consumer_that_stops_between_two_calls_finds_all_other_rows_left() -> None:
    call = by_chunk(lambda chunk: MALFORMED if 1 in chunk and len(chunk) > 1 else [LOCKED] + [SAVED] * (len(chunk) - 1))
    subject = sender(call, rows_per_chunk=4, chunks_per_call=1)
    batches = subject.send(under_way(range(11)))
    seen = [each.row for _, batch in zip(range(3), batches, strict=False) for each in batch]
    assert sorted([*seen, *(row for row, _ in left(subject))]) == list(range(11))


def test_a_call_carries_no_more_bytes_than_it_may() -> None:
    big = MOST_BYTES // 3 + 1
    call = Recorder(by_row(lambda row: SAVED))
    found = outcomes(sender(call, size=lambda row: big if row % 2 else 10), range(50))
    assert len(found) == 50
    for chunks in call.calls:
        assert sum(big for chunk in chunks for row in chunk if row % 2) <= MOST_BYTES


def test_a_row_larger_than_a_call_is_sent_alone() -> None:
    call = Recorder(by_row(lambda row: SAVED))
    outcomes(sender(call, size=lambda row: MOST_BYTES * 2), range(3))
    assert call.calls == [[[0]], [[1]], [[2]]]


@pytest.mark.parametrize(
    "answer",
    [
        lambda chunks: [[SAVED] * (len(chunk) - 1) for chunk in chunks],
        lambda chunks: [],
        lambda chunks: [[] for _ in chunks],
    ],
    ids=["rows missing", "chunks missing", "nothing at all"],
)
def test_what_an_answer_leaves_out_is_unanswered(answer: Call) -> None:
    found = outcomes(sender(answer, rows_per_chunk=2), range(4))
    assert {type(outcome) for outcome in found.values()} == {Unanswered}
    assert len(found) == 4


ROW_OUTCOMES = st.sampled_from([SAVED, LOCKED, Failed("STRING_TOO_LONG", "…"), DuplicatesFound("…"), Unanswered("…")])
REFUSALS = st.sampled_from(
    [
        MALFORMED,
        ChunkRefused("HTTP_503", ""),
        ChunkRefused("UNABLE_TO_LOCK_ROW", ""),
        ChunkRefused("INSUFFICIENT_ACCESS", ""),
    ]
)
ERRORS = st.sampled_from(
    [
        TransientCallError("t", code="CONNECT_FAILED"),
        OutcomeUnknownError("u", code="READ_TIMEOUT"),
        RequestRefusedError("r", code="JSON_PARSER_ERROR", status=400),
        LimitReachedError("l", code="REQUEST_LIMIT_EXCEEDED"),
    ]
)


@given(st.data(), st.integers(0, 60), st.integers(1, 7), st.integers(1, 4))
def test_whatever_is_answered_every_row_has_one_outcome_or_is_left(
    data: st.DataObject, rows: int, rows_per_chunk: int, chunks_per_call: int
) -> None:
    def call(chunks: Sequence[Sequence[int]]) -> list[ChunkAnswer]:
        if data.draw(st.integers(0, 9)) == 0:
            raise data.draw(ERRORS)
        return [
            data.draw(REFUSALS)
            if data.draw(st.integers(0, 9)) == 0
            else data.draw(st.lists(ROW_OUTCOMES, min_size=len(chunk), max_size=len(chunk)))
            for chunk in chunks
        ]

    subject = sender(call, rows_per_chunk=rows_per_chunk, chunks_per_call=chunks_per_call)
    answered: list[int] = []
    try:
        for batch in subject.send(under_way(range(rows))):
            answered += [each.row for each in batch]
    except CallError:
        pass
    assert sorted([*answered, *(row for row, _ in left(subject))]) == list(range(rows))


def test_a_row_tells_how_often_it_was_sent() -> None:
    tries: dict[int, int] = {}

    def answer(row: int) -> Outcome:
        tries[row] = tries.get(row, 0) + 1
        return LOCKED if tries[row] <= row else SAVED

    subject = sender(by_row(answer))
    answered = {each.row: each for batch in subject.send(under_way(range(4))) for each in batch}
    assert {row: each.sent.attempts for row, each in answered.items()} == {0: 1, 1: 2, 2: 3, 3: 4}
    assert answered[0].sent.waited == 0
    assert answered[1].sent.waited <= answered[2].sent.waited <= answered[3].sent.waited
    assert {each.sent.since for each in answered.values()} == {None}


def test_locked_rows_are_sent_again_in_smaller_chunks_and_at_last_one_chunk_a_call() -> None:
    call = Recorder(by_row(lambda row: LOCKED))
    outcomes(sender(call), range(400))
    sizes = [[len(chunk) for chunk in chunks] for chunks in call.calls]
    assert sizes[0] == [200, 200]
    assert sizes[1] == [50] * 5
    assert all(len(chunks) == 1 and chunks[0] <= 10 for chunks in sizes[-40:])


CPU = Failed("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "LeadTrigger: System.LimitException: Apex CPU time limit exceeded")


def test_a_chunk_that_is_too_much_for_a_transaction_is_made_smaller_and_stays_so() -> None:
    call = Recorder(by_chunk(lambda chunk: [CPU if len(chunk) > 60 else SAVED] * len(chunk)))
    assert set(outcomes(sender(call), range(3000)).values()) == {SAVED}
    assert max(len(chunk) for chunks in call.calls[3:] for chunk in chunks) == 50


def test_a_row_that_is_too_much_alone_fails() -> None:
    call = Recorder(by_row(lambda row: CPU if row == 7 else SAVED))
    found = outcomes(sender(call, rows_per_chunk=16), range(16))
    assert {row for row, outcome in found.items() if outcome == CPU} == {7}


def test_a_single_chunk_that_times_out_is_halved_until_it_is_answered() -> None:
    def call(chunks: Sequence[Sequence[int]]) -> list[ChunkAnswer]:
        if sum(map(len, chunks)) > 30:
            raise OutcomeUnknownError("no answer", code="READ_TIMEOUT")
        return [[SAVED] * len(chunk) for chunk in chunks]

    recorder = Recorder(call)
    found = outcomes(sender(recorder, chunks_per_call=1), range(200))
    assert len(found) == 200
    assert [sum(map(len, chunks)) for chunks in recorder.calls][:4] == [200, 100, 50, 25]


def test_an_org_that_never_answers_is_not_asked_for_ever() -> None:
    def call(chunks: Sequence[Sequence[int]]) -> list[ChunkAnswer]:
        raise OutcomeUnknownError("no answer", code="READ_TIMEOUT")

    recorder = Recorder(call)
    subject = sender(recorder)
    given_up: list[int] = []
    with pytest.raises(OutcomeUnknownError):
        for batch in subject.send(under_way(range(5000))):
            assert all(isinstance(each.outcome, Unanswered) for each in batch)
            given_up += [each.row for each in batch]
    assert len(recorder.calls) <= 14
    rest = dict(left(subject))
    assert sorted([*given_up, *rest]) == list(range(5000))
    assert sum(rest.values()) + len(given_up) == 1000, "only what was in a call is in doubt"


class OnlyFree:
    """A clearance that refuses some rows until it is told otherwise."""

    def __init__(self, *away: int) -> None:
        self.away = set(away)
        self.asked: list[list[int]] = []

    def clear(self, rows: Sequence[UnderWay[int]]) -> list[Cleared[int]]:
        self.asked.append([each.row for each in rows])
        return [PutOff(each, HOLDER) if each.row in self.away else each for each in rows]


MOMENT = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)
HOLDER = Holder("another-load", "leads.upsert[3], run manual, try 1", MOMENT, MOMENT)


def test_rows_whose_key_is_in_flight_elsewhere_are_put_off_and_the_others_are_sent() -> None:
    clearance = OnlyFree(3, 8)
    call = Recorder(by_row(lambda row: SAVED))
    subject = sender(call, rows_per_chunk=5, clearance=clearance)
    assert sorted(outcomes(subject, range(10))) == [0, 1, 2, 4, 5, 6, 7, 9]
    assert clearance.asked == [list(range(10))], "one question a call"
    assert [each.sent.row for each in subject.put_off] == [3, 8]
    assert sorted(left(subject)) == [(3, False), (8, False)]


def test_rows_whose_clearance_breaks_are_left_and_not_lost() -> None:
    class Broken:
        def clear(self, rows: Sequence[UnderWay[int]]) -> list[Cleared[int]]:
            raise TransientCallError("the org does not answer")

    subject = sender(by_row(lambda row: SAVED), rows_per_chunk=2, chunks_per_call=2, clearance=Broken())
    with pytest.raises(TransientCallError):
        list(subject.send(under_way(range(7))))
    assert [row for row, _ in left(subject)] == list(range(7))


def test_put_off_rows_are_sent_once_their_keys_are_free() -> None:
    clearance = OnlyFree(3, 8)
    subject = sender(by_row(lambda row: SAVED), clearance=clearance)
    outcomes(subject, range(10))
    assert [batch for batch in subject.send_put_off() if batch] == []
    clearance.away = {8}
    assert [each.row for batch in subject.send_put_off() for each in batch] == [3]
    assert [each.sent.row for each in subject.put_off] == [8]


def test_patience_ends_after_its_seconds() -> None:
    slept: list[float] = []
    budget = WaitBudget(15, slept.append)
    while budget.wait():
        pass
    assert sum(slept) == pytest.approx(15)
    assert not budget.wait()


def test_rows_that_are_bad_at_the_beginning_do_not_keep_the_good_ones_from_being_sent() -> None:
    call = Recorder(by_chunk(lambda chunk: MALFORMED if min(chunk) < 25 else [SAVED] * len(chunk)))
    found = outcomes(sender(call, chunks_per_call=1), range(200))
    assert {row for row, outcome in found.items() if outcome != SAVED} == set(range(25))


def test_a_few_bad_rows_that_are_all_that_is_left_fail_each_for_itself() -> None:
    found = outcomes(sender(by_chunk(lambda chunk: MALFORMED)), range(25))
    assert set(found.values()) == {Failed("JSON_PARSER_ERROR", MALFORMED.message)}


def test_a_long_retry_after_ends_the_sending_at_once() -> None:
    def call(chunks: Sequence[Sequence[int]]) -> list[ChunkAnswer]:
        raise TransientCallError("busy", code="SERVER_UNAVAILABLE", status=503, retry_after=300.0)

    recorder = Recorder(call)
    with pytest.raises(TransientCallError):
        outcomes(sender(recorder), range(1000))
    assert len(recorder.calls) == 1


EXPIRED = ChunkRefused("INVALID_SESSION_ID", "Session expired or invalid")


def test_a_session_that_expires_amid_a_call_costs_its_other_chunks_a_repeat() -> None:
    asked: list[int] = []

    def call(chunks: Sequence[Sequence[int]]) -> list[ChunkAnswer]:
        asked.append(len(chunks))
        saved: list[ChunkAnswer] = [[SAVED] * len(chunk) for chunk in chunks]
        return [*saved[:2], *[EXPIRED] * 3] if len(asked) == 1 else saved

    assert set(outcomes(sender(call), range(1000)).values()) == {SAVED}


def test_a_session_that_no_login_renews_ends_the_sending() -> None:
    subject = sender(by_chunk(lambda chunk: EXPIRED))
    with pytest.raises(LoginRefusedError):
        outcomes(subject, range(10))
    assert sorted(row for row, _ in left(subject)) == list(range(10))


@pytest.mark.parametrize(
    ("code", "error"),
    [("STORAGE_LIMIT_EXCEEDED", PermissionRefusedError), ("REQUEST_LIMIT_EXCEEDED", LimitReachedError)],
)
def test_what_every_row_of_a_chunk_says_of_the_org_ends_the_sending(code: str, error: type[CallError]) -> None:
    recorder = Recorder(by_row(lambda row: Failed(code, "…")))
    subject = sender(recorder)
    with pytest.raises(error):
        outcomes(subject, range(3000))
    assert len(recorder.calls) == 1
    assert len(left(subject)) == 3000


def test_one_row_that_says_so_is_its_own_affair() -> None:
    full = Failed("STORAGE_LIMIT_EXCEEDED", "…")
    found = outcomes(sender(by_row(lambda row: full if row == 3 else SAVED)), range(10))
    assert [row for row, outcome in found.items() if outcome != SAVED] == [3]


def test_a_row_that_always_takes_too_long_is_given_up_and_the_others_are_sent() -> None:
    def call(chunks: Sequence[Sequence[int]]) -> list[ChunkAnswer]:
        if any(7 in chunk for chunk in chunks):
            raise OutcomeUnknownError("no answer", code="READ_TIMEOUT")
        return [[SAVED] * len(chunk) for chunk in chunks]

    late: list[int] = []
    found = outcomes(sender(call, on_late=late.extend), range(2000))
    assert [row for row, outcome in found.items() if outcome != SAVED] == [7]
    assert isinstance(found[7], Unanswered)
    assert 7 in late


def test_a_row_that_an_earlier_process_may_have_sent_is_in_doubt() -> None:
    class Left:
        def clear(self, rows: Sequence[UnderWay[int]]) -> list[Cleared[int]]:
            return [each.doubted(MOMENT) if each.row == 1 else each for each in rows]

    subject = sender(by_row(lambda row: Saved("00Q000000000001AAA", False)), clearance=Left())
    sure, doubted = [each for batch in subject.send(under_way([0, 1])) for each in batch]
    assert (sure.outcome, sure.sent.since) == (Saved("00Q000000000001AAA", False), None)
    assert (doubted.outcome, doubted.sent.since) == (Saved("00Q000000000001AAA", None), MOMENT)
    assert (doubted.sent.attempts, doubted.sent.waited) == (1, 0.0)


def test_several_calls_are_in_flight_at_once_and_never_more() -> None:
    flying, most = 0, 0
    lock, both = threading.Lock(), threading.Barrier(3)

    def call(chunks: Sequence[Sequence[int]]) -> list[ChunkAnswer]:
        nonlocal flying, most
        with lock:
            flying += 1
            most = max(most, flying)
        both.wait(timeout=30)
        with lock:
            flying -= 1
        return [[SAVED] * len(chunk) for chunk in chunks]

    subject = sender(call, rows_per_chunk=1, chunks_per_call=1, max_in_flight=3)
    assert len(outcomes(subject, range(12))) == 12
    assert most == 3


def test_what_is_in_flight_when_a_call_fails_for_good_still_counts() -> None:
    started = threading.Event()

    def call(chunks: Sequence[Sequence[int]]) -> list[ChunkAnswer]:
        if chunks[0][0] == 0:
            started.wait(timeout=30)
            raise PermissionRefusedError("no", code="INSUFFICIENT_ACCESS", status=403)
        started.set()
        return [[SAVED] * len(chunk) for chunk in chunks]

    subject = sender(call, rows_per_chunk=1, chunks_per_call=1, max_in_flight=2)
    answered: list[int] = []
    with pytest.raises(PermissionRefusedError):
        for batch in subject.send(under_way(range(10))):
            answered += [each.row for each in batch]
    rest = [row for row, _ in left(subject)]
    assert 1 in answered
    assert sorted([*answered, *rest]) == list(range(10))


def test_who_stops_early_can_take_in_what_is_in_flight() -> None:
    subject = sender(by_row(lambda row: SAVED), rows_per_chunk=1, chunks_per_call=1, max_in_flight=4)
    first = next(iter(subject.send(under_way(range(20)))))
    drained = [each.row for batch in subject.drain() for each in batch]
    assert len(drained) >= 3
    assert sorted([*(each.row for each in first), *drained, *(row for row, _ in left(subject))]) == list(range(20))


def test_rows_that_are_sent_again_go_one_call_at_a_time() -> None:
    flying, most_late = 0, 0
    tries: dict[int, int] = {}
    lock = threading.Lock()

    def call(chunks: Sequence[Sequence[int]]) -> list[ChunkAnswer]:
        nonlocal flying, most_late
        with lock:
            flying += 1
            rows = [row for chunk in chunks for row in chunk]
            if any(row in tries for row in rows):
                most_late = max(most_late, flying)
        time.sleep(0.002)
        with lock:
            flying -= 1
            for row in rows:
                tries[row] = tries.get(row, 0) + 1
            return [[LOCKED if tries[row] < 3 else SAVED for row in chunk] for chunk in chunks]

    found = outcomes(sender(call, rows_per_chunk=2, chunks_per_call=2, max_in_flight=4), range(40))
    assert set(found.values()) == {SAVED}
    assert most_late == 1


LOST = Failed("UNABLE_TO_LOCK_ROW", "locked", in_doubt=True)


def test_a_row_that_is_refused_for_now_after_a_lost_answer_stays_in_doubt() -> None:
    answers = iter([LOST, Saved("00Q000000000001AAA", False)])
    subject = sender(by_row(lambda row: next(answers)))
    [[answered]] = [batch for batch in subject.send(under_way([1])) if batch]
    assert answered.outcome == Saved("00Q000000000001AAA", None)
    assert answered.sent.in_doubt


def test_a_row_that_stays_locked_after_a_lost_answer_is_unknown_and_not_failed() -> None:
    answers = iter([LOST, LOCKED, LOCKED, LOCKED])
    found = outcomes(sender(by_row(lambda row: next(answers))), [1])
    assert isinstance(found[1], Unanswered)


def test_a_row_that_can_never_be_saved_fails_whatever_was_lost() -> None:
    never = Failed("STRING_TOO_LONG", "too long", in_doubt=True)
    assert outcomes(sender(by_row(lambda row: never)), [1]) == {1: never}


def test_a_chunk_that_is_refused_after_a_lost_answer_stays_in_doubt() -> None:
    refused = ChunkRefused("UNABLE_TO_LOCK_ROW", "locked", in_doubt=True)
    answers: list[ChunkAnswer] = [refused, [Saved("00Q000000000001AAA", False)]]
    found = outcomes(sender(by_chunk(lambda chunk: answers.pop(0))), [1])
    assert found == {1: Saved("00Q000000000001AAA", None)}


def test_a_row_that_is_blocked_after_a_lost_answer_says_since_when_it_may_be_in_the_org() -> None:
    blocked = DuplicatesFound("Use one of these?", in_doubt=True)
    subject = sender(by_row(lambda row: blocked))
    [[answered]] = [batch for batch in subject.send(under_way([1])) if batch]
    assert answered.outcome == blocked
    assert answered.sent.in_doubt
