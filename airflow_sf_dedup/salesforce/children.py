"""Which records would go with a record that is deleted? Salesforce takes along what hangs on it, and asks nobody.

Only kinds of records are asked for in which people work, and an org's own ones: what the system keeps of a record, such
as its history or its shares, says nothing of people. One query a kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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


def _kinds(described: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each child sObject that is deleted with its parent, and the field that names that."""
    for each in described.get("childRelationships") or ():
        child, field = each.get("childSObject"), each.get("field")
        goes_along = each.get("cascadeDelete") is True and is_api_name(child) and is_api_name(field)
        if goes_along and (child in _WORK or child.endswith("__c")):
            yield child, field
