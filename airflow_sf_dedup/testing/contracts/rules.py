"""What everything promises that says which duplicate rules an org has."""

from __future__ import annotations

from typing import Generic

import pytest

from airflow_sf_dedup.core.outcomes import DuplicatesFound
from airflow_sf_dedup.salesforce.ports import DuplicateLookup, DuplicateRules
from airflow_sf_dedup.testing.contracts.orgs import OrgT

# ruff: noqa: S101


class DuplicateRulesContract(Generic[OrgT]):
    """Inherit, and answer :meth:`make_org`, :meth:`make_rules` and :meth:`make_lookup`."""

    def make_org(self) -> OrgT:
        """An org for one test."""
        raise NotImplementedError

    def make_rules(self, org: OrgT) -> DuplicateRules:
        """What is under test."""
        raise NotImplementedError

    def make_lookup(self, org: OrgT) -> DuplicateLookup:
        """A look-up for the leads of that org."""
        raise NotImplementedError

    @pytest.fixture
    def org(self) -> OrgT:
        return self.make_org()

    def test_a_rule_that_refuses_a_row_is_there_and_active(self, org: OrgT) -> None:
        """Under the name that the refusal gives it."""
        blocked, _ = org.blocked_row()
        answer = self.make_lookup(org).look_up([blocked])
        assert isinstance(answer, list)
        [found] = answer
        assert isinstance(found, DuplicatesFound)
        states = self.make_rules(org).states("Lead")
        assert states is not None
        assert [states[str(rule)] for rule in found.rules] == [True]

    def test_a_rule_that_is_switched_off_is_there_and_inactive(self, org: OrgT) -> None:
        inactive = org.inactive_rule()
        states = self.make_rules(org).states("Lead")
        assert states is not None
        assert states[inactive] is False

    def test_rules_of_another_sobject_are_not_told(self, org: OrgT) -> None:
        states = self.make_rules(org).states("Task")
        assert not states
