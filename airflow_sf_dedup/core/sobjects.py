"""What an org says of an sObject, as far as a load needs to know it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from airflow_sf_dedup.core.api_names import is_api_name
from airflow_sf_dedup.core.printable import NAME_LENGTH, said


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an sObject, from ``describe`` (DescribeSObjectResult.fields)."""

    name: str
    label: str
    #: Salesforce's type word: ``string``, ``email``, ``double``, ``date``, ``reference`` …
    type: str
    #: Most characters the field holds; 0 for types without a length.
    length: int = 0
    #: Digits after the decimal point, for numbers.
    scale: int = 0
    external_id: bool = False
    unique: bool = False
    case_sensitive: bool = False
    createable: bool = True
    updateable: bool = True
    id_lookup: bool = False
    #: The name children use for the parent itself, as in ``Account.External_Id__c``.
    relationship_name: str | None = None
    #: The sObjects a reference field may point to.
    reference_to: tuple[str, ...] = ()
    #: The parent's field whose values an indirect look-up holds in place of ids.
    reference_target: str | None = None
    #: A new record needs a value that the org does not give by itself.
    required: bool = False
    #: The field that shows this one as a part of itself: ``Name`` shows ``FirstName``.
    compound: str | None = None
    #: A query may ask for records by it.
    filterable: bool = True

    @property
    def names_a_parent(self) -> bool:
        """Whether a row can name its parent by this field of the parent. An id stands in the reference field itself."""
        return self.type != "id" and (self.external_id or self.id_lookup)

    @property
    def holds_ids(self) -> bool:
        """Whether its values are record ids; those of a look-up to another system are that system's keys."""
        if self.type != "reference":
            return self.type == "id"
        return self.reference_target is None and not any(name.endswith("__x") for name in self.reference_to)

    @property
    def holds_keys(self) -> bool:
        """Whether its values name a parent by a key of another system, or of the parent's own (indirect look-up)."""
        return self.type == "reference" and not self.holds_ids

    @classmethod
    def from_describe(cls, field: Mapping[str, Any]) -> Field:
        """Read one entry of ``describe``'s ``fields``.

        :raises ValueError: its name is no API name; or another error of this kind, where it is no description.
        """
        name, parent = _api_name(field["name"]), field.get("relationshipName")
        return cls(
            name=name,
            label=said(field.get("label"), NAME_LENGTH) or name,
            type=said(field.get("type"), NAME_LENGTH) or "string",
            length=int(field.get("length") or 0),
            scale=int(field.get("scale") or 0),
            external_id=bool(field.get("externalId")),
            unique=bool(field.get("unique")),
            case_sensitive=bool(field.get("caseSensitive")),
            createable=bool(field.get("createable", True)),
            updateable=bool(field.get("updateable", True)),
            id_lookup=bool(field.get("idLookup")),
            relationship_name=parent if is_api_name(parent) else None,
            reference_to=tuple(filter(is_api_name, field.get("referenceTo") or ())),
            reference_target=field.get("referenceTargetField") or None,
            required=_is_required(field),
            compound=field.get("compoundFieldName") or None,
            filterable=bool(field.get("filterable", True)),
        )


def _is_required(field: Mapping[str, Any]) -> bool:
    """Where describe says so: a field that can be written, knows no null and has no default (a checkbox always has)."""
    needs_value = not field.get("nillable", True) and not field.get("defaultedOnCreate", True)
    return bool(field.get("createable")) and needs_value and field.get("type") != "boolean"


@dataclass(frozen=True)
class SObject:
    """An sObject and its fields."""

    name: str
    fields: tuple[Field, ...]
    createable: bool = True
    updateable: bool = True
    #: How the ids of its records begin; ``None``: the org does not say.
    key_prefix: str | None = None

    @classmethod
    def from_describe(cls, describe: Mapping[str, Any]) -> SObject:
        """Read the answer of ``GET /sobjects/X/describe``.

        :raises ValueError: a name in it is no API name; or another error of this kind, where it is no description.
        """
        return cls(
            name=_api_name(describe["name"]),
            fields=tuple(Field.from_describe(field) for field in describe["fields"]),
            createable=bool(describe.get("createable", True)),
            updateable=bool(describe.get("updateable", True)),
            key_prefix=_key_prefix(describe.get("keyPrefix")),
        )

    @cached_property
    def _by_name(self) -> dict[str, Field]:
        return {field.name.lower(): field for field in self.fields}

    @cached_property
    def _by_relationship(self) -> dict[str, Field]:
        return {field.relationship_name.lower(): field for field in self.fields if field.relationship_name}

    def field(self, name: str) -> Field | None:
        """The field of that API name, in any spelling of case."""
        return self._by_name.get(name.lower())

    def parent(self, relationship_name: str) -> Field | None:
        """The reference field that a relationship name such as ``Account`` stands for."""
        return self._by_relationship.get(relationship_name.lower())

    def only(self, names: Iterable[str]) -> SObject:
        """The same sObject with just these fields: what travels with a staged load."""
        wanted = {name.lower() for name in names}
        return SObject(
            name=self.name,
            fields=tuple(f for f in self.fields if f.name.lower() in wanted),
            createable=self.createable,
            updateable=self.updateable,
            key_prefix=self.key_prefix,
        )

    def has_id(self, record_id: str) -> bool:
        """Whether an id can be that of one of its records, as far as its beginning tells."""
        return self.key_prefix is None or record_id.startswith(self.key_prefix)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values; :meth:`from_json` reads it back."""
        return {
            "name": self.name,
            "createable": self.createable,
            "updateable": self.updateable,
            "key_prefix": self.key_prefix,
            "fields": [asdict(field) for field in self.fields],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> SObject:
        """The inverse of :meth:`to_json`."""
        fields = (Field(**{**field, "reference_to": tuple(field["reference_to"])}) for field in document["fields"])
        return cls(
            name=document["name"],
            fields=tuple(fields),
            createable=document["createable"],
            updateable=document["updateable"],
            key_prefix=document["key_prefix"],
        )


def _api_name(name: Any) -> str:
    """Names go into queries and URLs, also those that an org tells of itself."""
    if not is_api_name(name):
        raise ValueError("what should be an API name is none")
    return str(name)


def _key_prefix(value: Any) -> str | None:
    return value if isinstance(value, str) and len(value) == 3 else None
