"""Into the recycle bin, back from it, and out of it for good."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from airflow_sf_dedup.emulator.records.store import Record
from airflow_sf_dedup.emulator.results import ROLLED_BACK, Refused, RowError, RowResult, Saved
from airflow_sf_dedup.emulator.saving.cascading import reach_of, restricted
from airflow_sf_dedup.emulator.saving.changing import Changing, full_id, sobject_of
from airflow_sf_dedup.emulator.saving.targets import refused
from airflow_sf_dedup.emulator.state.in_progress import current
from airflow_sf_dedup.emulator.state.ledger import Change
from airflow_sf_dedup.emulator.state.org import Org
from airflow_sf_dedup.emulator.state.row_refusals import by_fault, out_of_cpu_time
from airflow_sf_dedup.emulator.state.together import Step
from airflow_sf_dedup.emulator.state.two_steps import in_two_steps
from airflow_sf_dedup.emulator.state.unique import taken

NOT_IN_BIN = "Entity is not in the recycle bin"


def delete(org: Org, record_ids: list[str], *, user_id: str, all_or_none: bool = False) -> list[RowResult]:
    return _each(org, record_ids, _Deleting, user_id=user_id, all_or_none=all_or_none)


def undelete(org: Org, record_ids: list[str], *, user_id: str, all_or_none: bool = False) -> list[RowResult]:
    return _each(org, record_ids, _Undeleting, user_id=user_id, all_or_none=all_or_none)


def empty_recycle_bin(org: Org, record_ids: list[str], *, user_id: str) -> list[RowResult]:
    return _each(org, record_ids, _Purging, user_id=user_id, all_or_none=False)


def hard_delete(org: Org, record_ids: list[str], *, user_id: str, all_or_none: bool = False) -> list[RowResult]:
    """Deletes live records without leaving them in the recycle bin."""
    return _each(org, record_ids, _HardDeleting, user_id=user_id, all_or_none=all_or_none)


class ById(Changing, ABC):
    """Changes records one after the other."""

    @abstractmethod
    def one(self, given: str) -> RowResult:
        """:param given: the record's id as the caller wrote it."""


class _Deleting(ById):
    def one(self, given: str) -> RowResult:
        record_id = full_id(given)
        if record_id is None:
            return refused("MALFORMED_ID", f"bad id {given}")
        record = self.org.record(record_id)
        if record is None:
            return refused("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", record_id=record_id)
        if record["IsDeleted"]:
            return refused("ENTITY_IS_DELETED", "entity is deleted", record_id=record_id)
        sobject = self.org.schema.by_prefix[record_id[:3]]
        if not sobject.deletable:
            message = f"entity type {sobject.name} does not support delete"
            return refused("INSUFFICIENT_ACCESS_OR_READONLY", message, record_id=record_id)
        return self._delete(record_id, record)

    def _delete(self, record_id: str, record: Record) -> RowResult:
        reach = reach_of(self.related, record_id)
        error = restricted(self.org, self.related, record, reach)
        if error is not None:
            return Refused((error,), record_id)
        self.delete(record_id, reach)
        return Saved(record_id, created=False)


class _HardDeleting(_Deleting):
    def _delete(self, record_id: str, record: Record) -> RowResult:
        result = super()._delete(record_id, record)
        return result if isinstance(result, Refused) else _purge(self, record_id)


