"""How many calls may this load still make? Asked before each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from airflow_sf_dedup.errors import OwnLimitReachedError, SettingError
from airflow_sf_dedup.salesforce.call_count import LimitInfo


@dataclass(frozen=True, slots=True)
class CallLimits:
    """What a load may use of an org's daily calls.

    :param api_budget: calls of all tasks of a load together; ``None``: any number.
    :param api_floor_pct: percent of the org's daily calls that others must find left, 0 to 100.
    """

    api_budget: int | None = None
    api_floor_pct: float | None = None

    def check(self) -> None:
        """:raises SettingError: a limit is no number it can be."""
        budget, floor = self.api_budget, self.api_floor_pct
        if budget is not None and (isinstance(budget, bool) or not isinstance(budget, int) or budget < 1):
            raise SettingError(f"api_budget={budget!r} is not a number of calls from 1 on", setting="api_budget")
        is_number = isinstance(floor, int | float) and not isinstance(floor, bool)
        if floor is not None and not (is_number and 0 <= floor <= 100):
            raise SettingError(f"api_floor_pct={floor!r} is not a percentage from 0 to 100", setting="api_floor_pct")


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
