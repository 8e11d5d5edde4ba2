"""One task's work: what is settled is not sent again, and no row is without its entry whatever happens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.core.entries import Action, Entry
from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.outcomes import Failed, KeyHeldByMany, Saved, Unanswered
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.errors import (
    CallError,
    KeysInFlightError,
    LimitReachedError,
    OutcomeUnknownError,
    PermissionRefusedError,
    RequestRefusedError,
    TransientCallError,
    WrongOrgError,
)
from airflow_sf_dedup.journeys import upsert as upsert_module
from airflow_sf_dedup.journeys.progress import Progress
from airflow_sf_dedup.journeys.upsert import KEY_WAIT, Upsert
from airflow_sf_dedup.locks.base import Claimant, KeyScope
from airflow_sf_dedup.locks.key_claims import SqlKeyClaims
from airflow_sf_dedup.salesforce.ports import ChunkRefused, Origin
from airflow_sf_dedup.testing.fake_org import (
    BLOCKED,
    KEY,
    KEY_FIELD,
    KEY_RULE,
    FakeOrg,
    blocked_by,
    lead_id,
    match,
    row,
    stored,
)
from airflow_sf_dedup.testing.workshops import workshop

SILENT = OutcomeUnknownError("no answer", code="CONNECTION_BROKEN")
TOO_LATE = OutcomeUnknownError("no answer in time", code="READ_TIMEOUT")
DOWN = TransientCallError("no connection", code="CONNECT_FAILED")


class Telling(Progress):
    """Tells how many rows got their entry, call by call."""

    def __init__(self, seen: Callable[[int], None]) -> None:
        super().__init__()
        self._seen = seen

    def note(self, entries: Sequence[Entry]) -> None:
        self._seen(len(entries))


class Task:
    """A task instance that loads one partition."""

    def __init__(self, engine: Engine, load: Load, org: FakeOrg) -> None:
        self.engine, self.audit = engine, SqlAudit(engine)
        self.load, self.org = load, org
        #: An org of its own: the audit is shared by all tests.
        self.scope = KeyScope(uuid4().hex[:18], "Lead", KEY)
        self.remembered = 0

    def __call__(self, rows: Iterable[Record], *, policy: str = "ask_reviewer", try_number: int = 1) -> None:
        self.upsert(policy=policy, try_number=try_number).run(rows)

    def upsert(
        self,
        *,
        policy: str = "ask_reviewer",
        try_number: int = 1,
        claims: SqlKeyClaims | None = None,
        key_rule: KeyRule = KEY_RULE,
        max_in_flight: int = 1,
        sleep: Callable[[float], None] = lambda seconds: None,
    ) -> Upsert:
        made = workshop(
            self.engine,
            self.load,
            self.org,
            policy=policy,
            org_id=self.scope.org_id,
            key_rule=key_rule,
            key_claims=claims,
            try_number=try_number,
            sleep=sleep,
            max_in_flight=max_in_flight,
        )
        made.progress = Telling(self._progress)
        return made.upsert()

    def _progress(self, rows: int) -> None:
        self.remembered += rows

    def entries(self) -> dict[int, Entry]:
        return {entry.row_number: entry for entry in self.audit.entries(self.load.load_id)}

    def actions(self) -> list[Action]:
        return [entry.action for entry in self.entries().values()]


@pytest.fixture
def org() -> FakeOrg:
    return FakeOrg()


@pytest.fixture
def task(sql_engine: Engine, new_load: Callable[..., Load], org: FakeOrg) -> Task:
    return Task(sql_engine, new_load(), org)


def test_every_outcome_becomes_its_action(task: Task, org: FakeOrg) -> None:
    org.answers = {
        "key-1": [Saved(lead_id(1), True)],
        "key-2": [Saved(lead_id(2), False)],
        "key-3": [Failed("STRING_TOO_LONG", "…")],
        "key-4": [KeyHeldByMany("…", (lead_id(8), lead_id(9)))],
        "key-5": [Unanswered("cut off")],
        "key-6": [BLOCKED],
        "key-7": [Saved(lead_id(7), None)],
    }
    org.lookups["key-6"] = blocked_by(match(lead_id(3)))
    task(row(number) for number in range(1, 8))
    assert task.actions() == [
        "created",
        "updated",
        "failed",
        "awaiting_review",
        "unknown",
        "awaiting_review",
        "updated",
    ]
    assert task.remembered == 7
    assert {(e.partition, e.map_index, e.try_number) for e in task.entries().values()} == {(0, 0, 1)}


def test_no_rows_are_no_calls(task: Task, org: FakeOrg) -> None:
    task([])
    assert (task.actions(), org.calls) == ([], [])


def test_a_second_try_sends_only_what_is_not_settled(task: Task, org: FakeOrg) -> None:
    org.answers = {"key-2": [Failed("STRING_TOO_LONG", "…")], "key-3": [Unanswered("…")], "key-4": [BLOCKED]}
    org.lookups["key-4"] = blocked_by(match(lead_id(3)))
    rows = [row(number) for number in range(1, 6)]
    org.refuse = lambda keys: ChunkRefused("INSUFFICIENT_ACCESS", "no") if "key-5" in keys else None
    with pytest.raises(PermissionRefusedError):
        task(rows, policy="skip")
    assert task.actions() == ["created", "failed", "unknown", "not_sent", "not_sent"]
    org.refuse = lambda keys: None
    org.answers.pop("key-2")
    org.calls.clear()
    task(rows, policy="skip", try_number=2)
    assert org.sent("upsert") == [[["key-2", "key-3", "key-4", "key-5"]], *[[["key-3"]]] * 3]
    assert task.actions() == ["created", "created", "unknown", "skipped", "created"]
    assert [entry.attempts for entry in task.entries().values()] == [1, 1, 4, 1, 1]
    assert [entry.try_number for entry in task.entries().values()] == [1, 2, 2, 2, 2]
    org.calls.clear()
    org.answers.clear()
    task(rows, policy="skip", try_number=3)
    assert org.sent("upsert") == [[["key-3"]]]
    assert task.actions() == ["created", "created", "created", "skipped", "created"]


@pytest.mark.parametrize(
    ("first", "policy", "later", "reason"),
    [
        (BLOCKED, "ask_reviewer", Action.HELD, "earlier_row_awaits_review"),
        (BLOCKED, "skip", Action.CREATED, None),
        (Failed("STRING_TOO_LONG", "…"), "skip", Action.NOT_SENT, "earlier_row_not_settled"),
        (Unanswered("…"), "skip", Action.NOT_SENT, "earlier_row_not_settled"),
        (Saved(lead_id(1), True), "skip", Action.CREATED, None),
    ],
    ids=["awaits a person", "skipped", "failed", "unknown", "saved"],
)
def test_a_later_row_of_a_key_waits_for_the_earlier_one(
    task: Task, org: FakeOrg, first: Any, policy: str, later: Action, reason: str | None
) -> None:
    tries = 4 if isinstance(first, Unanswered) else 1
    org.answers["A"] = [*[first] * tries, Saved(lead_id(1), True)]
    org.lookups["A"] = blocked_by(match(lead_id(2)))
    rows = [row(1, "A"), row(2, "B"), row(3, "a", wave=1), row(4, "B", wave=1), row(5, "A", wave=2)]
    task(rows, policy=policy)
    entries = task.entries()
    assert len(entries) == 5
    assert [(entries[n].action, entries[n].reason) for n in (3, 5)] == [(later, reason)] * 2
    assert entries[4].action is Action.UPDATED
    assert later is not Action.HELD or entries[3].values is not None, "a held row keeps its values"


def test_rows_of_one_key_are_never_in_one_call(task: Task, org: FakeOrg) -> None:
    task([row(1, "A"), row(2, "B"), row(3, "A", wave=1), row(4, "A", wave=2)])
    assert org.sent("upsert") == [[["A", "B"]], [["A"]], [["A"]]]


def test_a_row_stays_held_behind_one_that_an_earlier_try_left_to_a_person(task: Task, org: FakeOrg) -> None:
    org.answers["A"] = [BLOCKED]
    org.lookups["A"] = blocked_by(match(lead_id(2)))
    task([row(1, "A")])
    task([row(1, "A"), row(2, "A", wave=1)], try_number=2)
    assert task.actions() == [Action.AWAITING_REVIEW, Action.HELD]


def test_a_row_that_fails_again_goes_on_holding_its_later_rows(task: Task, org: FakeOrg) -> None:
    org.answers["A"] = [Failed("STRING_TOO_LONG", "…")]
    rows = [row(1, "A"), row(2, "A", wave=1)]
    task(rows)
    task(rows, try_number=2)
    assert task.actions() == [Action.FAILED, Action.NOT_SENT]
    org.answers.clear()
    task(rows, try_number=3)
    assert task.actions() == [Action.CREATED, Action.UPDATED]


ELSEWHERE = WrongOrgError("a new login leads to another org", code="WRONG_ORG")


@pytest.mark.parametrize(
    ("error", "lost"),
    [(SILENT, Action.UNKNOWN), (DOWN, Action.NOT_SENT), (ELSEWHERE, Action.NOT_SENT)],
    ids=["silent", "down", "another org"],
)
def test_what_is_known_is_committed_before_the_error_is_raised(
    task: Task, org: FakeOrg, error: CallError, lost: Action
) -> None:
    org.rows_per_chunk, org.chunks_per_call = 2, 1
    org.errors = {2: error}
    rows = [*(row(number) for number in range(1, 8)), row(8, "key-1", wave=1)]
    with pytest.raises(type(error)):
        task(rows)
    assert task.actions() == ["created", "created", lost, lost, *["not_sent"] * 4]
    assert {entry.error_code for entry in list(task.entries().values())[2:]} == {error.code}
    assert task.remembered == 8


def test_rows_read_ahead_are_not_lost_when_a_settlement_fails(
    task: Task, org: FakeOrg, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sender then holds rows that were halved, put off or read for the next chunk."""
    monkeypatch.setattr(upsert_module, "SETTLE_TOGETHER", 2)
    org.rows_per_chunk, org.chunks_per_call = 3, 2
    org.answers = {"key-1": [BLOCKED], "key-2": [BLOCKED], "key-3": [Failed("UNABLE_TO_LOCK_ROW", "…")]}
    org.refuse = lambda keys: ChunkRefused("JSON_PARSER_ERROR", "…") if "key-5" in keys and len(keys) > 1 else None
    org.errors = {2: LimitReachedError("used up", code="REQUEST_LIMIT_EXCEEDED")}
    with pytest.raises(LimitReachedError):
        task(row(number) for number in range(1, 21))
    assert len(task.entries()) == 20
    assert set(task.actions()) == {Action.NOT_SENT}