class _Undeleting(ById):
    def one(self, given: str) -> RowResult:
        record_id = full_id(given)
        record = self.org.record(record_id) if record_id else None
        if record_id is None or record is None or not record["IsDeleted"] or not self.org.recycle_bin.holds(record_id):
            return refused("UNDELETE_FAILED", NOT_IN_BIN, record_id=record_id)
        deletion = self.org.recycle_bin.of(record_id)
        returning = [each for each in (record_id, *deletion.taken_along) if self.org.record(each)]
        errors = self._errors(returning)
        if errors:
            return Refused(tuple(errors), record_id)
        for each in returning:
            self._bring_back(each)
        for cleared in deletion.cleared:
            child = self.org.record(cleared.record_id)
            if child is not None and not child["IsDeleted"] and child.get(cleared.field) is None:
                self.change(cleared.record_id, "updated", **{cleared.field: cleared.value})
        self.org.recycle_bin.leave(record_id)
        return Saved(record_id, created=False)

    def _errors(self, returning: list[str]) -> list[RowError]:
        for each in returning:
            record = self.org.record(each) or {}
            sobject = self.org.schema.by_prefix[each[:3]]
            for name in sobject.references:
                required = sobject.fields[name].on_delete == "cascade" and not sobject.fields[name].nillable
                if required and record.get(name) not in returning and self._gone(record.get(name)):
                    return [RowError("UNDELETE_FAILED", NOT_IN_BIN)]
            errors = taken(self.org, sobject, record, each)
            if errors:
                return errors
        return []

    def _gone(self, record_id: str | None) -> bool:
        found = self.org.record(record_id) if record_id else None
        return found is None or found["IsDeleted"]

    def _bring_back(self, record_id: str) -> None:
        """Makes a record live; what it pointed at may be gone meanwhile, and it is nobody's victim any more."""
        record = self.org.record(record_id) or {}
        sobject = self.org.schema.by_prefix[record_id[:3]]
        lost = {name: None for name in sobject.references if record.get(name) and self._lost(record[name], record_id)}
        merged = {"MasterRecordId": None} if record.get("MasterRecordId") else {}
        self.change(record_id, "undeleted", IsDeleted=False, **lost, **merged)

    def _lost(self, parent_id: str, record_id: str) -> bool:
        return parent_id != record_id and self._gone(parent_id)


class _Purging(ById):
    def one(self, given: str) -> RowResult:
        record_id = full_id(given)
        if record_id is None:
            return refused("MALFORMED_ID", f"bad id {given}")
        record = self.org.record(record_id)
        if record is None or not record["IsDeleted"] or not self.org.recycle_bin.holds(record_id):
            return refused(self.org.quirks.empty_recycle_bin_code, NOT_IN_BIN, record_id=record_id)
        return _purge(self, record_id)


def _purge(changing: Changing, record_id: str) -> Saved:
    org = changing.org
    for each in (*org.recycle_bin.of(record_id).taken_along, record_id):
        if org.record(each):
            changing.forget(each)
    org.recycle_bin.leave(record_id)
    return Saved(record_id, created=False)


def _each(
    org: Org,
    record_ids: list[str],
    changing: Callable[[Org, str, list[Change]], ById],
    *,
    user_id: str,
    all_or_none: bool,
) -> list[RowResult]:
    def plan() -> Step:
        return Step(_planned(org, record_ids), lambda given: frozenset({full_id(given) or given}))

    def commit(rows: list[str | Refused]) -> list[RowResult]:
        with org.tables.transaction() as transaction:
            call = changing(org, user_id, transaction.changes)
            results = []
            for given, row in zip(record_ids, rows, strict=True):
                result = row if isinstance(row, Refused) else call.one(row)
                if isinstance(result, Refused):
                    call.refused(given, result)
                results.append(result)
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
    sobjects = [sobject_of(org, each) for each in record_ids]
    most = org.physics.max_rows_per_transaction
    if most is not None and len(rows) > most:
        return [Refused((out_of_cpu_time(each),)) if each else row for each, row in zip(sobjects, rows, strict=True)]
    known = [number for number, each in enumerate(sobjects) if each]
    for number, firing in current().refused_rows(known).items():
        sobject = sobjects[number]
        if sobject is not None:
            record_id = full_id(record_ids[number])
            error = by_fault(firing, sobject, record_id, (), names_holder=org.quirks.duplicate_value_names)
            rows[number] = Refused((error,), record_id)
    return rows
