"""Duplicate rules in memory, for tests of what switches them: every call noted, and answers may fail or be late."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from airflow_sf_dedup.core.outcomes import DuplicatesFound, Failed
from airflow_sf_dedup.salesforce.ports import RuleDefinition
from airflow_sf_dedup.salesforce.wire.rest import NOTHING_BLOCKS
from airflow_sf_dedup.testing.fake_org import LEAD, NotedCalls


def a_rule(name: str, *, active: bool = True, alert: str = "Use one of these?") -> RuleDefinition:
    """A rule of leads."""
    elements = f"<alertText>{alert}</alertText><isActive>{str(active).lower()}</isActive><sortOrder>1</sortOrder>"
    return RuleDefinition(LEAD.name, name, active, elements)


@dataclass
class FakeRules(NotedCalls):
    """A ``DuplicateRules``, ``DuplicateRuleSwitches``, ``RunningRules`` and ``DuplicateFinder`` in one.

    The ports are in :mod:`airflow_sf_dedup.salesforce.ports`.
    """

    #: Name to rule of leads.
    rules: dict[str, RuleDefinition] = field(default_factory=dict)
    #: How many probes still meet the rules as they were before a switch.
    stale: int = 0
    #: Rules that no probe meets: their filter leaves the user out.
    unseen: frozenset[str] = frozenset()
    ids_per_call: int = 4
    #: Record id to what is found for it.
    found: dict[str, DuplicatesFound | Failed] = field(default_factory=dict)
    _before: frozenset[str] = frozenset()
    _stale_left: int = 0

    def states(self, sobject: str) -> Mapping[str, bool] | None:
        """Which rules are active."""
        self._call("states", [[sobject]])
        return {name: rule.active for name, rule in self.rules.items()} if sobject == LEAD.name else {}

    def definitions(self, sobject: str, names: Sequence[str]) -> Mapping[str, RuleDefinition]:
        """The rules as they are."""
        if not names:
            return {}
        self._call("definitions", [list(names)])
        return {name: self.rules[name] for name in names if name in self.rules}

    def switch(self, definitions: Sequence[RuleDefinition], *, active: bool) -> None:
        """Write them back."""
        if not definitions:
            return
        self._call("on" if active else "off", [[each.name for each in definitions]])
        self._before, self._stale_left = self._active(), self.stale
        before, after = (f"<isActive>{str(state).lower()}</isActive>" for state in (not active, active))
        for each in definitions:
            elements = each.elements.replace(before, after)
            self.rules[each.name] = replace(each, active=active, elements=elements)

    def running(self, sobject: str) -> frozenset[str]:
        """Which rules a call meets."""
        self._call("running", [[sobject]])
        if self._stale_left:
            self._stale_left -= 1
            return self._before
        return self._active()

    def find(self, record_ids: Sequence[str]) -> list[DuplicatesFound | Failed]:
        """What is found for records."""
        if not record_ids:
            return []
        self._call("find", [list(record_ids)])
        return [self.found.get(each, NOTHING_BLOCKS) for each in record_ids]

    def _active(self) -> frozenset[str]:
        return frozenset(name for name, rule in self.rules.items() if rule.active) - self.unseen
