"""How many calls may this load still make? Asked before each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from airflow_sf_dedup.core.numeric_settings import API_BUDGET, API_FLOOR_PCT
from airflow_sf_dedup.errors import OwnLimitReachedError
from airflow_sf_dedup.salesforce.call_count import LimitInfo


@dataclass(frozen=True, slots=True)
class CallLimits:
    """What a load may use of an org's daily calls.

    :param api_budget: calls of all tasks of a load together; ``None``: any number.
    :param api_floor_pct: percent of the org's daily calls that others must find left, 0 to 100.
    :raises SettingError: one is no number that it may be.
    """

    api_budget: int | None = None
    api_floor_pct: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "api_budget", API_BUDGET.read(self.api_budget))
        object.__setattr__(self, "api_floor_pct", API_FLOOR_PCT.read(self.api_floor_pct))


@dataclass(frozen=True, slots=True)
class CallMeter:
    """Counts a call before it is made, and ends the load when it has used what it may.

    :param count: counts one call; False, when the budget is used up.
    :param limit_info: what the org said last of its daily calls (``Sforce-Limit-Info``).
    """

    limits: CallLimits
    count: Callable[[], bool]
    limit_info: Callable[[], LimitInfo | None]

    def __call__(self) -> None:
        """:raises OwnLimitReachedError: the call must not be made."""
        self._check_floor()
        if not self.count():
            raise OwnLimitReachedError(
                f"api_budget: the run has made the {self.limits.api_budget:,} API calls it may make; "
                "clear the tasks to go on with the rows that were not sent, or let it make more",
                code="API_BUDGET",
            )

    def _check_floor(self) -> None:
        floor, info = self.limits.api_floor_pct, self.limit_info()
        if floor is None or info is None or info.allowed <= 0:
            return
        left = 100 * (info.allowed - info.used) / info.allowed
        if left < floor:
            raise OwnLimitReachedError(
                f"api_floor_pct: {left:.1f} % of the org's {info.allowed:,} daily API calls are left, "
                f"less than {floor:g} %; clear the tasks later to go on with the rows that were not sent",
                code="API_FLOOR",
            )
