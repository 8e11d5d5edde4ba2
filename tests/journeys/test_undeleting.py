"""Undelete: one certain deleted record leaves the recycle bin and carries the key; nothing is lost on the way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.core.decisions import DuplicateCase, UndeleteMatch
from airflow_sf_dedup.core.entries import Action, Entry
from airflow_sf_dedup.core.outcomes import DuplicatesFound, Failed, Outcome, Unanswered
from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.core.record_state import Deletion, RecordState
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.errors import CallError, OutcomeUnknownError
from airflow_sf_dedup.locks.base import RecordClaim
from airflow_sf_dedup.policies import Chain
from airflow_sf_dedup.testing.fake_org import (
    BLOCKED,
    KEY,
    ORG_ID,
    FakeOrg,
    blocked_by,
    lead_id,
    match,
    row,
    stored,
)
from tests.journeys.loaded import Loaded

ONE, TWO = lead_id(1), lead_id(2)
BOTH = "undelete | ask_reviewer"
SOMEBODY = to_18("005000000000009")
KEY_TAKEN = Failed(
    "DUPLICATE_VALUE", f"duplicate value found: {KEY} duplicates value on record with id: 00Q000000000007"
)
SILENT = OutcomeUnknownError("no answer", code="CONNECTION_BROKEN")


def gone(record_id: str = ONE, **values: Any) -> Any:
    """A record that somebody deleted yesterday."""
    return stored(record_id, deletion=Deletion(datetime.now(UTC) - timedelta(days=1), SOMEBODY), **values)


class Task(Loaded):
    """Tells what became of its rows, and who has records."""

    def __call__(self, policy: str | Chain, *rows: Record, try_number: int = 1) -> dict[int, Entry]:
        self.tried(*rows, policy=policy, try_number=try_number)
        return self.entries()

    def holder_of(self, record_id: str) -> str:
        return self.claims.claim("another-load", ORG_ID, [RecordClaim(record_id, "probe")])[record_id]


@pytest.fixture
def org() -> FakeOrg:
    """A rule keeps row A out for a record that is in the recycle bin."""
    org = FakeOrg(answers={"A": [BLOCKED]}, lookups={"A": blocked_by(match(ONE))})
    org.records[ONE] = gone()
    return org


@pytest.fixture
def task(unclaimed: Engine, new_load: Callable[..., Load], org: FakeOrg) -> Task:
    return Task(unclaimed, new_load(), org)


def test_a_deleted_match_is_live_again_updated_and_carries_the_key(task: Task, org: FakeOrg) -> None:
    entry = task(BOTH, row(1, "A"))[1]
    assert (entry.action, entry.reason, entry.record_id) == (Action.MATCHED_UPDATED, "undeleted", ONE)
    assert org.records[ONE].values[KEY] == "A"
    assert not org.records[ONE].is_deleted
    [found] = entry.matches
    assert (found.state, found.is_deleted, found.deleted_by) == (RecordState.DELETED, True, SOMEBODY)
    assert found.deleted_at is not None
    assert org.kinds()[-2:] == ["undelete", "update"]
    assert task.holder_of(ONE) == "a"


def test_the_one_deleted_holder_of_the_key_is_undeleted(task: Task, org: FakeOrg) -> None:
    """A unique field keeps the key for it, and no rule was asked."""
    org.answers["A"], org.deleted["A"], org.records[ONE] = [KEY_TAKEN], (ONE,), gone(Key__c="A")
    entry = task(BOTH, row(1, "A"))[1]
    assert (entry.action, entry.reason, entry.record_id) == (Action.MATCHED_UPDATED, "undeleted", ONE)
    assert entry.error_code == "DUPLICATE_VALUE"


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        ("update_existing | skip", "match_deleted"),
        ('undelete(deleted_within="12h") | skip', "deleted_too_long_ago"),
        ('undelete(deleted_by="005000000000008") | skip', "deleted_by_another_user"),
    ],
)
def test_nothing_is_undeleted_unless_the_policy_is_named_and_its_limits_hold(
    task: Task, org: FakeOrg, policy: str, reason: str
) -> None:
    entry = task(policy, row(1, "A"))[1]
    assert (entry.action, entry.reason) == (Action.SKIPPED, reason)
    assert not org.sent("undelete")


def test_two_keys_that_want_one_deleted_record_do_not_both_get_it(task: Task, org: FakeOrg) -> None:
    org.answers["B"], org.lookups["B"] = [BLOCKED], blocked_by(match(ONE))
    entries = task(BOTH, row(1, "A"), row(2, "B"))
    assert [(each.action, each.reason) for each in entries.values()] == [
        (Action.MATCHED_UPDATED, "undeleted"),
        (Action.AWAITING_REVIEW, "match_claimed"),
    ]
    assert org.sent("undelete") == [[[ONE]]]


REFUSED: dict[str, tuple[Outcome, str]] = {
    "by a rule": (DuplicatesFound("Use one of these?"), "undelete_refused_by_rule"),
    "a value is taken": (Failed("DUPLICATE_VALUE", "duplicate value found"), "undelete_refused"),
    "not allowed": (Failed("INSUFFICIENT_ACCESS_OR_READONLY", "no"), "undelete_refused"),
}


@pytest.mark.parametrize(("refusal", "reason"), REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.parametrize(("policy", "action"), [(BOTH, Action.AWAITING_REVIEW), ("undelete | skip", Action.SKIPPED)])
def test_a_refused_undelete_goes_to_the_next_policy_and_never_to_a_create(
    task: Task, org: FakeOrg, refusal: Outcome, reason: str, policy: str, action: Action
) -> None:
    org.undeletes[ONE] = [refusal]
    entry = task(policy, row(1, "A"))[1]
    assert (entry.action, entry.reason) == (action, reason)
    assert not org.sent("update")
    assert task.holder_of(ONE) == "probe"


def test_a_record_that_was_purged_meanwhile_is_told_so(task: Task, org: FakeOrg) -> None:
    def undelete(record_ids: Any, **how: Any) -> list[Outcome]:
        del org.records[ONE]
        return FakeOrg.undelete(org, record_ids, **how)

    org.undelete = undelete  # type: ignore[method-assign]
    entry = task(BOTH, row(1, "A"))[1]
    assert (entry.action, entry.reason) == (Action.AWAITING_REVIEW, "match_purged")


def test_a_record_that_somebody_else_undeleted_meanwhile_is_updated(task: Task, org: FakeOrg) -> None:
    def undelete(record_ids: Any, **how: Any) -> list[Outcome]:
        org.records[ONE] = stored(ONE)
        return FakeOrg.undelete(org, record_ids, **how)

    org.undelete = undelete  # type: ignore[method-assign]
    entry = task(BOTH, row(1, "A"))[1]
    assert (entry.action, entry.reason) == (Action.MATCHED_UPDATED, "undeleted")


def test_an_undelete_whose_answer_is_lost_is_told_by_its_record(task: Task, org: FakeOrg) -> None:
    """Sent again, it is refused: the record is live."""
    org.lost = {5}
    entry = task(BOTH, row(1, "A"))[1]
    assert org.kinds()[4] == "undelete"
    assert (entry.action, entry.reason) == (Action.MATCHED_UPDATED, "undeleted")


def test_an_undelete_that_may_come_yet_leaves_the_row_unknown_and_the_record_claimed(task: Task, org: FakeOrg) -> None:
    org.undeletes[ONE] = [Unanswered("cut off")]
    entry = task(BOTH, row(1, "A"))[1]
    assert (entry.action, entry.reason) == (Action.UNKNOWN, "undelete_failed")
    assert task.holder_of(ONE) == "a"


def test_a_lock_that_lasts_leaves_the_row_failed_for_a_later_try(task: Task, org: FakeOrg) -> None:
    org.undeletes[ONE] = [Failed("UNABLE_TO_LOCK_ROW", "locked")]
    entry = task(BOTH, row(1, "A"))[1]
    assert (entry.action, entry.reason) == (Action.FAILED, "tries_used_up")
    assert task.holder_of(ONE) == "probe"


@pytest.mark.parametrize(
    ("refusal", "action", "reason"),
    [
        (blocked_by(match(TWO)), Action.AWAITING_REVIEW, "undeleted_update_refused"),
        (Failed("STRING_TOO_LONG", "too long"), Action.FAILED, "undeleted_update_failed"),
    ],
    ids=["by a rule", "by a value"],
)
def test_a_record_that_is_live_but_could_not_be_updated_is_told(
    task: Task, org: FakeOrg, refusal: Outcome, action: Action, reason: str
) -> None:
    """It stays the load's own: a later try goes on with it."""
    org.updates[ONE] = [refusal]
    entry = task(BOTH, row(1, "A"))[1]
    assert (entry.action, entry.reason) == (action, reason)
    assert task.holder_of(ONE) == "a"


