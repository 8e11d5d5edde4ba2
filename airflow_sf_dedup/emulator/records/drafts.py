"""What does a caller want to write into one record? Wire values in, kept values out; nothing is looked up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from airflow_sf_dedup.emulator.errors import RowRefusal
from airflow_sf_dedup.emulator.records.schema import Field, Sobject
from airflow_sf_dedup.emulator.records.values import json_reader, malformed, text_reader
from airflow_sf_dedup.emulator.results import RowError

Readers = dict[str, tuple[str, Callable[[Any], Any]]]


@dataclass(frozen=True, slots=True)
class ParentKey:
    """A parent named by one of its external ids: ``"Account": {"Ext__c": "A1"}``."""

    field: Field
    key_field: str
    value: Any


@dataclass(slots=True)
class Draft:
    """The fields that one row writes. A field that is absent is left alone, one that is None is cleared."""

    sobject: Sobject
    values: dict[str, Any] = field(default_factory=dict)
    parents: list[ParentKey] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)

    def take(self, name: str, read: Callable[[Any], Any], value: Any) -> None:
        try:
            self.values[name] = read(value)
        except RowRefusal as refusal:
            self.errors.append(refusal.error)


def no_such_column(name: str, sobject: Sobject) -> RowError:
    return RowError("INVALID_FIELD", f"No such column '{name}' on sobject of type {sobject.name}")


@lru_cache(maxsize=1024)
def _json_readers(sobject: Sobject) -> Readers:
    return _by_spelling(sobject, json_reader)


@lru_cache(maxsize=1024)
def _text_readers(sobject: Sobject) -> Readers:
    return _by_spelling(sobject, text_reader)


def _by_spelling(sobject: Sobject, make: Callable[[Field], Callable[[Any], Any]]) -> Readers:
    readers = {name: (name, make(each)) for name, each in sobject.fields.items()}
    return {name.lower(): reader for name, reader in readers.items()} | readers


def read_json(sobject: Sobject, record: Mapping[str, Any]) -> Draft:
    """A draft from one JSON record; ``attributes`` is skipped.

    :raises MalformedValue: a value has the wrong type, which refuses the whole request.
    """
    draft = Draft(sobject)
    readers = _json_readers(sobject)
    values = draft.values
    for name, value in record.items():
        reader = readers.get(name) or readers.get(name.lower())
        if reader is None:
            if name != "attributes":
                _take_json_parent(draft, name, value)
            continue
        try:
            values[reader[0]] = reader[1](value)
        except RowRefusal as refusal:
            draft.errors.append(refusal.error)
    return draft


def _take_json_parent(draft: Draft, name: str, value: Any) -> None:
    reference = draft.sobject.by_relationship.get(name.lower())
    if reference is None:
        draft.errors.append(no_such_column(name, draft.sobject))
    elif value is None:
        draft.values[reference.name] = None
    elif not isinstance(value, dict):
        raise malformed("reference", value)
    else:
        _take_parent_fields(draft, reference, ((key, each) for key, each in value.items()))


def _take_parent_fields(draft: Draft, reference: Field, fields: Iterable[tuple[str, Any]]) -> None:
    keys = [(name, value) for name, value in fields if name not in ("attributes", "type")]
    if len(keys) != 1 or isinstance(keys[0][1], dict | list):
        message = f"{reference.relationship_name}: a relationship needs exactly one external id"
        draft.errors.append(RowError("INVALID_FIELD", message, (reference.name,)))
        return
    draft.parents.append(ParentKey(reference, *keys[0]))


@dataclass(frozen=True, slots=True)
class TextRecord:
    """A record whose values are text, as SOAP and CSV send it."""

    fields: Iterable[tuple[str, str]]
    fields_to_null: Iterable[str] = ()
    #: Relationship name and the fields of the parent.
    parents: Iterable[tuple[str, list[tuple[str, str]]]] = ()


class MalformedText(ValueError):
    """The text of a field is no value of its type, which refuses the whole call."""

    def __init__(self, text: str, kind: str) -> None:
        super().__init__(f"'{text}' is not a valid value for the type xsd:{kind}")


def read_text(sobject: Sobject, record: TextRecord) -> Draft:
    """A draft from one record of texts.

    :raises MalformedText: a date, number or boolean that is none.
    """
    draft = Draft(sobject)
    for name, text in record.fields:
        _take_text(draft, name, text)
    for name in record.fields_to_null:
        _clear(draft, name)
    for name, fields in record.parents:
        _take_text_parent(draft, name, fields)
    return draft


def _take_text(draft: Draft, name: str, text: str) -> None:
    readers = _text_readers(draft.sobject)
    reader = readers.get(name) or readers.get(name.lower())
    if reader is None:
        draft.errors.append(no_such_column(name, draft.sobject))
        return
    try:
        draft.take(reader[0], reader[1], text)
    except ValueError:
        raise MalformedText(text, draft.sobject.fields[reader[0]].kind) from None


def _clear(draft: Draft, name: str) -> None:
    found = draft.sobject.find(name)
    if found is None:
        draft.errors.append(no_such_column(name, draft.sobject))
    else:
        draft.values[found.name] = False if found.kind == "boolean" else None


def _take_text_parent(draft: Draft, name: str, fields: list[tuple[str, str]]) -> None:
    reference = draft.sobject.by_relationship.get(name.lower())
    if reference is None:
        draft.errors.append(no_such_column(name, draft.sobject))
    else:
        _take_parent_fields(draft, reference, fields)
