"""What does a parent call the records that point at it? ``Contacts``, ``Invoices__r``.

An org file names them with the field word ``children(…)``. Without it, standard fields have the names that Salesforce
gives them, and custom ones the plural label of their sobject.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from airflow_sf_dedup.emulator.records.schema import Field, Schema, Sobject

#: By child and field: where the name is not the plural of the child.
_NAMES: dict[tuple[str, str], str] = {
    ("Account", "ParentId"): "ChildAccounts",
    ("Campaign", "ParentId"): "ChildCampaigns",
    ("Case", "ParentId"): "Cases",
    ("Opportunity", "CampaignId"): "Opportunities",
    ("PricebookEntry", "Pricebook2Id"): "PricebookEntries",
    ("PricebookEntry", "Product2Id"): "PricebookEntries",
    ("DuplicateRecordItem", "DuplicateRecordSetId"): "DuplicateRecordItems",
    ("DuplicateRecordSet", "DuplicateRuleId"): "DuplicateRecordSets",
}
#: Every sobject has these, and their parents no name for them.
_UNNAMED = frozenset(
    {"CreatedById", "LastModifiedById", "OwnerId", "MasterRecordId", "RecordTypeId", "ReportsToId"}
    | {"ConvertedAccountId", "ConvertedContactId", "ConvertedOpportunityId"}
)


@dataclass(frozen=True, slots=True)
class ChildRelationship:
    #: None: it cannot be queried from the parent.
    name: str | None
    sobject: Sobject
    field: Field


@lru_cache(maxsize=1024)
def child_relationships(schema: Schema, parent: Sobject) -> tuple[ChildRelationship, ...]:
    """Of fields that would have the same name the first has it; the others have a number in theirs."""
    found: list[ChildRelationship] = []
    taken: set[str] = set()
    for sobject, field in schema.children_of(parent.name):
        name = _name(sobject, field)
        if name is not None:
            name = _free(name, taken)
            taken.add(name.lower())
        found.append(ChildRelationship(name, sobject, field))
    return tuple(found)


def child_relationship(schema: Schema, parent: Sobject, name: str) -> ChildRelationship | None:
    wanted = name.lower()
    return next((each for each in child_relationships(schema, parent) if (each.name or "").lower() == wanted), None)


def _name(sobject: Sobject, field: Field) -> str | None:
    if field.children_name is not None:
        return _own(field, field.children_name.strip()) if field.children_name.strip() else None
    if field.name in _UNNAMED:
        return None
    plural = re.sub(r"\W", "", sobject.label_plural)
    return _own(field, plural) if field.custom else _NAMES.get((sobject.name, field.name), _plural(sobject.name))


def _own(field: Field, name: str) -> str:
    return name if not field.custom or name.endswith("__r") else f"{name}__r"


def _plural(name: str) -> str:
    stem = name.removesuffix("__c")
    return stem[:-1] + "ies" if stem.endswith("y") and stem[-2:-1] not in tuple("aeiou") else stem + "s"


def _free(name: str, taken: set[str]) -> str:
    stem, mark, _ = name.partition("__r")
    candidates = (name, *(f"{stem}{number}{mark}" for number in range(1, len(taken) + 2)))
    return next(each for each in candidates if each.lower() not in taken)
