"""sObject Collections: up to 200 records in one call, each with its own result, in order."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.http import Call, Response
from airflow_sf_dedup.emulator.records.drafts import Draft, read_json
from airflow_sf_dedup.emulator.records.schema import Field, Sobject
from airflow_sf_dedup.emulator.records.values import malformed
from airflow_sf_dedup.emulator.rest import shapes
from airflow_sf_dedup.emulator.rest.headers import save_options
from airflow_sf_dedup.emulator.rest.records import key_field
from airflow_sf_dedup.emulator.results import ROLLED_BACK, Refused, RowResult
from airflow_sf_dedup.emulator.saving.deleting import delete
from airflow_sf_dedup.emulator.saving.saving import SaveOptions, save
from airflow_sf_dedup.emulator.saving.targets import Create, Update, Upsert, Verb
from airflow_sf_dedup.emulator.state.two_steps import all_or_none
from airflow_sf_dedup.emulator.wire.json_shapes import whole_record

_MOST_RECORDS = 200
_MOST_CHUNKS = 10
_MOST_RETRIEVED = 2000


def create(call: Call) -> Response:
    return _save_all(call, Create())


def update(call: Call) -> Response:
    return _save_all(call, Update())


def upsert(call: Call, name: str, field: str) -> Response:
    sobject = call.sobject(name)
    key = key_field(sobject, field)
    drafts, options = _read(call)
    for draft in drafts:
        if draft.sobject is not sobject:
            message = f"Record type {draft.sobject.name} does not match the type {sobject.name} of the request"
            raise ApiError("INVALID_INPUT", message)
    results = save(call.org, drafts, Upsert(key), options)
    return _answer(call, results, upsert=True, rolled_back=options.all_or_none)


def remove(call: Call) -> Response:
    ids = [each for each in call.request.query.get("ids", "").split(",") if each.strip()]
    if not ids:
        raise ApiError("MISSING_ARGUMENT", "The ids parameter is required")
    _check_count(len(ids))
    together = call.request.query.get("allOrNone", "").lower() == "true"
    results = delete(call.org, ids, user_id=call.user_id, all_or_none=together)
    return _answer(call, results, upsert=False)


def retrieve_by_body(call: Call, name: str) -> Response:
    body = call.request.json_object()
    ids, fields = body.get("ids"), body.get("fields")
    if not _all_text(ids) or not _all_text(fields):
        raise ApiError("JSON_PARSER_ERROR", "ids and fields should be lists of texts")
    return _retrieve(call, call.sobject(name), ids or [], fields or [])


def retrieve_by_query(call: Call, name: str) -> Response:
    ids, fields = (call.request.query.get(each, "") for each in ("ids", "fields"))
    return _retrieve(call, call.sobject(name), _split(ids), _split(fields))


def _split(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]


def _all_text(found: Any) -> bool:
    return isinstance(found, list) and all(isinstance(each, str) for each in found)


def _retrieve(call: Call, sobject: Sobject, ids: list[str], names: list[str]) -> Response:
    """A record, or null where there is none or it is deleted, for every id in order."""
    if len(ids) > _MOST_RETRIEVED:
        raise ApiError("EXCEEDED_ID_LIMIT", f"record limit reached. cannot submit more than {_MOST_RETRIEVED} ids")
    fields = [_field(sobject, name) for name in dict.fromkeys((*names, "Id"))]
    table = call.org.table(sobject.name)
    with call.org.lock:
        records = [table.live(_full_id(each)) for each in ids]
    body = [whole_record(call.root, sobject, each, fields) if each else None for each in records]
    return Response(200, body, rows=len(ids))


def _field(sobject: Sobject, name: str) -> Field:
    found = sobject.find(name)
    if found is None:
        raise ApiError("INVALID_FIELD", f"No such column '{name}' on sobject of type {sobject.name}")
    return found


def _full_id(record_id: str) -> str:
    try:
        return to_18(record_id)
    except ValueError:
        raise ApiError("MALFORMED_ID", f"malformed id {record_id}") from None


def _save_all(call: Call, verb: Verb) -> Response:
    drafts, options = _read(call)
    chunks = [list(chunk) for _, chunk in groupby(drafts, key=lambda draft: draft.sobject.name)]
    if len(chunks) > _MOST_CHUNKS:
        message = f"The request has {len(chunks)} chunks of records of one type; at most {_MOST_CHUNKS} are allowed"
        raise ApiError("INVALID_INPUT", message)
    results = _save_chunks(call, chunks, verb, options)
    return _answer(call, results, upsert=False)


def _save_chunks(call: Call, chunks: list[list[Draft]], verb: Verb, options: SaveOptions) -> list[RowResult]:
    def save_all() -> list[RowResult]:
        return [result for chunk in chunks for result in save(call.org, chunk, verb, options)]

    if len(chunks) == 1 or not options.all_or_none:
        return save_all()
    results = all_or_none(call.org, save_all, _any_refused, code=ROLLED_BACK.code)
    return [_rolled_back(result) for result in results] if _any_refused(results) else results


def _any_refused(results: list[RowResult]) -> bool:
    return any(isinstance(result, Refused) for result in results)


def _rolled_back(result: RowResult) -> RowResult:
    return result if isinstance(result, Refused) else Refused((ROLLED_BACK,), result.record_id)


def _read(call: Call) -> tuple[list[Draft], SaveOptions]:
    """The drafts of the body's ``records``.

    :raises ApiError: the body has not the shape of a collection, which refuses the whole request.
    """
    body = call.request.json_object()
    records = body.get("records")
    if not isinstance(records, list):
        raise ApiError("JSON_PARSER_ERROR", "The records property should be a list of records")
    _check_count(len(records))
    together = body.get("allOrNone") or False
    if not isinstance(together, bool):
        raise malformed("boolean", together)
    return list(_drafts(call, records)), save_options(call, all_or_none=together, collection=True)


def _drafts(call: Call, records: list[Any]) -> Iterator[Draft]:
    for record in records:
        if not isinstance(record, dict):
            raise malformed("sobject", record)
        kind = record.get("attributes")
        name = kind.get("type") if isinstance(kind, dict) else None
        if not isinstance(name, str):
            message = "Missing 'attributes' with the record's type, or request may be missing a required field"
            raise ApiError("INVALID_INPUT", message)
        yield read_json(call.org.sobject(name), record)


def _check_count(count: int) -> None:
    if count > _MOST_RECORDS:
        message = f"record limit reached. cannot submit more than {_MOST_RECORDS} records into this call"
        raise ApiError("EXCEEDED_ID_LIMIT", message)


def _answer(call: Call, results: list[RowResult], *, upsert: bool, rolled_back: bool = False) -> Response:
    say_created = upsert and rolled_back and call.org.quirks.refused_rows_say_created
    rows = [shapes.collection_row(each, upsert=upsert, failed_says_created=say_created) for each in results]
    return Response(200, rows, rows=len(rows))
