"""Another policy for each duplicate rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from airflow_sf_dedup.core.decisions import Decided, DuplicateCase, Pass
from airflow_sf_dedup.policies.base import Composable, Policy, ask
from airflow_sf_dedup.policies.options import named_key, policies_by


@dataclass(frozen=True, repr=False, init=False)
class ByRule(Composable):
    """Ask the policy of the duplicate rule that refused the row; a row that no named rule refused passes.

    Where several of the named rules refused it, the one that is named first decides whom to ask. What may be done is
    the same as ever: a match is updated only if it is the only one over all rules, a row is saved only past rules that
    all allow it.

    :param rules: DeveloperName of a duplicate rule, in any case, to a policy in any spelling.
    :raises SettingError: a name is no text or stands there twice, a policy cannot be read, or there is no rule.
    """

    #: In the order in which they are named.
    by_rule: tuple[tuple[str, Policy], ...]
    name: ClassVar[str] = "by_rule"
    #: In strings and YAML its options are a mapping of names, not keywords.
    takes_mapping: ClassVar[bool] = True

    def __init__(self, rules: Mapping[str, Any]) -> None:
        example = "{'Leads_by_mail': 'update_existing | skip'}"
        read = policies_by(rules, name=self.name, example=example, read_key=named_key, same=str.lower)
        object.__setattr__(self, "by_rule", tuple(read))

    @property
    def policies(self) -> tuple[Policy, ...]:
        """Those that it may ask."""
        return tuple(policy for _, policy in self.by_rule)

    @property
    def named_rules(self) -> tuple[str, ...]:
        """The duplicate rules that it names."""
        return tuple(name for name, _ in self.by_rule)

    def decide(self, case: DuplicateCase) -> Decided | Pass:
        """What the rule's policy says."""
        if case.obstacle.is_key:
            return Pass(case.obstacle.value, tells=False)
        chosen = next((policy for name, policy in self.by_rule if name.lower() in case.refused_by), None)
        return ask(chosen, case) if chosen is not None else Pass("rule_not_named", tells=False)

    def __repr__(self) -> str:
        return f"{self.name}({ {name: repr(policy) for name, policy in self.by_rule}!r})"
