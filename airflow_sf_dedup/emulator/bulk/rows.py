"""Which field does each column of a bulk upload write? Names and texts in, drafts out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from airflow_sf_dedup.emulator.bulk.csv_files import BatchRefused
from airflow_sf_dedup.emulator.errors import RowRefusal
from airflow_sf_dedup.emulator.records.drafts import Draft, ParentKey
from airflow_sf_dedup.emulator.records.schema import Field, Schema, Sobject
from airflow_sf_dedup.emulator.records.values import text_reader
from airflow_sf_dedup.emulator.results import RowError

#: What clears a field; an empty cell leaves it alone.
NULL = "#N/A"

Take = Callable[[Draft, str], None]


class Columns:
    """The columns of one upload; read once, used for every row."""

    def __init__(self, schema: Schema, sobject: Sobject, header: Sequence[str]) -> None:
        """:raises BatchRefused: a name that is no field, or that stands there twice."""
        self._sobject = sobject
        self._takes = [_take(schema, sobject, name, place) for place, name in enumerate(header)]
        seen: set[str] = set()
        for name in header:
            if name.lower() in seen:
                raise BatchRefused(f"Duplicate field name : {name}")
            seen.add(name.lower())

    def draft(self, cells: Iterable[str]) -> Draft:
        draft = Draft(self._sobject)
        for take, text in zip(self._takes, cells, strict=False):
            if text:
                take(draft, text)
        return draft


def _take(schema: Schema, sobject: Sobject, name: str, place: int) -> Take:
    found = sobject.find(name)
    if found is not None:
        return _field(found, place)
    if "." in name:
        return _parent(schema, sobject, name)
    raise _not_found(name)


def _not_found(name: str) -> BatchRefused:
    return BatchRefused(f"Field name not found : {name}")


def _field(field: Field, place: int) -> Take:
    name, read = field.name, text_reader(field)
    empty = False if field.kind == "boolean" else None
    is_id = field.kind == "id"

    def take(draft: Draft, text: str) -> None:
        if text == NULL:
            if not is_id:
                draft.values[name] = empty
            return
        try:
            draft.values[name] = read(text)
        except RowRefusal as refusal:
            draft.errors.append(refusal.error)
        except ValueError:
            draft.errors.append(_malformed(field, text, place))

    return take


def _malformed(field: Field, text: str, place: int) -> RowError:
    kind = {"datetime": "dateTime", "currency": "double", "percent": "double"}.get(field.kind, field.kind)
    message = f"Failed to deserialize field at col {place}. Due to, '{text}' is not a valid value for the type xsd:"
    return RowError("INVALID_FIELD", message + kind, (field.name,))


def _parent(schema: Schema, sobject: Sobject, name: str) -> Take:
    """``Account.Ext__c``, or with several possible parents ``Contact:Who.Ext__c``."""
    path, _, key_name = name.partition(".")
    wanted, _, relationship = path.rpartition(":")
    reference = sobject.by_relationship.get(relationship.lower())
    if reference is None:
        raise _not_found(name)
    if wanted:
        reference = _narrowed(reference, wanted, name)
    keys = (schema.sobjects[each].find(key_name) for each in reference.reference_to)
    key = next((each for each in keys if each is not None and each.upsert_key and each.indexed), None)
    if key is None:
        raise _not_found(name)

    def take(draft: Draft, text: str) -> None:
        if text == NULL:
            draft.values[reference.name] = None
        else:
            draft.parents.append(ParentKey(reference, key.name, text))

    return take


def _narrowed(reference: Field, wanted: str, name: str) -> Field:
    if len(reference.reference_to) < 2:
        raise BatchRefused(f"type is not needed for non polymorphic foreign key : {name}")
    named = tuple(each for each in reference.reference_to if each.lower() == wanted.lower())
    if not named:
        raise _not_found(name)
    return replace(reference, reference_to=named)
