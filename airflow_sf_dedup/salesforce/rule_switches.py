"""Switches duplicate rules by the Metadata API: answers the port ``DuplicateRuleSwitches``.

``DuplicateRule.IsActive`` is read-only for the data API (Object Reference), and the Tooling API has no write for it.
The Metadata API replaces a whole rule, so a rule is read and written back with one word changed. The user needs
*Customize Application* (or *Modify Metadata Through Metadata API Functions*).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

from airflow_sf_dedup.errors import OutcomeUnknownError
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.http.answers import error_for, root_of
from airflow_sf_dedup.salesforce.ports import RuleDefinition
from airflow_sf_dedup.salesforce.wire import metadata
from airflow_sf_dedup.salesforce.wire.metadata import Refused
from airflow_sf_dedup.salesforce.writing_nothing import writing_nothing

#: Components of one call (Metadata API guide, "readMetadata()" and "updateMetadata()").
_RULES_PER_CALL = 10

_T = TypeVar("_T")


class MetadataRuleSwitches:
    """A :class:`~airflow_sf_dedup.salesforce.ports.DuplicateRuleSwitches`; one call reads or writes up to ten rules."""

    def __init__(self, session: SalesforceSession) -> None:
        self._session = session

    def definitions(self, sobject: str, names: Sequence[str]) -> Mapping[str, RuleDefinition]:
        """As the org has them now."""
        return {rule.name: rule for call in _calls(names) for rule in self._read(sobject, call)}

    def switch(self, definitions: Sequence[RuleDefinition], *, active: bool) -> None:
        """Write them back; where one call is refused, those before it are written."""
        for call in _calls(definitions):
            self._update(call, active=active)

    def _read(self, sobject: str, names: Sequence[str]) -> list[RuleDefinition]:
        body = metadata.read_body(sobject, names)
        with writing_nothing():
            found: list[RuleDefinition] = self._session.soap(
                lambda token: metadata.envelope(token, body),
                action="readMetadata",
                api="metadata",
                read=lambda answer: metadata.read_rules(root_of(answer)),
            )
        return found

    def _update(self, definitions: Sequence[RuleDefinition], *, active: bool) -> None:
        body = metadata.update_body(definitions, active=active)
        refused: list[Refused] = self._session.soap(
            lambda token: metadata.envelope(token, body), action="updateMetadata", api="metadata", read=_refusals
        )
        if refused:
            first = refused[0]
            raise error_for(
                first.code, f"{first.full_name} was not switched {'on' if active else 'off'}: {first.message}"
            )


def _refusals(answer: bytes) -> list[Refused]:
    refused = metadata.read_refusals(root_of(answer))
    if refused is None:
        raise OutcomeUnknownError("the answer to updateMetadata has no results", code="UNREADABLE_ANSWER")
    return refused


def _calls(items: Sequence[_T]) -> Iterator[Sequence[_T]]:
    return (items[start : start + _RULES_PER_CALL] for start in range(0, len(items), _RULES_PER_CALL))
