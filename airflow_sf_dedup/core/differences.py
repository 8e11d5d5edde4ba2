"""How do a row and a record differ, field by field?

Values are compared by the kind of their field, as :mod:`airflow_sf_dedup.core.likeness` does. Only fields that were
read of the record are told: what the user may not see is neither the same nor different. Whether the record is live,
deleted, converted or unreadable is another question; of one that could not be read, no field is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from airflow_sf_dedup.core.likeness import Likeness, is_blank, likeness
from airflow_sf_dedup.core.sobjects import Field, SObject


class Difference(StrEnum):
    """What one field says of a row and a record."""

    SAME = "same"
    #: In case, punctuation or the end of a text only.
    SIMILAR = "similar"
    DIFFERENT = "different"
    #: The row has a value, the record has none.
    ONLY_IN_ROW = "only_in_row"
    #: The record has a value; the row has none, or does not carry the field.
    ONLY_IN_RECORD = "only_in_record"
    #: As a parent, which the row names by its key and the record by its id.
    NOT_COMPARED = "not_compared"


_BY_LIKENESS: Mapping[Likeness, Difference] = {
    Likeness.SAME: Difference.SAME,
    Likeness.LIKE: Difference.SIMILAR,
    Likeness.UNTOLD: Difference.NOT_COMPARED,
    Likeness.OTHER: Difference.DIFFERENT,
}

#: Fields that Salesforce itself keeps: a row that does not carry them lacks nothing.
_KEPT_BY_SALESFORCE = frozenset(
    {
        "id",
        "isdeleted",
        "masterrecordid",
        "isconverted",
        "convertedcontactid",
        "ownerid",
        "recordtypeid",
        "createddate",
        "createdbyid",
        "lastmodifieddate",
        "lastmodifiedbyid",
        "systemmodstamp",
    }
)


def field_states(
    fields: Mapping[str, Any], stored: Mapping[str, Any], described: SObject | None
) -> dict[str, Difference]:
    """Field name to what is said of it, of the row's fields first.

    :param fields: the row's; a parent that it names by key stands under the relationship's name.
    :param stored: what was read of the record, under the same names.
    :param described: the sObject; ``None``: values tell their kind themselves.
    """
    both = (name for name in fields if name in stored)
    told = {
        name: _difference(fields[name], stored[name], described.field(name) if described else None) for name in both
    }
    carried = {name.lower() for name in fields} | _parents(fields, described)
    told_apart = carried | _KEPT_BY_SALESFORCE
    missing = (name for name, value in stored.items() if name.lower() not in told_apart and not _is_nothing(value))
    return told | dict.fromkeys(missing, Difference.ONLY_IN_RECORD)


def _difference(value: Any, stored: Any, field: Field | None) -> Difference:
    if is_blank(value) != is_blank(stored) and not (_is_nothing(value) and _is_nothing(stored)):
        return Difference.ONLY_IN_ROW if is_blank(stored) else Difference.ONLY_IN_RECORD
    return _BY_LIKENESS[likeness(value, stored, field)]


def _is_nothing(value: Any) -> bool:
    """A checkbox that is blank is false, and one that is false says nothing that a row without it lacks."""
    return is_blank(value) or value is False


def _parents(fields: Mapping[str, Any], described: SObject | None) -> set[str]:
    """The reference fields of the parents that a row names by their keys, in lower case."""
    if described is None:
        return set()
    found = (described.parent(name) for name, value in fields.items() if isinstance(value, Mapping))
    return {field.name.lower() for field in found if field}
