"""What does HTTP ask of a REST request: by which method, in which format, and is its body one that can be read?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.http import Request

_FORMATS = (".json", ".xml")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
#: In this order Salesforce lists them in a 405.
_ORDER = ("HEAD", "GET", "POST", "PUT", "PATCH", "DELETE")
_JSON = frozenset({"application/json", "text/json"})
XML = frozenset({"application/xml", "text/xml"})


def method_of(method: str, query: Mapping[str, str]) -> str:
    """The method meant by ``POST …?_HttpMethod=PATCH``, from callers who cannot send any other."""
    meant = query.get("_HttpMethod", "").upper()
    return meant if method == "POST" and meant in _METHODS else method


def without_format(path: tuple[str, ...]) -> tuple[str, ...]:
    """A path whose last segment may end in ``.json`` or ``.xml``, without that ending.

    The value of a key in a URL is left as it is; a quirk says what becomes of its ending.
    """
    last = path[-1].lower() if path else ""
    if not last.endswith(_FORMATS) or (len(path) == _WITH_KEY and path[0].lower() == "sobjects"):
        return path
    return (*path[:-1], path[-1].rpartition(".")[0])


#: Segments of ``sobjects/Lead/External_Id__c/a.xml``.
_WITH_KEY = 4


def wants_xml(request: Request) -> bool:
    """Whether the answer has to be XML: by the ending of the URL, else by what the caller likes best.

    Who does not say gets back what they send.
    """
    last = request.path[-1].lower() if request.path else ""
    if without_format(request.path[3:]) != request.path[3:]:
        return last.endswith(".xml")
    accepted = _qualities(request.headers.get("accept", ""))
    anything = ("application/*", "*/*")
    json = max(accepted.get(each, 0.0) for each in ("application/json", *(() if sends_xml(request) else anything)))
    xml = max(accepted.get(each, 0.0) for each in (*XML, *(anything if sends_xml(request) else ())))
    return xml > json or (sends_xml(request) and not accepted)


def sends_xml(request: Request) -> bool:
    return bool(request.body) and isinstance(request.body, bytes) and _media_type(request) in XML


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _qualities(accept: str) -> dict[str, float]:
    found = {}
    for part in filter(str.strip, accept.split(",")):
        name, *parameters = (each.strip().lower() for each in part.split(";"))
        quality = next((each[2:] for each in parameters if each.startswith("q=")), "1")
        try:
            found[name] = float(quality)
        except ValueError:
            found[name] = 0.0
    return found


def check_media_type(request: Request, *, also: frozenset[str] = frozenset()) -> None:
    """:raises ApiError: 415, the body is in a format that the resource does not read.

    :param also: media types that this resource reads beside JSON.
    """
    if not isinstance(request.body, bytes) or not request.body or request.method in ("GET", "HEAD"):
        return
    given = _media_type(request)
    if given and given not in _JSON and given not in also:
        message = f"MediaType of '{given}' is not supported by this resource"
        raise ApiError("UNSUPPORTED_MEDIA_TYPE", message, status=415)


def method_not_allowed(method: str, allowed: Any) -> ApiError:
    every = set(allowed) | ({"HEAD"} if "GET" in allowed else set())
    listed = ",".join(each for each in _ORDER if each in every)
    message = f"HTTP Method '{method}' not allowed. Allowed are {listed}"
    return ApiError("METHOD_NOT_ALLOWED", message, status=405, headers={"Allow": listed})
