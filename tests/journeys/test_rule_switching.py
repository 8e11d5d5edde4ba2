"""Duplicate rules are off for a load, and surely on again: crash by crash, in both databases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from airflow_sf_dedup.errors import PreflightError, RequestRefusedError, TransientCallError
from airflow_sf_dedup.journeys.rule_switching.effect import PROBES, Effect
from airflow_sf_dedup.journeys.rule_switching.restoring import Restored, is_due, restore, warnings_of
from airflow_sf_dedup.journeys.rule_switching.switching import RulesBusyError, RuleSwitching, Wanted, rules_named
from airflow_sf_dedup.locks.base import RecordClaim
from airflow_sf_dedup.locks.record_claims import SqlRecordClaims
from airflow_sf_dedup.locks.rule_holds import HoldState, RuleHold, SqlRuleHolds
from airflow_sf_dedup.testing.fake_org import ORG_ID
from airflow_sf_dedup.testing.fake_rules import FakeRules, a_rule

LEASE = timedelta(hours=1)
MAIL, PHONE, CITY = "By_mail", "By_phone", "By_city"


class Crash(BaseException):
    """The process dies."""


@dataclass
class Clock:
    now: datetime = datetime(2026, 3, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@dataclass
class CrashingHolds(SqlRuleHolds):
    """Dies instead of a write, or right after it."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.before: set[int] = set()
        self.after: set[int] = set()
        self.writes = 0

    def put(self, holds: Any) -> None:
        self._written(lambda: SqlRuleHolds.put(self, holds))

    def forget(self, holds: Any) -> None:
        self._written(lambda: SqlRuleHolds.forget(self, holds))

    def _written(self, write: Callable[[], None]) -> None:
        self.writes += 1
        if self.writes in self.before:
            raise Crash
        write()
        if self.writes in self.after:
            raise Crash


class CrashingRules(FakeRules):
    """Dies after a switch, or instead of one, or is refused after the first rule of several."""

    dies: str = ""

    def switch(self, definitions: Any, *, active: bool) -> None:
        if definitions and self.dies == "before":
            raise Crash
        if definitions and self.dies == "in part":
            super().switch(definitions[:1], active=active)
            raise RequestRefusedError("the second was not saved", code="FIELD_INTEGRITY_EXCEPTION")
        super().switch(definitions, active=active)
        if definitions and self.dies == "after":
            raise Crash


@dataclass
class World:
    engine: Engine
    rules: CrashingRules
    clock: Clock = field(default_factory=Clock)

    def switching(self) -> RuleSwitching:
        """As a process of its own has it."""
        self.holds = CrashingHolds(self.engine)
        lock = SqlRecordClaims(self.engine, timedelta(minutes=30), clock=self.clock)
        return RuleSwitching(ORG_ID, self.holds, lock, self.rules, self.rules, clock=self.clock)

    def take(self, holder: str = "a", *names: str) -> list[RuleHold]:
        return self.switching().take(Wanted("Lead", names or (MAIL,), holder, "rules", LEASE))

    def give_back(self, holder: str = "a") -> list[str]:
        """As a teardown that waits until calls meet the rules; answers those that are left off."""
        switching = self.switching()
        held = switching.holds.of_holder(holder)
        if not held:
            return []
        given = switching.give_back(held, by=holder)
        switching.holds.forget(given.on)
        return [hold.rule for hold in given.left]

    def look_after(self, open_switching: Any = None) -> Restored:
        """As a later load before it begins."""
        due = [hold for hold in self.switching().holds.of_rules(ORG_ID, "Lead") if is_due(hold, self.clock())]
        return restore(due, open_switching or (lambda hold: self.switching()), by="later")

    def active(self, name: str = MAIL) -> bool:
        return self.rules.rules[name].active

    def held(self) -> list[tuple[str, str, str]]:
        return [(hold.rule, hold.holder, str(hold.state)) for hold in SqlRuleHolds(self.engine).all()]

    def change(self, name: str = MAIL, **changes: Any) -> None:
        self.rules.rules[name] = a_rule(name, **changes)


@pytest.fixture
def world(empty_engine: Engine) -> World:
    there = {MAIL: a_rule(MAIL), PHONE: a_rule(PHONE), CITY: a_rule(CITY, active=False)}
    return World(empty_engine, CrashingRules(rules=there))


def test_a_rule_is_off_for_a_load_and_on_again_after_it(world: World) -> None:
    [hold] = world.take()
    assert (world.active(), world.active(PHONE)) == (False, True)
    assert (hold.was_active, hold.seen_running, hold.state) == (True, True, HoldState.OFF)
    assert world.give_back() == []
    assert world.active()
    assert world.held() == []


def test_all_else_of_the_rule_is_as_it_was(world: World) -> None:
    before = dict(world.rules.rules)
    world.take("a", MAIL, PHONE)
    world.give_back()
    assert world.rules.rules == before


