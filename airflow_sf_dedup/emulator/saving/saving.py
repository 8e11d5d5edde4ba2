"""One save call: which record does each row mean, may it be saved, and then save it.

A call has two phases. ``plan`` compares every row with the org as it is, so that the rows of one call do not see
each other (Salesforce: "Duplicate Rules", order of execution); ``commit`` puts what may be saved, and asks whether
unique values are free and parents still there, as Salesforce's database does after the duplicate rules have run. In
the commit window between the two other calls may come in: that is Salesforce's race, in which the later of two
upserts of one new key gets DUPLICATE_VALUE.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_sf_dedup.emulator.records.derived import compound_name, flags
from airflow_sf_dedup.emulator.records.drafts import Draft
from airflow_sf_dedup.emulator.records.schema import Field, Sobject
from airflow_sf_dedup.emulator.records.store import Record
from airflow_sf_dedup.emulator.records.values import trimmed
from airflow_sf_dedup.emulator.results import (
    ROLLED_BACK,
    DuplicateResult,
    Refused,
    RowError,
    RowResult,
    Saved,
)
from airflow_sf_dedup.emulator.rules.duplicate_rules import DuplicateRule, Search, find_duplicates
from airflow_sf_dedup.emulator.saving.record_sets import misplaced, tell_set, with_its_sobject
from airflow_sf_dedup.emulator.saving.reporting import Reporting, report_duplicates, report_within_save
from airflow_sf_dedup.emulator.saving.targets import Target, Verb, targets
from airflow_sf_dedup.emulator.state.in_progress import current
from airflow_sf_dedup.emulator.state.ledger import Change
from airflow_sf_dedup.emulator.state.org import Org
from airflow_sf_dedup.emulator.state.row_refusals import by_fault, out_of_cpu_time
from airflow_sf_dedup.emulator.state.seeding import system_fields
from airflow_sf_dedup.emulator.state.together import Step
from airflow_sf_dedup.emulator.state.two_steps import in_two_steps
from airflow_sf_dedup.emulator.state.unique import taken


@dataclass(frozen=True, slots=True)
class SaveOptions:
    user_id: str
    allow_save: bool = False
    include_record_details: bool = False
    all_or_none: bool = False
    #: Let the default assignment rule choose the owner.
    assign: bool = False
    #: Ask the duplicate rules; they do not run on a merge.
    duplicate_rules: bool = True


@dataclass(slots=True)
class Plan:
    """A row that may be saved: what it changes, and which rules report it silently."""

    draft: Draft
    record_id: str | None
    changes: dict[str, Any]
    reported: list[tuple[DuplicateRule, DuplicateResult]] = field(default_factory=list)
    #: The rules that report what they find for this row, whether or not they found anything yet.
    reporting: list[DuplicateRule] = field(default_factory=list)
    #: The id of the new record, once it has one.
    new_id: str | None = None


def save(org: Org, drafts: list[Draft], verb: Verb, options: SaveOptions) -> list[RowResult]:
    """The result of every row, in order."""

    def planned() -> Step:
        rows = plan(org, drafts, verb, options)
        return Step(_refused_by_fault(org, rows), lambda row: _records_of(org, row))

    return in_two_steps(org, planned, lambda rows: commit(org, drafts, rows, options))


# --- plan -------------------------------------------------------------------------------------------------


def plan(org: Org, drafts: list[Draft], verb: Verb, options: SaveOptions) -> list[Plan | Refused]:
    most = org.physics.max_rows_per_transaction
    if most is not None and len(drafts) > most:
        return [Refused((out_of_cpu_time(draft.sobject),)) for draft in drafts]
    names = {draft.sobject.name for draft in drafts}
    rules = {name: _Rules.at_work(org, name, options) for name in names}
    return [
        target if isinstance(target, Refused) else _plan_row(org, draft, target, options, rules[draft.sobject.name])
        for draft, target in zip(drafts, targets(org, drafts, verb), strict=True)
    ]


@dataclass(frozen=True)
class _Rules:
    """The duplicate rules of one sobject that have a say in one save: whether a match stops the row, or is reported."""

    on_insert: tuple[tuple[DuplicateRule, bool, bool], ...]
    on_update: tuple[tuple[DuplicateRule, bool, bool], ...]
    search: Search
    #: Who saves.
    user: Record

    @classmethod
    def at_work(cls, org: Org, sobject: str, options: SaveOptions) -> _Rules:
        rules = org.rules.for_sobject(sobject) if options.duplicate_rules else ()
        on_insert, on_update = (
            tuple(each for each in _what_they_do(rules, options, created=created) if each[1] or each[2])
            for created in (True, False)
        )
        search = Search(
            tables=org.tables,
            deleted_match=org.quirks.deleted_records_match,
            details=options.include_record_details,
            all_fields=org.quirks.record_details == "all",
        )
        return cls(on_insert, on_update, search, org.record(options.user_id) or {})


def _what_they_do(
    rules: Iterable[DuplicateRule], options: SaveOptions, *, created: bool
) -> Iterator[tuple[DuplicateRule, bool, bool]]:
    for rule in rules:
        yield rule, rule.stops(created=created, allow_save=options.allow_save), rule.reports(created=created)


def _plan_row(org: Org, draft: Draft, target: Target, options: SaveOptions, rules: _Rules) -> Plan | Refused:
    created = target.record is None
    errors = draft.errors or _not_writeable(draft, target) or _resolve_parents(org, draft)
    if errors:
        return Refused(tuple(errors), target.record_id)
    changes = _changes(org, draft, target, options)
    after = changes if target.record is None else {**target.record, **changes}
    errors = _missing(draft, after, created=created)
    if errors:
        return Refused(tuple(errors), target.record_id)
    row = Plan(draft, target.record_id, changes)
    duplicates = _run_rules(row, target.record, after, rules)
    return Refused(duplicates, target.record_id) if duplicates else row


def _not_writeable(draft: Draft, target: Target) -> list[RowError]:
    sobject = draft.sobject
    forbidden = sobject.not_createable if target.record is None else sobject.not_updateable
    names = [] if forbidden.isdisjoint(draft.values) else sorted(draft.values.keys() & forbidden - {target.key_field})
    names += [parent.field.name for parent in draft.parents if parent.field.name in forbidden]
    if not names:
        return []
    message = (
        f"Unable to create/update fields: {', '.join(names)}. Please check the security settings of this field "
        "and verify that it is read/write for your profile or permission set."
    )
    return [RowError("INVALID_FIELD_FOR_INSERT_UPDATE", message, tuple(names))]


def _resolve_parents(org: Org, draft: Draft) -> list[RowError]:
    errors = []
    for parent in draft.parents:
        found = _parent_ids(org, parent.field, parent.key_field, parent.value)
        if isinstance(found, RowError):
            errors.append(found)
        elif len(found) == 1:
            draft.values[parent.field.name] = found[0]
        else:
            errors.append(_no_parent(parent.field, parent.key_field, parent.value, draft.sobject, found))
    return errors or _check_references(org, draft)


def _parent_ids(org: Org, reference: Field, key_name: str, value: Any) -> list[str] | RowError:
    for name in reference.reference_to:
        table = org.table(name)
        key = table.sobject.find(key_name)
        if key is not None and key.upsert_key and key.indexed:
            return table.holders(key, _as_key(key, value)) if value is not None else []
    names = ", ".join(reference.reference_to)
    message = f"Field name provided, {key_name}, is not an External ID or indexed field for {names}"
    return RowError("INVALID_FIELD", message, (reference.name,))


def _as_key(key: Field, value: Any) -> Any:
    """A parent's key as its field keeps it: a number key may come as text."""
    if key.kind in ("double", "int") and isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return trimmed(value) if isinstance(value, str) else value


