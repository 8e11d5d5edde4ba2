"""One chunk of a bulk job: its rows are saved or deleted, in a transaction of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.emulator.bulk.csv_files import BatchRefused
from airflow_sf_dedup.emulator.records.drafts import Draft
from airflow_sf_dedup.emulator.records.schema import Sobject
from airflow_sf_dedup.emulator.results import Refused, RowError, RowResult, Saved
from airflow_sf_dedup.emulator.saving.deleting import delete, hard_delete
from airflow_sf_dedup.emulator.saving.saving import SaveOptions, save
from airflow_sf_dedup.emulator.saving.targets import Create, Update, Upsert, Verb, refused
from airflow_sf_dedup.emulator.state.bulk_jobs import Load
from airflow_sf_dedup.emulator.state.in_progress import current
from airflow_sf_dedup.emulator.state.ledger import Change
from airflow_sf_dedup.emulator.state.org import Org

#: Rows of one transaction (Bulk API: "Batches are processed in chunks", API 21.0 and later).
CHUNK = 200
DELETES = frozenset({"delete", "hardDelete"})

Item = TypeVar("Item")


def chunks(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]


def check_names(load: Load, names: Sequence[str]) -> None:
    """:raises BatchRefused: a delete that names more than ids."""
    if load.operation in DELETES and [name.lower() for name in names] != ["id"]:
        raise BatchRefused(f"The '{load.operation}' batch must contain only ids")


def save_chunk(org: Org, load: Load, drafts: list[Draft], user_id: str) -> list[RowResult]:
    """The result of every row, in order."""
    if load.operation in DELETES:
        return _delete(org, load, drafts, user_id)
    options = SaveOptions(user_id=user_id, allow_save=load.allow_save, assign=load.assignment_rule_id is not None)
    return save(org, drafts, _verb(load), options)


def _verb(load: Load) -> Verb:
    if load.key is not None:
        return Upsert(load.key)
    return Create() if load.operation == "insert" else Update()


def _delete(org: Org, load: Load, drafts: list[Draft], user_id: str) -> list[RowResult]:
    refusals = {place: why for place, draft in enumerate(drafts) if (why := _no_target(load.sobject, draft))}
    _note(org, load.sobject, [(drafts[place], why) for place, why in refusals.items()])
    ids = [draft.values["Id"] for place, draft in enumerate(drafts) if place not in refusals]
    remove = hard_delete if load.operation == "hardDelete" else delete
    results = iter(remove(org, ids, user_id=user_id) if ids else [])
    return [refusals.get(place) or next(results) for place in range(len(drafts))]


def _no_target(sobject: Sobject, draft: Draft) -> Refused | None:
    if draft.errors:
        return Refused(tuple(draft.errors))
    record_id = draft.values.get("Id")
    if record_id is None:
        return refused("MISSING_ARGUMENT", "Id not specified in a delete call")
    if record_id[:3] != sobject.key_prefix:
        message = f"{sobject.label} ID: id value of incorrect type: {record_id}"
        return refused("MALFORMED_ID", message, "Id", record_id=record_id)
    return None


def _note(org: Org, sobject: Sobject, rows: list[tuple[Draft, Refused]]) -> None:
    """Refused rows are in the ledger too."""
    with org.tables.transaction() as transaction:
        for draft, found in rows:
            keys = {"Id": draft.values["Id"]} if draft.values.get("Id") else {}
            code = found.errors[0].code
            transaction.changes.append(
                Change(org.now(), current().number, sobject.name, "refused", None, keys, {}, code)
            )


# --- how a row's answer is said ---------------------------------------------------------------------------


def error_text(errors: Sequence[RowError]) -> str:
    """``REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --``."""
    return "".join(f"{each.code}:{each.message}:{_fields(each)}--" for each in errors)


def _fields(error: RowError) -> str:
    return f"{','.join(error.fields)} " if error.fields else ""


def known_id(org: Org, result: RowResult) -> str:
    """The id of the record that a row is about; empty for a refused create."""
    if isinstance(result, Saved):
        return result.record_id
    if not result.record_id:
        return ""
    try:
        return to_18(result.record_id)
    except ValueError:
        return ""
