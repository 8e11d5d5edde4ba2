"""Which day, moment or time of day does a text name?

The spellings are those of ISO 8601 that leave nothing to guess: ``2024-01-15``, and a time of at least hours and
minutes after a ``T`` or one blank. The compact form (``20240115T103000``) has a ``T`` and no punctuation at all. A
zone is ``Z``, ``UTC``, ``+hh``, ``+hhmm`` or ``+hh:mm``, after one blank at most. A day may carry a zone as well,
as in the samples of Salesforce's own SOAP guide (``1985-03-04Z``; XML Schema, part 2, ``date``): it stays a day.

``datetime.fromisoformat`` is not asked: it takes any character for the ``T``, week dates and hours alone, and each
release of Python takes something else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone

#: Longest text that can be one of these; a longer one is not looked at.
_MOST_CHARACTERS = 64

#: The farthest that a zone is from UTC (XML Schema, part 2, 3.2.7.3).
_FARTHEST = timedelta(hours=14)

_DAY = r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})"
_CLOCK = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]+))?)?"
_ZONE = r"(?: ?(?P<zone>[Zz]|UTC|[+-][0-9]{2}(?::?[0-9]{2})?))?"
_ZONE_OF_A_DAY = r"(?: ?(?P<zone>[Zz]|UTC|[+-][0-9]{2}:[0-9]{2}))?"


def _without_punctuation(pattern: str) -> str:
    return pattern.replace("-(?P", "(?P").replace(":(?P", "(?P")


_MOMENTS = (
    re.compile(f"{_DAY}{_ZONE_OF_A_DAY}"),
    re.compile(f"{_DAY}[Tt ]{_CLOCK}{_ZONE}"),
    re.compile(_without_punctuation(f"{_DAY}[Tt]{_CLOCK}") + _ZONE),
    re.compile(_without_punctuation(_DAY)),
)
_TIME = re.compile(f"{_CLOCK}{_ZONE}")


def read_day(text: str) -> date:
    """The day that a text names, with or without a time and a zone: the day is the one that is written.

    :raises ValueError: it names none.
    """
    return read_moment(text).date()


def read_moment(text: str) -> datetime:
    """The moment that a text names, with its zone; ``None`` for a zone that is not written.

    A day is its midnight, in the zone that it carries.

    :raises ValueError: it names none.
    """
    parts = _parts(text, *_MOMENTS)
    day = date(int(parts["year"]), int(parts["month"]), int(parts["day"]))
    return datetime.combine(day, _time(parts), _zone(parts))


def read_time(text: str) -> time:
    """The time of day that a text names. A zone can only be UTC: a time of day is the same in all of them.

    :raises ValueError: it names none, or one of another zone.
    """
    parts = _parts(text, _TIME)
    if _zone(parts) not in (None, UTC):
        raise ValueError("a time of day with a zone")
    return _time(parts)


def _parts(text: str, *spellings: re.Pattern[str]) -> Mapping[str, str]:
    """Name to text of each part that is written."""
    text = text.strip()
    if len(text) <= _MOST_CHARACTERS:
        for spelling in spellings:
            if found := spelling.fullmatch(text):
                return found.groupdict("")
    raise ValueError("neither a date nor a time")


def _time(parts: Mapping[str, str]) -> time:
    """Midnight where no time is written; what is finer than a microsecond is dropped."""
    if "hour" not in parts:
        return time.min
    microseconds = int(parts["fraction"][:6].ljust(6, "0"))
    return time(int(parts["hour"]), int(parts["minute"]), int(parts["second"] or 0), microseconds)


def _zone(parts: Mapping[str, str]) -> timezone | None:
    zone = parts.get("zone")
    if not zone:
        return None
    if zone[0] not in "+-":
        return UTC
    digits = zone[1:].replace(":", "")
    hours, minutes = int(digits[:2]), int(digits[2:] or 0)
    offset = timedelta(hours=hours, minutes=minutes)
    if minutes > 59 or offset > _FARTHEST:
        raise ValueError("a zone that is none")
    return timezone(-offset if zone[0] == "-" else offset)
