"""What JSON value does a source value become in a field of that type?

Only what surely cannot be meant is refused here, because one malformed value makes Salesforce refuse
the whole request it travels in. What Salesforce can refuse row by row (a text that is too long, a
picklist value it does not know) is left to it. No message ever repeats a value.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from enum import Enum
from functools import partial
from numbers import Integral
from typing import Any, TypeVar
from uuid import UUID

from airflow_sf_dedup.core.api_names import is_api_name
from airflow_sf_dedup.core.dates import read_day, read_moment, read_time
from airflow_sf_dedup.core.record_ids import restored
from airflow_sf_dedup.core.records import FieldValue
from airflow_sf_dedup.core.sobjects import Field

#: Salesforce's number types (DescribeSObjectResult, FieldType); ``int`` and ``long`` hold no decimals.
NUMBER_TYPES = frozenset({"double", "currency", "percent", "int", "long"})
WHOLE_NUMBER_TYPES = frozenset({"int", "long"})

#: Salesforce numbers hold 18 digits, before and after the decimal point together.
MOST_DIGITS = 18

#: Zeros that a number may begin with when it becomes text; every float has fewer. ``1e-99999999`` would be 100 MB.
_MOST_ZEROS = 350

#: What the JSON reader takes for an ``int``, 32 bits (DescribeSObjectResult, ``soapType`` ``xsd:int``).
INTEGERS = range(-(2**31), 2**31)

T = TypeVar("T")

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_TRUE, _FALSE = ("true", "1"), ("false", "0")


class MalformedValue(ValueError):
    """A value that its field cannot hold.

    :param field_name: the field, or the column that names it.
    :param reason: what is wrong, in words that do not repeat the value.
    """

    def __init__(self, field_name: str, reason: str) -> None:
        super().__init__(f"{field_name} {reason}")
        self.field_name = field_name
        self.reason = reason


def to_wire(field: Field, value: Any) -> FieldValue:
    """The JSON value for a field; ``None`` clears it.

    A checkbox knows no null, and one that is sent refuses its whole request: it becomes ``False``, as in Data Loader.

    :raises MalformedValue: the field cannot hold the value.
    """
    return reader_of(field)(value)


def reader_of(field: Field) -> Callable[[Any], FieldValue]:
    """:func:`to_wire` for one field, chosen once for all the values of a column."""
    name, read = field.name, _reader(field)
    takes_text_as_it_is = read is _text
    nothing = False if field.type == "boolean" else None

    def read_value(value: Any) -> FieldValue:
        if type(value) is not str:
            value = plain(value)
            if value is None:
                return nothing
        elif takes_text_as_it_is and value.isascii() and "\0" not in value:
            return value
        return read(name, value)

    return read_value


def _reader(field: Field) -> Callable[[str, Any], FieldValue]:
    if field.holds_ids:
        return _record_id
    read = _READERS.get(field.type, _text)
    return partial(_number, scale=field.scale) if read is _number else read


@dataclass(frozen=True, slots=True)
class ParentName:
    """A parent named by one of its own fields."""

    field: str
    value: Any
    #: The parent's sObject, where the mapping says it.
    sobject: str | None = None


def read_parent(name: str, value: Any) -> ParentName | None:
    """The parent that a mapping such as ``{"External_Id__c": "A-1"}`` names; ``None`` for no parent.

    :param name: the relationship's name, for the message.
    :raises MalformedValue: it is no such mapping.
    """
    value = plain(value)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if not isinstance(value, Mapping):
        raise MalformedValue(name, "names a parent: expected a mapping of one external-ID field to its value")
    named = [inner for inner in value if inner != "attributes"]
    if len(named) != 1 or not is_api_name(named[0]):
        raise MalformedValue(name, f"names a parent by {len(named)} columns: expected one field's API name")
    return ParentName(named[0], value[named[0]], _sobject_of(name, value))


def _sobject_of(name: str, value: Mapping[str, Any]) -> str | None:
    """What ``attributes`` of a parent that may be of several sObjects say."""
    if "attributes" not in value:
        return None
    attributes = value["attributes"]
    sobject = attributes.get("type") if isinstance(attributes, Mapping) else None
    if not is_api_name(sobject):
        raise MalformedValue(name, 'has attributes without the parent\'s sObject: expected {"type": …}')
    return str(sobject)


def plain(value: Any) -> Any:
    """``value`` without its wrapping: enums and numpy's values opened, NaN, NaT and NA as ``None``."""
    if isinstance(value, Enum):
        value = value.value
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        value = _from_numpy(value)
    if isinstance(value, bool | str | int | Mapping | list | tuple | set | frozenset | bytes):
        return value
    if isinstance(value, Integral):
        return int(value)
    return None if _is_nothing(value) else value


