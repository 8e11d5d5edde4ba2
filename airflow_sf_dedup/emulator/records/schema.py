"""Which sObjects an org has, and what their fields allow. Values only; nothing here reads or saves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

TEXT_KINDS = frozenset(
    {"string", "textarea", "email", "phone", "url", "picklist", "multipicklist", "combobox", "encryptedstring"}
)
NUMBER_KINDS = frozenset({"int", "double", "currency", "percent"})


@dataclass(frozen=True, slots=True)
class Field:
    """One field; the names of the attributes follow ``describe``."""

    name: str
    label: str
    #: As in describe: string, textarea, email, double, int, date, datetime, reference …
    kind: str
    length: int = 0
    precision: int = 0
    scale: int = 0
    nillable: bool = True
    createable: bool = True
    updateable: bool = True
    external_id: bool = False
    unique: bool = False
    case_sensitive: bool = False
    id_lookup: bool = False
    auto_number: bool = False
    calculated: bool = False
    name_field: bool = False
    default: Any = None
    values: tuple[str, ...] = ()
    restricted: bool = False
    reference_to: tuple[str, ...] = ()
    relationship_name: str | None = None
    #: What becomes of a record when the one it points at is deleted: set_null, cascade or restrict.
    on_delete: str = "set_null"
    #: Values of a lead's status that stand for a converted lead.
    converted: tuple[str, ...] = ()
    #: Values that close a record, and those with which it is won.
    closed: tuple[str, ...] = ()
    won: tuple[str, ...] = ()
    #: How the parent calls the records that point at it by this field; None if the org file does not say.
    children_name: str | None = None
    #: The compound field that shows this one too.
    compound: str | None = None
    #: What a compound address shows, and the field that each part is kept in.
    parts: tuple[tuple[str, str], ...] = ()

    @property
    def custom(self) -> bool:
        return self.name.endswith("__c")

    @property
    def long_text(self) -> bool:
        return self.kind == "textarea" and self.length > 255

    @property
    def filterable(self) -> bool:
        return not self.long_text and not self.parts

    @property
    def sortable(self) -> bool:
        return self.filterable and self.kind != "multipicklist"

    @property
    def groupable(self) -> bool:
        return self.sortable and self.kind not in ("double", "currency", "percent", "datetime", "time")

    @property
    def aggregatable(self) -> bool:
        return self.kind not in ("textarea", "boolean", "multipicklist", "address")

    @property
    def indexed(self) -> bool:
        """Whether records can be found by this field without a scan."""
        return self.external_id or self.unique or self.id_lookup

    @property
    def upsert_key(self) -> bool:
        return self.external_id or self.id_lookup

    def index_key(self, value: Any) -> Any:
        """The form in which two values of this field are the same value."""
        if isinstance(value, str) and not self.case_sensitive:
            return value.lower()
        return value


@dataclass(frozen=True, eq=False)
class Sobject:
    name: str
    label: str
    label_plural: str
    key_prefix: str
    fields: Mapping[str, Field]
    createable: bool = True
    updateable: bool = True
    deletable: bool = True
    queryable: bool = True
    mergeable: bool = False
    #: Fields of the primary compact layout: what ``includeRecordDetails`` shows.
    compact_layout: tuple[str, ...] = ("Id", "Name")
    #: The fields that make up a compound Name, in order.
    name_parts: tuple[str, ...] = ()
    #: Name and developer name of each record type.
    record_types: tuple[str, ...] = ()

    @property
    def custom(self) -> bool:
        return self.name.endswith("__c")

    @cached_property
    def by_lower(self) -> dict[str, Field]:
        return {name.lower(): each for name, each in self.fields.items()}

    @cached_property
    def name_field(self) -> str:
        """The field that names a record: ``Name``, ``CaseNumber``, ``Subject``."""
        return next((name for name, each in self.fields.items() if each.name_field), "Name")

    @cached_property
    def flags(self) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
        """Checkboxes that follow from a picklist: the checkbox, the picklist, and the values that set it."""
        return tuple(
            (flag, each.name, values)
            for each in self.fields.values()
            for flag, values in (("IsClosed", each.closed), ("IsWon", each.won))
            if values and flag in self.fields
        )

    @cached_property
    def by_relationship(self) -> dict[str, Field]:
        """Reference fields by the lower-case name of their relationship."""
        return {each.relationship_name.lower(): each for each in self.fields.values() if each.relationship_name}

    @cached_property
    def not_createable(self) -> frozenset[str]:
        return frozenset(name for name, each in self.fields.items() if not each.createable and name != "Id")

    @cached_property
    def not_updateable(self) -> frozenset[str]:
        return frozenset(name for name, each in self.fields.items() if not each.updateable and name != "Id")

    @cached_property
    def required(self) -> tuple[str, ...]:
        """Fields that a new record must carry: not nillable, writeable and without a default."""
        return tuple(
            each.name
            for each in self.fields.values()
            if not each.nillable and each.createable and each.default is None and each.kind != "boolean"
        )

    @cached_property
    def not_nillable(self) -> frozenset[str]:
        return frozenset(
            each.name
            for each in self.fields.values()
            if not each.nillable and each.updateable and each.kind != "boolean"
        )

    @cached_property
    def defaults(self) -> dict[str, Any]:
        return {
            each.name: False if each.default is None and each.kind == "boolean" else each.default
            for each in self.fields.values()
            if each.default is not None or each.kind == "boolean"
        }

    @cached_property
    def indexed(self) -> tuple[Field, ...]:
        return tuple(each for each in self.fields.values() if each.indexed)

    @cached_property
    def unique(self) -> tuple[Field, ...]:
        return tuple(each for each in self.fields.values() if each.unique)

    @cached_property
    def keys(self) -> frozenset[str]:
        """Names of the fields by which a record can be found."""
        return frozenset(each.name for each in self.indexed)

    @cached_property
    def auto_numbers(self) -> tuple[str, ...]:
        return tuple(each.name for each in self.fields.values() if each.auto_number)

    @cached_property
    def references(self) -> frozenset[str]:
        return frozenset(each.name for each in self.fields.values() if each.kind == "reference")

    @cached_property
    def locked_parents(self) -> frozenset[str]:
        """References whose record a save of a child locks: all but those to users."""
        return frozenset(name for name in self.references if "User" not in self.fields[name].reference_to)

    def find(self, name: str) -> Field | None:
        return self.fields.get(name) or self.by_lower.get(name.lower())


@dataclass(frozen=True, eq=False)
class Schema:
    sobjects: Mapping[str, Sobject] = field(default_factory=dict)

    @cached_property
    def _by_lower(self) -> dict[str, Sobject]:
        return {name.lower(): each for name, each in self.sobjects.items()}

    @cached_property
    def by_prefix(self) -> dict[str, Sobject]:
        return {each.key_prefix: each for each in self.sobjects.values()}

    def find(self, name: str) -> Sobject | None:
        return self._by_lower.get(name.lower())

    def of_id(self, record_id: str) -> Sobject | None:
        return self.by_prefix.get(record_id[:3])

    def __iter__(self) -> Iterator[Sobject]:
        return iter(self.sobjects.values())

    def children_of(self, name: str) -> Iterable[tuple[Sobject, Field]]:
        """Every reference field that can point at ``name``, with the sobject that has it."""
        return (
            (child, each)
            for child in self.sobjects.values()
            for each in child.fields.values()
            if name in each.reference_to
        )
