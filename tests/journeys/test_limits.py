"""A load stops before the call that is one too many."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from airflow_sf_dedup.errors import OwnLimitReachedError, SettingError
from airflow_sf_dedup.journeys.limits import CallLimits, CallMeter, DailyCalls
from airflow_sf_dedup.salesforce.calling.call_count import LimitInfo


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


# What is known of the daily calls


def test_the_org_is_asked_once_by_whichever_thread_is_first() -> None:
    asked: list[int] = []

    def ask() -> LimitInfo:
        asked.append(threading.get_ident())
        assert calls() is None, "asking is a call too, and passes while nothing is known"
        return LimitInfo(40, 100)

    calls = DailyCalls(lambda: None, ask, lambda: 0)
    calls.ask_from_now_on()
    with ThreadPoolExecutor(8) as pool:
        told = set(pool.map(lambda _: calls(), range(50)))
    assert told == {LimitInfo(40, 100)}
    assert len(asked) == 1


def test_nothing_is_asked_before_it_may_be_or_when_an_answer_told() -> None:
    calls = DailyCalls(lambda: None, lambda: pytest.fail("asked"), lambda: 0)
    assert calls() is None
    known = DailyCalls(lambda: LimitInfo(1, 100), lambda: pytest.fail("asked"), lambda: 0)
    known.ask_from_now_on()
    assert known() == LimitInfo(1, 100)


def test_where_answers_say_nothing_own_calls_count() -> None:
    made = iter([3, 3, 7])
    calls = DailyCalls(lambda: LimitInfo(0, 0), lambda: LimitInfo(40, 100), lambda: next(made))
    calls.ask_from_now_on()
    assert calls() == LimitInfo(40, 100)
    assert calls() == LimitInfo(44, 100)


@pytest.mark.parametrize("info", [None, LimitInfo(5, 0)], ids=["nothing", "no calls at all"])
def test_an_org_that_does_not_tell_when_it_is_asked_closes_the_gate(info: LimitInfo | None) -> None:
    calls = DailyCalls(lambda: None, lambda: info, lambda: 0)
    calls.ask_from_now_on()
    with pytest.raises(OwnLimitReachedError, match="api_floor_pct: the org does not tell"):
        CallMeter(CallLimits(api_floor_pct=1), lambda: True, calls)()
    CallMeter(CallLimits(api_budget=1), lambda: True, calls)()
