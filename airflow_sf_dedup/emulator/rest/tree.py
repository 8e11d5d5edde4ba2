"""``/composite/tree/X``: records with their children, created together or not at all.

A level of the tree is saved before the level below it, which refers to its ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.http import Call, Response
from airflow_sf_dedup.emulator.records.child_relationships import child_relationship
from airflow_sf_dedup.emulator.records.drafts import Draft, read_json
from airflow_sf_dedup.emulator.records.schema import Field, Sobject
from airflow_sf_dedup.emulator.rest.headers import save_options
from airflow_sf_dedup.emulator.results import ROLLED_BACK, Refused, RowResult
from airflow_sf_dedup.emulator.saving.saving import save
from airflow_sf_dedup.emulator.saving.targets import Create
from airflow_sf_dedup.emulator.state.two_steps import all_or_none

_MOST_RECORDS, _MOST_LEVELS, _MOST_SOBJECTS = 200, 5, 5


@dataclass(slots=True)
class Node:
    reference_id: str
    draft: Draft
    level: int
    parent: Node | None = None
    #: The child's field that refers to the parent.
    reference: Field | None = None
    result: RowResult | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a record stands in the tree."""

    sobject: Sobject
    level: int = 1
    parent: Node | None = None
    reference: Field | None = None


def create(call: Call, name: str) -> Response:
    sobject = call.org.sobject(name)
    nodes = list(_read(call, call.request.json_object(), _Place(sobject)))
    _check(nodes)
    failed = all_or_none(call.org, lambda: _save(call, nodes), bool, code=ROLLED_BACK.code)
    if failed:
        results = [{"referenceId": each.reference_id, "errors": _errors(each.result)} for each in failed]
        return Response(400, {"hasErrors": True, "results": results}, rows=len(nodes))
    rows = [{"referenceId": each.reference_id, "id": _id(each)} for each in nodes]
    return Response(201, {"hasErrors": False, "results": rows}, rows=len(nodes))


def _read(call: Call, body: Any, place: _Place) -> Iterator[Node]:
    records = body.get("records") if isinstance(body, dict) else None
    if not isinstance(records, list) or not all(isinstance(each, dict) for each in records):
        raise ApiError("JSON_PARSER_ERROR", "records should be a list of records")
    if place.level > _MOST_LEVELS:
        raise ApiError("INVALID_INPUT", f"A tree may be at most {_MOST_LEVELS} levels deep")
    for record in records:
        yield from _read_record(call, record, place)


def _read_record(call: Call, record: dict[str, Any], place: _Place) -> Iterator[Node]:
    attributes = record.get("attributes")
    reference_id, kind = (attributes.get(each) if isinstance(attributes, dict) else None for each in _ATTRIBUTES)
    if not isinstance(reference_id, str) or not reference_id:
        raise ApiError("INVALID_INPUT", "Include a reference ID for each record in the request.")
    if not isinstance(kind, str) or call.org.sobject(kind) is not place.sobject:
        raise ApiError("INVALID_INPUT", f"The record {reference_id} should be of the type {place.sobject.name}")
    below = {name: each for name, each in record.items() if _is_below(call, place.sobject, name, each)}
    plain = {name: each for name, each in record.items() if name not in below}
    node = Node(reference_id, read_json(place.sobject, plain), place.level, place.parent, place.reference)
    yield node
    for name, each in below.items():
        found = child_relationship(call.org.schema, place.sobject, name)
        if found is not None:
            yield from _read(call, each, _Place(found.sobject, place.level + 1, node, found.field))


_ATTRIBUTES = ("referenceId", "type")


def _is_below(call: Call, sobject: Sobject, name: str, value: Any) -> bool:
    is_children = isinstance(value, dict) and "records" in value
    return is_children and child_relationship(call.org.schema, sobject, name) is not None


def _check(nodes: list[Node]) -> None:
    if not nodes:
        raise ApiError("INVALID_INPUT", "The request has no records")
    if len(nodes) > _MOST_RECORDS:
        message = f"The request has {len(nodes)} records; at most {_MOST_RECORDS} are allowed"
        raise ApiError("EXCEEDED_ID_LIMIT", message)
    if len({each.draft.sobject.name for each in nodes}) > _MOST_SOBJECTS:
        raise ApiError("INVALID_INPUT", f"A tree may have records of at most {_MOST_SOBJECTS} types")
    seen: set[str] = set()
    for each in nodes:
        if each.reference_id in seen:
            raise ApiError("INVALID_INPUT", f"Duplicate ReferenceId provided in the request: {each.reference_id}")
        seen.add(each.reference_id)


def _save(call: Call, nodes: list[Node]) -> list[Node]:
    """The nodes that were refused: those of the first level that has any."""
    for level in sorted({each.level for each in nodes}):
        together = [each for each in nodes if each.level == level]
        for _, group in groupby(sorted(together, key=_sobject_name), key=_sobject_name):
            _save_group(call, list(group))
        failed = [each for each in together if isinstance(each.result, Refused)]
        if failed:
            return failed
    return []


def _sobject_name(node: Node) -> str:
    return node.draft.sobject.name


def _save_group(call: Call, group: list[Node]) -> None:
    for each in group:
        if each.parent is not None and each.reference is not None:
            each.draft.values[each.reference.name] = _id(each.parent)
    drafts = [each.draft for each in group]
    options = save_options(call, collection=True)
    for each, result in zip(group, save(call.org, drafts, Create(), options), strict=True):
        each.result = result


def _id(node: Node) -> str | None:
    return node.result.record_id if node.result is not None else None


def _errors(result: RowResult | None) -> list[dict[str, Any]]:
    errors = result.errors if isinstance(result, Refused) else ()
    return [{"statusCode": each.code, "message": each.message, "fields": list(each.fields)} for each in errors]
