"""Which field does a name mean?

One reading for all who name fields: the columns of a source, ``group_by``, ``newer_than``, the ``fields`` of a policy
and ``masked_fields``. In any case of letters, a name is that of a field (``AccountId``), of a relationship
(``Account``), or of a relationship and a field of the parent (``Account.External_Id__c``); a parent that may be of
several sObjects can say which, as in the Bulk API (``User:Owner.EmployeeNumber``). The last three mean the reference
field.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from airflow_sf_dedup.core.api_names import is_api_name
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.core.wording import nearest


@dataclass(frozen=True, slots=True)
class FieldName:
    """What a name means."""

    #: The field; where the name is a parent's, the one that refers to it.
    field: Field
    names_parent: bool = False
    #: The parent's field, as it was spelled.
    parent_field: str | None = None
    #: The parent's sObject, as it was spelled.
    parent_sobject: str | None = None


def field_named(sobject: SObject, name: str) -> FieldName | None:
    """What a name means for records of that sObject; ``None``: nothing."""
    relationship, dot, parent_field = name.strip().partition(".")
    if not dot:
        return _without_dot(sobject, relationship)
    parent_sobject, _, relationship = relationship.rpartition(":")
    field = sobject.parent(relationship)
    if field is None or not is_api_name(parent_field):
        return None
    return FieldName(field, True, parent_field, parent_sobject or None)


def _without_dot(sobject: SObject, name: str) -> FieldName | None:
    if (field := sobject.field(name)) is not None:
        return FieldName(field)
    parent = sobject.parent(name)
    return FieldName(parent, True) if parent is not None else None


def carried_as(field: Field) -> frozenset[str]:
    """The names, in lower case, under which a row can carry a field's value: its own, and its parent's."""
    return frozenset({field.name.lower(), (field.relationship_name or field.name).lower()})


def parts_of(sobject: SObject, field: Field) -> tuple[Field, ...]:
    """The fields that a field shows together, as ``Name`` shows ``FirstName``."""
    return tuple(other for other in sobject.fields if other.compound == field.name)


def nearest_fields(sobject: SObject, name: str, among: Iterable[Field] | None = None) -> str:
    """A hint at the fields and relationships whose names are like one that means nothing."""
    relationship, dot, _ = name.strip().rpartition(":")[2].partition(".")
    fields = sobject.fields if among is None else tuple(among)
    relationships = [field.relationship_name for field in fields if field.relationship_name]
    own = [] if dot else [field.name for field in fields]
    return nearest(relationship, [*own, *relationships])
