"""What do the date functions of SOQL make of a date or datetime? Kept forms in, numbers and dates out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from airflow_sf_dedup.emulator.records.schema import NUMBER_KINDS, Field

#: The kind of the result and how it is found.
DateFunction = tuple[str, Callable[[str], Any]]


def _day(value: str) -> date:
    return date.fromisoformat(value[:10])


def _month(value: str) -> int:
    return int(value[5:7])


def _quarter(value: str) -> int:
    return (int(value[5:7]) + 2) // 3


def _year(value: str) -> int:
    return int(value[:4])


DATE_FUNCTIONS: dict[str, DateFunction] = {
    "CALENDAR_MONTH": ("int", _month),
    "CALENDAR_QUARTER": ("int", _quarter),
    "CALENDAR_YEAR": ("int", _year),
    "FISCAL_MONTH": ("int", _month),
    "FISCAL_QUARTER": ("int", _quarter),
    "FISCAL_YEAR": ("int", _year),
    "DAY_IN_MONTH": ("int", lambda value: int(value[8:10])),
    # Sunday is 1.
    "DAY_IN_WEEK": ("int", lambda value: _day(value).isoweekday() % 7 + 1),
    "DAY_IN_YEAR": ("int", lambda value: _day(value).timetuple().tm_yday),
    "WEEK_IN_MONTH": ("int", lambda value: (int(value[8:10]) + 6) // 7),
    "WEEK_IN_YEAR": ("int", lambda value: (_day(value).timetuple().tm_yday + 6) // 7),
    "DAY_ONLY": ("date", lambda value: value[:10]),
    "HOUR_IN_DAY": ("int", lambda value: int(value[11:13])),
}
#: These need the time of day.
OF_DATETIMES = frozenset({"DAY_ONLY", "HOUR_IN_DAY"})
#: These say how a field is shown, not another value to compare.
SHOWN = frozenset({"TOLABEL", "FORMAT", "CONVERTCURRENCY"})


def formatted(field: Field, value: Any) -> Any:
    """FORMAT(): as a person in the locale en_US reads it."""
    if value is None or isinstance(value, bool):
        return value
    if field.kind in NUMBER_KINDS:
        return ("$" if field.kind == "currency" else "") + f"{value:,.{field.scale}f}"
    if field.kind in ("date", "datetime"):
        day = _day(value)
        shown = f"{day.month}/{day.day}/{day.year}"
        return shown if field.kind == "date" else f"{shown}, {_clock(value[11:16])}"
    return value


def _clock(text: str) -> str:
    hour = int(text[:2])
    return f"{hour % 12 or 12}:{text[3:]} {'AM' if hour < 12 else 'PM'}"
