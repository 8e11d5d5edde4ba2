"""To which field does a source column go?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

from airflow_sf_dedup.core.keys import KeyRule, UnusableKey
from airflow_sf_dedup.core.records import FieldValue
from airflow_sf_dedup.core.sobjects import Field
from airflow_sf_dedup.core.values import MalformedValue, plain, read_parent, reader_of


@dataclass(frozen=True)
class FieldColumn:
    """A column that is a field of the sObject itself. What is wrong with a value is said of the column's name."""

    name: str
    field: Field

    def put(self, fields: dict[str, Any], value: Any) -> None:
        """Add the typed value under the org's own spelling of the name.

        :raises MalformedValue: the field cannot hold it.
        """
        fields[self.field.name] = self._read(value)

    @cached_property
    def _read(self) -> Callable[[Any], FieldValue]:
        field = replace(self.field, name=self.name)
        return partial(_read_key, KeyRule(field)) if field.holds_keys else reader_of(field)


@dataclass(frozen=True)
class ParentColumn:
    """A column that names a parent by a field of the parent, ``Account.External_Id__c``.

    A parent of several possible sObjects is written as in the Bulk API, ``Contact:Who.External_Id__c``.
    """

    name: str
    #: The reference field that points to the parent.
    field: Field
    #: The parent's field that finds it.
    parent_key: Field
    #: The parent's sObject, where there is a choice.
    parent_sobject: str | None = None

    def put(self, fields: dict[str, Any], value: Any) -> None:
        """Add the parent; nothing clears the reference field itself.

        :raises MalformedValue: the parent's field cannot hold the value.
        """
        key = _read_key(self._rule, value)
        if key is None:
            fields[self.field.name] = None
            return
        attributes = {"attributes": {"type": self.parent_sobject}} if self.parent_sobject else {}
        fields[str(self.field.relationship_name)] = {**attributes, self.parent_key.name: key}

    @cached_property
    def _rule(self) -> KeyRule:
        return KeyRule(replace(self.parent_key, name=self.name))


@dataclass(frozen=True)
class ParentsColumn:
    """A column whose values are mappings, each of which names its parent: ``{"External_Id__c": "A-1"}``."""

    name: str
    #: The reference field that points to the parent.
    field: Field
    #: The column that a spelling such as ``Contact:Who.External_Id__c`` stands for.
    column_of: Callable[[str], ParentColumn]

    def put(self, fields: dict[str, Any], value: Any) -> None:
        """Add the parent; nothing clears the reference field itself.

        :raises MalformedValue: the value is no such mapping, or the parent's field cannot hold what it says.
        :raises SettingError: no parent can be named by the field that it says.
        """
        relationship = str(self.field.relationship_name)
        parent = read_parent(self.name, value)
        if parent is None:
            fields[self.field.name] = None
        else:
            sobject = f"{parent.sobject}:" if parent.sobject else ""
            self._column(f"{sobject}{relationship}.{parent.field}").put(fields, parent.value)

    def _column(self, spelled: str) -> ParentColumn:
        if spelled not in self._columns:
            self._columns[spelled] = self.column_of(spelled)
        return self._columns[spelled]

    @cached_property
    def _columns(self) -> dict[str, ParentColumn]:
        return {}


Column = FieldColumn | ParentColumn | ParentsColumn


def _read_key(rule: KeyRule, value: Any) -> FieldValue:
    """What names a parent, read as strictly as a row's own key: a slip of it would find another parent.

    :raises MalformedValue: it cannot be a key of that field.
    """
    try:
        return rule.wire_value(rule.read(value))
    except UnusableKey as unusable:
        if unusable.reason == "missing_key":
            return None
        raise MalformedValue(unusable.field_name, unusable.why) from None


def value_of(fields: Mapping[str, Any], field: Field) -> str | None:
    """What a record holds in a field, or names as the parent it points to, as text; ``None`` for nothing."""
    value = fields.get(field.name)
    if value is None and field.relationship_name:
        parent = fields.get(field.relationship_name)
        if isinstance(parent, Mapping):
            value = next((inner for name, inner in parent.items() if name != "attributes"), None)
    value = plain(value)
    return None if value is None else str(value).strip() or None
