"""Another policy for each sObject that a row matches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from airflow_sf_dedup.core.decisions import Decided, DuplicateCase, Pass
from airflow_sf_dedup.policies.base import Composable, Policy, ask
from airflow_sf_dedup.policies.options import named_key, policies_by


@dataclass(frozen=True, repr=False, init=False)
class BySobject(Composable):
    """Ask the policy of the matched records' sObject; a row whose matches are of an sObject that is not named passes.

    The live matches count, or all where none is live. A row that matches several sObjects is decided only where each
    of them is named with the same policy: neither the Contact's nor the Account's policy alone is meant for it.

    :param sobjects: name of an sObject, in any case, to a policy in any spelling.
    :raises SettingError: a name is no text or stands there twice, a policy cannot be read, or there is no sObject.
    """

    #: In the order in which they are named.
    by_sobject: tuple[tuple[str, Policy], ...]
    name: ClassVar[str] = "by_sobject"
    #: In strings and YAML its options are a mapping of names, not keywords.
    takes_mapping: ClassVar[bool] = True

    def __init__(self, sobjects: Mapping[str, Any]) -> None:
        example = "{'Contact': 'skip', 'Account': 'ask_reviewer'}"
        read = policies_by(sobjects, name=self.name, example=example, read_key=named_key, same=str.lower)
        object.__setattr__(self, "by_sobject", tuple(read))

    @property
    def policies(self) -> tuple[Policy, ...]:
        """Those that it may ask."""
        return tuple(policy for _, policy in self.by_sobject)

    def decide(self, case: DuplicateCase) -> Decided | Pass:
        """What the policy of the matches' sObject says."""
        matched = {record.sobject.lower() for record in case.matches_that_count}
        if not matched:
            return Pass("no_match_named")
        named = {name.lower(): policy for name, policy in self.by_sobject}
        first, *others = (named.get(sobject) for sobject in sorted(matched))
        if any(other != first for other in others):
            return Pass("matches_of_several_sobjects")
        if first is not None:
            return ask(first, case)
        return Pass(case.obstacle.value if case.obstacle.is_key else "sobject_not_named", tells=False)

    def __repr__(self) -> str:
        return f"{self.name}({ {name: repr(policy) for name, policy in self.by_sobject}!r})"
