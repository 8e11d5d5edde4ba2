"""Rows that only a switched-off rule refused wait without a worker, a bounded number of times, whatever happens."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.core.decisions import DuplicateCase, WaitForRule
from airflow_sf_dedup.core.entries import Action, Entry
from airflow_sf_dedup.core.outcomes import Failed
from airflow_sf_dedup.core.records import Kin, Record
from airflow_sf_dedup.errors import KeysInFlightError, RulesStaleError, TransientCallError
from airflow_sf_dedup.journeys.workshop import Clocks
from airflow_sf_dedup.locks.base import Claimant, KeyScope
from airflow_sf_dedup.locks.key_claims import SqlKeyClaims
from airflow_sf_dedup.policies.base import Composable
from airflow_sf_dedup.testing.fake_org import BLOCKED, KEY, FakeOrg, blocked_by, lead_id, match, row
from airflow_sf_dedup.testing.workshops import workshop

POLICY = "retry_stale_rule(times=2, after='5m') | ask_reviewer"
START = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)


class Task:
    """A task that Airflow runs round by round, on a clock of its own."""

    def __init__(self, engine: Engine, load: Load, org: FakeOrg) -> None:
        self.engine, self.load, self.org = engine, load, org
        self.audit, self.claims = SqlAudit(engine), SqlKeyClaims(engine)
        self.scope = KeyScope(uuid4().hex[:18], "Lead", KEY)
        self.now = START

    def run(self, *rows: Record, policy: Any = POLICY, try_number: int = 1) -> None:
        """One round."""
        made = workshop(
            self.engine,
            self.load,
            self.org,
            policy=policy,
            org_id=self.scope.org_id,
            key_claims=self.claims,
            try_number=try_number,
        )
        made.clocks = Clocks(sleep=lambda seconds: None, here=lambda: self.now)
        made.upsert().run(rows)

    def waits(self, *rows: Record, **how: Any) -> RulesStaleError:
        """One round after which rows wait."""
        with pytest.raises(RulesStaleError) as raised:
            self.run(*rows, **how)
        return raised.value

    def later(self, **by: float) -> None:
        self.now += timedelta(**by)

    def entries(self) -> dict[int, Entry]:
        return {entry.row_number: entry for entry in self.audit.entries(self.load.load_id)}

    def became(self) -> list[tuple[str, str | None, int]]:
        """Action, reason and number of waits of each row."""
        told = self.entries().values()
        return [(str(e.action), e.reason, e.rule_wait.times if e.rule_wait else 0) for e in told]

    def free(self, keys: Iterable[str]) -> bool:
        """Whether others may have the keys."""
        probe = Claimant(uuid4().hex, "another-load", "probe")
        grant = self.claims.claim(self.scope, probe, keys)
        self.claims.release(self.scope, probe, grant.granted)
        return not grant.refused


@pytest.fixture
def org() -> FakeOrg:
    """Its one rule is switched off, and refuses the row with the key ``A`` still."""
    org = FakeOrg(rules={"Leads_by_mail": False, "Leads_by_phone": True})
    org.answers["A"], org.lookups["A"] = [BLOCKED], blocked_by(match(lead_id(7)))
    return org


@pytest.fixture
def task(sql_engine: Engine, new_load: Callable[..., Load], org: FakeOrg) -> Task:
    return Task(sql_engine, new_load(), org)


def heard(org: FakeOrg) -> None:
    """The org runs the rule no longer."""
    org.answers.clear()
    org.lookups.clear()


def test_a_row_waits_and_is_saved_once_the_org_has_heard_of_it(task: Task, org: FakeOrg) -> None:
    told = task.waits(row(1, "A"), row(2, "B"))
    assert (told.rows, told.not_before, told.ends_by_itself) == (1, START + timedelta(minutes=5), True)
    assert task.became() == [("not_sent", "rule_inactive", 1), ("created", None, 0)]
    assert [each.record_id for each in task.entries()[1].matches] == [lead_id(7)]
    assert task.free(["a", "b"]), "whoever has the key meanwhile does not wait for this load"

    task.later(minutes=5)
    heard(org)
    task.run(row(1, "A"), row(2, "B"))

    assert task.became() == [("created", None, 1), ("created", None, 0)]
    wait = task.entries()[1].rule_wait
    assert wait is not None
    assert (wait.since, wait.seconds) == (START, 300)
    assert org.kinds().count("states") == 1, "asked once a settlement"


def test_what_follows_decides_after_the_last_try_by_a_fresh_look_up(task: Task, org: FakeOrg) -> None:
    for _ in range(2):
        task.waits(row(1, "A"))
        task.later(minutes=6)
    org.lookups["A"] = blocked_by(match(lead_id(8)))
    task.run(row(1, "A"))
    assert task.became() == [("awaiting_review", "rule_still_enforced", 2)]
    assert [each.record_id for each in task.entries()[1].matches] == [lead_id(8)]
    assert org.kinds().count("look_up") == 3
    waited = task.audit.waited_for_rules(task.load.load_id)
    assert (waited.rows, waited.most_times, waited.longest_seconds) == (1, 2, 660)


def test_a_rule_that_is_active_again_is_not_waited_for(task: Task, org: FakeOrg) -> None:
    task.waits(row(1, "A"))
    task.later(minutes=5)
    org.rules = {"Leads_by_mail": True}
    task.run(row(1, "A"))
    assert task.became() == [("awaiting_review", "rule_active", 1)]


def test_a_task_that_comes_back_too_early_sends_nothing_and_waits_on(task: Task, org: FakeOrg) -> None:
    first = task.waits(row(1, "A"))
    calls = len(org.calls)
    task.later(minutes=4)
    assert task.waits(row(1, "A")).not_before == first.not_before
    assert len(org.calls) == calls
    assert task.became() == [("not_sent", "rule_inactive", 1)]


@pytest.mark.parametrize("minutes", [1, 6], ids=["while it waits", "when its time has come"])
def test_a_retry_after_a_kill_goes_on_with_the_tries_that_are_left(task: Task, org: FakeOrg, minutes: int) -> None:
    task.waits(row(1, "A"), row(2, "B"))
    task.later(minutes=minutes)
    task.waits(row(1, "A"), row(2, "B"), try_number=2)
    assert task.became()[0] == ("not_sent", "rule_inactive", 1 if minutes < 5 else 2)
    task.later(minutes=11)
    if minutes < 5:
        task.waits(row(1, "A"), row(2, "B"), try_number=2)
        task.later(minutes=6)
    task.run(row(1, "A"), row(2, "B"), try_number=3)
    assert task.became() == [("awaiting_review", "rule_still_enforced", 2), ("created", None, 0)]


def test_a_row_that_failed_in_an_earlier_try_waits_no_more_often_than_others(task: Task, org: FakeOrg) -> None:
    """Its entry makes room: that it waits says more than why it failed before."""
    org.answers["A"] = [Failed("STRING_TOO_LONG", "too long")]
    task.run(row(1, "A"))
    assert task.became() == [("failed", None, 0)]
    org.answers["A"] = [BLOCKED]
    for times in (1, 2):
        task.waits(row(1, "A"), try_number=2)
        assert task.became() == [("not_sent", "rule_inactive", times)]
        task.later(minutes=6)
    task.run(row(1, "A"), try_number=2)
    assert task.became() == [("awaiting_review", "rule_still_enforced", 2)]


def test_later_rows_of_its_key_wait_behind_it_and_are_sent_in_their_order(task: Task, org: FakeOrg) -> None:
    rows = [row(1, "A"), row(2, "A", wave=1), row(3, "A", wave=2)]
    task.waits(*rows)
    behind = ("not_sent", "earlier_row_not_settled", 0)
    assert task.became() == [("not_sent", "rule_inactive", 1), behind, behind]
    task.later(minutes=1)
    task.waits(*rows)
    assert task.became() == [("not_sent", "rule_inactive", 1), behind, behind]
    task.later(minutes=5)
    heard(org)
    task.run(*rows)
    assert [action for action, *_ in task.became()] == ["created", "updated", "updated"]
    assert org.sent("upsert")[-3:] == [[["A"]], [["A"]], [["A"]]]


def test_keys_in_flight_elsewhere_are_waited_for_first_and_that_wait_is_their_own(task: Task, org: FakeOrg) -> None:
    other = Claimant("other", "another-load", "other_dag.upsert[2], run x, try 1")
    task.claims.claim(task.scope, other, ["b"])
    with pytest.raises(KeysInFlightError) as raised:
        task.run(row(1, "A"), row(2, "B"))
    assert (raised.value.rows, raised.value.waited_besides) == (1, 300.0)
    task.claims.release(task.scope, other, ["b"])
    assert task.waits(row(1, "A"), row(2, "B")).rows == 1
    assert task.became() == [("not_sent", "rule_inactive", 1), ("created", None, 0)]


def test_a_user_who_may_not_see_rules_has_rows_passed_on_and_it_is_said_once(
    task: Task, org: FakeOrg, caplog: pytest.LogCaptureFixture
) -> None:
    org.rules = None
    org.lookups["B"] = blocked_by(match(lead_id(8)))
    with caplog.at_level(logging.WARNING):
        task.run(row(1, "A"), row(2, "B"), row(3, "B", wave=1))
    assert {reason for _, reason, _ in task.became()} == {"rule_states_unknown", "earlier_row_awaits_review"}
    assert [each.message for each in caplog.records if "View Setup" in each.message] != []
    assert len([each for each in caplog.records if "View Setup" in each.message]) == 1


def test_rules_are_not_asked_for_where_no_rule_refused_a_row_or_no_policy_asks(task: Task, org: FakeOrg) -> None:
    task.run(row(2, "B"))
    task.run(row(1, "A"), policy="ask_reviewer")
    assert "states" not in org.kinds()


def test_an_org_that_does_not_say_leaves_the_rows_to_a_retry(task: Task, org: FakeOrg) -> None:
    org.errors[5] = TransientCallError("no connection", code="CONNECT_FAILED")
    with pytest.raises(TransientCallError):
        task.run(row(1, "A"))
    assert org.kinds() == ["upsert", "look_up", "holders", "by_id", "states"]
    assert task.became() == [("not_sent", "call_failed", 0)]
    task.waits(row(1, "A"), try_number=2)


def test_a_policy_that_is_taken_out_of_the_dag_meanwhile_is_not_waited_for(task: Task, org: FakeOrg) -> None:
    task.waits(row(1, "A"))
    task.run(row(1, "A"), policy="skip")
    assert task.became() == [("skipped", "by_policy", 1)]


def test_a_policy_of_ones_own_cannot_make_a_row_wait_for_ever(task: Task, org: FakeOrg) -> None:
    class Always(Composable):
        name = "always"

        def decide(self, case: DuplicateCase) -> WaitForRule:
            return WaitForRule(timedelta(seconds=1), times=1)

    class Asking(Always):
        needs_rule_states = True

    task.run(row(1, "A"), policy=Always())
    assert task.became() == [("awaiting_review", "decision_not_allowed", 0)]
    task.waits(row(2, "A"), policy=Asking())
    task.later(seconds=2)
    task.run(row(2, "A"), policy=Asking())
    assert task.entries()[2].action is Action.AWAITING_REVIEW


@pytest.mark.parametrize("kin", [Kin(parents=(1,)), Kin(1, 1)], ids=["its child", "its twin"])
def test_who_goes_after_a_row_that_waits_does_so_also_in_a_task_that_comes_back_too_early(
    task: Task, org: FakeOrg, kin: Kin
) -> None:
    """Cleared by a person, say. A twin that is sent alone would get in before the org's rules could compare the two."""
    rows = row(1, "A"), replace(row(2, "B", wave=1), kin=kin)
    task.waits(*rows)
    before = task.became()
    assert [action for action, _, _ in before] == ["not_sent", "not_sent"]

    task.later(minutes=1)
    task.waits(*rows, try_number=2)

    assert task.became() == before
    task.later(minutes=4)
    heard(org)
    task.run(*rows, try_number=2)
    assert [action for action, _, _ in task.became()] == ["created", "created"]
