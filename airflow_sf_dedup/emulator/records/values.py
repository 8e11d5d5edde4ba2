"""Can this value stand in this field, and how is it kept?

Kept forms: text trimmed (blank is null), e-mail addresses in lower case, dates as ``2026-01-31``, datetimes as
``2026-01-31T10:00:00.000+0000``, whole numbers as int, ids with 18 characters. So equal values are equal in
Python, and order is Python's order.

A value of the wrong type refuses the whole request (``MalformedValue``); one that has the right type but
breaks a rule of its field refuses its row (``RowRefusal``).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.emulator.errors import MalformedValue, RowRefusal
from airflow_sf_dedup.emulator.records.schema import NUMBER_KINDS, TEXT_KINDS, Field
from airflow_sf_dedup.emulator.results import RowError

Reader = Callable[[Any], Any]

_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})(?:T\d{2}:\d{2}.*)?")
_DATETIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})")
_TIME = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?Z?")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?")
_EMAIL = re.compile(r"[^\s@<>(),;:\"\[\]]+@[^\s@.<>(),;:\"\[\]]+(?:\.[^\s@.<>(),;:\"\[\]]+)+")
#: What XML cannot carry, and therefore no answer may contain.
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def trimmed(text: str) -> str:
    """The text without blanks around it; wider ones such as the no-break space stay, so they tell keys apart."""
    return text.strip(" \t\n\r\f\v")


def read_date(text: str) -> str:
    """:raises ValueError: it is no calendar date."""
    found = _DATE.fullmatch(text.strip())
    if not found:
        raise ValueError(text)
    return date.fromisoformat(found[1]).isoformat()


def read_datetime(text: str) -> str:
    """A moment in UTC; a date alone is its midnight.

    :raises ValueError: it is no moment, or has no time zone.
    """
    text = text.strip()
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        return format_datetime(datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC))
    if not _DATETIME.fullmatch(text):
        raise ValueError(text)
    try:
        return format_datetime(datetime.fromisoformat(text.replace(",", ".")).astimezone(UTC))
    except OverflowError:
        raise ValueError(text) from None


def format_datetime(moment: datetime) -> str:
    """A moment in UTC as it is kept; the year has four digits, which ``strftime`` does not give to the first ones."""
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "+0000"


def read_time(text: str) -> str:
    if not _TIME.fullmatch(text.strip()):
        raise ValueError(text)
    clock = text.strip().removesuffix("Z")
    hours, minutes, seconds = [*clock.split(":"), "00"][:3]
    whole, _, fraction = seconds.partition(".")
    return f"{hours}:{minutes}:{whole}.{fraction[:3].ljust(3, '0')}Z"


def read_number(text: str) -> int | float:
    """:raises ValueError: it is no finite decimal number."""
    if not _NUMBER.fullmatch(text.strip()):
        raise ValueError(text)
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(text)
    return int(text) if re.fullmatch(r"[+-]?\d+", text.strip()) else whole(number)


def whole(number: float) -> int | float:
    """12.0 as 12, so that a key is the same key however it was written."""
    return int(number) if number.is_integer() else number


def read_boolean(text: str) -> bool:
    """:raises ValueError: it is neither true nor false."""
    try:
        return {"true": True, "false": False, "1": True, "0": False}[text.strip().lower()]
    except KeyError:
        raise ValueError(text) from None


def refuse(code: str, message: str, field: Field) -> RowRefusal:
    return RowRefusal(RowError(code, message, (field.name,)))


# --- rules of a field, for a value that has the right type -------------------------------------------------


def _text_rule(field: Field) -> Callable[[str], str | None]:
    limit = field.length

    def check(text: str) -> str | None:
        # Printable text has no illegal character, and asking is cheaper than replacing.
        text = trimmed(text if text.isprintable() else _ILLEGAL.sub("", text))
        if len(text) > limit:
            shown = text[:255]
            raise refuse("STRING_TOO_LONG", f"{field.label}: data value too large: {shown} (max length={limit})", field)
        return text or None

    return check


def _email_rule(field: Field) -> Callable[[str], str | None]:
    short_enough = _text_rule(field)

    def check(text: str) -> str | None:
        address = short_enough(text)
        if address is None:
            return None
        if not _EMAIL.fullmatch(address):
            raise refuse("INVALID_EMAIL_ADDRESS", f"{field.label}: invalid email address: {address}", field)
        return address.lower()

    return check


def _picklist_rule(field: Field) -> Callable[[str], str | None]:
    known = {value.lower(): value for value in field.values}
    short_enough = _text_rule(field)
    many = field.kind == "multipicklist"

    def check(text: str) -> str | None:
        value = short_enough(text)
        for each in (value.split(";") if many else [value]) if value else []:
            if field.restricted and each.lower() not in known:
                message = f"{field.label}: bad value for restricted picklist field: {each}"
                raise refuse("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, field)
        return known.get(value.lower(), value) if value and not many else value

    return check


def _id_rule(field: Field) -> Callable[[str], str | None]:
    def check(text: str) -> str | None:
        if not text.strip():
            return None
        try:
            return to_18(text.strip())
        except ValueError:
            message = f"{field.label}: id value of incorrect type: {text}"
            raise refuse("MALFORMED_ID", message, field) from None

    return check


def _number_rule(field: Field) -> Callable[[int | float], int | float]:
    limit = 10 ** ((field.precision or 18) - field.scale)
    decimals = field.scale

    def check(number: int | float) -> int | float:
        if not -limit < number < limit:
            message = f"{field.label}: value outside of valid range on numeric field: {number}"
            raise refuse("NUMBER_OUTSIDE_VALID_RANGE", message, field)
        return number if isinstance(number, int) else whole(round(number, decimals))

    return check


def _text_check(field: Field) -> Callable[[str], str | None]:
    if field.kind == "email":
        return _email_rule(field)
    if field.kind in ("picklist", "multipicklist"):
        return _picklist_rule(field)
    return _text_rule(field)


# --- JSON -------------------------------------------------------------------------------------------------


def _token(value: Any) -> tuple[str, str]:
    """What Salesforce's JSON reader calls a value, and how it shows it."""
    if value is None:
        return "VALUE_NULL", "null"
    if isinstance(value, bool):
        return ("VALUE_TRUE", "true") if value else ("VALUE_FALSE", "false")
    if isinstance(value, int):
        return "VALUE_NUMBER_INT", str(value)
    if isinstance(value, float):
        return "VALUE_NUMBER_FLOAT", str(value)
    if isinstance(value, dict):
        return "START_OBJECT", "{"
    if isinstance(value, list):
        return "START_ARRAY", "["
    return "VALUE_STRING", str(value)


