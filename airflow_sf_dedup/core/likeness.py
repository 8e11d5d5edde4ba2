"""Is what an org shows of a field what was written to it?

An org writes values in its own way: moments without milliseconds, numbers to the digits of the field, e-mail addresses
in lower case, the values of a multi-select picklist in the order of the list. What differs in nothing else is the same.
What differs by no more than a trigger would change, such as case, punctuation or the end of a text, may be the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import IntEnum
from typing import Any

from airflow_sf_dedup.core.dates import read_day, read_moment, read_time
from airflow_sf_dedup.core.record_ids import is_record_id, to_18
from airflow_sf_dedup.core.sobjects import Field


class Likeness(IntEnum):
    """Whether two values are the same; of several, the greatest says what holds of all."""

    SAME = 0
    #: They may be the same.
    LIKE = 1
    #: They cannot be compared.
    UNTOLD = 2
    OTHER = 3


def likeness(sent: Any, stored: Any, field: Field | None) -> Likeness:
    """Compare a value that was sent with what the org shows of its field.

    :param sent: as it stands in a row; a parent that is named by its key cannot be compared.
    :param field: ``None``: it was not described; the values tell their kind themselves.
    """
    if isinstance(sent, Mapping) or isinstance(stored, Mapping):
        return Likeness.UNTOLD
    compare = _BY_TYPE.get(field.type if field else "", _texts)
    if compare is _untold:
        return Likeness.UNTOLD
    if is_blank(sent) or is_blank(stored):
        return _blanks(sent, stored)
    if compare is _texts and _is_number(sent) and _is_number(stored):
        compare = _numbers
    return compare(sent, stored, field)


def of_all(likenesses: Iterable[Likeness]) -> Likeness:
    """Whether several values are the same as those that were sent; nothing is the same as nothing."""
    return max(likenesses, default=Likeness.SAME)


def is_blank(value: Any) -> bool:
    """Whether a value clears its field, or the org shows that nothing is there."""
    return value is None or (isinstance(value, str) and not value.strip())


def _blanks(sent: Any, stored: Any) -> Likeness:
    if is_blank(sent) and is_blank(stored):
        return Likeness.SAME
    # A checkbox that is cleared is false, and so is one that was never written.
    return Likeness.LIKE if sent is False or stored is False else Likeness.OTHER


def _told(*, same: bool, like: bool = False) -> Likeness:
    return Likeness.SAME if same else Likeness.LIKE if like else Likeness.OTHER


def _untold(sent: Any, stored: Any, field: Field | None) -> Likeness:
    return Likeness.UNTOLD


def _texts(sent: Any, stored: Any, field: Field | None) -> Likeness:
    """Salesforce takes blanks off both ends."""
    a, b = _lines(sent), _lines(stored)
    is_cut = field is not None and 0 < field.length == len(str(stored)) and a.startswith(b)
    letters = _letters(a)
    return _told(same=a == b, like=is_cut or (bool(letters) and letters == _letters(b)))


def _emails(sent: Any, stored: Any, field: Field | None) -> Likeness:
    return _texts(str(sent).lower(), str(stored).lower(), field)


def _ids(sent: Any, stored: Any, field: Field | None) -> Likeness:
    a, b = (to_18(str(value)) if is_record_id(str(value)) else str(value) for value in (sent, stored))
    return _told(same=a == b)


def _flags(sent: Any, stored: Any, field: Field | None) -> Likeness:
    a, b = (str(value).strip().lower() for value in (sent, stored))
    return _told(same=a == b) if {a, b} <= {"true", "false"} else Likeness.UNTOLD


def _numbers(sent: Any, stored: Any, field: Field | None) -> Likeness:
    """Salesforce rounds to the digits of the field, and keeps some 15 of them at most."""
    try:
        a, b = Decimal(str(sent)), Decimal(str(stored))
        unit = Decimal(1).scaleb(-field.scale) if field else Decimal(0)
        return _told(same=float(a) == float(b) or 2 * abs(a - b) <= unit, like=abs(a - b) < unit)
    except (InvalidOperation, OverflowError, ValueError):
        return Likeness.UNTOLD


def _days(sent: Any, stored: Any, field: Field | None) -> Likeness:
    return _parsed(read_day, sent, stored)


def _moments(sent: Any, stored: Any, field: Field | None) -> Likeness:
    return _parsed(_second, sent, stored)


def _times(sent: Any, stored: Any, field: Field | None) -> Likeness:
    return _parsed(read_time, sent, stored)


def _parsed(read: Callable[[str], Any], sent: Any, stored: Any) -> Likeness:
    try:
        return _told(same=read(str(sent)) == read(str(stored)))
    except (ValueError, OverflowError):
        return Likeness.UNTOLD


def _second(text: str) -> datetime:
    """The second of a moment, UTC: Salesforce keeps no more of it."""
    moment = read_moment(text).replace(microsecond=0)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _choices(sent: Any, stored: Any, field: Field | None) -> Likeness:
    a, b = ({each.strip() for each in str(value).split(";")} - {""} for value in (sent, stored))
    return _told(same=a == b, like=set(map(str.lower, a)) == set(map(str.lower, b)))


def _lines(value: Any) -> str:
    return str(value).replace("\r\n", "\n").strip()


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


#: Salesforce's type word (DescribeSObjectResult.fields) to how its values are compared; all others are texts.
_BY_TYPE: Mapping[str, Callable[[Any, Any, Field | None], Likeness]] = {
    **dict.fromkeys(("int", "long", "double", "currency", "percent"), _numbers),
    **dict.fromkeys(("base64", "encryptedstring", "location", "address", "anyType", "complexvalue"), _untold),
    **dict.fromkeys(("id", "reference"), _ids),
    "boolean": _flags,
    "date": _days,
    "datetime": _moments,
    "email": _emails,
    "multipicklist": _choices,
    "time": _times,
}
