"""Resources of one record and of one sObject."""

from __future__ import annotations

from typing import Any

from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.emulator.errors import ApiError, RowRefusal, not_found
from airflow_sf_dedup.emulator.http import Call, Response
from airflow_sf_dedup.emulator.records.drafts import Draft, read_json
from airflow_sf_dedup.emulator.records.schema import Field, Sobject
from airflow_sf_dedup.emulator.records.store import Record
from airflow_sf_dedup.emulator.records.values import text_reader
from airflow_sf_dedup.emulator.rest import shapes
from airflow_sf_dedup.emulator.rest.headers import save_options
from airflow_sf_dedup.emulator.results import Refused, RowResult
from airflow_sf_dedup.emulator.saving.deleting import delete
from airflow_sf_dedup.emulator.saving.saving import save
from airflow_sf_dedup.emulator.saving.targets import Create, Update, Upsert, Verb
from airflow_sf_dedup.emulator.wire.describing import describe_global, describe_sobject, sobject_info
from airflow_sf_dedup.emulator.wire.json_shapes import whole_record

#: From this version on an upsert says whether it created, and an update by it has a body.
_CREATED_SINCE = 46.0


def list_sobjects(call: Call) -> Response:
    return Response(200, describe_global(call.org.schema, call.root))


def basic_info(call: Call, name: str) -> Response:
    sobject = call.sobject(name)
    recent: list[Any] = []
    return Response(200, {"objectDescribe": sobject_info(sobject, call.root), "recentItems": recent})


def describe(call: Call, name: str) -> Response:
    return Response(200, describe_sobject(call.org.schema, call.sobject(name), call.root))


# --- one record by its Id ---------------------------------------------------------------------------------


def create(call: Call, name: str) -> Response:
    draft = read_json(call.sobject(name), call.request.json_object())
    if "Id" in draft.values:
        raise ApiError("INVALID_FIELD", "The Id field should not be specified in the sobject data.")
    return answered(call, _save(call, draft, Create()), created_key=False)


def get(call: Call, name: str, record_id: str) -> Response:
    sobject = call.sobject(name)
    return _answer_with(call, sobject, record_of(call, sobject, record_id))


def _answer_with(call: Call, sobject: Sobject, record: Record) -> Response:
    return Response(200, _shown(call, sobject, record), rows=1)


def update(call: Call, name: str, record_id: str) -> Response:
    sobject = call.sobject(name)
    draft = read_json(sobject, call.request.json_object())
    if "Id" in draft.values:
        raise ApiError("INVALID_FIELD", "The Id field should not be specified in the sobject data.")
    record = record_of(call, sobject, record_id, written=True)
    draft.values["Id"] = record["Id"]
    result = _save(call, draft, Update())
    return refused(call, result) if isinstance(result, Refused) else Response(204, rows=1)


def remove(call: Call, name: str, record_id: str) -> Response:
    record = record_of(call, call.sobject(name), record_id, written=True)
    (result,) = delete(call.org, [record["Id"]], user_id=call.user_id)
    return refused(call, result) if isinstance(result, Refused) else Response(204, rows=1)


def record_of(call: Call, sobject: Sobject, record_id: str, *, written: bool = False) -> Record:
    """:param written: it is going to be changed, which an id of no record refuses in the words of a save.

    :raises ApiError: 404, there is no such record.
    """
    try:
        full = to_18(record_id)
    except ValueError:
        raise not_found(f"Provided external ID field does not exist or is not accessible: {record_id}") from None
    record = call.org.table(sobject.name).records.get(full)
    if record is None and written and full.startswith(sobject.key_prefix):
        raise ApiError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", status=404)
    if record is None:
        raise not_found()
    if record["IsDeleted"]:
        raise ApiError("ENTITY_IS_DELETED", "entity is deleted", status=404)
    return record


def _shown(call: Call, sobject: Sobject, record: Record) -> dict[str, Any]:
    wanted = [name for name in call.request.query.get("fields", "").split(",") if name.strip()]
    fields = [_field(sobject, name.strip()) for name in (*wanted, "Id")] if wanted else sobject.fields.values()
    return whole_record(call.root, sobject, record, fields)


def _field(sobject: Sobject, name: str) -> Field:
    found = sobject.find(name)
    if found is None:
        raise ApiError("INVALID_FIELD", f"No such column '{name}' on sobject of type {sobject.name}")
    return found


# --- one record by an external id -------------------------------------------------------------------------


def get_by_key(call: Call, name: str, field: str, value: str) -> Response:
    sobject, ids = _holders(call, name, field, value)
    if len(ids) > 1:
        return _several(call, sobject, ids)
    if not ids:
        raise not_found()
    return _answer_with(call, sobject, call.org.table(sobject.name).records[ids[0]])


