"""Which records does somebody look for who looks at the emulator itself, and how are they shown?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.records.drafts import no_such_column
from airflow_sf_dedup.emulator.records.schema import Field, Sobject
from airflow_sf_dedup.emulator.records.store import Record
from airflow_sf_dedup.emulator.suggesting import did_you_mean

#: Records that every org has of itself, and nobody seeds.
OF_THE_ORG = frozenset(
    {"Organization", "User", "Profile", "RecordType", "DuplicateRule", "MatchingRule", "MatchingRuleItem"}
)


def filters(sobject: Sobject, having: Mapping[str, Any]) -> dict[str, Any]:
    """The wanted values by field name, in the form in which they are compared.

    :raises ApiError: INVALID_FIELD.
    """
    return {_field(sobject, name).name: _wanted(_field(sobject, name), value) for name, value in having.items()}


def fits(record: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(_comparable(record.get(name)) == value for name, value in wanted.items())


def without_nulls(record: Record) -> Record:
    return {name: value for name, value in record.items() if value is not None}


def _field(sobject: Sobject, name: str) -> Field:
    found = sobject.find(name)
    if found is None:
        refusal = no_such_column(name, sobject)
        raise ApiError(refusal.code, refusal.message + did_you_mean(name, sobject.fields))
    return found


def _wanted(field: Field, value: Any) -> str:
    if field.kind in ("id", "reference") and isinstance(value, str):
        try:
            return _comparable(to_18(value))
        except ValueError:
            return _comparable(value)
    return _comparable(value)


def _comparable(value: Any) -> str:
    """As text, so that a query string can ask for numbers, booleans and (empty) for null."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).lower()
