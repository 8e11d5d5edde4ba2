"""To which field does a source column go?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from airflow_sf_dedup.core.records import FieldValue
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.core.values import is_api_name, plain, reader_of, to_parent, to_scalar


@dataclass(frozen=True)
class FieldColumn:
    """A column that is a field of the sObject itself."""

    name: str
    field: Field

    def put(self, fields: dict[str, Any], value: Any) -> None:
        """Add the typed value under the org's own spelling of the name.

        :raises MalformedValue: the field cannot hold it.
        """
        fields[self.field.name] = self._read(value)

    @cached_property
    def _read(self) -> Callable[[Any], FieldValue]:
        return reader_of(self.field)


@dataclass(frozen=True, slots=True)
class ParentColumn:
    """A column that names a parent by a field of the parent, ``Account.External_Id__c``.

    A parent of several possible sObjects is written as in the Bulk API, ``Contact:Who.External_Id__c``.
    """

    name: str
    #: The reference field that points to the parent.
    field: Field
    #: The parent's field; ``None`` where each value is a mapping that says it.
    parent_field: str | None = None
    #: The parent's sObject, where there is a choice.
    parent_sobject: str | None = None

    def put(self, fields: dict[str, Any], value: Any) -> None:
        """Add the parent; nothing clears the reference field itself.

        :raises MalformedValue: the value names no parent.
        """
        parent = self._parent(value)
        if parent is None:
            fields[self.field.name] = None
        else:
            fields[str(self.field.relationship_name)] = parent

    def _parent(self, value: Any) -> dict[str, Any] | None:
        if self.parent_field is None:
            return to_parent(str(self.field.relationship_name), value)
        inner = to_scalar(self.name, value)
        if inner is None:
            return None
        attributes = {"attributes": {"type": self.parent_sobject}} if self.parent_sobject else {}
        return {**attributes, self.parent_field: inner}


Column = FieldColumn | ParentColumn


def column_of(describe: SObject, name: str) -> Column | None:
    """The field or parent that a column name stands for, in any spelling of case; ``None`` for neither."""
    relationship, dot, parent_field = name.partition(".")
    parent_sobject, colon, after = relationship.rpartition(":")
    if dot:
        parent = describe.parent(after if colon else relationship)
        if parent is None or not is_api_name(parent_field):
            return None
        return ParentColumn(name, parent, parent_field, parent_sobject or None)
    field = describe.field(name)
    if field is not None:
        return FieldColumn(name, field)
    parent = describe.parent(name)
    return ParentColumn(name, parent) if parent is not None else None


def value_of(fields: Mapping[str, Any], field: Field) -> str | None:
    """What a record holds in a field, or names as the parent it points to, as text; ``None`` for nothing."""
    value = fields.get(field.name)
    if value is None and field.relationship_name:
        parent = fields.get(field.relationship_name)
        if isinstance(parent, Mapping):
            value = next((inner for name, inner in parent.items() if name != "attributes"), None)
    value = plain(value)
    return None if value is None else str(value).strip() or None