def test_a_rule_that_was_inactive_stays_so(world: World) -> None:
    world.take("a", CITY, MAIL)
    world.give_back()
    assert (world.active(CITY), world.active(MAIL)) == (False, True)
    assert world.rules.sent("on") == [[[MAIL]]]


def test_the_first_of_two_loads_that_is_done_leaves_the_rule_off_for_the_other(world: World) -> None:
    world.take("a")
    world.take("b")
    world.give_back("a")
    assert not world.active()
    assert world.held() == [(MAIL, "b", "off")]
    world.give_back("b")
    assert world.active()
    assert world.rules.kinds().count("off") == 1


def test_each_rule_is_given_back_by_the_last_that_wants_it(world: World) -> None:
    world.take("a", MAIL, PHONE)
    world.take("b", PHONE)
    world.give_back("a")
    assert (world.active(MAIL), world.active(PHONE)) == (True, False)


def test_a_load_that_is_given_the_rules_again_switches_nothing(world: World) -> None:
    world.take()
    world.take()
    assert world.rules.kinds().count("off") == 1
    world.give_back()
    world.give_back()
    assert world.rules.kinds().count("on") == 1


# --- crashes ----------------------------------------------------------------------------------------------

_OFF_STEPS = [
    pytest.param({"before": {1}}, id="before it is written down"),
    pytest.param({"after": {1}}, id="written down, nothing switched"),
    pytest.param({"dies": "before"}, id="instead of the switch"),
    pytest.param({"dies": "after"}, id="switched, answer lost"),
    pytest.param({"before": {2}}, id="switched, not noted"),
    pytest.param({"after": {2}}, id="switched and noted"),
]
_ON_STEPS = [
    pytest.param({"dies": "before"}, id="instead of the switch"),
    pytest.param({"dies": "after"}, id="switched, answer lost"),
    pytest.param({"before": {1}}, id="switched, not noted"),
    pytest.param({"after": {1}}, id="noted, not forgotten"),
    pytest.param({"after": {2}}, id="forgotten"),
]


def _dying(world: World, act: Callable[[RuleSwitching], object], dies: str = "", **writes: set[int]) -> None:
    """Let a process of its own be killed at a step: what it had claimed stays claimed."""
    switching = world.switching()
    world.rules.dies = dies
    for name, numbers in writes.items():
        setattr(world.holds, name, numbers)
    with pytest.raises(Crash):
        act(switching)
    switching.lock.claim("a", ORG_ID, [RecordClaim("DuplicateRules:Lead", "a")])
    world.rules.dies = ""


def _take(switching: RuleSwitching) -> None:
    switching.take(Wanted("Lead", (MAIL, CITY), "a", "rules", LEASE))


def _give_back(switching: RuleSwitching) -> None:
    given = switching.give_back(switching.holds.of_holder("a"), by="a")
    switching.holds.forget(given.on)


@pytest.mark.parametrize("step", _OFF_STEPS)
def test_a_crash_while_rules_go_off_is_mended_by_the_next_try(world: World, step: dict[str, Any]) -> None:
    _dying(world, _take, **step)
    world.take("a", MAIL, CITY)
    assert not world.active()
    assert world.give_back() == []
    assert (world.active(), world.active(CITY)) == (True, False)
    assert world.held() == []


@pytest.mark.parametrize("step", _OFF_STEPS)
def test_a_crash_while_rules_go_off_is_mended_by_the_teardown(world: World, step: dict[str, Any]) -> None:
    _dying(world, _take, **step)
    assert world.give_back() == []
    assert (world.active(), world.active(CITY), world.held()) == (True, False, [])


@pytest.mark.parametrize("step", _OFF_STEPS)
def test_a_crash_while_rules_go_off_is_mended_by_a_later_load(world: World, step: dict[str, Any]) -> None:
    _dying(world, _take, **step)
    world.clock.now += LEASE
    world.look_after()
    assert (world.active(), world.active(CITY), world.held()) == (True, False, [])


@pytest.mark.parametrize("step", _ON_STEPS)
@pytest.mark.parametrize("by", ["teardown", "later load"])
def test_a_crash_while_rules_go_on_is_mended(world: World, step: dict[str, Any], by: str) -> None:
    world.take("a", MAIL, CITY)
    _dying(world, _give_back, **step) if step != {"after": {2}} else world.give_back()
    world.clock.now += LEASE
    world.give_back() if by == "teardown" else world.look_after()
    assert (world.active(), world.active(CITY), world.held()) == (True, False, [])


def test_a_lease_that_is_not_over_is_nobody_elses_business(world: World) -> None:
    world.take()
    world.clock.now += LEASE - timedelta(seconds=1)
    assert str(world.look_after()) == ""
    assert not world.active()


