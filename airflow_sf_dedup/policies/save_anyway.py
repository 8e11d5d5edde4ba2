"""Save the row although a rule warns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from airflow_sf_dedup.core import decisions
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.policies.base import Composable
from airflow_sf_dedup.policies.options import names


@dataclass(frozen=True, repr=False)
class SaveAnyway(Composable):
    """Save the row with ``allowSave=true`` where every rule that refused it says ``allowSave: true``.

    A blocking rule cannot be overridden (``Sforce-Duplicate-Rule-Header``: only alerts are), nor who holds the row's
    key, so such a row passes on to the next policy.

    :param rules: DeveloperNames of the duplicate rules that may be overridden, in any case; a row that any other rule
        refused, or one that is not named, passes on. ``None``: all that the org lets be overridden.
    :raises SettingError: ``rules`` is no list of names.
    """

    rules: Iterable[str] | None = None
    name: ClassVar[str] = "save_anyway"

    def __post_init__(self) -> None:
        if self.rules is not None:
            read = names(self.rules, option="save_anyway: rules", what="names of duplicate rules")
            object.__setattr__(self, "rules", tuple(map(str.strip, read)))
            if not all(self.rules):
                raise SettingError(f"save_anyway: rules={read!r}: a name is blank", setting="on_duplicate")

    def arguments(self) -> dict[str, object]:
        """The parameters that differ from their defaults."""
        return {"rules": list(self.rules)} if self.rules is not None else {}

    @property
    def named_rules(self) -> tuple[str, ...]:
        """The duplicate rules that it names."""
        return tuple(self.rules or ())

    @property
    def needs_fresh_rules(self) -> bool:
        """Whether the rules that refuse a row have to be looked up right before it is saved."""
        return self.rules is not None

    def decide(self, case: decisions.DuplicateCase) -> decisions.SaveRow | decisions.Pass:
        """Claims what the org allows to be saved."""
        if case.obstacle.is_key:
            return decisions.Pass(case.obstacle.value)
        if not case.allow_save:
            return decisions.Pass("rule_blocks_saving")
        rules = frozenset(rule.lower() for rule in self.named_rules)
        if rules and not case.is_refused_only_by(rules):
            return decisions.Pass("other_rule_refuses")
        return decisions.SaveRow(rules)
