"""How many of its daily API calls does an org have left? One call asks."""

from __future__ import annotations

from typing import Any

from airflow_sf_dedup.errors import PermissionRefusedError, RequestRefusedError
from airflow_sf_dedup.salesforce.calling.call_count import LimitInfo
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession


def ask_daily_calls(session: SalesforceSession) -> LimitInfo | None:
    """Ask for the limits; ``None``: the org does not tell this user.

    Every REST answer says it in ``Sforce-Limit-Info``, that of a refusal too; the limits themselves, where the user may
    see them (REST guide, "List Org Limits"), say it where a proxy takes the header away.

    :raises CallError: the call did not reach the org, or its answer was none.
    """
    try:
        limits = session.rest("GET", "limits")
    except (PermissionRefusedError, RequestRefusedError):
        limits = None
    return session.limit_info or _of_limits(limits)


def _of_limits(limits: Any) -> LimitInfo | None:
    daily = limits.get("DailyApiRequests") if isinstance(limits, dict) else None
    most, left = (daily.get("Max"), daily.get("Remaining")) if isinstance(daily, dict) else (None, None)
    if type(most) is not int or type(left) is not int or most <= 0:
        return None
    return LimitInfo(used=most - left, allowed=most)