def test_a_lease_that_is_over_keeps_no_other_load_from_its_rules(world: World) -> None:
    world.take("crashed")
    world.clock.now += LEASE - timedelta(minutes=1)
    world.take("b")
    world.clock.now += timedelta(minutes=2)
    world.look_after()
    assert not world.active(), "b wants it off"
    assert world.held() == [(MAIL, "b", "off")]
    world.give_back("b")
    assert world.active(), "as it was before the crashed load"


def test_what_a_later_load_puts_back_is_said(world: World) -> None:
    world.take()
    world.clock.now += LEASE
    [line] = warnings_of(world.look_after())
    assert line == "duplicate rules that an earlier load left off are on again: Lead.By_mail (of a)"


def test_a_later_load_that_cannot_put_a_rule_back_says_how_it_can_be(world: World) -> None:
    world.take()
    world.clock.now += LEASE

    def nowhere(hold: RuleHold) -> RuleSwitching:
        raise PreflightError("The conn_id `rules` isn't defined")

    [line] = warnings_of(world.look_after(nowhere))
    assert "the duplicate rule Lead.By_mail is OFF: a switched it off" in line
    assert "`python -m airflow_sf_dedup.audit rules --restore` where the connection rules is known" in line
    assert not world.active()


# --- two at once ------------------------------------------------------------------------------------------


def test_one_task_at_a_time_switches_rules_of_an_sobject(world: World) -> None:
    _dying(world, _take, dies="before")
    with pytest.raises(RulesBusyError, match="the duplicate rules of Lead are being switched by another task: a"):
        world.take("b")
    with pytest.raises(RulesBusyError):
        world.switching().give_back(world.holds.of_holder("a"), by="later")
    world.clock.now += timedelta(minutes=31)
    world.take("b")


def test_a_load_that_comes_while_the_last_one_gives_back_has_its_rule_off(world: World) -> None:
    """Another load takes the rule between the switch and the wait for its effect."""
    world.take("a")
    switching = world.switching()
    given = switching.give_back(switching.holds.of_holder("a"), by="a")
    assert [hold.state for hold in given.on] == [HoldState.ON]
    world.take("b")
    assert not world.active()
    given = switching.give_back(switching.holds.of_holder("a"), by="a")
    assert (given.on, given.left) == ([], [])
    assert not world.active()
    world.give_back("b")
    assert world.active()


# --- somebody else ----------------------------------------------------------------------------------------


def test_a_rule_that_somebody_changed_meanwhile_is_left_as_it_is_and_told(world: World) -> None:
    world.take()
    world.change(active=False, alert="Please look twice")
    assert world.give_back() == [MAIL]
    assert not world.active()
    [line] = warnings_of(world.look_after())
    assert "OFF that a load switched off, and somebody changed it meanwhile: Lead.By_mail" in line
    world.change(active=True, alert="Please look twice")
    assert str(world.look_after()) == "Lead.By_mail: on again"
    assert world.held() == []


def test_a_rule_that_somebody_switched_on_meanwhile_is_not_switched(world: World) -> None:
    world.take()
    world.change(active=True, alert="Please look twice")
    assert world.give_back() == []
    assert world.rules.kinds().count("on") == 0


def test_a_rule_that_was_deleted_meanwhile_is_told(world: World) -> None:
    world.take()
    del world.rules.rules[MAIL]
    assert world.give_back() == [MAIL]


def test_a_rule_that_somebody_put_in_another_place_is_switched_on_there(world: World) -> None:
    world.take()
    rule = world.rules.rules[MAIL]
    moved = rule.elements.replace("<sortOrder>1<", "<sortOrder>3<")
    world.rules.rules[MAIL] = replace(rule, elements=moved)
    assert world.give_back() == []
    assert world.active()
    assert "<sortOrder>3<" in world.rules.rules[MAIL].elements


def test_a_rule_whose_filter_somebody_put_in_another_order_is_left(world: World) -> None:
    """The logic of a filter goes by the numbers of its lines."""
    items = "<duplicateRuleFilter><booleanFilter>(1 OR 2) AND 3</booleanFilter><sortOrder>{}</sortOrder>"
    rule = world.rules.rules[MAIL]
    world.rules.rules[MAIL] = replace(rule, elements=rule.elements + items.format(1) + "</duplicateRuleFilter>")
    world.take()
    off = world.rules.rules[MAIL]
    world.rules.rules[MAIL] = replace(off, elements=off.elements.replace(items.format(1), items.format(2)))
    assert world.give_back() == [MAIL]


def test_a_rule_that_somebody_switched_on_is_on_again_after_the_load_that_then_took_it(world: World) -> None:
    """It had been off before the first load came."""
    world.take("a", CITY)
    world.change(CITY)
    world.take("b", CITY)
    assert not world.active(CITY)
    world.give_back("b")
    world.give_back("a")
    assert world.active(CITY)


