"""How many calls may this load still make? Asked before each of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from airflow_sf_dedup.core.numeric_settings import API_BUDGET, API_FLOOR_PCT
from airflow_sf_dedup.errors import OwnLimitReachedError
from airflow_sf_dedup.salesforce.calling.call_count import LimitInfo


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
        floor = self.limits.api_floor_pct
        info = None if floor is None else self.limit_info()
        if floor is None or info is None or info.allowed <= 0:
            return
        left = 100 * (info.allowed - info.used) / info.allowed
        if left < floor:
            raise OwnLimitReachedError(
                f"api_floor_pct: {left:.1f} % of the org's {info.allowed:,} daily API calls are left, "
                f"less than {floor:g} %; clear the tasks later to go on with the rows that were not sent",
                code="API_FLOOR",
            )


class DailyCalls:
    """What the org says of its daily calls. Where a task knows nothing yet, the org is asked before the first call.

    Hand it to a :class:`CallMeter`. Asking is a call as well, which passes the same meter.

    :param known: what the last answer said; makes no call.
    :param ask: one call for the same; ``None``: the org does not tell this user.
    :param made: calls of this task that the org has counted by now; they count where answers say nothing.
    """

    def __init__(
        self,
        known: Callable[[], LimitInfo | None],
        ask: Callable[[], LimitInfo | None],
        made: Callable[[], int],
    ) -> None:
        self._known = known
        self._ask = ask
        self._made = made
        #: What asking told, less the calls made until then.
        self._told: LimitInfo | None = None
        self._asks = False
        self._asking: int | None = None
        self._lock = threading.Lock()

    def ask_from_now_on(self) -> None:
        """The calls before, such as one for the org's id, only tell; from now on a call may write."""
        self._asks = True

    def __call__(self) -> LimitInfo | None:
        """What is known now, by an answer or by asking.

        :raises OwnLimitReachedError: the org does not tell.
        :raises CallError: asking failed.
        """
        if not self._asks or self._asking == threading.get_ident():
            return self._known()
        with self._lock:
            return told_by(self._known()) or self._by_asking()

    def _by_asking(self) -> LimitInfo:
        if self._told is None:
            self._asking = threading.get_ident()
            try:
                asked = must_be_told(self._ask())
            finally:
                self._asking = None
            self._told = LimitInfo(asked.used - self._made(), asked.allowed)
        return LimitInfo(self._told.used + self._made(), self._told.allowed)


def told_by(info: LimitInfo | None) -> LimitInfo | None:
    """The figures, where they are any: an org that allows no call at all has said nothing."""
    return info if info is not None and info.allowed > 0 else None


def must_be_told(info: LimitInfo | None) -> LimitInfo:
    """The figures, which a floor cannot do without.

    :raises OwnLimitReachedError: the org does not tell.
    """
    info = told_by(info)
    if info is None:
        raise OwnLimitReachedError(
            "api_floor_pct: the org does not tell this user how many of its daily API calls are left, so the floor "
            "cannot be kept; leave it out, or let the user view the org's setup",
            code="API_FLOOR",
        )
    return info
