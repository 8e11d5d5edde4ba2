"""Which duplicate rules and matching rules has an org, and which of them are active?

Both are records that can be queried; the user needs *View Setup and Configuration* (Object Reference, "DuplicateRule"
and "MatchingRule"). Which matching rules a duplicate rule uses, only the Metadata API says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from airflow_sf_dedup.core.record_ids import record_id_in
from airflow_sf_dedup.errors import PermissionRefusedError, RequestRefusedError
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession

#: Rules of an org are few: five active ones an sObject, and those that are switched off.
_MOST_PAGES = 20


@dataclass(frozen=True, slots=True)
class OrgRule:
    """A rule as the org states it."""

    sobject: str
    #: DeveloperName.
    name: str
    #: For people.
    label: str
    active: bool
    #: 18 characters; ``None``: the org does not say.
    record_id: str | None = None


def duplicate_rules(session: SalesforceSession) -> list[OrgRule]:
    """All duplicate rules.

    :raises CallError: the org does not say, as where the user may not view its setup.
    """
    rows = _query(session, "SELECT Id, DeveloperName, MasterLabel, SobjectType, IsActive FROM DuplicateRule")
    return sorted((_rule(row, active=row.get("IsActive") is True) for row in rows), key=_order)


def matching_rules(session: SalesforceSession) -> list[OrgRule]:
    """All matching rules; as :func:`duplicate_rules`."""
    rows = _query(session, "SELECT Id, DeveloperName, MasterLabel, SobjectType, RuleStatus FROM MatchingRule")
    return sorted((_rule(row, active=row.get("RuleStatus") == "Active") for row in rows), key=_order)


class OrgRules:
    """A :class:`~airflow_sf_dedup.salesforce.ports.DuplicateRules`, by one query."""

    def __init__(self, session: SalesforceSession) -> None:
        self._session = session

    def states(self, sobject: str) -> Mapping[str, bool] | None:
        """Those of one sObject; ``None`` where the user may not view the set-up."""
        try:
            rules = duplicate_rules(self._session)
        except (RequestRefusedError, PermissionRefusedError):
            return None
        return {rule.name: rule.active for rule in rules if rule.sobject.lower() == sobject.lower()}


def _query(session: SalesforceSession, statement: str) -> list[Mapping[str, Any]]:
    rows: list[Mapping[str, Any]] = []
    path: str | None = f"query?q={quote(statement)}"
    for _ in range(_MOST_PAGES):
        if path is None:
            break
        page = session.rest("GET", path, expects=dict)
        rows += [row for row in page.get("records") or () if isinstance(row, dict)]
        path = None if page.get("done", True) else page.get("nextRecordsUrl")
    return rows


def _rule(row: Mapping[str, Any], *, active: bool) -> OrgRule:
    name = str(row.get("DeveloperName") or "")
    label = str(row.get("MasterLabel") or name)
    return OrgRule(str(row.get("SobjectType") or ""), name, label, active, record_id_in(row.get("Id")))


def _order(rule: OrgRule) -> tuple[str, str]:
    return rule.sobject, rule.name
