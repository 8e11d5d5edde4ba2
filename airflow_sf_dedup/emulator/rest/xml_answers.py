"""A JSON answer as the XML that Salesforce gives to who asks for that.

Lists repeat their element, a record carries its type and URL as attributes of its element.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from airflow_sf_dedup.emulator.http import Request, Response
from airflow_sf_dedup.emulator.rest.http_rules import wants_xml

_CONTENT_TYPE = "application/xml;charset=UTF-8"
_JSON = "application/json"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_NAME = re.compile(r"[A-Za-z_][\w.-]*\Z")
#: What XML cannot carry at all.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ROOTS = {
    "": ("Resources", "Resource"),
    "query": ("QueryResult", "records"),
    "queryall": ("QueryResult", "records"),
    "limits": ("LimitsSnapshot", "Limit"),
    "recent": ("RecentItems", "RecentItem"),
    "tabs": ("Tabs", "Tab"),
    "theme": ("Theme", "themeItem"),
}


def in_wanted_format(request: Request, answer: Response) -> Response:
    """The answer as it is, or as XML where the request asks for that."""
    if answer.body is None or isinstance(answer.body, bytes) or not answer.content_type.startswith(_JSON):
        return answer
    if not wants_xml(request):
        return answer
    root, item = _names(request, answer)
    text = f'<?xml version="1.0" encoding="UTF-8"?>{_document(root, item, answer.body)}'
    return Response(answer.status, text.encode(), answer.headers, _CONTENT_TYPE, answer.rows)


def _names(request: Request, answer: Response) -> tuple[str, str]:
    """The element of the document, and that of an entry where the answer is a list."""
    if answer.status >= 400:
        return "Errors", "Error"
    if len(request.path) < 3:
        return "Versions", "Version"
    tail = [segment.lower() for segment in request.path[3:]]
    first = re.sub(r"\.(xml|json)\Z", "", tail[0]) if tail else ""
    if first in _ROOTS:
        return _ROOTS[first]
    if isinstance(answer.body, Mapping) and "attributes" in answer.body:
        return str(answer.body["attributes"].get("type", "sObject")), "Result"
    if isinstance(answer.body, Mapping) and "success" in answer.body:
        return "Result", "Result"
    if len(tail) > 1 and tail[0] == "sobjects":
        return request.path[4].partition(".")[0], "Result"
    return ("DescribeGlobal" if tail[:1] == ["sobjects"] else "Results"), "Result"


def _document(root: str, item: str, body: Any) -> str:
    inner = "".join(_element(item, each) for each in body) if isinstance(body, list) else None
    name = root if _NAME.match(root) else "Result"
    if inner is not None:
        return f'<{name} xmlns:xsi="{_XSI}">{inner}</{name}>'
    return _element(name, body, f' xmlns:xsi="{_XSI}"')


def _element(name: str, value: Any, attributes: str = "") -> str:
    if not _NAME.match(name):
        return _element("entry", value, f" key={quoteattr(_clean(name))}")
    if isinstance(value, list):
        return "".join(_element(name, each) for each in value)
    if value is None:
        return f'<{name}{attributes} xsi:nil="true"/>'
    if isinstance(value, Mapping):
        return _structure(name, value, attributes)
    return f"<{name}{attributes}>{escape(_text(value))}</{name}>"


def _structure(name: str, value: Mapping[str, Any], attributes: str) -> str:
    marks = value.get("attributes")
    if isinstance(marks, Mapping):
        attributes += "".join(f" {key}={quoteattr(_clean(str(each)))}" for key, each in marks.items())
    rest = {key: each for key, each in value.items() if not (key == "attributes" and isinstance(each, Mapping))}
    inner = "".join(_element(key, each) for key, each in rest.items())
    return f"<{name}{attributes}>{inner}</{name}>"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _clean(str(value))


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("", text)