def malformed(kind: str, value: Any) -> MalformedValue:
    return MalformedValue(kind, *_token(value), value=value)


def json_reader(field: Field) -> Reader:
    """A function from a JSON value to the kept form of ``field``."""
    if field.kind in TEXT_KINDS:
        return _json_text(field, _text_check(field))
    if field.kind in ("reference", "id"):
        return _json_text(field, _id_rule(field))
    if field.kind in NUMBER_KINDS:
        return _json_number(field)
    if field.kind == "boolean":
        return _json_boolean
    if field.parts:
        return lambda value: value
    return _json_parsed(field, _PARSERS[field.kind])


_PARSERS: dict[str, Callable[[str], Any]] = {
    "date": read_date,
    "datetime": read_datetime,
    "time": read_time,
}


def _json_text(field: Field, check: Callable[[str], str | None]) -> Reader:
    kind = "reference" if field.kind == "id" else "string"

    def read(value: Any) -> str | None:
        if type(value) is str:
            return check(value)
        if value is None:
            return None
        raise malformed(kind, value)

    return read


def _json_number(field: Field) -> Reader:
    check = _number_rule(field)
    kind = "int" if field.kind == "int" else "double"

    def read(value: Any) -> int | float | None:
        if value is None or value == "":
            return None
        number = _number_of(value, kind)
        if kind == "int" and not isinstance(number, int):
            raise malformed(kind, value)
        return check(number)

    return read


def _number_of(value: Any, kind: str) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise malformed(kind, value)
    if isinstance(value, int):
        return value
    try:
        return read_number(value) if isinstance(value, str) else whole(value)
    except ValueError:
        raise malformed(kind, value) from None


def _json_boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise malformed("boolean", value)


def _json_parsed(field: Field, parse: Callable[[str], Any]) -> Reader:
    def read(value: Any) -> Any:
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise malformed(field.kind, value)
        try:
            return parse(value)
        except ValueError:
            raise malformed(field.kind, value) from None

    return read


# --- text: SOAP elements and CSV cells ---------------------------------------------------------------------


def text_reader(field: Field) -> Callable[[str], Any]:
    """A function from the text of an element to the kept form of ``field``; ValueError if malformed."""
    if field.kind in TEXT_KINDS:
        return _text_check(field)
    if field.kind in ("reference", "id"):
        return _id_rule(field)
    if field.kind in NUMBER_KINDS:
        return _text_number(field)
    if field.parts:
        return str
    return read_boolean if field.kind == "boolean" else _PARSERS[field.kind]


def _text_number(field: Field) -> Callable[[str], Any]:
    check = _number_rule(field)

    def read(text: str) -> int | float:
        number = read_number(text)
        if field.kind == "int" and not isinstance(number, int):
            raise ValueError(text)
        return check(number)

    return read
