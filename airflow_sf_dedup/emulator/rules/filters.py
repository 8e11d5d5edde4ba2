"""For which records and users does a duplicate rule run at all? (``duplicateRuleFilter``)

A rule whose filter asks for ``User.Username notEqual loader@example.com`` leaves the loader alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from airflow_sf_dedup.emulator.records.boolean_logic import Alternatives, all_of, alternatives

USER = "User"


def _texts(value: str) -> list[str]:
    """Values of a condition are listed with commas; any of them will do."""
    return [each.strip() for each in value.split(",")]


OPERATIONS: Mapping[str, Callable[[str, str], bool]] = {
    "equals": lambda found, value: found in _texts(value),
    "notEqual": lambda found, value: found not in _texts(value),
    "contains": lambda found, value: any(each in found for each in _texts(value)),
    "notContain": lambda found, value: not any(each in found for each in _texts(value)),
    "startsWith": lambda found, value: found.startswith(tuple(_texts(value))),
}


@dataclass(frozen=True, slots=True)
class FilterItem:
    #: ``User`` for the user who saves, or the sobject that is saved.
    table: str
    field: str
    operation: str
    value: str

    def holds(self, record: Mapping[str, Any], user: Mapping[str, Any]) -> bool:
        found = (user if self.table == USER else record).get(self.field)
        if isinstance(found, bool):
            found = "true" if found else "false"
        return OPERATIONS[self.operation]("" if found is None else str(found).lower(), self.value.lower())


@dataclass(frozen=True)
class RuleFilter:
    items: tuple[FilterItem, ...]
    #: ``1 OR 2``; None where all items have to hold.
    logic: str | None = None

    @cached_property
    def _alternatives(self) -> Alternatives:
        return alternatives(self.logic, len(self.items)) if self.logic else all_of(len(self.items))

    def holds(self, record: Mapping[str, Any], user: Mapping[str, Any]) -> bool:
        """:raises ValueError: its logic cannot be read."""
        return any(all(self.items[n - 1].holds(record, user) for n in way) for way in self._alternatives)
