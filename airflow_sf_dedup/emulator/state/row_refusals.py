"""How Salesforce words the refusal of a row that something other than the row is the reason for."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_sf_dedup.emulator.faults.switches import Firing
from airflow_sf_dedup.emulator.records.schema import Sobject
from airflow_sf_dedup.emulator.records.store import make_id
from airflow_sf_dedup.emulator.results import RowError

#: Number of a record that never was: the other writer of a race took its row back.
_NEVER_WAS = 62**6


def locked(record_id: str) -> RowError:
    message = f"unable to obtain exclusive access to this record or 1 records: {record_id}"
    return RowError("UNABLE_TO_LOCK_ROW", message)


def duplicate_value(field: str, holder: str, form: str) -> RowError:
    """:param form: the quirk ``duplicate_value_names``."""
    if form == "unknown":
        field = holder = "<unknown>"
    elif form == "id15":
        holder = holder[:15]
    message = f"duplicate value found: {field} duplicates value on record with id: {holder}"
    return RowError("DUPLICATE_VALUE", message)


def out_of_cpu_time(sobject: Sobject) -> RowError:
    name = sobject.name.removesuffix("__c")
    message = f"{name}Trigger: System.LimitException: Apex CPU time limit exceeded"
    return RowError("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", message)


def by_fault(
    firing: Firing, sobject: Sobject, record_id: str | None, keys: Sequence[str], *, names_holder: str
) -> RowError:
    """The error of a row that a ``refuse_rows`` fault refuses.

    :param keys: the unique fields that the row writes; a race is about the first.
    :param names_holder: the quirk ``duplicate_value_names``.
    """
    code, message = firing["code"], firing["message"]
    if message is not None:
        return RowError(code, message)
    other = make_id(sobject.key_prefix, _NEVER_WAS)
    if code == "UNABLE_TO_LOCK_ROW":
        return locked(record_id or other)
    if code == "DUPLICATE_VALUE":
        return duplicate_value(keys[0] if keys else "<unknown>", other, names_holder)
    if code == "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY":
        return out_of_cpu_time(sobject)
    return RowError(code, _MESSAGES.get(code, code))


_MESSAGES = {
    "FIELD_CUSTOM_VALIDATION_EXCEPTION": "A validation rule of this org refuses the record",
    "ENTITY_IS_LOCKED": "the entity is locked for editing",
    "STORAGE_LIMIT_EXCEEDED": "storage limit exceeded",
    "INSUFFICIENT_ACCESS_OR_READONLY": "insufficient access rights on object id",
    "UNKNOWN_EXCEPTION": "An unexpected error occurred",
}
