"""What does the body of a composite request ask for?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.http import read_url

_MOST_SUBREQUESTS = 25
_MOST_COLLECTIONS = 5
_INHERITED = ("accept", "authorization", "content-type")
_METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE")


@dataclass(frozen=True, slots=True)
class Subrequest:
    method: str
    url: str
    reference_id: str
    headers: Mapping[str, str]
    body: Any

    @property
    def counts_as_collection(self) -> bool:
        path, _ = read_url(self.url)
        tail = [segment.lower() for segment in path[3:]]
        return tail[:1] in (["query"], ["queryall"]) or tail[:2] == ["composite", "sobjects"]


def read_subrequests(found: Any) -> list[Subrequest]:
    """:raises ApiError: too many, or one that is ill-formed; the whole request is refused."""
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise ApiError("JSON_PARSER_ERROR", "compositeRequest should be a list of subrequests")
    if not found:
        raise ApiError("INVALID_INPUT", "The compositeRequest list cannot be empty")
    if len(found) > _MOST_SUBREQUESTS:
        message = f"Cannot process more than {_MOST_SUBREQUESTS} operations in a composite request."
        raise ApiError("LIMIT_EXCEEDED", message)
    subrequests = [_read_subrequest(each) for each in found]
    if sum(each.counts_as_collection for each in subrequests) > _MOST_COLLECTIONS:
        message = f"Cannot process more than {_MOST_COLLECTIONS} query or collection operations in a request."
        raise ApiError("LIMIT_EXCEEDED", message)
    _check_reference_ids([each.reference_id for each in subrequests])
    return subrequests


def _read_subrequest(found: dict[str, Any]) -> Subrequest:
    method, url, reference_id = (found.get(name) for name in ("method", "url", "referenceId"))
    if not isinstance(method, str) or method.upper() not in _METHODS:
        raise ApiError("INVALID_INPUT", f"Invalid HTTP method: {method}")
    if not isinstance(url, str) or not re.match(r"/services/data/v\d{2}\.\d/", url):
        raise ApiError("INVALID_INPUT", f"Url must start with /services/data/vXX.X/: {url}")
    if not isinstance(reference_id, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_]*", reference_id):
        raise ApiError(
            "INVALID_INPUT",
            f"Provided referenceId ('{reference_id}') must start with a letter or a "
            "number, and it can contain only letters, numbers and underscores ('_').",
        )
    return Subrequest(method.upper(), url, reference_id, _read_headers(found.get("httpHeaders")), found.get("body"))


def _read_headers(found: Any) -> dict[str, str]:
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise ApiError("JSON_PARSER_ERROR", "httpHeaders should map names to texts")
    for name in found:
        if name.lower() in _INHERITED:
            raise ApiError("INVALID_INPUT", f"The header {name} is not allowed in a subrequest")
    return {name.lower(): value for name, value in found.items()}


def _check_reference_ids(reference_ids: list[str]) -> None:
    seen: set[str] = set()
    for reference_id in reference_ids:
        if reference_id in seen:
            raise ApiError("INVALID_INPUT", f"The reference id '{reference_id}' is used more than once")
        seen.add(reference_id)
