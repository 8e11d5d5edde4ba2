"""Into the recycle bin and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.emulator.in_progress import current
from airflow_sf_dedup.emulator.ledger import Change
from airflow_sf_dedup.emulator.org import Org
from airflow_sf_dedup.emulator.results import ROLLED_BACK, Refused, RowResult, Saved
from airflow_sf_dedup.emulator.row_refusals import by_fault, out_of_cpu_time
from airflow_sf_dedup.emulator.schema import Sobject
from airflow_sf_dedup.emulator.targets import refused
from airflow_sf_dedup.emulator.two_steps import Step, in_two_steps
from airflow_sf_dedup.emulator.unique import taken

#: Changes one record by the id that was given for it.
One = Callable[[Org, str, str], RowResult]


def delete(org: Org, record_ids: list[str], *, user_id: str, all_or_none: bool = False) -> list[RowResult]:
    return _each(org, record_ids, _delete_one, "deleted", user_id=user_id, all_or_none=all_or_none)


def undelete(org: Org, record_ids: list[str], *, user_id: str, all_or_none: bool = False) -> list[RowResult]:
    return _each(org, record_ids, _undelete_one, "undeleted", user_id=user_id, all_or_none=all_or_none)


def _each(org: Org, record_ids: list[str], one: One, verb: str, *, user_id: str, all_or_none: bool) -> list[RowResult]:
    def plan() -> Step:
        return Step(_planned(org, record_ids), lambda given: frozenset({_full_id(given) or given}))

    def commit(rows: list[str | Refused]) -> list[RowResult]:
        with org.transaction() as transaction:
            results = [row if isinstance(row, Refused) else one(org, row, user_id) for row in rows]
            now = org.now()
            transaction.changes += [
                _noted(org, given, result, verb, now) for given, result in zip(record_ids, results, strict=True)
            ]
            if all_or_none and any(isinstance(result, Refused) for result in results):
                transaction.roll_back()
                return [
                    result if isinstance(result, Refused) else Refused((ROLLED_BACK,), result.record_id)
                    for result in results
                ]
            return results

    return in_two_steps(org, plan, commit)


def _planned(org: Org, record_ids: list[str]) -> list[str | Refused]:
    """The ids, with the rows refused that a fault or the org's CPU time refuses."""
    rows: list[str | Refused] = list(record_ids)
    sobjects = [_sobject_of(org, each) for each in record_ids]
    most = org.physics.max_rows_per_transaction
    if most is not None and len(rows) > most:
        return [Refused((out_of_cpu_time(each),)) if each else row for each, row in zip(sobjects, rows, strict=True)]
    known = [number for number, each in enumerate(sobjects) if each]
    for number, firing in current().refused_rows(known).items():
        sobject = sobjects[number]
        if sobject is not None:
            record_id = _full_id(record_ids[number])
            error = by_fault(firing, sobject, record_id, (), names_holder=org.quirks.duplicate_value_names)
            rows[number] = Refused((error,), record_id)
    return rows


def _sobject_of(org: Org, given: str) -> Sobject | None:
    record_id = _full_id(given)
    return org.schema.of_id(record_id) if record_id else None


def _noted(org: Org, given: str, result: RowResult, verb: str, now: str) -> Change:
    sobject = _sobject_of(org, given)
    name = sobject.name if sobject else ""
    record_id = _full_id(given)
    known = record_id if record_id and org.record(record_id) else None
    if isinstance(result, Refused):
        return Change(now, current().number, name, "refused", known, {"Id": given}, {}, result.errors[0].code)
    deleted = verb == "deleted"
    return Change(now, current().number, name, verb, known, {"IsDeleted": deleted}, {"IsDeleted": not deleted})


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
