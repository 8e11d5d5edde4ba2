"""One spelling, one meaning; what has none is refused, on every release of Python."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_sf_dedup.core.dates import read_day, read_moment, read_time

DAY = date(2024, 1, 15)


def at(*parts: int, zone: timezone | None = None) -> datetime:
    return datetime(2024, 1, 15, *parts, tzinfo=zone)


PLUS_TWO = timezone(timedelta(hours=2))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-01-15", at(0)),
        (" 2024-01-15 ", at(0)),
        ("20240115", at(0)),
        ("2024-01-15Z", at(0, zone=UTC)),
        ("2024-01-15 UTC", at(0, zone=UTC)),
        ("2024-01-15+02:00", at(0, zone=PLUS_TWO)),
        ("2024-01-15T10:30", at(10, 30)),
        ("2024-01-15t10:30:00z", at(10, 30, zone=UTC)),
        ("2024-01-15 10:30:00", at(10, 30)),
        ("2024-01-15 10:30:00 UTC", at(10, 30, zone=UTC)),
        ("2024-01-15 10:30:00UTC", at(10, 30, zone=UTC)),
        ("2024-01-15 10:30:00+00", at(10, 30, zone=UTC)),
        ("2024-01-15 10:30:00+0000", at(10, 30, zone=UTC)),
        ("2024-01-15 10:30:00 +00:00", at(10, 30, zone=UTC)),
        ("2024-01-15T10:30:00-00:00", at(10, 30, zone=UTC)),
        ("2024-01-15T10:30:00.5+02:00", at(10, 30, 0, 500_000, zone=PLUS_TWO)),
        ("2024-01-15T10:30:00,123456789Z", at(10, 30, 0, 123_456, zone=UTC)),
        ("20240115T103000Z", at(10, 30, zone=UTC)),
        ("20240115T1030", at(10, 30)),
    ],
)
def test_a_moment_and_its_day_are_read(text: str, moment: datetime) -> None:
    found = read_moment(text)
    assert (found, found.utcoffset()) == (moment, moment.utcoffset())
    assert read_day(text) == DAY


@pytest.mark.parametrize(
    "text",
    [
        "",
        "today",
        "2024-01-15 2024",
        "2024-01-15T1030",
        "2024-01-15 10",
        "2024-01-15T10",
        "2024-01-15x10:30",
        "2024-01-15+10:30:00",
        "2024-01-15+02",
        "2024-01-15-0500",
        "2024-01-15  10:30",
        "2024-01-15T 10:30",
        "2024-01-15 10:30:00  UTC",
        "2024-01-15 10:30:00 CET",
        "2024-01-15T10:30:00 Europe/Berlin",
        "2024-01-15T24:00:00",
        "2024-01-15T10:60",
        "2024-01-15T10:30:60",
        "2024-01-15T10:30:00+14:01",
        "2024-01-15T10:30:00+01:60",
        "2024-01-15T10:30:00.",
        "20240115T10:30",
        "20240115 103000",
        "20240115Z",
        "2024-02-30",
        "2024-1-5",
        "24-01-15",
        "+2024-01-15",
        "2024-W03-1",
        "2024W031",
        "2024-015",
        "2024015",
        "\u0662\u0660\u0662\u0664-01-15",
        "2024-01-15T10:30:00." + "0" * 60,
    ],
    ids=lambda text: ascii(text)[:40],
)
def test_what_leaves_something_to_guess_is_refused(text: str) -> None:
    for read in (read_day, read_moment):
        with pytest.raises(ValueError):
            read(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("10:30", time(10, 30)),
        ("10:30:05", time(10, 30, 5)),
        (" 10:30:05.25Z ", time(10, 30, 5, 250_000)),
        ("10:30 UTC", time(10, 30)),
        ("10:30+00:00", time(10, 30)),
    ],
)
def test_a_time_of_day_is_read(text: str, found: time) -> None:
    assert read_time(text) == found


@pytest.mark.parametrize("text", ["", "10", "1030", "T10:30", "24:00", "10:30+02:00", "10:30 CET", "2024-01-15T10:30"])
def test_anything_else_is_no_time_of_day(text: str) -> None:
    with pytest.raises(ValueError):
        read_time(text)


@given(
    st.datetimes(timezones=st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))),
    st.sampled_from(["T", " "]),
)
def test_what_python_writes_is_read_back(moment: datetime, separator: str) -> None:
    assert read_moment(moment.isoformat(separator)) == moment
    assert read_day(moment.isoformat(separator)) == moment.date()