def delete_by_key(call: Call, name: str, field: str, value: str) -> Response:
    sobject, ids = _holders(call, name, field, value)
    if len(ids) > 1:
        return _several(call, sobject, ids)
    if not ids:
        raise not_found()
    return remove(call, name, ids[0])


def upsert_by_key(call: Call, name: str, field: str, value: str) -> Response:
    """201 created, 200 updated (204 before v46), 300 with the records' URLs when several hold the key."""
    if field.lower() == "id":
        return update(call, name, value)
    draft, key = upsert_draft(call, name, field, value)
    if call.request.query.get("updateOnly", "").lower() == "true" and not _has_holder(call, key, draft):
        return _nothing_to_update(call)
    return answered(call, _save(call, draft, Upsert(key)), created_key=True)


def upsert_draft(call: Call, name: str, field: str, value: str) -> tuple[Draft, Field]:
    """What an upsert by a key in the URL writes, and the key's field."""
    sobject = call.sobject(name)
    key = key_field(sobject, field)
    draft = read_json(sobject, call.request.json_object())
    if key.name in draft.values:
        raise ApiError("INVALID_FIELD", f"The {key.name} field should not be specified in the sobject data.")
    draft.values[key.name] = _key_value(call, key, value)
    return draft, key


def create_without_key(call: Call, name: str) -> Response:
    """``POST /sobjects/X/Id``: a create in the form of an upsert (v37 and later)."""
    draft = read_json(call.sobject(name), call.request.json_object())
    return answered(call, _save(call, draft, Create()), created_key=True)


def key_field(sobject: Sobject, name: str) -> Field:
    """The field that an upsert goes by.

    :raises ApiError: 404, there is no such field or it is no key.
    """
    found = sobject.find(name)
    if found is None or not (found.upsert_key or found.kind == "id"):
        raise not_found(f"Provided external ID field does not exist or is not accessible: {name}")
    return found


def _key_value(call: Call, key: Field, value: str) -> Any:
    if call.org.quirks.format_suffix_in_url and value.lower().endswith((".json", ".xml")):
        value = value.rpartition(".")[0]
    try:
        return text_reader(key)(value)
    except ValueError:
        raise ApiError("INVALID_FIELD", f"{key.name}: '{value}' is no {key.kind}") from None
    except RowRefusal as refusal:
        raise ApiError(refusal.error.code, refusal.error.message, fields=refusal.error.fields) from None


def _holders(call: Call, name: str, field: str, value: str) -> tuple[Sobject, list[str]]:
    sobject = call.sobject(name)
    if field.lower() == "id":
        return sobject, [record_of(call, sobject, value)["Id"]]
    key = key_field(sobject, field)
    kept = _key_value(call, key, value)
    return sobject, call.org.table(sobject.name).holders(key, kept) if kept is not None else []


def _has_holder(call: Call, key: Field, draft: Draft) -> bool:
    value = draft.values[key.name]
    return value is not None and bool(call.org.table(draft.sobject.name).holders(key, value))


def _nothing_to_update(call: Call) -> Response:
    error = {"message": "The requested resource does not exist", "errorCode": "NOT_FOUND"}
    return Response(404, error if call.org.quirks.update_only_not_found == "object" else [error])


def _several(call: Call, sobject: Sobject, ids: list[str]) -> Response:
    return Response(300, [f"{call.root}/sobjects/{sobject.name}/{each}" for each in ids])


# --- answers ----------------------------------------------------------------------------------------------


def _save(call: Call, draft: Draft, verb: Verb) -> RowResult:
    (result,) = save(call.org, [draft], verb, save_options(call))
    return result


def answered(call: Call, result: RowResult, *, created_key: bool) -> Response:
    if isinstance(result, Refused):
        return refused(call, result)
    body = shapes.saved(result)
    if created_key and call.version >= _CREATED_SINCE:
        body["created"] = result.created
    if result.created:
        location = f"{call.root}/sobjects/{_name_of(call, result.record_id)}/{result.record_id}"
        return Response(201, body, {"Location": location}, rows=1)
    return Response(200, body, rows=1) if call.version >= _CREATED_SINCE else Response(204, rows=1)


def _name_of(call: Call, record_id: str) -> str:
    return call.org.schema.by_prefix[record_id[:3]].name


def refused(call: Call, result: Refused) -> Response:
    if result.holders:
        return _several(call, call.org.schema.by_prefix[result.holders[0][:3]], list(result.holders))
    status = shapes.STATUS.get(result.errors[0].code, 400)
    return Response(status, shapes.refusal(result, call.root, result_name=_result_name(call)), rows=1)


def _result_name(call: Call) -> str | None:
    quirks = call.org.quirks
    if call.inner and not quirks.composite_carries_duplicate_result:
        return None
    return "duplicateResut" if quirks.duplicate_result_spelling == "old" else "duplicateResult"
