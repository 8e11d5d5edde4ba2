"""Which duplicate rules has an org, and which of them are active? Answers the port ``DuplicateRules`` by one query.

``DuplicateRule`` can be queried like any sObject, by a user who may view the set-up (View Setup and Configuration).
"""

from __future__ import annotations

from collections.abc import Mapping

from airflow_sf_dedup.core.api_names import api_name
from airflow_sf_dedup.errors import PermissionRefusedError, RequestRefusedError
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.http.answers import root_of
from airflow_sf_dedup.salesforce.wire import soap


class OrgRules:
    """A :class:`~airflow_sf_dedup.salesforce.ports.DuplicateRules` over a SOAP query."""

    def __init__(self, session: SalesforceSession) -> None:
        self._session = session

    def states(self, sobject: str) -> Mapping[str, bool] | None:
        """An sObject has a handful of rules (at most five are active), so that the first page of the answer is all."""
        name = api_name(sobject, "sobject")
        statement = f"SELECT DeveloperName, IsActive FROM DuplicateRule WHERE SobjectType = '{name}'"
        try:
            rows, _ = self._session.soap(
                lambda token: soap.envelope(token, soap.QUERY_HEADERS, soap.query_body(statement)),
                action="query",
                read=lambda answer: soap.read_query(root_of(answer)),
            )
        except (RequestRefusedError, PermissionRefusedError):
            return None
        named = ((row.get("DeveloperName"), row.get("IsActive") == "true") for row in rows)
        return {rule: is_active for rule, is_active in named if rule}
