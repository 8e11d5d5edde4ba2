"""What does a SOAP call say, to which door does it come, and whose session does it use?

Names of namespaces are not insisted upon.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from airflow_sf_dedup.emulator.call_names import OTHER, Identity
from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.http import Request
from airflow_sf_dedup.emulator.state.org import Org
from airflow_sf_dedup.emulator.wire.http_rules import method_not_allowed
from airflow_sf_dedup.emulator.wire.versions import VERSIONS
from airflow_sf_dedup.emulator.xml_reading import local, parse, text_of

CONTENT_TYPE = "text/xml; charset=utf-8"
#: SOAP clients stay with the version they were made for.
_VERSIONS = range(7, VERSIONS.stop)
_DECLARED = re.compile(rb"<\?xml[^>]*encoding=[\"']([A-Za-z0-9._-]+)")


class SoapClientFault(Exception):
    """The envelope or a value in it cannot be read (``soapenv:Client``)."""


@dataclass(frozen=True, slots=True)
class SoapCall:
    operation: str
    body: Element
    headers: Mapping[str, Element]

    def texts(self, name: str) -> list[str]:
        """The texts of the body's children called ``name``."""
        return [text_of(each) for each in self.body if local(each) == name]

    def text(self, name: str) -> str | None:
        return next(iter(self.texts(name)), None)

    def header(self, name: str, option: str) -> str | None:
        """One option of a header: ``header("DuplicateRuleHeader", "allowSave")``."""
        header = self.headers.get(name)
        found = [each for each in header if local(each) == option] if header is not None else []
        return text_of(found[0]).strip() if found else None

    def flag(self, name: str, option: str) -> bool:
        return (self.header(name, option) or "").lower() in ("true", "1")


def check_names(element: Element, known: frozenset[str]) -> None:
    """:raises SoapClientFault: an element of another name is among the children."""
    for child in element:
        name = local(child)
        if name and name not in known:
            raise SoapClientFault(f"Element {child.tag} invalid at this location")


def read_envelope(body: bytes) -> SoapCall:
    """:raises SoapClientFault: it is no XML, or no envelope with one operation."""
    root = _parsed(body)
    if local(root) != "Envelope":
        raise SoapClientFault("no SOAPEnvelope")
    parts = {local(each): each for each in root}
    operation = next((each for each in parts.get("Body", ()) if local(each)), None)
    if operation is None:
        raise SoapClientFault("Missing SOAP operation")
    headers = {local(each): each for each in parts.get("Header", ())}
    return SoapCall(local(operation), operation, headers)


def _parsed(body: bytes) -> Element:
    declared = _DECLARED.match(body.lstrip())
    if declared and declared[1].lower() not in (b"utf-8", b"us-ascii", b"iso-8859-1"):
        raise SoapClientFault(f"encoding {declared[1].decode()} is not supported")
    try:
        return parse(body)
    except ValueError as error:
        raise SoapClientFault(f"The content of elements must consist of well-formed character data: {error}") from None


def version_of(request: Request) -> str:
    """The version in ``/services/Soap/u/<version>[/<org id>]``.

    :raises ApiError: the request is no POST, or there is no such version.
    """
    if request.method != "POST":
        raise method_not_allowed(request.method, ("POST",))
    version = request.path[3] if len(request.path) > 3 else ""
    if not re.fullmatch(r"\d{1,3}(?:\.\d)?", version) or int(float(version)) not in _VERSIONS:
        raise ApiError("UNSUPPORTED_API_VERSION", "Invalid Api version specified on URL", status=500)
    return version


def identity_of(request: Request, api: str) -> Identity:
    """:param api: under which its calls are counted: ``SOAP``."""
    try:
        call = read_envelope(request.body)
    except SoapClientFault:
        return Identity.of(OTHER, soap=True)
    return Identity.of(f"{api} {call.operation}", call.header("SessionHeader", "sessionId"), soap=True)


def caller(org: Org, call: SoapCall) -> str:
    """The user whose session a call names.

    :raises ApiError: INVALID_SESSION_ID.
    """
    user_id = org.sessions.user_id(call.header("SessionHeader", "sessionId") or "")
    if user_id is None:
        message = "Invalid Session ID found in SessionHeader: Illegal Session. Session not found, missing session key"
        raise ApiError("INVALID_SESSION_ID", message)
    return user_id
