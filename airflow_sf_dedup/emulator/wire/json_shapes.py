"""How JSON shows a record, and that a request is refused. Shapes only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.http import Response
from airflow_sf_dedup.emulator.records.addresses import value_of
from airflow_sf_dedup.emulator.records.schema import Field, Sobject
from airflow_sf_dedup.emulator.records.showing import shown
from airflow_sf_dedup.emulator.records.store import Record


def attributes(root: str, sobject: str, record_id: str | None) -> dict[str, str]:
    found = {"type": sobject}
    if record_id:
        found["url"] = f"{root}/sobjects/{sobject}/{record_id}"
    return found


def whole_record(root: str, sobject: Sobject, record: Record, fields: Iterable[Field]) -> dict[str, Any]:
    found: dict[str, Any] = {"attributes": attributes(root, sobject.name, record["Id"])}
    for field in fields:
        found[field.name] = shown(field, value_of(field, record))
    return found


def refused(error: ApiError) -> Response:
    """A request that is refused as a whole."""
    found: dict[str, Any] = {"message": error.message, "errorCode": error.code}
    if error.fields:
        found["fields"] = list(error.fields)
    return Response(error.status, [found], error.headers)
