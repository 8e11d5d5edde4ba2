from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_sf_dedup.emulator.soql.date_literals import days, is_date_literal

#: A Wednesday.
NOW = datetime(2026, 11, 25, 13, 30, tzinfo=UTC)
RANGES = [
    ("today", "2026-11-25", "2026-11-26"),
    ("yesterday", "2026-11-24", "2026-11-25"),
    ("tomorrow", "2026-11-26", "2026-11-27"),
    ("this_week", "2026-11-22", "2026-11-29"),
    ("last_week", "2026-11-15", "2026-11-22"),
    ("next_week", "2026-11-29", "2026-12-06"),
    ("this_month", "2026-11-01", "2026-12-01"),
    ("last_month", "2026-10-01", "2026-11-01"),
    ("next_month", "2026-12-01", "2027-01-01"),
    ("last_90_days", "2026-08-27", "2026-11-26"),
    ("next_90_days", "2026-11-26", "2027-02-24"),
    ("this_quarter", "2026-10-01", "2027-01-01"),
    ("last_quarter", "2026-07-01", "2026-10-01"),
    ("next_quarter", "2027-01-01", "2027-04-01"),
    ("this_year", "2026-01-01", "2027-01-01"),
    ("last_year", "2025-01-01", "2026-01-01"),
    ("next_year", "2027-01-01", "2028-01-01"),
    ("this_fiscal_quarter", "2026-10-01", "2027-01-01"),
    ("next_fiscal_year", "2027-01-01", "2028-01-01"),
    ("last_n_days:3", "2026-11-22", "2026-11-26"),
    ("next_n_days:3", "2026-11-26", "2026-11-29"),
    ("n_days_ago:3", "2026-11-22", "2026-11-23"),
    ("last_n_weeks:2", "2026-11-08", "2026-11-22"),
    ("next_n_weeks:2", "2026-11-29", "2026-12-13"),
    ("n_weeks_ago:2", "2026-11-08", "2026-11-15"),
    ("last_n_months:2", "2026-09-01", "2026-11-01"),
    ("next_n_months:2", "2026-12-01", "2027-02-01"),
    ("n_months_ago:11", "2025-12-01", "2026-01-01"),
    ("last_n_quarters:4", "2025-10-01", "2026-10-01"),
    ("n_quarters_ago:1", "2026-07-01", "2026-10-01"),
    ("last_n_years:2", "2024-01-01", "2026-01-01"),
    ("n_years_ago:2", "2024-01-01", "2025-01-01"),
    ("last_n_fiscal_years:1", "2025-01-01", "2026-01-01"),
    ("next_n_fiscal_quarters:1", "2027-01-01", "2027-04-01"),
]


@pytest.mark.parametrize(("name", "first", "end"), RANGES, ids=[each[0] for each in RANGES])
def test_a_literal_means_these_days(name: str, first: str, end: str) -> None:
    assert [day.date().isoformat() for day in days(name, NOW)] == [first, end]


@pytest.mark.parametrize(
    "name",
    ["last_n_days", "n_days:3", "last_n_days_ago:3", "this_day", "last_fiscal_week", "n_fiscal_days_ago:1", "today:1"],
)
def test_other_words_mean_none(name: str) -> None:
    assert not is_date_literal(name)


UNITS = st.sampled_from(["days", "weeks", "months", "quarters", "years"])


@given(st.dates(date(1900, 1, 1), date(2200, 1, 1)), UNITS, st.integers(0, 9999))
def test_any_number_of_units_is_a_range(today: date, unit: str, count: int) -> None:
    now = datetime(today.year, today.month, today.day, 23, 59, tzinfo=UTC)
    for name in (f"last_n_{unit}:{count}", f"next_n_{unit}:{count}", f"n_{unit}_ago:{count}"):
        start, end = days(name, now)
        assert start <= end


@given(st.dates(date(1900, 1, 1), date(2200, 1, 1)), UNITS)
def test_units_follow_each_other_without_a_gap(today: date, unit: str) -> None:
    now = datetime(today.year, today.month, today.day, tzinfo=UTC)
    last, this, following = (days(f"n_{unit}_ago:1", now), days(f"n_{unit}_ago:0", now), days(f"next_n_{unit}:1", now))
    assert last[1] == this[0] <= now < this[1] == following[0]
    assert this[1] - this[0] >= timedelta(days=1)