def _no_parent(reference: Field, key: str, value: Any, sobject: Sobject, found: list[str]) -> RowError:
    if found:
        message = f"{key}: more than one record found for external id field: [{', '.join(found)}]"
        return RowError("DUPLICATE_EXTERNAL_ID", message, (reference.name,))
    parent = reference.reference_to[0] if reference.reference_to else reference.name
    message = f"Foreign key external ID: {str(value).lower()} not found for field {key} in entity {parent}"
    return RowError("INVALID_FIELD", message)


def _check_references(org: Org, draft: Draft) -> list[RowError]:
    for name in draft.values.keys() & draft.sobject.references:
        reference, value = draft.sobject.fields[name], draft.values[name]
        if value is None:
            continue
        if value[:3] not in {org.schema.sobjects[each].key_prefix for each in reference.reference_to}:
            return [RowError("MALFORMED_ID", f"{reference.label}: id value of incorrect type: {value}", (name,))]
        parent = org.record(value)
        if parent is None or parent["IsDeleted"]:
            return [RowError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", (name,))]
    return []


def _changes(org: Org, draft: Draft, target: Target, options: SaveOptions) -> dict[str, Any]:
    sobject = draft.sobject
    values = draft.values
    if target.record is None:
        changes = {**sobject.defaults, **values}
        for name in sobject.defaults:
            if changes[name] is None:
                changes[name] = sobject.defaults[name]
    else:
        changes = values.copy()
    changes.pop("Id", None)
    if sobject.name_parts and not values.keys().isdisjoint(sobject.name_parts):
        changes["Name"] = compound_name(sobject, {**target.record, **changes} if target.record else changes)
    if sobject.flags:
        changes |= flags(sobject, {**target.record, **changes} if target.record else changes)
    rule = org.definition.assignment_rules.get(sobject.name) if options.assign else None
    if rule is not None:
        changes["OwnerId"] = rule.owner_id
    return changes


def _missing(draft: Draft, after: Mapping[str, Any], *, created: bool) -> list[RowError]:
    sobject = draft.sobject
    needed = sobject.required if created else sobject.not_nillable & draft.values.keys()
    names = [name for name in needed if after.get(name) is None]
    if not names:
        return []
    message = f"Required fields are missing: [{', '.join(names)}]"
    return [RowError("REQUIRED_FIELD_MISSING", message, tuple(names))]


def _run_rules(row: Plan, before: Record | None, after: Record, rules: _Rules) -> tuple[RowError, ...]:
    """The errors of the rules that stop the row; the others are left in ``row.reported``."""
    created = before is None
    errors = []
    for rule, stops, reports in rules.on_insert if created else rules.on_update:
        if before is not None and not _concerns(rule, before, row.changes):
            continue
        if rule.filter is not None and not rule.filter.holds(after, rules.user):
            continue
        result = find_duplicates(rule, after, row.record_id, rules.search, created=created)
        if reports:
            row.reporting.append(rule)
        if result is not None and stops:
            errors.append(RowError("DUPLICATES_DETECTED", rule.alert_text, (), result))
        elif result is not None:
            row.reported.append((rule, result))
    return tuple(errors)


def _concerns(rule: DuplicateRule, before: Record, changes: Mapping[str, Any]) -> bool:
    return any(name in changes and changes[name] != before.get(name) for name in rule.compared)


def _refused_by_fault(org: Org, rows: list[Plan | Refused]) -> list[Plan | Refused]:
    candidates = [number for number, row in enumerate(rows) if isinstance(row, Plan)]
    for number, firing in current().refused_rows(candidates).items():
        row = rows[number]
        if isinstance(row, Plan):
            sobject = row.draft.sobject
            keys = [each.name for each in sobject.unique if row.changes.get(each.name) is not None]
            error = by_fault(firing, sobject, row.record_id, keys, names_holder=org.quirks.duplicate_value_names)
            rows[number] = Refused((error,), row.record_id)
    return rows


def _records_of(org: Org, row: Plan) -> frozenset[str]:
    """The records that a row holds in the commit window: its own and, if the org locks them, its parents."""
    before = org.record(row.record_id) if row.record_id else None
    own = {row.record_id} if row.record_id else set()
    if not org.physics.lock_parents:
        return frozenset(own)
    parents = {
        each
        for name in row.draft.sobject.locked_parents
        for each in ((before or {}).get(name), row.changes.get(name))
        if each
    }
    return frozenset(own | parents)


# --- commit -----------------------------------------------------------------------------------------------


def commit(org: Org, drafts: list[Draft], plans: list[Plan | Refused], options: SaveOptions) -> list[RowResult]:
    with org.tables.transaction() as transaction:
        now = org.now()
        if options.all_or_none and any(isinstance(each, Refused) for each in plans):
            results = _all_rolled_back(org, plans)
        else:
            results = [
                each if isinstance(each, Refused) else _commit_row(org, each, now, options.user_id, transaction.changes)
                for each in plans
            ]
        for draft, result in zip(drafts, results, strict=True):
            if isinstance(result, Refused):
                transaction.changes.append(_refusal(org, draft, result, now))
        report_within_save(org, _reporting(plans, results), now, options.user_id)
        if options.all_or_none and any(isinstance(each, Refused) for each in results):
            transaction.roll_back()
            return [each if isinstance(each, Refused) else _rolled_back(org, each.record_id) for each in results]
        return results


def _reporting(plans: list[Plan | Refused], results: list[RowResult]) -> list[Reporting]:
    return [
        Reporting(result.record_id, tuple(row.reporting), result.created)
        for row, result in zip(plans, results, strict=True)
        if isinstance(row, Plan) and row.reporting and isinstance(result, Saved)
    ]


def _refusal(org: Org, draft: Draft, result: Refused, now: str) -> Change:
    sobject = draft.sobject
    keys = {name: value for name, value in draft.values.items() if name in sobject.keys}
    known = result.record_id if result.record_id and org.record(result.record_id) else None
    return Change(now, current().number, sobject.name, "refused", known, keys, {}, result.errors[0].code)


def _all_rolled_back(org: Org, plans: Iterable[Plan | Refused]) -> list[RowResult]:
    return [each if isinstance(each, Refused) else _rolled_back(org, _id_of(org, each)) for each in plans]


def _rolled_back(org: Org, record_id: str) -> Refused:
    return Refused((ROLLED_BACK,), record_id if org.quirks.rolled_back_rows_keep_id else None)


def _id_of(org: Org, row: Plan) -> str:
    """The record's id; a new one is settled once, so that a row which is committed again keeps it."""
    if row.record_id is not None:
        return row.record_id
    if row.new_id is None:
        row.new_id = org.table(row.draft.sobject.name).new_id()
    return row.new_id


def _commit_row(org: Org, row: Plan, now: str, user_id: str, changes: list[Change]) -> RowResult:
    table = org.table(row.draft.sobject.name)
    before: Record | None = None
    if row.record_id is None:
        record = {**system_fields(table.sobject, now, user_id), **row.changes, "Id": _id_of(org, row)}
        _number(record, table.sobject, table.next_number())
    else:
        before = table.live(row.record_id)
        if before is None:
            return Refused((RowError("ENTITY_IS_DELETED", "entity is deleted"),), row.record_id)
        stamps = {"LastModifiedDate": now, "LastModifiedById": user_id, "SystemModstamp": now}
        record = {**before, **row.changes, **stamps}
    errors = _check_references(org, row.draft) or taken(org, table.sobject, record, row.record_id)
    errors = errors or misplaced(org, table.sobject.name, record)
    if errors:
        return Refused(tuple(errors), row.record_id)
    org.put(table.sobject.name, record["Id"], with_its_sobject(org, table.sobject.name, record))
    tell_set(org, table.sobject.name, record)
    for rule, result in row.reported:
        report_duplicates(org, rule, result, record["Id"], now, user_id)
    changes.append(_change(row, record, before, now))
    return Saved(record["Id"], created=before is None)


def _change(row: Plan, record: Record, before: Record | None, now: str) -> Change:
    verb = "created" if before is None else "updated"
    replaced = {} if before is None else {name: before.get(name) for name in row.changes}
    return Change(now, current().number, row.draft.sobject.name, verb, record["Id"], row.changes, replaced)


def _number(record: Record, sobject: Sobject, number: int) -> None:
    for each in sobject.auto_numbers:
        record[each] = f"{number:08d}"
