"""Which days does ``LAST_N_MONTHS:3`` mean? A half-open range of midnights, in the org's time zone (UTC).

Weeks begin on Sunday, as in the locale en_US; the fiscal year is the calendar year.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Range = tuple[datetime, datetime]
#: Midnight of the first day of the unit that is ``n`` units after the one that today is in.
_Start = Callable[[datetime, int], datetime]

#: Years have four digits, so that dates have the order of their texts.
_FIRST_YEAR, _LAST_YEAR = 1000, 9999
_N = re.compile(r"(?:(last|next)_n|n)_(fiscal_)?(days|weeks|months|quarters|years)(_ago)?:(\d{1,4})")
_ONE = re.compile(r"(last|this|next)_(fiscal_)?(week|month|quarter|year)")
_DAYS = {"yesterday": (-1, 0), "today": (0, 1), "tomorrow": (1, 2), "last_90_days": (-90, 1), "next_90_days": (1, 91)}


def is_date_literal(name: str) -> bool:
    """:param name: in lower case."""
    return name in _DAYS or _one(name) is not None or _several(name) is not None


def days(name: str, now: datetime) -> Range:
    """The start of the first day that a date literal means and of the first one after."""
    today = datetime(now.year, now.month, now.day, tzinfo=UTC)
    start_of, first, end = _meant(name)
    return start_of(today, first), start_of(today, end)


def _meant(name: str) -> tuple[_Start, int, int]:
    if name in _DAYS:
        return (_day, *_DAYS[name])
    found = _one(name) or _several(name)
    if found is None:
        raise ValueError(name)
    return found


def _one(name: str) -> tuple[_Start, int, int] | None:
    found = _ONE.fullmatch(name)
    if not found or (found[2] and found[3] not in ("quarter", "year")):
        return None
    first = {"last": -1, "this": 0, "next": 1}[found[1]]
    return _STARTS[found[3] + "s"], first, first + 1


def _several(name: str) -> tuple[_Start, int, int] | None:
    """The last and next n units do not take in the one that today is in, except that the last n days do."""
    found = _N.fullmatch(name)
    if not found or (found[2] and found[3] not in ("quarters", "years")) or bool(found[1]) == bool(found[4]):
        return None
    start_of, count = _STARTS[found[3]], int(found[5])
    if found[1] == "last":
        return start_of, -count, 1 if found[3] == "days" else 0
    if found[1] == "next":
        return start_of, 1, count + 1
    return start_of, -count, 1 - count


def _day(today: datetime, n: int) -> datetime:
    return today + timedelta(days=n)


def _week(today: datetime, n: int) -> datetime:
    return _day(today, 7 * n - today.isoweekday() % 7)


def _month(today: datetime, n: int) -> datetime:
    years, month = divmod(today.month - 1 + n, 12)
    return _within(today.year + years, month + 1)


def _quarter(today: datetime, n: int) -> datetime:
    years, quarter = divmod((today.month - 1) // 3 + n, 4)
    return _within(today.year + years, 3 * quarter + 1)


def _year(today: datetime, n: int) -> datetime:
    return _within(today.year + n, 1)


def _within(year: int, month: int) -> datetime:
    if _FIRST_YEAR <= year <= _LAST_YEAR:
        return datetime(year, month, 1, tzinfo=UTC)
    return datetime(_FIRST_YEAR if year < _FIRST_YEAR else _LAST_YEAR, 1, 1, tzinfo=UTC)


_STARTS: dict[str, _Start] = {"days": _day, "weeks": _week, "months": _month, "quarters": _quarter, "years": _year}
