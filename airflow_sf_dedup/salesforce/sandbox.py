"""Is this org one in which nothing can be broken? ``Organization.IsSandbox`` says so (Object Reference)."""

from __future__ import annotations

from urllib.parse import quote

from airflow_sf_dedup.errors import PermissionRefusedError, RequestRefusedError
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession

_QUERY = "query?q=" + quote("SELECT IsSandbox FROM Organization LIMIT 1")


def is_sandbox(session: SalesforceSession) -> bool:
    """Whether the org says that it is a sandbox or a scratch org. One that does not say counts as production."""
    try:
        rows = session.rest("GET", _QUERY, expects=dict).get("records")
    except (RequestRefusedError, PermissionRefusedError):
        return False
    first = rows[0] if isinstance(rows, list) and rows else None
    return isinstance(first, dict) and first.get("IsSandbox") is True
