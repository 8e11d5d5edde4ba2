"""A span of time as settings and commands write it: ``90d``, ``12h`` or ``4w``."""

from __future__ import annotations

import re
from datetime import timedelta

#: A hundred years; the calendar begins not long before.
LONGEST = timedelta(days=36_500)

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def read_span(text: object, *, units: str = "hdw") -> timedelta | None:
    """The span that a text stands for; ``None``: it stands for none, or for a longer one than :data:`LONGEST`.

    :param units: that may be meant. Seconds and minutes only where nobody can take an ``m`` for months.
    """
    found = re.fullmatch(rf"([0-9]{{1,6}})([{units}])", text.strip()) if isinstance(text, str) else None
    read = timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else None
    return read if read is not None and read <= LONGEST else None
