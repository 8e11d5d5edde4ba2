"""``If-Modified-Since`` and its kin: does the caller have this already, or has it changed under their hands?"""

from __future__ import annotations

import base64
import hashlib
import zlib
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

import msgspec

from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.http import Call, Response
from airflow_sf_dedup.emulator.records.store import Record


def described(call: Call, body: Any) -> Response:
    """A document that hardly ever changes, or 304 for who has it already."""
    tag = f'"{zlib.crc32(msgspec.json.encode(body)):08x}"'
    since = call.org.first_seen.setdefault(tag, call.org.clock().replace(microsecond=0))
    headers = {"ETag": tag, "Last-Modified": format_datetime(since, usegmt=True)}
    if _has(call, tag, since):
        return Response(304, None, headers)
    return Response(200, body, headers)


def marks(call: Call, record: Record) -> dict[str, str]:
    """The headers by which a caller can ask for the record again. Only accounts have an ETag."""
    modified = {"Last-Modified": format_datetime(_changed(record).astimezone(UTC), usegmt=True)}
    return {**modified, "ETag": _tag(record)} if _is_account(call, record) else modified


def _is_account(call: Call, record: Record) -> bool:
    return call.org.schema.by_prefix[record["Id"][:3]].name == "Account"


def _tag(record: Record) -> str:
    digest = hashlib.sha256(msgspec.json.encode(record)).digest()
    return f'"{base64.b64encode(digest).decode()}--gzip"'


def has_record(call: Call, record: Record) -> bool:
    """Whether a record is as it was at ``If-Modified-Since``, or is the one of ``If-None-Match``."""
    if _names(call, "if-none-match", record):
        return True
    wanted = _moment(call, "if-modified-since")
    return wanted is not None and _changed(record) <= wanted


def check_unmodified(call: Call, record: Record) -> None:
    """:raises ApiError: 412, the record was changed after ``If-Unmodified-Since`` or is none of ``If-Match``."""
    wanted = _moment(call, "if-unmodified-since")
    if (wanted is not None and _changed(record) > wanted) or _names(call, "if-match", record) is False:
        raise _modified()


def check_written(call: Call, record: Record) -> None:
    """:raises ApiError: 412, the record that is to be changed is not as the caller thinks."""
    check_unmodified(call, record)
    if _names(call, "if-none-match", record):
        raise _modified()


def _modified() -> ApiError:
    return ApiError("PRECONDITION_FAILED", "Precondition failed: the record was modified", status=412)


def _names(call: Call, header: str, record: Record) -> bool | None:
    """Whether a header names the record's ETag; None if it is not there or the record has none."""
    known = call.request.headers.get(header)
    if known is None or not _is_account(call, record):
        return None
    return known.strip() == "*" or _tag(record) in (each.strip() for each in known.split(","))


def _has(call: Call, tag: str, since: datetime) -> bool:
    known = call.request.headers.get("if-none-match")
    if known is not None:
        return known.strip() == "*" or tag in (each.strip().removeprefix("W/") for each in known.split(","))
    wanted = _moment(call, "if-modified-since")
    return wanted is not None and since <= wanted


def _changed(record: Record) -> datetime:
    return datetime.fromisoformat(record["LastModifiedDate"]).replace(microsecond=0)


def _moment(call: Call, header: str) -> datetime | None:
    """The date of a header; one that is none is as if it were not there."""
    try:
        found = parsedate_to_datetime(call.request.headers[header])
    except (KeyError, ValueError, TypeError, IndexError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
