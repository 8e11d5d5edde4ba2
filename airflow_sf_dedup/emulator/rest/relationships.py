"""``/sobjects/X/<id>/<relationship>``: from a record to its parent, or to its children."""

from __future__ import annotations

from dataclasses import replace

from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.emulator.errors import ApiError, not_found
from airflow_sf_dedup.emulator.http import Call, Response
from airflow_sf_dedup.emulator.records.child_relationships import ChildRelationship, child_relationship
from airflow_sf_dedup.emulator.records.store import Record
from airflow_sf_dedup.emulator.rest import queries
from airflow_sf_dedup.emulator.rest import records as rest
from airflow_sf_dedup.emulator.wire.http_rules import method_not_allowed


def get(call: Call, name: str, field: str, value: str) -> Response:
    """A record by a key, or what a record is related to: the first segment after the sobject tells."""
    record = _record(call, name, field)
    if record is None:
        return rest.get_by_key(call, name, field, value)
    children = _children(call, name, value)
    if children is not None:
        return _children_of(call, children, record)
    parent = _parent(call, name, record, value)
    return rest.get(call, *parent)


def update(call: Call, name: str, field: str, value: str) -> Response:
    record = _record(call, name, field)
    if record is None:
        return rest.upsert_by_key(call, name, field, value)
    if _children(call, name, value) is not None:
        raise method_not_allowed("PATCH", ("GET",))
    return rest.update(call, *_parent(call, name, record, value))


def remove(call: Call, name: str, field: str, value: str) -> Response:
    record = _record(call, name, field)
    if record is None:
        return rest.delete_by_key(call, name, field, value)
    if _children(call, name, value) is not None:
        raise method_not_allowed("DELETE", ("GET",))
    return rest.remove(call, *_parent(call, name, record, value))


def _record(call: Call, name: str, segment: str) -> Record | None:
    """The record that a segment is the id of; None where it is no id but the name of a field.

    :raises ApiError: an id of no record.
    """
    sobject = call.sobject(name)
    if sobject.find(segment) is not None:
        return None
    try:
        full = to_18(segment)
    except ValueError:
        return None
    if not full.startswith(sobject.key_prefix):
        raise not_found()
    return rest.record_of(call, sobject, full)


def _children(call: Call, name: str, relationship: str) -> ChildRelationship | None:
    return child_relationship(call.org.schema, call.sobject(name), relationship)


def _parent(call: Call, name: str, record: Record, relationship: str) -> tuple[str, str]:
    """Sobject and id of the parent.

    :raises ApiError: 404, there is no such relationship or it leads nowhere.
    """
    field = call.sobject(name).by_relationship.get(relationship.lower())
    parent_id = record.get(field.name) if field else None
    parent = call.org.schema.of_id(parent_id) if parent_id else None
    if parent is None:
        raise not_found()
    return parent.name, str(parent_id)


def _children_of(call: Call, children: ChildRelationship, record: Record) -> Response:
    names = [each.strip() for each in call.request.query.get("fields", "").split(",") if each.strip()]
    columns = names or list(children.sobject.fields)
    for name in names:
        if children.sobject.find(name) is None:
            raise ApiError("INVALID_FIELD", f"No such column '{name}' on sobject of type {children.sobject.name}")
    soql = f"SELECT {', '.join(columns)} FROM {children.sobject.name} WHERE {children.field.name} = '{record['Id']}'"
    return queries.query(replace(call, request=replace(call.request, query={"q": soql})))
