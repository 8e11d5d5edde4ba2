"""Records that appear in an org without having been saved: those of the org file and those of tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_sf_dedup.emulator.definition.org_file import Definition
from airflow_sf_dedup.emulator.definition.seed_files import Rows
from airflow_sf_dedup.emulator.errors import MalformedValue, RowRefusal, SeedError
from airflow_sf_dedup.emulator.records.derived import compound_name, flags
from airflow_sf_dedup.emulator.records.drafts import Draft, MalformedText, ParentKey, TextRecord, read_json, read_text
from airflow_sf_dedup.emulator.records.schema import Field, Schema, Sobject
from airflow_sf_dedup.emulator.records.store import Record, Table, make_id, record_type_id
from airflow_sf_dedup.emulator.records.values import json_reader
from airflow_sf_dedup.emulator.results import RowError
from airflow_sf_dedup.emulator.state.tables import Tables
from airflow_sf_dedup.emulator.suggesting import did_you_mean

_EPOCH = "2020-01-01T00:00:00.000+0000"
_ADMINISTRATOR, _STANDARD = make_id("00e", 1), make_id("00e", 2)


def system_fields(sobject: Sobject, now: str, user_id: str) -> Record:
    """What a new record carries without being told."""
    fields: Record = {
        "IsDeleted": False,
        "CreatedDate": now,
        "CreatedById": user_id,
        "LastModifiedDate": now,
        "LastModifiedById": user_id,
        "SystemModstamp": now,
    }
    return fields | {"OwnerId": user_id} if "OwnerId" in sobject.fields else fields


def seed(tables: Tables, table: Table, rows: Rows, *, now: str, owner_id: str) -> list[str]:
    """Puts a complete record for each row, one after the other, so that a row may name an earlier one as its parent.

    :raises SeedError: naming the row and the field that the sobject cannot have.
    """
    system = table.sobject.defaults | system_fields(table.sobject, now, owner_id)
    ids = []
    for position, row in enumerate(rows):
        record = _record(tables, table, _Place(rows, position), row, system)
        tables.put(table.sobject.name, record["Id"], record)
        ids.append(record["Id"])
    return ids


@dataclass(frozen=True, slots=True)
class _Place:
    rows: Rows
    position: int

    def refuse(self, code: str, field: str | None, problem: str) -> SeedError:
        return SeedError(code, self.rows.place(self.position), field, problem)


def _record(tables: Tables, table: Table, place: _Place, row: Mapping[str, Any], system: Record) -> Record:
    sobject = table.sobject
    draft = _read(sobject, place, row)
    values = draft.values
    for parent in draft.parents:
        values[parent.field.name] = _parent_id(tables, parent, place)
    if values.get("Id", sobject.key_prefix)[:3] != sobject.key_prefix:
        raise place.refuse("MALFORMED_ID", "Id", f"ids of {sobject.name} begin with {sobject.key_prefix}")
    record = system | values
    record["Id"] = values.get("Id") or table.new_id()
    if sobject.name_parts:
        record["Name"] = compound_name(sobject, record)
    record |= flags(sobject, record)
    for each in sobject.auto_numbers:
        record.setdefault(each, f"{table.next_number():08d}")
    return record


def _read(sobject: Sobject, place: _Place, row: Mapping[str, Any]) -> Draft:
    if not isinstance(row, Mapping):
        raise place.refuse("JSON_PARSER_ERROR", None, f"{row!r} should be a mapping of fields to values")
    nested = {name: value for name, value in _nested(row).items() if not _compound(sobject, name)}
    try:
        draft = _draft(sobject, nested)
    except (MalformedText, MalformedValue) as error:
        raise _malformed(sobject, place, nested, error) from None
    for refusal in draft.errors:
        raise place.refuse(refusal.code, *_named(refusal, nested, sobject))
    return draft


def _compound(sobject: Sobject, name: str) -> bool:
    """Whether a query answered this, which other fields of the row say too."""
    field = sobject.find(name)
    return field is not None and bool(field.parts)


def _nested(row: Mapping[str, Any]) -> dict[str, Any]:
    """With ``Account.External_Id__c`` as the parent ``{"Account": {"External_Id__c": …}}``."""
    nested: dict[str, Any] = {}
    for name, value in row.items():
        relationship, dot, field = str(name).partition(".")
        if dot and value not in (None, ""):
            nested[relationship] = {field: value}
        elif not dot:
            nested[relationship] = value
    return nested


def _draft(sobject: Sobject, row: Mapping[str, Any]) -> Draft:
    parents = [(name, list(value.items())) for name, value in row.items() if isinstance(value, Mapping)]
    plain = [(name, value) for name, value in row.items() if not isinstance(value, Mapping)]
    if all(type(value) is str for _, value in plain):
        return read_text(sobject, TextRecord(plain, parents=[each for each in parents if each[0] != "attributes"]))
    return read_json(sobject, row)


def _malformed(sobject: Sobject, place: _Place, row: Mapping[str, Any], error: Exception) -> SeedError:
    """The field is found by reading each alone."""
    for name, value in row.items():
        try:
            _draft(sobject, {name: value})
        except (MalformedText, MalformedValue) as found:
            return place.refuse("INVALID_FIELD", name, str(getattr(found, "message", found)))
    return place.refuse("INVALID_FIELD", None, str(error))


def _named(error: RowError, row: Mapping[str, Any], sobject: Sobject) -> tuple[str | None, str]:
    """The field of a row's error, and the error with what may have been meant."""
    if error.fields:
        return error.fields[0], error.message
    known = [*sobject.fields, *(each.relationship_name or "" for each in sobject.fields.values())]
    for name in row:
        if error.message.startswith(f"No such column '{name}'"):
            return name, error.message + did_you_mean(name, known)
    return None, error.message


