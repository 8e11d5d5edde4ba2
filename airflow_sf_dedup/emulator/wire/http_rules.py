"""What does HTTP ask of a REST request: by which method, in which format, and is its body one that can be read?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.http import Request

_FORMAT = ".json"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
#: In this order Salesforce lists them in a 405.
_ORDER = ("HEAD", "GET", "POST", "PUT", "PATCH", "DELETE")
_JSON = frozenset({"application/json", "text/json"})


def method_of(method: str, query: Mapping[str, str]) -> str:
    """The method meant by ``POST …?_HttpMethod=PATCH``, from callers who cannot send any other."""
    meant = query.get("_HttpMethod", "").upper()
    return meant if method == "POST" and meant in _METHODS else method


def without_format(path: tuple[str, ...]) -> tuple[str, ...]:
    """A path whose last segment may end in ``.json``, without that ending.

    The value of a key in a URL is left as it is; a quirk says what becomes of its ending.
    """
    last = path[-1].lower() if path else ""
    if not last.endswith(_FORMAT) or (len(path) == _WITH_KEY and path[0].lower() == "sobjects"):
        return path
    return (*path[:-1], path[-1][: -len(_FORMAT)])


#: Segments of ``sobjects/Lead/External_Id__c/a.json``.
_WITH_KEY = 4


def check_media_type(request: Request) -> None:
    """:raises ApiError: 415, the body is no JSON."""
    if not isinstance(request.body, bytes) or not request.body or request.method in ("GET", "HEAD"):
        return
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given and given not in _JSON:
        message = f"MediaType of '{given}' is not supported by this resource"
        raise ApiError("UNSUPPORTED_MEDIA_TYPE", message, status=415)


def method_not_allowed(method: str, allowed: Any) -> ApiError:
    every = set(allowed) | ({"HEAD"} if "GET" in allowed else set())
    listed = ",".join(each for each in _ORDER if each in every)
    message = f"HTTP Method '{method}' not allowed. Allowed are {listed}"
    return ApiError("METHOD_NOT_ALLOWED", message, status=405, headers={"Allow": listed})


def header_options(header: str) -> dict[str, str]:
    """``allowSave=true; includeRecordDetails=false`` as lower-case names and values."""
    pairs = (part.partition("=") for part in header.replace(",", ";").split(";"))
    return {name.strip().lower(): value.strip().lower() for name, _, value in pairs if name.strip()}
