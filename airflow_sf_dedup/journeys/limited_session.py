"""A session that keeps to limits: each of its calls is counted before it is made."""

from __future__ import annotations

from collections.abc import Callable

from airflow_sf_dedup.journeys.limits import CallLimits, CallMeter, DailyCalls
from airflow_sf_dedup.salesforce.calling.call_count import LimitInfo
from airflow_sf_dedup.salesforce.calling.daily_calls import ask_daily_calls
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession


def metered_by(
    session: SalesforceSession, limits: CallLimits, count: Callable[[], bool]
) -> tuple[SalesforceSession, DailyCalls]:
    """The session within the limits, and what asks for the org's daily calls from when it is told to.

    Asking what is left of them is a call as well.

    :param count: counts one call; False, when the budget is used up.
    """

    def ask() -> LimitInfo | None:
        return ask_daily_calls(within)

    daily_calls = DailyCalls(lambda: session.limit_info, ask, lambda: session.api_calls)
    within = session.gated(CallMeter(limits, count, daily_calls))
    return within, daily_calls


def limited(session: SalesforceSession, limits: CallLimits, count: Callable[[], bool]) -> SalesforceSession:
    """The session within the limits; where the org has not said what is left, it is asked before the first call."""
    within, daily_calls = metered_by(session, limits, count)
    daily_calls.ask_from_now_on()
    return within
