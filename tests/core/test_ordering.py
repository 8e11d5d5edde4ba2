from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from airflow_sf_dedup.core.ordering import MOST_DIGITS, UnusableOrder, kind_of, order_of

TEN = "t:2026-11-23T10:00:00.000000Z"


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-23T10:00:00Z",
        "2026-11-23t10:00:00z",
        " 2026-11-23T10:00:00 ",
        "2026-11-23 10:00:00",
        "2026-11-23 10:00",
        "2026-11-23T10:00:00.000+0000",
        "2026-11-23T12:00:00+02:00",
        "2026-11-23 05:00:00-05",
        "2026-11-23 10:00:00 UTC",
        "2026-11-23T10:00:00,000Z",
        "2026-11-23 10:00:00.0000004 +00:00",
        "20261123T100000Z",
        "2026-11-23 10:00:00UTC",
        "2026-11-23 10:00:00 Z",
        datetime(2026, 11, 23, 10),
        datetime(2026, 11, 23, 10, tzinfo=UTC),
        datetime(2026, 11, 23, 15, 30, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    ],
    ids=str,
)
def test_one_moment_has_one_order_however_it_is_written(value: Any) -> None:
    assert order_of(value) == TEN


@pytest.mark.parametrize(
    ("value", "order"),
    [
        ("2026-11-23", "t:2026-11-23T00:00:00.000000Z"),
        ("2026-11-23Z", "t:2026-11-23T00:00:00.000000Z"),
        ("2026-11-23+02:00", "t:2026-11-22T22:00:00.000000Z"),
        (date(2026, 11, 23), "t:2026-11-23T00:00:00.000000Z"),
        ("2026-11-23T10:00:00.25Z", "t:2026-11-23T10:00:00.250000Z"),
        (datetime(1, 1, 1), "t:0001-01-01T00:00:00.000000Z"),
        (0, f"n:{'0' * MOST_DIGITS}"),
        (-0.0, f"n:{'0' * MOST_DIGITS}"),
        ("007", f"n:{'0' * (MOST_DIGITS - 1)}7"),
        (7.0, f"n:{'0' * (MOST_DIGITS - 1)}7"),
        (Decimal("7.50"), f"n:{'0' * (MOST_DIGITS - 1)}7.5"),
        (Decimal("0E-99999999"), f"n:{'0' * MOST_DIGITS}"),
        (Decimal("0E+99999999"), f"n:{'0' * MOST_DIGITS}"),
        ("7.", f"n:{'0' * (MOST_DIGITS - 1)}7"),
        (Decimal("7." + "0" * 60), f"n:{'0' * (MOST_DIGITS - 1)}7"),
        ("9" * MOST_DIGITS, f"n:{'9' * MOST_DIGITS}"),
        (1795428000.125, f"n:{'0' * (MOST_DIGITS - 10)}1795428000.125"),
        # Eight digits are a number, whatever day they may mean.
        ("20261123", f"n:{'0' * (MOST_DIGITS - 8)}20261123"),
    ],
    ids=str,
)
def test_an_order_is_text(value: Any, order: str) -> None:
    assert order_of(value) == order


@pytest.mark.parametrize("value", [None, "", "  ", float("nan"), Decimal("NaN")], ids=repr)
def test_nothing_is_a_missing_order(value: Any) -> None:
    with pytest.raises(UnusableOrder) as refused:
        order_of(value)
    assert refused.value.reason == "missing_order"


@pytest.mark.parametrize(
    "value",
    [
        "yesterday",
        "23.11.2026",
        "2026-13-01",
        "2026-11-23x10:00",
        "2026-11-23 2026",
        "2026-11-23T10",
        "2026-11-23T25:00:00Z",
        "2026-11-23T10:00:00+25:00",
        "2026-W47-1",
        "10:00:00",
        "0001-01-01T00:00:00+02:00",
        datetime.max.replace(tzinfo=timezone(-timedelta(hours=1))),
        time(10),
        True,
        -1,
        "-1",
        Decimal("-0.5"),
        # A spreadsheet wrote several versions as one.
        "1.23457E+11",
        "1,000",
        "1_000",
        "\u0661\u0662",
        float("inf"),
        Decimal("Infinity"),
        10**MOST_DIGITS,
        "9" * (MOST_DIGITS + 1),
        "9" * 100_000,
        Decimal(f"1e-{MOST_DIGITS + 1}"),
        Decimal("1e-999999"),
        1e300,
        b"2026-11-23",
        ["2026-11-23"],
        {"at": "2026-11-23"},
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_what_is_neither_time_nor_number_is_refused_without_being_repeated(value: Any) -> None:
    with pytest.raises(UnusableOrder) as refused:
        order_of(value)
    assert refused.value.reason == "unusable_order"
    assert str(value)[:7] not in str(refused.value)


def test_only_orders_of_one_kind_compare() -> None:
    assert (kind_of(order_of("2026-11-23")), kind_of(order_of("20261123"))) == ("time", "number")


def sign(a: Any, b: Any) -> int:
    return int(a > b) - int(a < b)


zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=zones)
written = st.sampled_from(
    [
        lambda moment: moment,
        lambda moment: moment.isoformat(),
        lambda moment: moment.isoformat(" ", timespec="microseconds"),
        lambda moment: moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z",
        lambda moment: moment.astimezone(UTC).replace(tzinfo=None),
    ]
)


@given(moments, moments, written, written)
def test_of_two_times_the_later_has_the_greater_text(a: datetime, b: datetime, write_a: Any, write_b: Any) -> None:
    assert sign(order_of(write_a(a)), order_of(write_b(b))) == sign(a, b)


@given(moments, st.integers(-2, 2), written, written)
def test_times_a_microsecond_apart_are_told_apart(moment: datetime, apart: int, write_a: Any, write_b: Any) -> None:
    assert sign(order_of(write_b(moment + timedelta(microseconds=apart))), order_of(write_a(moment))) == sign(apart, 0)


numbers = st.one_of(
    st.integers(0, 10**MOST_DIGITS - 1),
    st.integers(0, 1000),
    st.decimals(0, 10**12, places=6),
    st.decimals(0, 2, places=3),
    st.floats(0, 1e20).filter(lambda number: number == 0 or number > 1e-15),
)
spelled = st.sampled_from([lambda number: number, lambda number: f"{Decimal(str(number)):f}"])


@given(numbers, numbers, spelled, spelled)
def test_of_two_numbers_the_greater_has_the_greater_text(a: Any, b: Any, spell_a: Any, spell_b: Any) -> None:
    exact = [Fraction(Decimal(str(number))) for number in (a, b)]
    assert sign(order_of(spell_a(a)), order_of(spell_b(b))) == sign(*exact)


@given(st.integers(0, 10**MOST_DIGITS - 1))
def test_the_next_version_is_greater(version: int) -> None:
    assume(version + 1 < 10**MOST_DIGITS)
    assert order_of(version) < order_of(f"{version}.5") < order_of(version + 1)


@given(st.one_of(st.text(max_size=30), st.binary(), st.none(), st.floats(), st.decimals(), st.complex_numbers()))
def test_anything_is_an_order_or_is_refused(value: Any) -> None:
    try:
        assert order_of(value)[:2] in ("t:", "n:")
    except UnusableOrder as refused:
        assert refused.reason in ("missing_order", "unusable_order")
