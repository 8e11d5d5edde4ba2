"""Which rows name another row of the same load as their parent?

They do by a look-up to their own sObject: ``Parent.External_Id__c`` where accounts are loaded by ``External_Id__c``,
and ``Parent.Legacy_Id__c`` where the load brings ``Legacy_Id__c`` as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.journeys.preflight import Fit
from airflow_sf_dedup.sources.columns import Column, FieldColumn, ParentColumn, ParentsColumn

#: Stands between what names a row and the field that does; no key has one.
_BETWEEN = "\0"


@dataclass(frozen=True, slots=True)
class OwnParents:
    """Reads the names by which rows are known, and those of the parents that they name."""

    sobject: str
    rule: KeyRule
    #: The look-ups.
    fields: tuple[Field, ...]
    #: How further fields name a row, beside its key.
    others: tuple[KeyRule, ...] = ()

    def keys(self, record: Record) -> tuple[str, ...]:
        """Names of its parents, which may be of any load: folded keys, or what :meth:`names` makes of other fields."""
        named = (record.fields.get(field.relationship_name or "") for field in self.fields)
        keys = (self._key(parent) for parent in named if isinstance(parent, Mapping))
        return tuple(filter(None, keys))

    def names(self, record: Record) -> tuple[str, ...]:
        """What a row is known by beside its key."""
        return tuple(filter(None, (_name(rule, record.fields) for rule in self.others)))

    def _key(self, parent: Mapping[str, object]) -> str:
        attributes = parent.get("attributes")
        of = attributes.get("type") if isinstance(attributes, Mapping) else None
        if of not in (None, self.sobject):
            return ""
        by_key = self.rule.fold_stored(parent.get(self.rule.field.name))
        return by_key or next(filter(None, (_name(rule, parent) for rule in self.others)), "")


def _name(rule: KeyRule, fields: Mapping[str, object]) -> str:
    value = rule.fold_stored(fields.get(rule.field.name))
    return f"{value}{_BETWEEN}{rule.field.name}" if value else ""


def own_parents(describe: SObject, fit: Fit) -> OwnParents | None:
    """How rows name parents among themselves; ``None``: no column of the load does."""
    carried = {column.field.name: column.field for column in fit.columns.values() if isinstance(column, FieldColumn)}
    columns = [column for column in fit.columns.values() if describe.name in column.field.reference_to]
    named_by = {name for column in columns for name in _named_by(column, carried)}
    fields = tuple(column.field for column in columns if named_by.intersection(_named_by(column, carried)))
    others = tuple(KeyRule(carried[name]) for name in sorted(named_by - {fit.key_rule.field.name}))
    return OwnParents(describe.name, fit.key_rule, fields, others) if fields else None


def _named_by(column: Column, carried: Mapping[str, Field]) -> list[str]:
    """The fields of the load's own rows by which a column may name one; one of mappings by any, row by row."""
    if isinstance(column, ParentColumn):
        return [name for name in carried if name == column.parent_key.name]
    if isinstance(column, ParentsColumn):
        return [name for name, field in carried.items() if field.names_a_parent]
    return []
