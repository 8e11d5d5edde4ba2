"""Which fields of a row may overwrite what the record that holds its key has? Rules by field, read against a load."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from airflow_sf_dedup.core.likeness import Likeness, is_blank, likeness
from airflow_sf_dedup.core.sobjects import Field

#: The name that stands for all fields without a rule of their own.
ALL_OTHERS = "*"

#: Why a row says less than it carries, or nothing: rules of the load let the record keep its values.
FIELDS_KEPT = "fields_kept"


class FieldRule(StrEnum):
    """When a field is written."""

    ALWAYS = "always"
    #: Where a new record is made, and where the record has none.
    ONLY_BLANKS = "only_blanks"
    #: Where a new record is made.
    ON_CREATE_ONLY = "on_create_only"
    #: Not at all, as if the source did not have the column.
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Sharing:
    """The fields of a row, told apart: what is sent, what is not, and in which of those the record keeps its own."""

    sent: Mapping[str, Any]
    held_back: Mapping[str, Any]
    kept: tuple[str, ...] = ()


@dataclass(frozen=True)
class FieldRules:
    """The rules of one load.

    :ivar key_field: always sent; no rule is about it.
    :ivar match_fields: whose values are the key, where no field carries it: they make new records, and are what a
        record that holds the key has already. No rule is about them.
    :ivar rules: by the names, in lower case, under which rows carry a field.
    :ivar others: of all other fields.
    :ivar field_of: the field that a name of a row means; ``None``: it means none.
    """

    key_field: str
    rules: Mapping[str, FieldRule] = field(default_factory=dict)
    others: FieldRule = FieldRule.ALWAYS
    field_of: Callable[[str], Field | None] = lambda name: None
    match_fields: frozenset[str] = frozenset()

    @cached_property
    def kinds(self) -> frozenset[FieldRule]:
        """The rules that there are."""
        return frozenset({*self.rules.values(), self.others})

    @property
    def is_plain(self) -> bool:
        """Every field is written always."""
        return self.kinds == {FieldRule.ALWAYS} and not self.match_fields

    @property
    def need_values(self) -> bool:
        """Whether they go by what a record has."""
        return FieldRule.ONLY_BLANKS in self.kinds

    @property
    def protect(self) -> bool:
        """Whether a new record is written otherwise than one that is there."""
        return bool(self.kinds & {FieldRule.ONLY_BLANKS, FieldRule.ON_CREATE_ONLY})

    def fields_to_read(self, names: Iterable[str]) -> frozenset[str]:
        """The record's fields by which it is decided whether these of a row are sent."""
        asked = (self.field_of(name) for name in names if self._rule(name) is FieldRule.ONLY_BLANKS)
        return frozenset(each.name for each in asked if each is not None)

    def on_create(self, fields: Mapping[str, Any]) -> Sharing:
        """What of a row makes a new record."""
        never = {name for name in fields if self._rule(name) is FieldRule.NEVER}
        return _shared(fields, never)

    def on_update(self, fields: Mapping[str, Any], stored: Mapping[str, Any]) -> Sharing:
        """What of a row is written to a record.

        :param stored: what it has, by its field names; a field that is missing there may have a value.
        """
        kept = [name for name, value in fields.items() if self._is_kept(name, value, stored)]
        alike = [name for name in kept if self._is_alike(name, fields[name], stored)]
        never = {name for name in fields if self._rule(name) is FieldRule.NEVER}
        held_back = {*kept, *never, *(self.match_fields & fields.keys())}
        return _shared(fields, held_back, tuple(name for name in kept if name not in alike))

    def _rule(self, name: str) -> FieldRule:
        is_key = name == self.key_field or name in self.match_fields
        return FieldRule.ALWAYS if is_key else self.rules.get(name.lower(), self.others)

    def _is_kept(self, name: str, value: Any, stored: Mapping[str, Any]) -> bool:
        rule = self._rule(name)
        if rule is not FieldRule.ONLY_BLANKS:
            return rule is FieldRule.ON_CREATE_ONLY
        found = self.field_of(name)
        is_free = found is not None and found.name in stored and is_blank(stored[found.name])
        return not is_free or is_blank(value)

    def _is_alike(self, name: str, value: Any, stored: Mapping[str, Any]) -> bool:
        """Whether nothing is lost by it: the record has the row's value, as far as it was read."""
        found = self.field_of(name)
        if found is None or found.name not in stored:
            return False
        return likeness(value, stored[found.name], found) is Likeness.SAME


def _shared(fields: Mapping[str, Any], held_back: set[str], kept: tuple[str, ...] = ()) -> Sharing:
    return Sharing(
        {name: value for name, value in fields.items() if name not in held_back},
        {name: value for name, value in fields.items() if name in held_back},
        kept,
    )
