"""Can a literal stand beside this field, and which of the field's values is it?"""

from __future__ import annotations

from typing import Any

from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.query.columns import Column
from airflow_sf_dedup.emulator.records.schema import NUMBER_KINDS, Field
from airflow_sf_dedup.emulator.soql.literals import ESCAPED
from airflow_sf_dedup.emulator.soql.pointing import refusal
from airflow_sf_dedup.emulator.soql.tree import Literal

#: What Salesforce calls the types of literals that stand without quotes.
_BARE = {"boolean": "boolean", "date": "date", "datetime": "dateTime", "time": "time", "number": "double"}


def fitting(column: Column, literal: Literal, text: str, position: int) -> Any:
    """The literal's value as the field keeps it.

    :raises ApiError: INVALID_FIELD, the literal has another type than the field; INVALID_QUERY_FILTER_OPERATOR, no id.
    """
    if literal.kind == "null":
        return None
    field = column.field
    wanted = "number" if field.kind in NUMBER_KINDS else field.kind
    if literal.kind != (wanted if wanted in _BARE else "string"):
        raise refusal(text, position, _mismatch(field, wanted), code="INVALID_FIELD")
    if field.kind in ("id", "reference"):
        return _record_id(literal.value, text, position)
    # A text field that is empty is null.
    return (literal.value.replace(ESCAPED, "") or None) if literal.kind == "string" else literal.value


def _mismatch(field: Field, wanted: str) -> str:
    kind = "int" if field.kind == "int" else _BARE.get(wanted, "string")
    quotes = "should not be enclosed in quotes" if wanted in _BARE else "should be enclosed in quotes"
    return f"value of filter criterion for field '{field.name}' must be of type {kind} and {quotes}"


def _record_id(given: str, text: str, position: int) -> str | None:
    if not given:
        return None
    try:
        return to_18(given)
    except ValueError:
        shown = given.replace(ESCAPED, "\\")
        raise invalid_operator(text, position, f"invalid ID field: {shown}") from None


def invalid_operator(text: str, position: int, message: str) -> ApiError:
    return refusal(text, position, message, code="INVALID_QUERY_FILTER_OPERATOR")
