"""The parts of a request that creates a job and brings its data."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import msgspec

from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.http import Request

_BOUNDARY = re.compile(r"boundary=(?:\"([^\"]+)\"|([^\s;,]+))", re.IGNORECASE)
_NAME = re.compile(r"\bname=(?:\"([^\"]*)\"|([^\s;]+))", re.IGNORECASE)
#: Between the headers of a part and what it carries.
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")


class Parts(NamedTuple):
    job: dict[str, Any]
    content: bytes


def read_parts(request: Request) -> Parts | None:
    """None for a request that is not multipart.

    :raises ApiError: one that has not the parts ``job`` and ``content``.
    """
    kind = request.headers.get("content-type", "")
    if not kind.lower().startswith("multipart/"):
        return None
    boundary = _BOUNDARY.search(kind)
    body = request.body if isinstance(request.body, bytes) else b""
    if boundary is None:
        raise _malformed("the boundary is missing")
    found = _split(body, (boundary[1] or boundary[2]).encode("latin-1", errors="replace"))
    if "job" not in found or "content" not in found:
        raise _malformed("it should have the parts job and content")
    try:
        job = msgspec.json.decode(found["job"])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        job = None
    if not isinstance(job, dict):
        raise ApiError("JSON_PARSER_ERROR", "The part job should be a JSON object at [line:1, column:1]")
    return Parts(job, found["content"])


def _malformed(why: str) -> ApiError:
    return ApiError("INVALID_MULTIPART_REQUEST", f"The multipart request is malformed: {why}")


def _split(body: bytes, boundary: bytes) -> dict[str, bytes]:
    """What each named part carries; the line break before a boundary belongs to the boundary."""
    pieces = re.split(rb"(?:\A|\r?\n)--" + re.escape(boundary) + rb"(?:--)?[ \t]*(?:\r?\n|\Z)", body)
    found: dict[str, bytes] = {}
    for piece in pieces[1:]:
        head, *rest = _BLANK_LINE.split(piece, maxsplit=1)
        name = _NAME.search(head.decode("latin-1"))
        if name is not None and rest:
            found[(name[1] or name[2] or "").lower()] = rest[0]
    return found
