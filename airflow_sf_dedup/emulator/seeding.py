"""Records that appear in an org without having been saved: those of the org file and those of tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airflow_sf_dedup.emulator.drafts import MalformedText, TextRecord, read_json, read_text
from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.org_file import Definition
from airflow_sf_dedup.emulator.schema import Sobject
from airflow_sf_dedup.emulator.store import Record, Table

_EPOCH = "2020-01-01T00:00:00.000+0000"


def compound_name(sobject: Sobject, record: Mapping[str, Any]) -> str | None:
    parts = (record.get(part) for part in sobject.name_parts)
    return " ".join(part for part in parts if part) or None


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


def seeded(table: Table, rows: Iterable[Mapping[str, Any]], *, now: str, owner_id: str) -> list[Record]:
    """Complete records for ``rows``, not yet in the table.

    :raises ApiError: a row has a field or a value that the sobject cannot have.
    """
    system = system_fields(table.sobject, now, owner_id)
    return [_record(table, position, row, system) for position, row in enumerate(rows)]


def _record(table: Table, position: int, row: Mapping[str, Any], system: Record) -> Record:
    values = _read(table.sobject, position, row)
    record = table.sobject.defaults | system | values
    record["Id"] = values.get("Id") or table.new_id()
    if table.sobject.name_parts:
        record["Name"] = compound_name(table.sobject, record)
    return record


def _read(sobject: Sobject, position: int, row: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(row, Mapping):
        raise ApiError("JSON_PARSER_ERROR", f"row {position} should be a mapping")
    try:
        draft = read_json(sobject, row) if not _is_text(row) else read_text(sobject, TextRecord(row.items()))
    except MalformedText as error:
        raise ApiError("INVALID_FIELD", f"row {position}: {error}") from None
    if draft.parents:
        raise ApiError("INVALID_FIELD", f"row {position}: a seeded record names its parent by Id")
    if draft.errors:
        raise ApiError(draft.errors[0].code, f"row {position}: {draft.errors[0].message}")
    return draft.values


def _is_text(row: Mapping[str, Any]) -> bool:
    """Whether every value is text, as in a CSV file."""
    return all(type(value) is str for value in row.values())


def organization_records(definition: Definition) -> dict[str, list[Record]]:
    """The org's own records: itself and its users."""
    schema = definition.schema
    system = {
        name: schema.sobjects[name].defaults | system_fields(schema.sobjects[name], _EPOCH, definition.users[0].user_id)
        for name in ("Organization", "User")
    }
    return {
        "Organization": [system["Organization"] | _organization(definition)],
        "User": [system["User"] | each for each in _users(definition)],
    }


def _organization(definition: Definition) -> Record:
    return {
        "Id": definition.org_id,
        "Name": definition.org_name,
        "OrganizationType": "Developer Edition",
        "InstanceName": "EMU1",
        "IsSandbox": False,
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
        }
        for user in definition.users
    ]