@pytest.mark.parametrize("kind", ["holders", "by_id"])
def test_rows_after_a_failed_read_have_entries(
    task: Task, org: FakeOrg, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(upsert_module, "SETTLE_TOGETHER", 1)
    org.answers["key-1"] = [BLOCKED]
    org.lookups["key-1"] = blocked_by(match(lead_id(9)))
    org.errors = {3 if kind == "holders" else 4: RequestRefusedError("no", code="MALFORMED_QUERY", status=400)}
    with pytest.raises(RequestRefusedError):
        task([*(row(number) for number in range(1, 40)), row(40, "key-2", wave=1)])
    assert org.kinds()[-1] == kind
    counts = Counter(task.actions())
    assert counts == {Action.CREATED: 11, Action.NOT_SENT: 29}


def test_blocked_rows_are_settled_so_many_at_a_time(task: Task, org: FakeOrg, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upsert_module, "SETTLE_TOGETHER", 5)
    org.answers = {f"key-{number}": [BLOCKED] for number in range(1, 41)}
    org.lookups = {key: blocked_by(match(lead_id(99))) for key in org.answers}
    task((row(number) for number in range(1, 41)), policy="skip")
    assert {len(keys) for [keys] in org.sent("holders")} == {5}
    assert Counter(task.actions()) == {Action.SKIPPED: 40}


def test_the_source_is_read_as_it_is_sent(task: Task, org: FakeOrg) -> None:
    most_ahead = 0

    def source() -> Iterable[Record]:
        nonlocal most_ahead
        for number in range(1, 101):
            most_ahead = max(most_ahead, number - task.remembered)
            yield row(number)

    task(source())
    assert most_ahead <= org.rows_per_chunk * org.chunks_per_call + 1


OUTCOMES = st.sampled_from(
    [
        Saved(lead_id(500), True),
        Saved(lead_id(500), False),
        BLOCKED,
        Failed("STRING_TOO_LONG", "…"),
        Failed("UNABLE_TO_LOCK_ROW", "…"),
        Failed("DUPLICATE_VALUE", "Duplicate external id specified: X"),
        KeyHeldByMany("…", (lead_id(8),)),
        Unanswered("…"),
        blocked_by(match(lead_id(1), allow_save=True)),
        blocked_by(match(lead_id(2))),
        blocked_by(match(lead_id(1)), match(lead_id(2))),
        blocked_by(match(lead_id(3), sobject="Contact", allow_save=True)),
    ]
)
ERRORS = st.sampled_from(
    [
        SILENT,
        DOWN,
        LimitReachedError("used up", code="REQUEST_LIMIT_EXCEEDED"),
        RequestRefusedError("bad", code="JSON_PARSER_ERROR", status=400),
        RequestRefusedError("bad", code="INVALID_TYPE", status=404),
    ]
)
POLICIES = st.sampled_from(
    ["ask_reviewer", "skip", "update_existing", "save_anyway", "update_existing | save_anyway | skip"]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_the_org_answers_every_row_has_one_entry(
    sql_engine: Engine, new_load: Callable[..., Load], data: st.DataObject
) -> None:
    keys = data.draw(st.lists(st.sampled_from("ABCDEFGHIJ"), max_size=25), label="keys")
    waves: Counter[str] = Counter()
    rows = []
    for number, key in enumerate(keys, 1):
        rows.append(row(number, key, wave=waves[key]))
        waves[key] += 1
    rows.sort(key=lambda record: record.wave)
    answers = st.dictionaries(st.sampled_from("ABCDEFGHIJ"), st.lists(OUTCOMES, min_size=1, max_size=3))
    spoilt = data.draw(st.sampled_from(["", "C", "E"]), label="spoilt")
    org = FakeOrg(
        rows_per_chunk=data.draw(st.integers(1, 4)),
        chunks_per_call=data.draw(st.integers(1, 3)),
        rows_per_call=2,
        answers=data.draw(answers, label="answers"),
        lookups=data.draw(st.dictionaries(st.sampled_from("ABCDEFGHIJ"), OUTCOMES), label="look-ups"),
        updates={lead_id(1): data.draw(st.lists(OUTCOMES, min_size=1, max_size=2), label="updates")},
        records={lead_id(1): stored(lead_id(1)), lead_id(2): stored(lead_id(2), is_deleted=True)},
        errors=data.draw(st.dictionaries(st.integers(1, 12), ERRORS, max_size=3), label="errors"),
        refuse=lambda chunk: ChunkRefused("JSON_PARSER_ERROR", "…") if spoilt in chunk else None,
    )
    task = Task(sql_engine, new_load(), org)
    policy = data.draw(POLICIES, label="policy")
    for try_number in (1, 2):
        before = task.entries()
        with suppress(CallError):
            task(rows, policy=policy, try_number=try_number)
        entries = task.entries()
        assert sorted(entries) == sorted(record.row_number for record in rows)
        for number, entry in before.items():
            assert entry.action in (Action.FAILED, Action.UNKNOWN, Action.NOT_SENT) or entries[number] == entry
        org.errors = {}
    assert Action.NOT_SENT not in task.actions() or len(set(keys)) < len(keys), "held back by an earlier row only"


def test_a_stamp_whose_answer_was_lost_is_known_again_by_the_next_try(task: Task, org: FakeOrg) -> None:
    """Write, look-up, holders and retrieve go well; the update is carried out and its answer lost."""
    org.answers["key-1"] = [BLOCKED, Saved(lead_id(9), False)]
    org.lookups["key-1"] = blocked_by(match(lead_id(9)))
    org.records[lead_id(9)] = stored(lead_id(9))
    org.errors[5] = SILENT
    with pytest.raises(OutcomeUnknownError):
        task([row(1)], policy="update_existing")
    lost = task.entries()[1]
    assert (lost.action, lost.matched_ids) == (Action.UNKNOWN, (lead_id(9),))

    task([row(1)], policy="update_existing", try_number=2)

    found = task.entries()[1]
    assert (found.action, found.reason) == (Action.MATCHED_UPDATED, "stamped_by_an_earlier_try")


def test_an_update_by_a_later_try_is_an_update(task: Task, org: FakeOrg) -> None:
    org.answers["key-1"] = [Saved(lead_id(1), False)]
    task([row(1)], try_number=2)
    assert (task.entries()[1].action, task.entries()[1].reason) == ("updated", None)


@pytest.mark.parametrize(
    ("age", "action", "reason"),
    [
        (timedelta(minutes=-1), "created", "answer_lost"),
        (timedelta(days=9), "updated", "answer_lost"),
        (None, "updated", "created_or_updated"),
    ],
    ids=["created by the lost call", "there before", "nobody can tell"],
)
def test_after_a_lost_answer_a_re_read_tells_created_from_updated(
    task: Task, org: FakeOrg, age: timedelta | None, action: str, reason: str
) -> None:
    org.answers["key-1"] = [Unanswered("cut off"), Saved(lead_id(1), False)]
    if age is not None:
        org.created[lead_id(1)] = Origin(datetime.now(UTC) - age, None)
    task([row(1), row(2)])
    entry = task.entries()[1]
    assert (entry.action, entry.reason, entry.attempts) == (action, reason, 2)
    assert org.kinds().count("origins") == 1


def test_a_row_that_an_earlier_try_left_unknown_is_re_read_by_the_next(task: Task, org: FakeOrg) -> None:
    org.answers["key-1"] = [Unanswered("cut off")]
    task([row(1)])
    org.answers["key-1"] = [Saved(lead_id(1), False)]
    org.created[lead_id(1)] = Origin(datetime.now(UTC), None)
    task([row(1)], try_number=2)
    assert (task.entries()[1].action, task.entries()[1].reason) == ("created", "answer_lost")


RACE = Failed("DUPLICATE_VALUE", f"duplicate value found: {KEY} duplicates value on record with id: {lead_id(9)}")
MASKED = Failed("DUPLICATE_VALUE", "duplicate value found: <unknown> duplicates value on record with id: <unknown>")
OTHER = Failed("DUPLICATE_VALUE", f"duplicate value found: Email__c duplicates value on record with id: {lead_id(9)}")


def test_a_race_for_the_key_is_sent_again_and_the_audit_says_how_often(task: Task, org: FakeOrg) -> None:
    org.answers["key-1"] = [RACE, RACE, Saved(lead_id(9), False)]
    task([row(1), row(2)])
    entry = task.entries()[1]
    assert (entry.action, entry.record_id, entry.attempts) == ("updated", lead_id(9), 3)
    assert entry.waited_seconds > 0
    assert org.sent("upsert") == [[["key-1", "key-2"]], [["key-1"]], [["key-1"]]]


def test_a_race_that_does_not_end_is_written_to_the_records_that_holds_the_key(task: Task, org: FakeOrg) -> None:
    org.answers["key-1"] = [RACE]
    org.held["key-1"] = (lead_id(9),)
    task([row(1)])
    entry = task.entries()[1]
    assert (entry.action, entry.record_id, entry.reason) == ("updated", lead_id(9), "written_to_key_holder")
    assert (len(org.sent("upsert")), entry.attempts) == (4, 5)


def test_another_unique_field_is_never_tried_again_and_its_holder_is_named(task: Task, org: FakeOrg) -> None:
    org.answers["key-1"] = [OTHER]
    task([row(1)])
    entry = task.entries()[1]
    assert (entry.action, entry.reason, entry.matched_ids) == ("failed", "other_unique_field", (lead_id(9),))
    assert org.kinds() == ["upsert", "holders"], "its key is re-read, and nothing is sent again"


def test_a_masked_duplicate_value_is_told_apart_by_a_re_read_and_not_by_another_try(task: Task, org: FakeOrg) -> None:
    org.answers = {"key-1": [MASKED], "key-2": [MASKED]}
    org.held["key-2"] = (lead_id(9),)
    task([row(1), row(2)])
    entries = task.entries()
    assert (entries[1].action, entries[1].reason) == ("failed", "holder_not_visible")
    assert (entries[2].action, entries[2].record_id) == ("updated", lead_id(9))
    assert len(org.sent("upsert")) == 1


def test_a_row_whose_key_is_in_flight_elsewhere_to_the_end_is_not_sent_and_its_holder_is_named(
    task: Task, org: FakeOrg
) -> None:
    claims = SqlKeyClaims(task.engine)
    claims.claim(task.scope, Claimant("other", "another-load", "other_dag.upsert[2], run x, try 1"), ["key-2"])
    slept: list[float] = []
    rows = [row(1), row(2), row(4), row(3, "key-2", wave=1)]
    with pytest.raises(KeysInFlightError, match=r"1 row was put off: .* other_dag.upsert\[2\], run x, try 1"):
        task.upsert(claims=claims, sleep=slept.append).run(rows)
    entries = task.entries()
    assert [entry.action for entry in entries.values()] == ["created", "not_sent", "not_sent", "created"]
    assert (entries[2].reason, entries[3].reason) == ("key_in_flight", "earlier_row_not_settled")
    assert "other_dag.upsert[2]" in (entries[2].error_message or "")
    assert sum(slept) == pytest.approx(KEY_WAIT)
    claims.release(task.scope, Claimant("other", "another-load", ""), ["key-2"])
    task.upsert(claims=claims).run(rows)
    assert task.actions() == ["created", "created", "updated", "created"]
    assert org.sent("upsert") == [[["key-1", "key-4"]], [["key-2"]], [["key-2"]]]


def test_settled_rows_give_their_keys_back_and_unknown_ones_keep_them(task: Task, org: FakeOrg) -> None:
    org.answers = {"key-2": [Unanswered("cut off")], "key-3": [Failed("STRING_TOO_LONG", "…")], "key-4": [BLOCKED]}
    org.lookups["key-4"] = blocked_by(match(lead_id(3)))
    claims = SqlKeyClaims(task.engine)
    task.upsert(claims=claims).run([row(number) for number in range(1, 5)])
    probe = claims.claim(task.scope, Claimant("probe", "probe", "probe"), [f"key-{n}" for n in range(1, 5)])
    assert probe.refused.keys() == {"key-2"}
    claims.release(task.scope, Claimant("probe", "probe", "probe"), probe.granted)


def test_a_row_that_may_be_in_the_org_stays_unknown_while_its_key_is_in_flight(task: Task, org: FakeOrg) -> None:
    org.answers["key-1"] = [Unanswered("cut off")]
    claims = SqlKeyClaims(task.engine)
    task.upsert(claims=claims).run([row(1)])
    with pytest.raises(KeysInFlightError):
        task.upsert(claims=claims, try_number=2).run([row(1)])
    assert task.actions() == ["unknown"]


def test_what_a_crash_left_in_flight_is_taken_over_when_its_claim_expires_and_told_apart(
    task: Task, org: FakeOrg
) -> None:
    now = datetime.now(UTC)
    claims = SqlKeyClaims(task.engine, timedelta(minutes=12), clock=lambda: now)
    claims.claim(task.scope, Claimant("dead", task.load.load_id, "the try that was killed"), ["key-1"])
    org.answers["key-1"] = [Saved(lead_id(1), False)]
    org.created[lead_id(1)] = Origin(now + timedelta(seconds=1), None)
    with pytest.raises(KeysInFlightError, match="the try that was killed"):
        task.upsert(claims=claims, try_number=2).run([row(1)])
    now += timedelta(minutes=13)
    task.upsert(claims=claims, try_number=2).run([row(1)])
    assert (task.entries()[1].action, task.entries()[1].reason) == ("created", "answer_lost")


def test_what_a_killed_try_may_have_sent_is_unknown_while_its_claim_holds(task: Task, org: FakeOrg) -> None:
    """Nobody waits for that with a worker slot: it ends by itself, minutes later."""
    now = datetime.now(UTC).replace(microsecond=0)
    claims = SqlKeyClaims(task.engine, timedelta(minutes=12), clock=lambda: now)
    dead = Claimant("dead", task.load.load_id, "leads.upsert[3], run x, try 1")
    claims.claim(task.scope, dead, ["key-1"])
    slept: list[float] = []
    until = rf"leads.upsert\[3\], run x, try 1 \(its claim holds until {now + timedelta(minutes=12):%H:%M:%S} UTC\)"
    with pytest.raises(KeysInFlightError, match=until) as raised:
        task.upsert(claims=claims, try_number=2, sleep=slept.append).run([row(1), row(2)])
    assert raised.value.left_until == now + timedelta(minutes=12)
    entry = task.entries()[1]
    assert (entry.action, entry.reason) == ("unknown", "key_in_flight")
    assert task.entries()[2].action == "created"
    assert slept == []


def test_the_claim_of_a_row_that_nobody_knows_the_outcome_of_is_not_renewed(task: Task, org: FakeOrg) -> None:
    now = datetime.now(UTC)
    claims = SqlKeyClaims(task.engine, timedelta(minutes=12), clock=lambda: now)
    org.answers["key-1"] = [Unanswered("cut off")]
    upsert = task.upsert(claims=claims)
    upsert.run([row(1)])
    now += timedelta(minutes=10)
    assert claims.renew(upsert.keys.claimant) == 0
    now += timedelta(minutes=2)
    assert claims.claim(task.scope, Claimant("other", "another-load", "other"), ["key-1"]).granted.keys() == {"key-1"}


def test_a_row_that_is_blocked_and_contested_in_turn_goes_round_once(task: Task, org: FakeOrg) -> None:
    """An alert rule blocks its key's holder as well, and past the rule another unique value is taken."""
    org.answers["key-1"] = [BLOCKED, MASKED]
    org.lookups["key-1"] = blocked_by(match(lead_id(3), allow_save=True))
    org.held["key-1"] = (lead_id(9),)
    org.updates[lead_id(9)] = [BLOCKED]
    task([row(1)], policy="save_anyway | ask_reviewer")
    entry = task.entries()[1]
    assert (entry.action, entry.error_code) == ("failed", "DUPLICATE_VALUE")
    assert org.kinds().count("save_anyway") == 2


def test_rows_that_failed_are_not_sent_again_when_their_task_comes_back_in_the_same_try(
    task: Task, org: FakeOrg
) -> None:
    org.answers["key-1"] = [Failed("STRING_TOO_LONG", "…")]
    rows = [row(1), row(2), row(3, "key-1", wave=1)]
    task(rows)
    org.calls.clear()
    task(rows)
    assert org.calls == []
    assert task.actions() == ["failed", "created", "not_sent"]
    task(rows, try_number=2)
    assert org.sent("upsert") == [[["key-1"]]]


def test_a_row_whose_error_passes_and_did_not_says_so(task: Task, org: FakeOrg) -> None:
    org.answers["key-1"] = [Failed("UNABLE_TO_LOCK_ROW", "…")]
    task([row(1)])
    entry = task.entries()[1]
    assert (entry.action, entry.reason, entry.attempts) == ("failed", "tries_used_up", 4)


class TimeIsUp(BaseException):
    """What Airflow raises where ``execution_timeout`` is over."""


@pytest.mark.parametrize("max_in_flight", [1, 2])
def test_a_task_that_is_ended_amid_a_call_leaves_no_row_without_an_entry(
    task: Task, org: FakeOrg, max_in_flight: int
) -> None:
    org.rows_per_chunk, org.chunks_per_call = 2, 1
    claims = SqlKeyClaims(task.engine)
    upsert = task.upsert(claims=claims, max_in_flight=max_in_flight)

    def up(_: int) -> None:
        raise TimeIsUp

    upsert.recorder.progress = Telling(up)
    if max_in_flight == 1:
        org.refuse = lambda keys: up(0) if "key-3" in keys else None  # type: ignore[func-returns-value]
        upsert.recorder.progress = Telling(task._progress)
    with pytest.raises(TimeIsUp):
        upsert.run([*(row(number) for number in range(1, 8)), row(8, "key-1", wave=1)])
    entries = task.entries()
    assert len(entries) == 8
    assert {entry.action for entry in entries.values()} == {"created", "unknown", "not_sent"}
    assert {e.error_code for e in entries.values() if e.action != "created"} == {"TASK_ENDED"}
    unknown = [e.key for e in entries.values() if e.action == "unknown"]
    assert unknown == (["key-3", "key-4"] if max_in_flight == 1 else unknown[:2])
    probe = claims.claim(task.scope, Claimant("probe", "probe", "probe"), [e.key or "" for e in entries.values()])
    assert probe.refused.keys() == set(unknown)


def test_rows_that_are_all_kept_back_are_remembered_as_they_come(task: Task, org: FakeOrg) -> None:
    org.rows_per_chunk, org.chunks_per_call = 2, 1
    guard = [replace(row(number), order="n:2") for number in range(1, 7)]
    task(guard)
    other = Task(task.engine, task.load, org)
    other.scope = task.scope
    seen: list[int] = []
    upsert = other.upsert()
    upsert.load_id, upsert.recorder.progress = other.load.load_id, Telling(seen.append)
    upsert.run(replace(row(number + 10, f"key-{number}"), order="n:1") for number in range(1, 7))
    assert seen == [2, 2, 2]
    assert [e.reason for e in task.entries().values()][6:] == ["stale"] * 6


def test_by_a_key_that_is_not_unique_rows_are_announced_before_they_are_sent(task: Task, org: FakeOrg) -> None:
    org.repeatable = False
    org.answers["key-2"] = [Unanswered("cut off")]
    seen: list[list[Action]] = []
    org.refuse = lambda keys: seen.append(task.actions())  # type: ignore[func-returns-value]
    task.upsert(claims=SqlKeyClaims(task.engine)).run([row(1), row(2)])
    assert seen == [["unknown", "unknown"]], "before the call was answered"
    assert task.actions() == ["created", "unknown"]
    assert len(org.sent("upsert")) == 1


@pytest.mark.parametrize(
    ("holders", "kinds", "action"),
    [
        ((), ["holders", "upsert"], "created"),
        ((lead_id(5),), ["holders", "update", "origins"], "updated"),
        ((lead_id(5), lead_id(6)), ["holders", "holders", "origins", "by_id"], "unknown"),
    ],
    ids=["it never arrived", "it did", "two hold it, and neither can be read"],
)
def test_by_a_key_that_is_not_unique_a_row_in_doubt_is_re_read_before_anything_is_sent(
    task: Task, org: FakeOrg, holders: tuple[str, ...], kinds: list[str], action: str
) -> None:
    org.repeatable = False
    org.answers["key-1"] = [Unanswered("cut off"), Saved(lead_id(1), True)]
    task.upsert(claims=None).run([row(1)])
    org.calls.clear()
    org.held = {"key-1": holders} if holders else {}
    task.upsert(claims=None, try_number=2).run([row(1)])
    assert org.kinds() == kinds
    assert task.actions() == [action]


def test_what_is_older_than_what_was_written_is_skipped(task: Task, org: FakeOrg) -> None:
    claims = SqlKeyClaims(task.engine)
    early, late = (f"t:2026-03-0{day}T00:00:00.000000Z" for day in (1, 2))
    task.upsert(claims=claims).run([replace(row(1), order=late), replace(row(2), order=early)])
    task.upsert(claims=claims).run([replace(row(11, "key-1"), order=early), replace(row(12, "key-2"), order=late)])
    entries = task.entries()
    assert (entries[11].action, entries[11].reason) == ("skipped", "stale")
    assert entries[12].action == "updated"
    assert org.sent("upsert") == [[["key-1", "key-2"]], [["key-2"]]]
    assert not claims.claim(task.scope, Claimant("probe", "probe", "probe"), ["key-1", "key-2"]).refused


def test_several_calls_in_flight_leave_the_same_audit(task: Task, org: FakeOrg) -> None:
    org.rows_per_chunk, org.chunks_per_call = 2, 1
    org.answers = {"key-3": [BLOCKED], "key-5": [Failed("STRING_TOO_LONG", "…")]}
    org.lookups["key-3"] = blocked_by(match(lead_id(3)))
    task.upsert(claims=SqlKeyClaims(task.engine), max_in_flight=3).run([row(number) for number in range(1, 41)])
    assert Counter(task.actions()) == {"created": 38, "awaiting_review": 1, "failed": 1}


def test_what_is_in_flight_when_a_settlement_fails_is_still_remembered(task: Task, org: FakeOrg) -> None:
    org.rows_per_chunk, org.chunks_per_call = 1, 1
    org.answers = {"key-1": [BLOCKED]}
    org.errors = {}
    upsert = task.upsert(claims=SqlKeyClaims(task.engine), max_in_flight=3)
    org.lookups = {}

    def refuse(records: Any, **_: Any) -> Any:
        raise PermissionRefusedError("no", code="INSUFFICIENT_ACCESS")

    org.look_up = refuse  # type: ignore[method-assign]
    with pytest.raises(PermissionRefusedError):
        upsert.run([row(number) for number in range(1, 21)])
    entries = task.entries()
    assert len(entries) == 20
    sent = {key for chunks in org.sent("upsert") for chunk in chunks for key in chunk}
    assert {e.key for e in entries.values() if e.action == "created"} == sent - {"key-1"}


def test_a_load_that_could_not_begin_has_an_entry_for_every_row(
    sql_engine: Engine, new_load: Callable[..., Load], org: FakeOrg
) -> None:
    load = new_load()
    task = Task(sql_engine, load, org)
    task.upsert().not_sent([row(1), row(2)], PermissionRefusedError("no", status=403))
    assert [(e.action, e.error_code) for e in task.entries().values()] == [(Action.NOT_SENT, "HTTP_403")] * 2


def test_rows_that_another_process_of_the_task_settles_meanwhile_are_not_sent_again(task: Task, org: FakeOrg) -> None:
    """Airflow took it for dead, and it was not."""
    rows = [row(1), row(2), row(3), row(4, "key-2", wave=1)]
    org.answers["key-2"] = [BLOCKED]
    org.lookups["key-2"] = blocked_by(match(lead_id(3)))
    late = task.upsert(claims=SqlKeyClaims(task.engine), try_number=2)

    def slowly() -> Iterable[Record]:
        task(rows[:2])
        org.calls.clear()
        yield from rows

    late.run(slowly())
    assert org.sent("upsert") == [[["key-3"]]]
    assert task.actions() == ["created", "awaiting_review", "created", "held"]
    assert (
        not SqlKeyClaims(task.engine)
        .claim(task.scope, Claimant("probe", "probe", "probe"), ["key-1", "key-2", "key-3"])
        .refused
    )


def test_keys_that_differ_by_case_have_watermarks_of_their_own(task: Task, org: FakeOrg) -> None:
    exact = task.org.key_rule = KeyRule(replace(KEY_FIELD, case_sensitive=True))
    upsert = task.upsert(claims=SqlKeyClaims(task.engine), key_rule=exact)
    late, early = (f"t:2026-03-0{day}T00:00:00.000000Z" for day in (2, 1))
    upsert.run([replace(row(1, "k-1"), order=late)])
    upsert.run([replace(row(2, "K-1"), order=early)])
    assert task.actions() == ["created", "created"]


def test_a_later_row_of_a_key_waits_while_a_call_that_was_given_up_may_still_be_carried_out(
    task: Task, org: FakeOrg
) -> None:
    now = datetime.now(UTC)
    claims = SqlKeyClaims(task.engine, timedelta(minutes=12), clock=lambda: now)
    org.rows_per_chunk, org.chunks_per_call = 6, 1
    org.errors[1] = TOO_LATE
    rows = [*(row(number) for number in range(1, 7)), row(7, "key-1", wave=1), row(8, "key-9", wave=1)]
    with pytest.raises(KeysInFlightError):
        task.upsert(claims=claims).run(rows)
    assert Counter(task.actions()) == {"created": 7, "not_sent": 1}
    now += timedelta(minutes=13)
    task.upsert(claims=claims).run(rows)
    assert Counter(task.actions()) == {"created": 7, "updated": 1}


@pytest.mark.parametrize("where", ["look-up", "save anyway"])
def test_a_unique_value_that_keeps_a_blocked_row_out_is_re_read_too(task: Task, org: FakeOrg, where: str) -> None:
    org.answers["key-1"] = [BLOCKED, MASKED]
    org.lookups["key-1"] = MASKED if where == "look-up" else blocked_by(match(lead_id(3), allow_save=True))
    org.held["key-1"] = (lead_id(9),)
    if where == "save anyway":
        org.held.clear()
    task([row(1), row(2)], policy="save_anyway")
    entry = task.entries()[1]
    expected = ("updated", "written_to_key_holder") if where == "look-up" else ("failed", "holder_not_visible")
    assert (entry.action, entry.reason) == expected
    assert org.kinds().count("save_anyway") == (where == "save anyway")


def test_a_row_whose_record_was_written_by_a_lost_call_is_saved_whatever_is_said_now(task: Task, org: FakeOrg) -> None:
    """The answer was lost after the commit, and the second sending meets a rule on updates, or a lock for good."""
    org.answers = {
        "key-1": [Unanswered("cut off"), BLOCKED],
        "key-2": [Unanswered("cut off"), Failed("ENTITY_IS_LOCKED", "…")],
    }
    org.held = {"key-1": (lead_id(1),), "key-2": (lead_id(2),)}
    now = datetime.now(UTC)
    for number in (1, 2):
        org.created[lead_id(number)] = Origin(now, None, now, None)
        org.records[lead_id(number)] = stored(lead_id(number), **{KEY: f"key-{number}", "LastName": f"Name {number}"})
    task([row(1), row(2)], policy="skip")
    assert [(e.action, e.reason) for e in task.entries().values()] == [("created", "answer_lost")] * 2


@pytest.mark.parametrize(
    ("modified", "name"),
    [(timedelta(days=1), "Name 1"), (timedelta(0), "Somebody else")],
    ids=["not written since", "written since with other values"],
)
def test_a_refusal_after_a_lost_answer_stands_where_the_org_does_not_hold_the_row(
    task: Task, org: FakeOrg, modified: timedelta, name: str
) -> None:
    org.answers["key-1"] = [Unanswered("cut off"), Failed("ENTITY_IS_LOCKED", "…")]
    org.held["key-1"] = (lead_id(1),)
    moment = datetime.now(UTC) - modified
    org.created[lead_id(1)] = Origin(moment, None, moment, None)
    org.records[lead_id(1)] = stored(lead_id(1), **{KEY: "key-1", "LastName": name})
    task([row(1)])
    assert [(entry.action, entry.error_code) for entry in task.entries().values()] == [("failed", "ENTITY_IS_LOCKED")]


def test_a_refusal_after_a_lost_answer_whose_record_cannot_be_read_is_unknown(task: Task, org: FakeOrg) -> None:
    org.answers["key-1"] = [Unanswered("cut off"), Failed("ENTITY_IS_LOCKED", "…")]
    org.held["key-1"] = (lead_id(1),)
    task([row(1)])
    assert task.actions() == ["unknown"]


@pytest.mark.parametrize(
    "code", ["JSON_PARSER_ERROR", "UNKNOWN_EXCEPTION", "INSUFFICIENT_ACCESS"], ids=["malformed", "for now", "for good"]
)
def test_what_is_said_of_a_call_is_in_no_other_rows_entry_and_in_no_exception(
    task: Task, org: FakeOrg, code: str
) -> None:
    quoted = "somebody@else.example"
    org.refuse = lambda keys: ChunkRefused(code, f"cannot take {quoted}") if "key-3" in keys or len(keys) > 1 else None
    try:
        task([row(number) for number in range(1, 9)])
    except CallError as error:
        shown = [str(error), str(error.__cause__), str(error.__context__), error.code]
        assert quoted not in " ".join(shown)
    entries = task.entries()
    assert len(entries) == 8
    assert [number for number, entry in entries.items() if quoted in (entry.error_message or "") and number != 3] == []