@pytest.mark.parametrize("number", [5, 6], ids=["its undelete was lost", "its update was not made"])
def test_a_task_that_ends_between_undelete_and_update_is_finished_by_its_next_try(
    task: Task, org: FakeOrg, number: int
) -> None:
    """The record is live and without the key then; the claim of the load says whose it is."""
    if number == 5:

        def undelete(record_ids: Any, **how: Any) -> list[Outcome]:
            FakeOrg.undelete(org, record_ids, **how)
            raise SILENT

        org.undelete = undelete  # type: ignore[method-assign]
    else:
        org.errors[6] = SILENT
    with pytest.raises(CallError):
        task(BOTH, row(1, "A"))
    assert not org.records[ONE].is_deleted
    assert task.entries()[1].action is Action.UNKNOWN
    org.errors.clear()
    vars(org).pop("undelete", None)
    entry = task(BOTH, row(1, "A"), try_number=2)[1]
    assert (entry.action, entry.record_id) == (Action.MATCHED_UPDATED, ONE)
    assert org.records[ONE].values[KEY] == "A"


def test_a_live_match_of_another_load_is_not_taken_for_an_undeleted_one(task: Task, org: FakeOrg) -> None:
    org.records[ONE] = stored(ONE)
    task.claims.claim("another-load", ORG_ID, [RecordClaim(ONE, "a")])
    entry = task(BOTH, row(1, "A"), try_number=2)[1]
    assert (entry.action, entry.reason) == (Action.AWAITING_REVIEW, "match_not_deleted")


