"""Which rows name another row of the same load as their parent?

They do by a look-up to their own sObject that names the parent by the key of the load, as
``Parent.External_Id__c`` does where accounts are loaded by ``External_Id__c``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.journeys.preflight import Fit
from airflow_sf_dedup.sources.columns import Column, ParentColumn, ParentsColumn


@dataclass(frozen=True, slots=True)
class OwnParents:
    """Reads the keys of the parents that a row names."""

    sobject: str
    rule: KeyRule
    #: The look-ups.
    fields: tuple[Field, ...]

    def keys(self, record: Record) -> tuple[str, ...]:
        """The keys, as the org compares them; they may be of any load."""
        named = (record.fields.get(field.relationship_name or "") for field in self.fields)
        keys = (self._key(parent) for parent in named if isinstance(parent, Mapping))
        return tuple(filter(None, keys))

    def _key(self, parent: Mapping[str, object]) -> str:
        attributes = parent.get("attributes")
        of = attributes.get("type") if isinstance(attributes, Mapping) else None
        return self.rule.fold_stored(parent.get(self.rule.field.name)) if of in (None, self.sobject) else ""


def own_parents(describe: SObject, fit: Fit) -> OwnParents | None:
    """How rows name parents among themselves; ``None``: no column of the load does."""
    columns = (column for column in fit.columns.values() if describe.name in column.field.reference_to)
    fields = tuple(column.field for column in columns if _may_name_a_row(column, fit.key_rule.field))
    return OwnParents(describe.name, fit.key_rule, fields) if fields else None


def _may_name_a_row(column: Column, key_field: Field) -> bool:
    """A column of mappings may name parents by any field, row by row."""
    if isinstance(column, ParentColumn):
        return column.parent_key.name == key_field.name
    return isinstance(column, ParentsColumn)
