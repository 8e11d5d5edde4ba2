"""``/sobjects/X/updated`` and ``/deleted``: which records changed between two moments?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from airflow_sf_dedup.emulator.errors import ApiError, not_found
from airflow_sf_dedup.emulator.http import Call, Response
from airflow_sf_dedup.emulator.store import Record
from airflow_sf_dedup.emulator.values import format_datetime

#: So far back Salesforce looks.
_KEPT = timedelta(days=30)
_MINUTE = timedelta(minutes=1)
_FIRST_RECORD = "2020-01-01T00:00:00.000+0000"


def updated(call: Call, name: str) -> Response:
    found = [each["Id"] for each in _between(call, name) if not each["IsDeleted"]]
    return Response(200, {"ids": found, "latestDateCovered": _latest(call)}, rows=len(found))


def deleted(call: Call, name: str) -> Response:
    found = [
        {"deletedDate": each["SystemModstamp"], "id": each["Id"]} for each in _between(call, name) if each["IsDeleted"]
    ]
    body = {"deletedRecords": found, "earliestDateAvailable": _FIRST_RECORD, "latestDateCovered": _latest(call)}
    return Response(200, body, rows=len(found))


def _between(call: Call, name: str) -> Iterator[Record]:
    sobject = call.org.schema.find(name)
    if sobject is None:
        raise not_found()
    start, end = _date(call, "start"), _date(call, "end")
    if end - start < _MINUTE:
        message = "endDate must be at least one minute greater than startDate"
        raise ApiError("INVALID_REPLICATION_DATE", message)
    if start < call.org.clock() - _KEPT:
        raise ApiError("INVALID_REPLICATION_DATE", "startDate cannot be more than 30 days ago")
    with call.org.lock:
        records = list(call.org.table(sobject.name).all(deleted=True))
    return (each for each in records if start <= _changed(each) <= end)


def _changed(record: Record) -> datetime:
    return datetime.fromisoformat(record["SystemModstamp"]).replace(second=0, microsecond=0)


def _date(call: Call, name: str) -> datetime:
    """A moment; Salesforce ignores its seconds. A plus sign that was not encoded arrives as a space."""
    text = call.request.query.get(name, "").strip().replace(" ", "+")
    if not text:
        raise ApiError("MISSING_ARGUMENT", f"{name} is required")
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ApiError("INVALID_REPLICATION_DATE", f"Invalid date: {text}") from None
    try:
        aware = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except OverflowError:
        raise ApiError("INVALID_REPLICATION_DATE", f"Invalid date: {text}") from None
    return aware.replace(second=0, microsecond=0)


def _latest(call: Call) -> str:
    return format_datetime(min(_date(call, "end"), call.org.clock().replace(second=0, microsecond=0)))
