"""Into the recycle bin and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.emulator.org import Org
from airflow_sf_dedup.emulator.results import ROLLED_BACK, Refused, RowResult, Saved
from airflow_sf_dedup.emulator.targets import refused
from airflow_sf_dedup.emulator.unique import taken


def delete(org: Org, record_ids: list[str], *, user_id: str, all_or_none: bool = False) -> list[RowResult]:
    return _each(org, record_ids, lambda each: _delete_one(org, each, user_id), all_or_none=all_or_none)


def undelete(org: Org, record_ids: list[str], *, user_id: str, all_or_none: bool = False) -> list[RowResult]:
    return _each(org, record_ids, lambda each: _undelete_one(org, each, user_id), all_or_none=all_or_none)


def _each(org: Org, record_ids: list[str], one: Callable[[str], RowResult], *, all_or_none: bool) -> list[RowResult]:
    with org.transaction() as transaction:
        results = [one(record_id) for record_id in record_ids]
        if all_or_none and any(isinstance(result, Refused) for result in results):
            transaction.roll_back()
            return [
                result if isinstance(result, Refused) else Refused((ROLLED_BACK,), result.record_id)
                for result in results
            ]
        return results


def _full_id(record_id: str) -> str | None:
    try:
        return to_18(record_id.strip())
    except ValueError:
        return None


def _delete_one(org: Org, given: str, user_id: str) -> RowResult:
    record_id = _full_id(given)
    if record_id is None:
        return refused("MALFORMED_ID", f"bad id {given}")
    record = org.record(record_id)
    if record is None:
        return refused("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", record_id=record_id)
    if record["IsDeleted"]:
        return refused("ENTITY_IS_DELETED", "entity is deleted", record_id=record_id)
    sobject = org.schema.by_prefix[record_id[:3]]
    if not sobject.deletable:
        message = f"entity type {sobject.name} does not support delete"
        return refused("INSUFFICIENT_ACCESS_OR_READONLY", message, record_id=record_id)
    return _change(org, record_id, user_id, IsDeleted=True)


def _undelete_one(org: Org, given: str, user_id: str) -> RowResult:
    record_id = _full_id(given)
    record = org.record(record_id) if record_id else None
    if record_id is None or record is None or not record["IsDeleted"]:
        return refused("UNDELETE_FAILED", "Entity is not in the recycle bin", record_id=record_id)
    errors = taken(org, org.schema.by_prefix[record_id[:3]], record, record_id)
    if errors:
        return Refused(tuple(errors), record_id)
    return _change(org, record_id, user_id, IsDeleted=False)


def _change(org: Org, record_id: str, user_id: str, **changes: Any) -> Saved:
    now = org.now()
    stamps = {"LastModifiedDate": now, "LastModifiedById": user_id, "SystemModstamp": now}
    sobject = org.schema.by_prefix[record_id[:3]].name
    org.put(sobject, record_id, {**org.table(sobject).records[record_id], **stamps, **changes})
    return Saved(record_id, created=False)
