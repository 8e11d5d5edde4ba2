"""Twins and parents on their way: what becomes of a row when the row that it has to do with is not saved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.core.outcomes import Failed, Outcome, Unanswered
from airflow_sf_dedup.core.records import Kin, Record
from airflow_sf_dedup.errors import KeysInFlightError, TransientCallError
from airflow_sf_dedup.locks.base import Claimant
from airflow_sf_dedup.locks.key_claims import SqlKeyClaims
from airflow_sf_dedup.testing.fake_org import BLOCKED, FakeOrg, blocked_by, lead_id, match, row
from tests.journeys.test_upsert import Task

NO_PARENT = Failed("INVALID_FIELD", "Foreign key external ID: key-1 not found for field Key__c in entity Lead")
NO_OWNER = Failed("INVALID_FIELD", "Foreign key external ID: x not found for field Username in entity User")
TOO_LONG = Failed("STRING_TOO_LONG", "Last Name: data value too large")
LOCKED = Failed("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record")


def child(number: int, *parents: int, wave: int = 1) -> Record:
    return replace(row(number, wave=wave), kin=Kin(parents=parents))


def twin(number: int, group: int, wave: int, before: int | None = None) -> Record:
    return replace(row(number, wave=wave), kin=Kin(group, before))


@pytest.fixture
def org() -> FakeOrg:
    return FakeOrg()


@pytest.fixture
def task(sql_engine: Engine, new_load: Callable[..., Load], org: FakeOrg) -> Task:
    return Task(sql_engine, new_load(), org)


def said(task: Task, number: int) -> tuple[str, str | None, str | None]:
    entry = task.entries()[number]
    return str(entry.action), entry.reason, entry.error_message


@pytest.mark.parametrize(
    ("answer", "policy", "became"),
    [
        (TOO_LONG, "ask_reviewer", "failed"),
        (BLOCKED, "ask_reviewer", "awaiting_review"),
        (BLOCKED, "skip", "skipped"),
    ],
    ids=["failed", "awaits a person", "skipped"],
)
def test_a_row_whose_parent_is_not_saved_names_it_and_what_became_of_it(
    task: Task, org: FakeOrg, answer: Outcome, policy: str, became: str
) -> None:
    org.answers = {"key-1": [answer], "key-2": [NO_PARENT]}
    org.lookups["key-1"] = blocked_by(match(lead_id(7)))
    task([row(1), child(2, 1)], policy=policy)
    assert said(task, 2) == ("failed", "parent_not_saved", f"its parent, row 1 of this load, is {became}")
    assert task.entries()[2].error_code == "INVALID_FIELD"


def test_it_is_sent_again_when_the_task_is_cleared(task: Task, org: FakeOrg) -> None:
    org.answers = {"key-1": [TOO_LONG], "key-2": [NO_PARENT]}
    rows = [row(1), child(2, 1)]
    task(rows)
    org.answers = {}
    task(rows, try_number=2)
    assert task.actions() == ["created", "created"]


@pytest.mark.parametrize("answer", [TOO_LONG, BLOCKED], ids=["failed", "awaits a person"])
def test_a_row_whose_parent_is_in_the_org_already_is_saved(task: Task, org: FakeOrg, answer: Outcome) -> None:
    org.answers = {"key-1": [answer]}
    org.lookups["key-1"] = blocked_by(match(lead_id(7)))
    task([row(1), child(2, 1)])
    assert task.actions()[1] == "created"


@pytest.mark.parametrize(
    ("failed", "kin"),
    [
        pytest.param(NO_PARENT, (), id="a parent of another load"),
        pytest.param(NO_PARENT, (1,), id="another parent than the one that is saved"),
        pytest.param(Failed("INVALID_FIELD", "No such column 'X__c'"), (3,), id="another cause"),
        pytest.param(NO_OWNER, (3,), id="a record of another sObject"),
    ],
)
def test_a_failure_that_has_to_do_with_no_row_of_the_load_stays_as_it_is(
    task: Task, org: FakeOrg, failed: Failed, kin: tuple[int, ...]
) -> None:
    org.answers = {"key-2": [failed], "key-3": [TOO_LONG]}
    task([row(1), row(3), child(2, *kin)])
    assert said(task, 2) == ("failed", None, failed.message)


def test_of_two_parents_the_one_that_is_not_saved_is_named(task: Task, org: FakeOrg) -> None:
    org.answers = {"key-3": [TOO_LONG], "key-2": [NO_PARENT]}
    task([row(1), row(3), child(2, 1, 3)])
    assert said(task, 2)[2] == "its parent, row 3 of this load, is failed"


def test_rows_that_are_each_others_ancestors_are_told(task: Task, org: FakeOrg) -> None:
    org.answers = {"key-1": [NO_PARENT], "key-2": [NO_PARENT]}
    task([child(1, 2, wave=0), child(2, 1)])
    assert said(task, 1)[1:] == (
        "parent_not_saved",
        "its parent, row 2 of this load, had to go after it: the rows are each other's ancestors",
    )
    assert said(task, 2)[2] == "its parent, row 1 of this load, is failed"


def test_a_row_waits_for_a_parent_whose_key_is_in_flight_elsewhere_and_is_sent_when_the_task_comes_back(
    task: Task, org: FakeOrg
) -> None:
    claims, other = SqlKeyClaims(task.engine), Claimant("other", "another-load", "other_dag.upsert, run x, try 1")
    claims.claim(task.scope, other, ["key-1"])
    rows = [row(1), row(4), child(2, 1), child(3, 2, wave=2)]
    with pytest.raises(KeysInFlightError):
        task.upsert(claims=claims).run(rows)
    assert task.actions() == ["not_sent", "not_sent", "not_sent", "created"]
    assert said(task, 2)[1:] == ("parent_not_saved", "its parent, row 1 of this load, is not_sent")
    assert org.sent("upsert") == [[["key-4"]]]
    claims.release(task.scope, other, ["key-1"])
    task.upsert(claims=claims).run(rows)
    assert task.actions() == ["created"] * 4


def test_a_row_waits_for_a_parent_that_an_earlier_process_may_have_sent(task: Task, org: FakeOrg) -> None:
    now = datetime.now(UTC)
    claims = SqlKeyClaims(task.engine, timedelta(minutes=12), clock=lambda: now)
    claims.claim(task.scope, Claimant("dead", task.load.load_id, "the try that was killed"), ["key-1"])
    rows = [row(1), child(2, 1)]
    for _ in range(2):
        with pytest.raises(KeysInFlightError):
            task.upsert(claims=claims, try_number=2).run(rows)
        assert task.actions() == ["unknown", "not_sent"]
    now += timedelta(minutes=13)
    task.upsert(claims=claims, try_number=2).run(rows)
    assert task.actions()[1] == "created"


def test_a_row_waits_for_a_parent_of_which_no_answer_tells(task: Task, org: FakeOrg) -> None:
    org.answers["key-1"] = [Unanswered("cut off")]
    rows = [row(1), child(2, 1)]
    task(rows)
    assert task.actions() == ["unknown", "not_sent"]
    org.answers = {}
    task(rows, try_number=2)
    assert task.actions()[1] == "created"


def test_a_row_that_may_be_in_the_org_itself_is_never_told_as_not_sent(task: Task, org: FakeOrg) -> None:
    org.answers = {"key-1": [Unanswered("cut off")], "key-2": [Unanswered("cut off")]}
    task([row(1), row(2)])
    task([row(1), child(2, 1)], try_number=2)
    assert task.actions() == ["unknown", "unknown"]


def test_a_call_that_fails_for_good_leaves_each_row_its_entry(task: Task, org: FakeOrg) -> None:
    org.errors[2] = TransientCallError("no connection", code="CONNECT_FAILED")
    org.errors.update(dict.fromkeys(range(3, 40), org.errors[2]))
    with pytest.raises(TransientCallError):
        task([row(1), child(2, 1), child(3, 2, wave=2)])
    assert task.actions() == ["created", "not_sent", "not_sent"]
    org.errors = {}
    task([row(1), child(2, 1), child(3, 2, wave=2)], try_number=2)
    assert task.actions() == ["created"] * 3


# -- twins ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "policy"),
    [(TOO_LONG, "skip"), (LOCKED, "skip"), (BLOCKED, "ask_reviewer"), (BLOCKED, "skip")],
    ids=["failed", "locked", "awaits a person", "skipped"],
)
def test_a_twin_goes_whatever_became_of_the_first_since_it_has_a_key_of_its_own(
    task: Task, org: FakeOrg, answer: Outcome, policy: str
) -> None:
    org.answers["key-1"] = [answer]
    org.lookups["key-1"] = blocked_by(match(lead_id(7)))
    task([twin(1, 1, 0), row(2), twin(3, 1, 1, 1)], policy=policy)
    assert task.actions()[1:] == ["created", "created"]


def rows_of_one_key_and_a_twin() -> list[Record]:
    """Three rows of a key that go in order, and after them a row of another key that may be their twin."""
    of_key = [replace(twin(number, 1, number - 1, number - 1 or None), key="key-1") for number in (1, 2, 3)]
    return [*of_key, twin(4, 1, 3, 3)]


@pytest.mark.parametrize(
    ("answer", "became"),
    [(TOO_LONG, "created"), (LOCKED, "created"), (Unanswered("cut off"), "not_sent")],
    ids=["failed", "locked", "in doubt"],
)
def test_a_twin_waits_for_rows_behind_another_only_while_that_may_be_in_the_org(
    task: Task, org: FakeOrg, answer: Outcome, became: str
) -> None:
    """Those behind a failed row are sent by no try that the failed one is not saved by."""
    org.answers["key-1"] = [answer] * 20
    task(rows_of_one_key_and_a_twin())
    assert task.actions()[1:3] == ["not_sent", "not_sent"]
    assert said(task, 2)[1] == said(task, 3)[1] == "earlier_row_not_settled"
    assert task.actions()[3] == became


def test_a_twin_waits_for_one_whose_call_may_still_be_under_way_in_the_org(task: Task, org: FakeOrg) -> None:
    """No rule would see that row yet: both would be saved."""
    org.answers["key-1"] = [Unanswered("cut off")]
    rows = [twin(1, 1, 0), row(2), twin(3, 1, 1, 1), twin(4, 1, 2, 3)]
    task(rows)
    assert task.actions() == ["unknown", "created", "not_sent", "not_sent"]
    assert said(task, 3)[1:] == ("twin_not_settled", "row 1 of this load, which may be its twin, is unknown")
    assert said(task, 4)[1:] == ("twin_not_settled", "row 3 of this load, which may be its twin, is not_sent")
    org.answers = {"key-3": [BLOCKED], "key-4": [BLOCKED]}
    org.lookups = dict.fromkeys(("key-3", "key-4"), blocked_by(match(lead_id(1))))
    task(rows, try_number=2, policy="skip")
    assert task.actions()[2:] == ["skipped", "skipped"]


def test_a_twin_waits_for_one_whose_key_is_in_flight_elsewhere_and_is_sent_when_the_task_comes_back(
    task: Task, org: FakeOrg
) -> None:
    claims, other = SqlKeyClaims(task.engine), Claimant("other", "another-load", "other_dag.upsert, run x, try 1")
    claims.claim(task.scope, other, ["key-1"])
    rows = [twin(1, 1, 0), twin(2, 1, 1, 1)]
    with pytest.raises(KeysInFlightError):
        task.upsert(claims=claims).run(rows)
    assert task.actions() == ["not_sent", "not_sent"]
    claims.release(task.scope, other, ["key-1"])
    task.upsert(claims=claims).run(rows)
    assert task.actions() == ["created", "created"]


def test_a_twin_that_may_be_in_the_org_itself_is_never_told_as_not_sent(task: Task, org: FakeOrg) -> None:
    org.answers = {"key-1": [Unanswered("cut off")], "key-2": [Unanswered("cut off")]}
    task([row(1), row(2)])
    task([twin(1, 1, 0), twin(2, 1, 1, 1)], try_number=2)
    assert task.actions() == ["unknown", "unknown"]


def test_each_entry_of_a_group_names_it_however_the_row_ended(task: Task, org: FakeOrg) -> None:
    org.answers = {"key-2": [BLOCKED], "key-3": [TOO_LONG]}
    org.lookups["key-2"] = blocked_by(match(lead_id(1)))
    task([twin(1, 1, 0), row(4), twin(2, 1, 1, 1), twin(3, 1, 2, 2)])
    assert [entry.twin_group for entry in task.entries().values()] == [1, 1, 1, None]


def test_a_twin_is_sent_when_the_first_has_been_answered(task: Task, org: FakeOrg) -> None:
    org.rows_per_chunk = org.chunks_per_call = 2
    task.upsert(max_in_flight=4).run([twin(1, 1, 0), row(2), twin(3, 1, 1, 1), twin(4, 1, 2, 3)])
    assert org.sent("upsert") == [[["key-1", "key-2"]], [["key-3"]], [["key-4"]]]
