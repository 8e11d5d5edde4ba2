"""A load stops before the call that is one too many."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_sf_dedup.errors import OwnLimitReachedError, SettingError
from airflow_sf_dedup.journeys.limits import CallLimits, CallMeter
from airflow_sf_dedup.salesforce.call_count import LimitInfo


def meter(limits: CallLimits, *, counts: bool = True, info: LimitInfo | None = None) -> CallMeter:
    return CallMeter(limits, lambda: counts, lambda: info)


def test_a_call_within_the_limits_is_counted() -> None:
    counted: list[bool] = []

    def count() -> bool:
        counted.append(True)
        return True

    CallMeter(CallLimits(10, 20), count, lambda: LimitInfo(79, 100))()
    assert counted == [True]


def test_a_used_up_budget_names_the_setting_and_the_way_on() -> None:
    with pytest.raises(OwnLimitReachedError, match=r"api_budget: .* 1,200 API calls .*clear") as raised:
        meter(CallLimits(1200), counts=False)()
    assert raised.value.code == "API_BUDGET"


@pytest.mark.parametrize(("used", "stops"), [(79, False), (80, False), (81, True), (100, True), (120, True)])
def test_the_floor_is_what_must_be_left(used: int, stops: bool) -> None:
    ask = meter(CallLimits(api_floor_pct=20), info=LimitInfo(used, 100))
    if not stops:
        ask()
        return
    with pytest.raises(OwnLimitReachedError, match="api_floor_pct") as raised:
        ask()
    assert raised.value.code == "API_FLOOR"


def test_a_call_that_the_floor_stops_is_not_counted() -> None:
    counted: list[bool] = []
    ask = CallMeter(CallLimits(api_floor_pct=50), lambda: not counted.append(True), lambda: LimitInfo(90, 100))
    with pytest.raises(OwnLimitReachedError):
        ask()
    assert counted == []


@pytest.mark.parametrize("info", [None, LimitInfo(5, 0)])
def test_an_org_that_does_not_tell_its_limit_stops_nothing(info: LimitInfo | None) -> None:
    meter(CallLimits(api_floor_pct=99), info=info)()


@pytest.mark.parametrize(
    ("limits", "named"),
    [
        ({"api_budget": 0}, "api_budget"),
        ({"api_budget": True}, "api_budget"),
        ({"api_budget": 2.5}, "api_budget"),
        ({"api_budget": "many"}, "api_budget"),
        ({"api_budget": float("nan")}, "api_budget"),
        ({"api_budget": 10**30}, "api_budget"),
        ({"api_floor_pct": -1}, "api_floor_pct"),
        ({"api_floor_pct": float("nan")}, "api_floor_pct"),
        ({"api_floor_pct": 101}, "api_floor_pct"),
        ({"api_floor_pct": "20"}, "api_floor_pct"),
        ({"api_floor_pct": True}, "api_floor_pct"),
    ],
)
def test_a_limit_that_is_none_is_a_clear_error(limits: dict[str, Any], named: str) -> None:
    with pytest.raises(SettingError, match=named) as raised:
        CallLimits(**limits)
    assert raised.value.setting == named
