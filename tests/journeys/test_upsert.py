"""One task's work: what is settled is not sent again, and no row is without its entry whatever happens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.core.entries import Action, Entry
from airflow_sf_dedup.core.outcomes import Failed, KeyHeldByMany, Saved, Unanswered
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.errors import (
    CallError,
    LimitReachedError,
    OutcomeUnknownError,
    PermissionRefusedError,
    RequestRefusedError,
    TransientCallError,
)
from airflow_sf_dedup.journeys import upsert as upsert_module
from airflow_sf_dedup.journeys.duplicates import Duplicates
from airflow_sf_dedup.journeys.entry_maker import EntryMaker, TaskMark
from airflow_sf_dedup.journeys.upsert import Upsert
from airflow_sf_dedup.locks.sql import SqlRecordClaims
from airflow_sf_dedup.policies import read_policy
from airflow_sf_dedup.salesforce.base import ChunkRefused
from tests.journeys.fake_org import BLOCKED, KEY_RULE, LEAD, ORG_ID, FakeOrg, blocked_by, lead_id, match, row, stored

SILENT = OutcomeUnknownError("no answer", code="READ_TIMEOUT")
DOWN = TransientCallError("no connection", code="CONNECT_FAILED")


class Task:
    """A task instance that loads one partition."""

    def __init__(self, audit: SqlAudit, load: Load, org: FakeOrg) -> None:
        self.audit, self.load, self.org = audit, load, org
        self.remembered = 0

    def __call__(self, rows: Iterable[Record], *, policy: str = "ask_reviewer", try_number: int = 1) -> None:
        self.upsert(policy=policy, try_number=try_number).run(rows)

    def upsert(self, *, policy: str = "ask_reviewer", try_number: int = 1) -> Upsert:
        entries = EntryMaker(TaskMark(0, 0, try_number))
        claims = SqlRecordClaims(self.audit.engine)
        duplicates = Duplicates(
            load_id=self.load.load_id,
            org_id=ORG_ID,
            sobject=LEAD,
            key_rule=KEY_RULE,
            api=self.org,
            lookup=self.org,
            reader=self.org,
            claims=claims,
            audit=self.audit,
            policy=read_policy(policy),
            entries=entries,
            sleep=lambda seconds: None,
        )
        return Upsert(
            load_id=self.load.load_id,
            partition=0,
            key_rule=KEY_RULE,
            api=self.org,
            audit=self.audit,
            entries=entries,
            duplicates=duplicates,
            stamped=claims.claimed(self.load.load_id, ORG_ID) if try_number > 1 else {},
            sleep=lambda seconds: None,
            progress=self._progress,
        )

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
def task(sql_audit: SqlAudit, new_load: Callable[..., Load], org: FakeOrg) -> Task:
    return Task(sql_audit, new_load(), org)


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
    assert task.actions() == ["created", "updated", "failed", "failed", "unknown", "awaiting_review", "updated"]
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
    assert org.sent("upsert") == [[["key-2", "key-3", "key-4", "key-5"]]]
    assert task.actions() == ["created", "created", "unknown", "skipped", "created"]
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
    org.answers["A"] = [first, Saved(lead_id(1), True)]
    org.lookups["A"] = blocked_by(match(lead_id(2)))
    rows = [row(1, "A"), row(2, "B"), row(3, "a", wave=1), row(4, "B", wave=1), row(5, "A", wave=2)]
    task(rows, policy=policy)
    entries = task.entries()
    assert len(entries) == 5
    assert [(entries[n].action, entries[n].reason) for n in (3, 5)] == [(later, reason)] * 2
    assert entries[4].action is Action.CREATED
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
    assert task.actions() == [Action.CREATED, Action.CREATED]


@pytest.mark.parametrize(("error", "lost"), [(SILENT, Action.UNKNOWN), (DOWN, Action.NOT_SENT)], ids=["silent", "down"])
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
    sql_audit: SqlAudit, new_load: Callable[..., Load], data: st.DataObject
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
    task = Task(sql_audit, new_load(), org)
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


def test_an_update_by_a_later_try_does_not_say_whether_the_row_was_there_before(task: Task, org: FakeOrg) -> None:
    org.answers["key-1"] = [Saved(lead_id(1), False)]
    task([row(1)], try_number=2)
    assert task.entries()[1].reason == "created_or_updated"


def test_a_load_that_could_not_begin_has_an_entry_for_every_row(
    sql_audit: SqlAudit, new_load: Callable[..., Load], org: FakeOrg
) -> None:
    load = new_load()
    task = Task(sql_audit, load, org)
    task.upsert().not_sent([row(1), row(2)], PermissionRefusedError("no", status=403))
    assert [(e.action, e.error_code) for e in task.entries().values()] == [(Action.NOT_SENT, "HTTP_403")] * 2
