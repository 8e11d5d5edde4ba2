"""How new is a row's state? Reads the value of the ``newer_than`` column as text that sorts.

Of two orders of one kind, the later state has the greater text, so that a database can compare them.
Times and numbers are two kinds: nothing says which of them is later.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from airflow_sf_dedup.core.dates import read_moment
from airflow_sf_dedup.core.values import parse_number, plain

#: Digits before the decimal point, and after it: what databases hold at most in a number.
MOST_DIGITS = 38

_DIGITS = re.compile(r"[0-9]+(?:\.[0-9]*)?")


class UnusableOrder(ValueError):
    """A value that tells neither a time nor a number from 0 on.

    :param reason: ``missing_order`` or ``unusable_order``.
    :param message: what is wrong, in words that do not repeat the value.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def order_of(value: Any) -> str:
    """The order of a state, such as ``t:2026-11-23T10:00:00.000000Z``.

    A date or date-time (as :mod:`airflow_sf_dedup.core.dates` reads it, or Python's own; without a zone UTC; a date
    is its midnight; what is finer than a microsecond is dropped) becomes ``t:`` and the time in UTC. A number from 0
    on (also as digits in a text: seconds since an epoch, a version counter) becomes ``n:`` and its digits, padded.

    :raises UnusableOrder: it is missing, or none of these.
    """
    value = plain(value)
    if isinstance(value, str):
        value = value.strip()
    if value is None or value == "":
        raise UnusableOrder("missing_order", "is blank: nothing says how new the row is")
    if isinstance(value, bool):
        raise _unusable("is true or false, which is no time and no number")
    if isinstance(value, str):
        return _number(_from_digits(value)) if _DIGITS.fullmatch(value) else _time(_from_text(value))
    if isinstance(value, date):
        return _time(value)
    return _number(parse_number(value))


def kind_of(order: str) -> str:
    """What an order is of: ``time`` or ``number``; only orders of one kind compare."""
    return "time" if order.startswith("t:") else "number"


def _from_digits(text: str) -> Decimal:
    if len(text) > 2 * MOST_DIGITS + 1:
        raise _too_long()
    return Decimal(text)


def _number(number: Decimal | None) -> str:
    if number is None:
        raise _unusable("is neither a date, a time nor a finite number")
    if number < 0:
        raise _unusable("is a number below 0")
    if not number:
        # A zero may have millions of decimals: 0E-9999999.
        number = Decimal(0)
    elif not -MOST_DIGITS <= number.adjusted() < MOST_DIGITS:
        raise _too_long()
    whole, _, decimals = f"{number.copy_abs():f}".partition(".")
    decimals = decimals.rstrip("0")
    if len(decimals) > MOST_DIGITS:
        raise _too_long()
    return f"n:{whole.zfill(MOST_DIGITS)}" + (f".{decimals}" if decimals else "")


def _from_text(text: str) -> datetime:
    try:
        return read_moment(text)
    except ValueError:
        raise _unusable(
            "is no time and no number: expected ISO 8601, such as YYYY-MM-DDThh:mm:ssZ, or digits"
        ) from None


def _time(moment: date) -> str:
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    try:
        moment = moment if moment.utcoffset() is None else moment.astimezone(UTC)
    except (OverflowError, ValueError):
        raise _unusable("is outside the years 1 to 9999 in UTC") from None
    return f"t:{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def _unusable(message: str) -> UnusableOrder:
    return UnusableOrder("unusable_order", message)


def _too_long() -> UnusableOrder:
    return _unusable(f"has more than {MOST_DIGITS} digits before or after the decimal point")