def _from_numpy(value: Any) -> Any:
    """A scalar as Python's own, an array as a list; what Python's times do not count is no number of nanoseconds."""
    if value.dtype.kind in "mM":
        found = value.astype(f"{value.dtype.kind}8[us]").tolist()
        return value if isinstance(found, int) else found
    return value.tolist()


def _is_nothing(value: Any) -> bool:
    """Whether a value says "nothing here": ``None``, or unequal to itself as NaN is."""
    try:
        return value is None or bool(value != value)
    except (TypeError, ValueError, InvalidOperation):
        # pandas.NA answers NA, a signalling NaN raises; an array of several values is no nothing.
        return type(value).__name__ == "NAType" or isinstance(value, Decimal)


def _text(name: str, value: Any) -> str:
    if isinstance(value, str):
        return _sendable(name, str(value) if type(value) is not str else value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, int | float | Decimal):
        return _digits(name, value)
    if isinstance(value, UUID):
        return str(value)
    raise MalformedValue(name, f"is {_kind(value)}: expected text")


def _sendable(name: str, text: str) -> str:
    if "\0" in text:
        raise MalformedValue(name, "holds a NUL character")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise MalformedValue(name, "holds half a character (a lone surrogate)") from None
    return text


def _digits(name: str, value: int | float | Decimal) -> str:
    """A number as text: ``1.0`` from a data frame was a 1 before a missing value made it a float."""
    number = _decimal(name, value)
    if isinstance(value, float) and number == number.to_integral_value():
        return str(int(number))
    if number.adjusted() < -_MOST_ZEROS:
        raise MalformedValue(name, f"begins with more than {_MOST_ZEROS} zeros after the point")
    return f"{number:f}"


def _multipicklist(name: str, value: Any) -> str:
    if isinstance(value, list | tuple):
        return ";".join(_text(name, plain(item)) for item in value)
    return _text(name, value)