def _parent_id(tables: Tables, parent: ParentKey, place: _Place) -> str:
    column = f"{parent.field.relationship_name}.{parent.key_field}"
    for name in parent.field.reference_to:
        table = tables[name]
        key = table.sobject.find(parent.key_field)
        if key is not None and key.upsert_key and key.indexed:
            return _only_holder(table, key, parent.value, place, column)
    names = " or ".join(parent.field.reference_to)
    raise place.refuse("INVALID_FIELD", column, f"{parent.key_field} is no external id of {names}")


def _only_holder(table: Table, key: Field, value: Any, place: _Place, column: str) -> str:
    try:
        wanted = json_reader(key)(value)
    except (MalformedValue, RowRefusal) as error:
        raise place.refuse("INVALID_FIELD", column, str(getattr(error, "message", error))) from None
    found = table.holders(key, wanted) if wanted is not None else []
    if len(found) != 1:
        many = f"{len(found)} of them have" if found else "none has"
        raise place.refuse("INVALID_FIELD", column, f"{many} {value!r} in {table.sobject.name}.{key.name}")
    return found[0]


def organization_records(definition: Definition) -> dict[str, list[Record]]:
    """The org's own records: itself, its users and their profiles, its record types."""
    schema = definition.schema
    made = {
        "Organization": [_organization(definition)],
        "Profile": [{"Id": _ADMINISTRATOR, "Name": "System Administrator"}, {"Id": _STANDARD, "Name": "Standard User"}],
        "User": _users(definition),
        "RecordType": _record_types(schema),
    }
    first_user = definition.users[0].user_id
    return {
        name: [
            schema.sobjects[name].defaults | system_fields(schema.sobjects[name], _EPOCH, first_user) | each
            for each in records
        ]
        for name, records in made.items()
    }


def _record_types(schema: Schema) -> list[Record]:
    return [
        {
            "Id": record_type_id(sobject, position),
            "Name": name,
            "DeveloperName": name.replace(" ", "_"),
            "SobjectType": sobject.name,
            "IsActive": True,
        }
        for sobject in schema
        for position, name in enumerate(sobject.record_types, start=1)
    ]


def _organization(definition: Definition) -> Record:
    return {
        "Id": definition.org_id,
        "Name": definition.org_name,
        "OrganizationType": "Developer Edition",
        "InstanceName": "EMU1",
        "IsSandbox": definition.sandbox,
        "TimeZoneSidKey": "GMT",
    }


def _users(definition: Definition) -> list[Record]:
    return [
        {
            "Id": user.user_id,
            "Username": user.username,
            "FirstName": user.first_name,
            "LastName": user.last_name,
            "Name": " ".join(part for part in (user.first_name, user.last_name) if part),
            "Email": user.email or user.username,
            "Alias": user.username[:8],
            "IsActive": True,
            "ProfileId": _ADMINISTRATOR,
        }
        for user in definition.users
    ]
