"""What must hold where a rule is off that the org's saves still ask. Pure, as all of :mod:`tests.chaos.checks`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from airflow_sf_dedup.core.entries import Action

if TYPE_CHECKING:
    from tests.chaos.checks import Evidence

#: What policies make of a row that a rule refused.
_BY_POLICY = frozenset({Action.SKIPPED, Action.AWAITING_REVIEW, Action.MATCHED_UPDATED, Action.SAVED_ANYWAY})


def nothing_is_decided_by_a_rule_that_is_off(evidence: Evidence) -> Iterator[str]:
    """A row that only inactive rules refused waits until it is let in; no other policy decides about it."""
    off = set(evidence.scenario.stale_rules)
    for name, load in evidence.loads.items():
        waits = "retry_stale_rule" in load.plan.policy
        for entry in load.entries:
            rules = {match.duplicate_rule for match in entry.matches}
            was_refused = entry.error_code == "DUPLICATES_DETECTED" and entry.action in _BY_POLICY
            if waits and was_refused and rules and rules <= off:
                yield f"{name}: row {entry.row_number} is {entry.action} by {sorted(map(str, rules))}, which is off"