def _boolean(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else _as_word(value)
    if word not in ("", *_TRUE, *_FALSE):
        raise MalformedValue(name, "is no boolean: expected true, false, 1 or 0")
    return word in _TRUE


def _as_word(value: Any) -> str:
    return str(int(value)) if isinstance(value, int | float | Decimal) and value in (0, 1) else "?"


def _number(name: str, value: Any, *, scale: int | None = None) -> int | float | None:
    if isinstance(value, str) and not value.strip():
        return None
    return _wire_number(name, _decimal(name, value), scale=scale)


def _whole_number(name: str, value: Any) -> int | None:
    number = _number(name, value)
    if isinstance(number, float):
        raise MalformedValue(name, "has decimals: the field holds whole numbers")
    return number


def _integer(name: str, value: Any) -> int | None:
    number = _whole_number(name, value)
    if number is not None and number not in INTEGERS:
        raise MalformedValue(name, "is too large: the field holds whole numbers of 32 bits")
    return number


def _decimal(name: str, value: Any) -> Decimal:
    """The exact number that was written; ``0.1`` as one tenth.

    :raises MalformedValue: it is no finite number of at most 18 digits before the point.
    """
    number = parse_number(value)
    if number is None:
        raise MalformedValue(name, "is no number: expected digits, with a point before decimals")
    if number and number.adjusted() >= MOST_DIGITS:
        raise MalformedValue(name, f"has more than {MOST_DIGITS} digits")
    return number


def parse_number(value: Any) -> Decimal | None:
    """A finite number from a number or from text without thousands separators, else ``None``."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        text = value.strip()
        return Decimal(text) if len(text) <= 400 and _NUMBER.fullmatch(text) else None
    if not isinstance(value, int | float | Decimal):
        return None
    number = Decimal(repr(float(value))) if isinstance(value, float) else Decimal(value)
    return number if number.is_finite() else None


def fits_a_float(number: Decimal) -> bool:
    """Whether a float, which is what readers of JSON make of decimals, keeps every digit of it."""
    return Decimal(repr(float(number))) == number


def _rounds_alike(number: Decimal, scale: int) -> bool:
    return round(Decimal(repr(float(number))), scale) == round(number, scale)


def _wire_number(name: str, number: Decimal, *, scale: int | None = None) -> int | float:
    """An ``int`` where there are no decimals, so that no digit is lost beyond 2**53.

    :param scale: the decimals that the field keeps; Salesforce rounds the others away.
    :raises MalformedValue: it has decimals that a float would change in silence.
    """
    if number == number.to_integral_value():
        return int(number)
    if not (fits_a_float(number) or (scale is not None and _rounds_alike(number, scale))):
        raise MalformedValue(name, "has more digits than JSON carries exactly: round it, 15 digits are always safe")
    return float(number)


def _date(name: str, value: Any) -> str | None:
    """The day that is written, whatever zone stands beside it."""
    if isinstance(value, datetime):
        return value.date().isoformat()
    if isinstance(value, str):
        value = _parsed(read_day, name, value, _NO_DATE)
    if value is None:
        return None
    if not isinstance(value, date):
        raise MalformedValue(name, _NO_DATE)
    return value.isoformat()


def _datetime(name: str, value: Any) -> str | None:
    """ISO 8601 in UTC with milliseconds, as Salesforce writes them; a naive time is UTC."""
    if isinstance(value, str):
        value = _parsed(read_moment, name, value, _NO_MOMENT)
    if value is None:
        return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if not isinstance(value, datetime):
        raise MalformedValue(name, _NO_MOMENT)
    try:
        moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        raise MalformedValue(name, "is outside the years 1 to 9999 in UTC") from None
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _time(name: str, value: Any) -> str | None:
    """``hh:mm:ss.SSSZ``; a time of day has no zone in Salesforce, the Z is only its spelling."""
    if isinstance(value, str):
        value = _parsed(read_time, name, value, _NO_TIME)
    if value is None:
        return None
    if not isinstance(value, time) or (value.tzinfo is not None and value.utcoffset() != timedelta(0)):
        raise MalformedValue(name, _NO_TIME)
    return value.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _parsed(read: Callable[[str], T], name: str, text: str, otherwise: str) -> T | None:
    """What a text says; ``None`` for a blank one."""
    try:
        return read(text) if text.strip() else None
    except ValueError:
        raise MalformedValue(name, otherwise) from None


def _record_id(name: str, value: Any) -> str | None:
    """The id's 18 characters, so that one record has one spelling."""
    if not isinstance(value, str):
        raise MalformedValue(name, _NO_ID)
    return _parsed(restored, name, value, _NO_ID)


def _base64(name: str, value: Any) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    text = _text(name, value).strip()
    try:
        base64.b64decode(text, validate=True)
    except ValueError:
        raise MalformedValue(name, "is no base64, in which Salesforce takes files") from None
    return text


def _kind(value: Any) -> str:
    kind = "mapping" if isinstance(value, Mapping) else type(value).__name__
    return f"a {kind}"


_NO_DATE = "is no date: expected YYYY-MM-DD"
_NO_MOMENT = "is no date and time: expected ISO 8601, such as YYYY-MM-DDThh:mm:ssZ"
_NO_TIME = "is no time of day: expected hh:mm:ss, without a zone"
_NO_ID = "is no record id: expected its 15 or 18 letters and digits"

_READERS: Mapping[str, Callable[[str, Any], FieldValue]] = {
    "base64": _base64,
    "boolean": _boolean,
    "date": _date,
    "datetime": _datetime,
    "time": _time,
    "multipicklist": _multipicklist,
    **dict.fromkeys(NUMBER_TYPES - WHOLE_NUMBER_TYPES, _number),
    "int": _integer,
    "long": _whole_number,
}
