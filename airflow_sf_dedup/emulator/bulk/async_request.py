"""A request of the first Bulk API, and what its body says. XML and JSON say the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element, ParseError

import msgspec
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.http import Request
from airflow_sf_dedup.emulator.state.org import Org

NAMESPACE = "http://www.force.com/2009/06/asyncapi/dataload"


@dataclass(frozen=True, slots=True)
class AsyncCall:
    """One authenticated request."""

    org: Org
    request: Request
    version: float
    user_id: str

    @property
    def format(self) -> str:
        """In which form the caller wants to hear of jobs: ``JSON`` or ``XML``."""
        return said_format(self.request.headers) or "XML"

    @property
    def body(self) -> bytes:
        return self.request.body if isinstance(self.request.body, bytes) else b""

    def job_info(self) -> dict[str, Any]:
        """What the body says of a job, by the names of its properties.

        :raises ApiError: InvalidJob, it is no job.
        """
        return _from_json(self.body) if self.format == "JSON" else _from_xml(self.body)


def said_format(headers: Mapping[str, str]) -> str | None:
    """``JSON``, ``XML`` or ``CSV``, as the Content-Type says, or where there is none what is accepted."""
    for header in ("content-type", "accept"):
        kind = headers.get(header, "").lower()
        for name in ("json", "xml", "csv"):
            if name in kind:
                return name.upper() if name != "csv" else "XML"
    return None


def content_type(headers: Mapping[str, str]) -> str | None:
    """What a batch is made of, as its Content-Type says."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return {
        "text/csv": "CSV",
        "application/json": "JSON",
        "application/xml": "XML",
        "text/xml": "XML",
    }.get(kind)


def _from_json(body: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ApiError("InvalidJob", "Unable to parse Job")
    return found


def _from_xml(body: bytes) -> dict[str, Any]:
    root = parsed(body)
    if root is None or local(root) != "jobInfo":
        raise ApiError("InvalidJob", "Unable to parse Job")
    return {local(each): (each.text or "").strip() for each in root}


def parsed(body: bytes) -> Element | None:
    try:
        root: Element = fromstring(body.strip())
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        return None
    return root


def local(element: Element) -> str:
    tag: Any = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""
