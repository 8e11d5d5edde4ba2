"""Under which names does a parent reach its children? ``Contacts`` of an Account, ``Invoices__r`` of a Contact.

A reference field names it with ``children(…)``; without that it is made from the plural label of the child, as
Salesforce proposes it. The references that every record has to users (``OwnerId``, ``CreatedById``) have no way back.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from airflow_sf_dedup.emulator.schema import Field, Schema, Sobject


@dataclass(frozen=True, slots=True)
class ChildRelationship:
    child: Sobject
    #: The reference field of the child that holds the parent's id.
    field: Field
    #: None where the children cannot be reached from the parent.
    name: str | None


@lru_cache(maxsize=1024)
def child_relationships(schema: Schema, parent: str) -> tuple[ChildRelationship, ...]:
    """Every way from a parent sobject to records that refer to it; no name occurs twice."""
    seen: Counter[str] = Counter()
    found = []
    for child, field in schema.children_of(parent):
        name = _name(child, field, parent, seen)
        found.append(ChildRelationship(child, field, name))
    return tuple(found)


def find_child_relationship(schema: Schema, parent: str, name: str) -> ChildRelationship | None:
    """By its name, in any case."""
    named = (each for each in child_relationships(schema, parent) if each.name is not None)
    return next((each for each in named if (each.name or "").lower() == name.lower()), None)


def _name(child: Sobject, field: Field, parent: str, seen: Counter[str]) -> str | None:
    if field.child_relationship_name:
        return field.child_relationship_name
    if parent == "User" and not field.custom:
        return None
    plural = re.sub(r"\W+", "_" if field.custom else "", child.label_plural)
    if field.name == "MasterRecordId":
        return None
    stem = f"Child{plural}" if child.name == parent and not field.custom else plural
    seen[stem.lower()] += 1
    times = seen[stem.lower()]
    numbered = stem if times == 1 else f"{stem}{times - 1}"
    return f"{numbered}__r" if field.custom else numbered