def test_a_rule_that_is_refused_stays_written_down(world: World) -> None:
    """As where five others of its sObject are active by now."""
    world.take()
    world.rules.errors[len(world.rules.calls) + 2] = RequestRefusedError("no", code="LIMIT_EXCEEDED")
    refusing = world.switching()
    with pytest.raises(RequestRefusedError):
        refusing.give_back(refusing.holds.of_holder("a"), by="a")
    assert (world.active(), world.held()) == (False, [(MAIL, "a", "off")])


@pytest.mark.parametrize("by", ["teardown", "later load"])
def test_rules_of_which_some_were_refused_are_on_again(world: World, by: str) -> None:
    world.rules.dies = "in part"
    with pytest.raises(RequestRefusedError):
        world.take("a", MAIL, PHONE)
    assert (world.active(MAIL), world.active(PHONE)) == (False, True)
    world.rules.dies = ""
    world.clock.now += LEASE
    world.give_back() if by == "teardown" else world.look_after()
    assert (world.active(MAIL), world.active(PHONE), world.held()) == (True, True, [])


def test_the_other_rules_follow_when_those_that_were_refused_may_be_switched_on(world: World) -> None:
    world.take("a", MAIL, PHONE)
    world.rules.dies = "in part"
    with pytest.raises(RequestRefusedError):
        world.give_back()
    assert [world.active(MAIL), world.active(PHONE)].count(False) == 1
    world.rules.dies = ""
    world.give_back()
    assert (world.active(MAIL), world.active(PHONE), world.held()) == (True, True, [])


def test_rules_of_several_sobjects_are_given_back_together(world: World) -> None:
    """As where a setup task was changed between two tries."""
    switching = world.switching()
    [lead] = world.take()
    contact = replace(lead, sobject="Contact", rule="Contact_mail")
    switching.holds.put([contact])
    given = switching.give_back([contact, lead], by="a")
    assert [hold.full_name for hold in given.on] == ["Lead.By_mail"]
    assert [hold.full_name for hold in given.left] == ["Contact.Contact_mail"], "the org has no such rule"


def test_a_call_that_fails_before_anything_is_switched_changes_nothing(world: World) -> None:
    world.rules.errors[1] = TransientCallError("away", code="SERVER_UNAVAILABLE")
    with pytest.raises(TransientCallError):
        world.take()
    assert (world.active(), world.held()) == (True, [])


# --- in effect --------------------------------------------------------------------------------------------


def effect(world: World, settle: float = 100.0) -> Effect:
    return Effect(world.rules, world.rules, settle, clock=world.clock)


def test_a_rule_is_off_when_calls_do_not_meet_it_several_times(world: World) -> None:
    world.rules.stale = 2
    holds = world.take()
    assert effect(world).lacking(holds, active=False) == "calls still meet Lead.By_mail"
    assert effect(world).lacking(holds, active=False) == "calls still meet Lead.By_mail"
    before = world.rules.kinds().count("running")
    assert effect(world).lacking(holds, active=False) is None
    assert world.rules.kinds().count("running") - before == PROBES


def test_a_rule_is_on_when_calls_meet_it(world: World) -> None:
    world.take()
    world.rules.stale = 1
    switching = world.switching()
    given = switching.give_back(switching.holds.of_holder("a"), by="a")
    assert effect(world).lacking(given.on, active=True) == "calls do not meet Lead.By_mail"
    assert effect(world).lacking(given.on, active=True) is None


def test_a_rule_that_no_probe_meets_is_given_time(world: World) -> None:
    world.rules.unseen = frozenset({MAIL})
    holds = world.take()
    assert effect(world).lacking(holds, active=False) == "Lead.By_mail cannot be probed and is given time to settle"
    world.clock.now += timedelta(seconds=100)
    assert effect(world).lacking(holds, active=False) is None


def test_a_rule_that_was_off_before_is_not_waited_for(world: World) -> None:
    assert effect(world).lacking(world.take("a", CITY), active=False) is None


def test_a_rule_that_somebody_switches_on_is_not_in_effect(world: World) -> None:
    holds = world.take()
    world.change()
    assert effect(world).lacking(holds, active=False) == "the org says that Lead.By_mail is active"


# --- names ------------------------------------------------------------------------------------------------


def test_rules_are_named_as_the_org_spells_them(world: World) -> None:
    assert rules_named(["by_MAIL", "By_mail", "by_city"], "Lead", world.rules) == (MAIL, CITY)


def test_a_rule_that_the_org_has_not_is_named_with_those_that_it_has(world: World) -> None:
    with pytest.raises(
        PreflightError, match=r"rules: Lead has no duplicate rule By_mial \(nearest: By_mail\); it has: "
    ):
        rules_named(["By_mial"], "Lead", world.rules)
