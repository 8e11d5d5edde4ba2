"""What hangs on a record, and would go with it where it is deleted? Salesforce takes that along, and asks nobody.

Only kinds of records are asked for in which people work, and an org's own ones: what the system keeps of a record, such
as its history or its shares, says nothing of people. One query a kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_sf_dedup.core.api_names import api_name, is_api_name
from airflow_sf_dedup.core.record_ids import record_id_in
from airflow_sf_dedup.errors import PermissionRefusedError, RequestRefusedError
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.queries import OrgQueries
from airflow_sf_dedup.salesforce.soap_access import SoapAccess
from airflow_sf_dedup.salesforce.wire import soql

#: Standard objects in which people work.
_WORK = frozenset(
    {
        "Account",
        "Asset",
        "Attachment",
        "CampaignMember",
        "Case",
        "CaseComment",
        "Contact",
        "ContentDocumentLink",
        "Contract",
        "EmailMessage",
        "Entitlement",
        "Event",
        "Note",
        "Opportunity",
        "OpportunityContactRole",
        "OpportunityLineItem",
        "Order",
        "Quote",
        "Task",
        "WorkOrder",
    }
)

#: Records of one query: each may have several children, and pages are bounded.
_MOST_IDS = 200


class OrgChildren:
    """Asks an org: one describe for each sObject, and a query a kind and 200 records."""

    def __init__(self, session: SalesforceSession, soap_access: SoapAccess | None = None) -> None:
        self._session = session
        self._queries = OrgQueries(session, soap_access or SoapAccess())
        self._kinds: dict[str, list[tuple[str, str]]] = {}

    def parents_among(self, sobject: str, record_ids: Sequence[str]) -> frozenset[str]:
        """Those of the records with which others would be deleted; all of them where nobody can tell.

        :param record_ids: any number, of 18 characters each.
        :raises CallError: the org does not answer.
        """
        if sobject not in self._kinds:
            path = f"sobjects/{api_name(sobject, 'sobject')}/describe"
            self._kinds[sobject] = self._session.rest("GET", path, expects=dict, read=lambda told: list(_kinds(told)))
        found: set[str] = set()
        for child, field in self._kinds[sobject]:
            try:
                found.update(self._parents(child, field, [each for each in record_ids if each not in found]))
            except (RequestRefusedError, PermissionRefusedError):
                return frozenset(record_ids)
        return frozenset(found)

    def _parents(self, child: str, field: str, ids: Sequence[str]) -> Iterator[str]:
        for start in range(0, len(ids), _MOST_IDS):
            some = ids[start : start + _MOST_IDS]
            rows = self._queries.rows(
                lambda room, some=some: soql.selects_referring(child, field, some, (field,), room=room),  # type: ignore[misc]
                asked_for=len(some) * 10,
            )
            yield from (parent for row in rows if (parent := record_id_in(row.get(field))))


@dataclass(frozen=True, slots=True)
class ChildRelationship:
    """One entry of describe's ``childRelationships``."""

    #: As in ``Opportunities``; ``None``: it has none.
    name: str | None
    #: API names: of the sObject whose records are children, and of its field that names the parent.
    child: str
    field: str
    #: Children are deleted with their parent.
    goes_along: bool


def child_relationships(described: Mapping[str, Any]) -> Iterator[ChildRelationship]:
    """What hangs on records of an sObject; what is named by no API name is passed over."""
    for each in described.get("childRelationships") or ():
        name, child, field = each.get("relationshipName"), each.get("childSObject"), each.get("field")
        if is_api_name(child) and is_api_name(field):
            goes_along = each.get("cascadeDelete") is True
            yield ChildRelationship(name if is_api_name(name) else None, child, field, goes_along)


def _kinds(described: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each child sObject that is deleted with its parent, and the field that names that."""
    for each in child_relationships(described):
        if each.goes_along and (each.child in _WORK or each.child.endswith("__c")):
            yield each.child, each.field