class Rash:
    """A user's policy that undeletes what it must not."""

    name = "rash"

    def decide(self, case: DuplicateCase) -> UndeleteMatch:
        return UndeleteMatch(TWO, {KEY: "A"})


def test_a_users_policy_cannot_make_us_undelete_what_is_not_certain(task: Task, org: FakeOrg) -> None:
    org.records[TWO] = gone(TWO)
    entry = task(Chain((Rash(),)), row(1, "A"))[1]
    assert (entry.action, entry.reason) == (Action.AWAITING_REVIEW, "decision_not_allowed")
    assert not org.sent("undelete")


def test_two_hundred_deleted_matches_cost_two_calls(task: Task, org: FakeOrg) -> None:
    org.rows_per_chunk = org.rows_per_call = org.ids_per_call = 200
    rows = [row(number) for number in range(1, 201)]
    org.answers = {each.key: [BLOCKED] for each in rows}
    org.lookups = {each.key: blocked_by(match(lead_id(each.row_number))) for each in rows}
    org.records = {lead_id(number): gone(lead_id(number)) for number in range(1, 201)}
    entries = task(BOTH, *rows)
    assert {entry.reason for entry in entries.values()} == {"undeleted"}
    assert org.kinds() == ["upsert", "look_up", "holders", "by_id", "undelete", "update"]


def test_where_the_org_answers_no_soap_call_the_next_policy_is_asked(task: Task, org: FakeOrg) -> None:
    org.undeletes[ONE] = [Failed("API_DISABLED_FOR_ORG", "no SOAP")]
    entry = task(BOTH, row(1, "A"))[1]
    assert (entry.action, entry.reason) == (Action.AWAITING_REVIEW, "undelete_needs_soap")
    assert org.records[ONE].is_deleted
    assert task.holder_of(ONE) == "probe"
