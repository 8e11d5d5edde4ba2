"""What everything promises that switches duplicate rules, and that says which of them calls meet."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Generic, Protocol, TypeVar

import pytest

from airflow_sf_dedup.errors import CallError
from airflow_sf_dedup.salesforce.ports import DuplicateRules, DuplicateRuleSwitches, RuleDefinition, RunningRules

# ruff: noqa: S101

#: Seconds after which calls meet the rules of the arranged org as they were switched.
_SOON = 10.0


class RulesToSwitch(Protocol):
    """An org with duplicate rules of leads, at least one of them active."""

    def inactive_rule(self) -> str:
        """DeveloperName of a rule that is switched off."""

    def refuse_a_call(self) -> None:
        """The next call is refused as a whole."""


RulesT = TypeVar("RulesT", bound=RulesToSwitch)


class DuplicateRuleSwitchesContract(Generic[RulesT]):
    """Inherit, and answer :meth:`make_org`, :meth:`make_switches`, :meth:`make_rules` and :meth:`make_running`."""

    def make_org(self) -> RulesT:
        """An org for one test."""
        raise NotImplementedError

    def make_switches(self, org: RulesT) -> DuplicateRuleSwitches:
        """What is under test."""
        raise NotImplementedError

    def make_rules(self, org: RulesT) -> DuplicateRules:
        """Which rules the org has."""
        raise NotImplementedError

    def make_running(self, org: RulesT) -> RunningRules:
        """Which rules calls meet; under test, too."""
        raise NotImplementedError

    @pytest.fixture
    def org(self) -> RulesT:
        return self.make_org()

    @pytest.fixture
    def switches(self, org: RulesT) -> DuplicateRuleSwitches:
        return self.make_switches(org)

    def _states(self, org: RulesT) -> Mapping[str, bool]:
        states = self.make_rules(org).states("Lead")
        assert states is not None
        return states

    def _active(self, org: RulesT, switches: DuplicateRuleSwitches) -> RuleDefinition:
        name = next(name for name, active in self._states(org).items() if active)
        return switches.definitions("Lead", [name])[name]

    def test_a_definition_says_what_the_org_states(self, org: RulesT, switches: DuplicateRuleSwitches) -> None:
        states = self._states(org)
        found = switches.definitions("Lead", list(states))
        assert {name: rule.active for name, rule in found.items()} == states
        assert {(rule.sobject, rule.name) for rule in found.values()} == {("Lead", name) for name in states}

    def test_a_rule_that_is_not_there_is_absent(self, org: RulesT, switches: DuplicateRuleSwitches) -> None:
        inactive = org.inactive_rule()
        assert switches.definitions("Lead", ["No_such_rule", inactive]).keys() == {inactive}

    def test_a_rule_is_switched_off_and_on_and_all_else_of_it_stays(
        self, org: RulesT, switches: DuplicateRuleSwitches
    ) -> None:
        before = self._active(org, switches)
        others = {name: state for name, state in self._states(org).items() if name != before.name}
        switches.switch([before], active=False)
        off = switches.definitions("Lead", [before.name])[before.name]
        assert (off.active, off.is_alike(before.elements)) == (False, True)
        assert self._states(org) == {**others, before.name: False}
        switches.switch([off], active=True)
        assert switches.definitions("Lead", [before.name])[before.name] == before
        assert self._states(org) == {**others, before.name: True}

    def test_the_same_once_more_does_no_harm(self, org: RulesT, switches: DuplicateRuleSwitches) -> None:
        before = self._active(org, switches)
        for active in (False, False, True, True):
            switches.switch([before], active=active)
        assert switches.definitions("Lead", [before.name])[before.name] == before

    def test_no_rule_is_no_call(self, org: RulesT, switches: DuplicateRuleSwitches) -> None:
        org.refuse_a_call()
        switches.switch([], active=True)
        assert not switches.definitions("Lead", [])

    def test_what_is_refused_raises_and_changes_nothing(self, org: RulesT, switches: DuplicateRuleSwitches) -> None:
        before = self._active(org, switches)
        org.refuse_a_call()
        with pytest.raises(CallError):
            switches.switch([before], active=False)
        assert self._states(org)[before.name] is True

    def test_calls_meet_the_rules_that_are_on_and_in_the_end_no_other(
        self, org: RulesT, switches: DuplicateRuleSwitches
    ) -> None:
        running = self.make_running(org)
        before, inactive = self._active(org, switches), org.inactive_rule()
        met = running.running("Lead")
        assert before.name in met
        assert inactive not in met
        switches.switch([before], active=False)
        deadline = time.monotonic() + _SOON
        while before.name in running.running("Lead") and time.monotonic() < deadline:
            time.sleep(0.05)
        assert before.name not in running.running("Lead")
