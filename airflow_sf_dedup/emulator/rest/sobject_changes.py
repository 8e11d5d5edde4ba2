"""``/sobjects/X/updated`` and ``/deleted``: which records changed between two moments?"""

from __future__ import annotations

from airflow_sf_dedup.emulator.errors import ApiError, not_found
from airflow_sf_dedup.emulator.http import Call, Response
from airflow_sf_dedup.emulator.query import replication
from airflow_sf_dedup.emulator.query.replication import Span
from airflow_sf_dedup.emulator.records.schema import Sobject


def updated(call: Call, name: str) -> Response:
    sobject, span = _asked(call, name)
    found = replication.updated(call.org, sobject, span)
    body = {"ids": found, "latestDateCovered": replication.latest_covered(call.org, span)}
    return Response(200, body, rows=len(found))


def deleted(call: Call, name: str) -> Response:
    sobject, span = _asked(call, name)
    found = replication.deleted(call.org, sobject, span)
    body = {
        "deletedRecords": [{"deletedDate": each.at, "id": each.record_id} for each in found],
        "earliestDateAvailable": replication.earliest_available(call.org),
        "latestDateCovered": replication.latest_covered(call.org, span),
    }
    return Response(200, body, rows=len(found))


def _asked(call: Call, name: str) -> tuple[Sobject, Span]:
    sobject = call.org.schema.find(name)
    if sobject is None:
        raise not_found()
    return sobject, replication.read_span(call.org, _moment(call, "start"), _moment(call, "end"))


def _moment(call: Call, name: str) -> str:
    """A plus sign that was not encoded arrives as a space."""
    text = call.request.query.get(name, "").strip().replace(" ", "+")
    if not text:
        raise ApiError("MISSING_ARGUMENT", f"{name} is required")
    return text
