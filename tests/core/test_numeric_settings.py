"""What is no number that a setting may be is refused by name, with what it may be."""

from __future__ import annotations

import re
from decimal import Decimal
from math import inf, nan
from typing import Any

import pytest

from airflow_sf_dedup.core.numeric_settings import (
    API_FLOOR_PCT,
    CLAIM_LIFETIME,
    CLAIM_TIMEOUT,
    MAX_FAILED,
    STAGING_RETENTION_DAYS,
    TIMEOUT,
    Number,
    check_numbers,
    number_in,
    partitions_up_to,
)
from airflow_sf_dedup.errors import SettingError

numpy = pytest.importorskip("numpy")

UP_TO_1024 = partitions_up_to(1024)

READ = [
    (UP_TO_1024, 1, 1),
    (UP_TO_1024, 1024, 1024),
    (UP_TO_1024, numpy.int64(8), 8),
    (MAX_FAILED, 0, 0),
    (MAX_FAILED, None, None),
    (MAX_FAILED, 10**30, 10**30),
    (API_FLOOR_PCT, 0, 0),
    (API_FLOOR_PCT, 100, 100),
    (API_FLOOR_PCT, 2.5, 2.5),
    (API_FLOOR_PCT, numpy.float64(2.5), 2.5),
    (CLAIM_TIMEOUT, 0, 0),
    (TIMEOUT, 0.001, 0.001),
]
REFUSED = [
    (UP_TO_1024, 0),
    (UP_TO_1024, 1025),
    (UP_TO_1024, 8.0),
    (UP_TO_1024, None),
    (UP_TO_1024, True),
    (UP_TO_1024, "8"),
    (UP_TO_1024, [8]),
    (UP_TO_1024, numpy.float64(8)),
    (UP_TO_1024, numpy.bool_(True)),
    (MAX_FAILED, nan),
    (MAX_FAILED, inf),
    (MAX_FAILED, numpy.float64(nan)),
    (MAX_FAILED, 0.5),
    (API_FLOOR_PCT, nan),
    (API_FLOOR_PCT, -0.001),
    (API_FLOOR_PCT, 100.001),
    (API_FLOOR_PCT, Decimal("NaN")),
    (API_FLOOR_PCT, 3 + 0j),
    (CLAIM_TIMEOUT, inf),
    (CLAIM_TIMEOUT, -inf),
    (CLAIM_TIMEOUT, 10**400),
    (TIMEOUT, 0),
]


@pytest.mark.parametrize(("number", "value", "expected"), READ, ids=lambda each: getattr(each, "setting", repr(each)))
def test_a_number_within_its_range_is_read_as_one_of_pythons_own(
    number: Number[Any], value: Any, expected: Any
) -> None:
    assert number.read(value) == expected
    assert type(number.read(value)) is type(expected)


@pytest.mark.parametrize(("number", "value"), REFUSED, ids=lambda each: getattr(each, "setting", repr(each)[:20]))
def test_anything_else_is_refused_by_name(number: Number[Any], value: Any) -> None:
    with pytest.raises(SettingError, match=f"^{number.setting}=.*: expected {re.escape(number.allowed)}") as refused:
        number.read(value)
    assert refused.value.setting == number.setting
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (nan, "max_failed=nan: expected a whole number from 0 on, or None"),
        ("3", "max_failed='3': expected a whole number from 0 on, or None; write the number without quotes"),
        (
            "{{ 3 }}",
            "max_failed='{{ 3 }}': expected a whole number from 0 on, or None; templates are not rendered here",
        ),
        ("few", "max_failed='few': expected a whole number from 0 on, or None"),
    ],
)
def test_the_message_says_what_to_write(value: Any, words: str) -> None:
    with pytest.raises(SettingError) as refused:
        MAX_FAILED.read(value)
    assert str(refused.value) == words


@pytest.mark.parametrize(
    ("text", "expected"), [("7", 7), (" 7 ", 7), ("7.5", 7.5), ("1e3", 1000.0), ("seven", "seven"), ("", "")]
)
def test_text_of_a_configuration_is_read_as_the_number_it_spells(text: str, expected: Any) -> None:
    assert number_in(text) == expected


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (STAGING_RETENTION_DAYS, "0"),
        (STAGING_RETENTION_DAYS, "7.5"),
        (STAGING_RETENTION_DAYS, "nan"),
        (CLAIM_LIFETIME, "nan"),
        (CLAIM_LIFETIME, "Infinity"),
        (CLAIM_LIFETIME, "-1"),
        (CLAIM_LIFETIME, "yes"),
    ],
)
def test_a_configured_number_is_named_with_its_section(number: Number[Any], text: str) -> None:
    with pytest.raises(SettingError, match=rf"^\[sf_dedup\] {number.setting}="):
        number.read_text(text, named=f"[sf_dedup] {number.setting}")


def test_what_is_no_numeric_setting_is_left_to_others() -> None:
    check_numbers({"sobject": "Lead", "max_failed": 3, "retries": "many"})
    with pytest.raises(SettingError, match="max_failed_pct"):
        check_numbers({"sobject": "Lead", "max_failed_pct": nan})
