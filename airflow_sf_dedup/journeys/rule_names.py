"""Has the org the duplicate rules that a policy names? A misspelt one would never be met."""

from __future__ import annotations

from airflow_sf_dedup.core.wording import listed, nearest, shown
from airflow_sf_dedup.errors import PreflightError
from airflow_sf_dedup.policies.base import Policy, named_rules
from airflow_sf_dedup.salesforce.ports import DuplicateRules


def check_rule_names(policy: Policy, sobject: str, rules: DuplicateRules) -> str | None:
    """What is worth a warning; asks the org only where the policy names rules.

    :raises PreflightError: the org has no such rule for the sObject; names those that it has.
    :raises CallError: the org does not answer.
    """
    named = named_rules(policy)
    if not named:
        return None
    there_are = rules.states(sobject)
    if there_are is None:
        return (
            f"on_duplicate names the duplicate rules {listed(map(shown, named))}; this user may not see which rules "
            "there are (View Setup and Configuration), so that nobody knows whether the org has them"
        )
    known = {rule.lower() for rule in there_are}
    unknown = [name for name in named if name.lower() not in known]
    if not unknown:
        return None
    names = listed(unknown, say=lambda name: f"{shown(name)}{nearest(name, there_are)}")
    raise PreflightError(
        f"on_duplicate: {sobject} has no duplicate rule {names}; it has: {listed(map(shown, there_are)) or 'none'}",
        setting="on_duplicate",
    )
