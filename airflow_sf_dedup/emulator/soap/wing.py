"""The SOAP API with its WSDL: ``/services/Soap/u/<version>`` for the Partner WSDL, ``c`` for the Enterprise WSDL."""

from __future__ import annotations

import re

from airflow_sf_dedup.emulator.call_names import Identity
from airflow_sf_dedup.emulator.errors import OF_HTTP, ApiError, not_found
from airflow_sf_dedup.emulator.http import Request, Response
from airflow_sf_dedup.emulator.soap import api
from airflow_sf_dedup.emulator.soap.partner_wsdl import partner_wsdl
from airflow_sf_dedup.emulator.soap.shapes import ENTERPRISE, PARTNER, client_fault, fault
from airflow_sf_dedup.emulator.state.org import Org
from airflow_sf_dedup.emulator.wire.http_rules import method_not_allowed
from airflow_sf_dedup.emulator.wire.soap_calls import CONTENT_TYPE, identity_of, version_of
from airflow_sf_dedup.emulator.wire.wing import Door, Wing

_NO_SUCH_DOOR = "Destination URL not reset. The URL returned from login must be set in the SforceService"
_NAMESPACES = {"u": PARTNER, "c": ENTERPRISE}
_WSDL_VERSION = "60.0"


def _answer(org: Org, request: Request, url: str) -> Response:
    namespace = _namespace(request)
    if request.method != "POST":
        raise method_not_allowed(request.method, ("POST",))
    if namespace is None:
        raise ApiError("UNKNOWN_EXCEPTION", _NO_SUCH_DOOR, status=500)
    version = float(version_of(request))
    return api.answer(org, request.body, namespace=namespace, version=version, url=url)


def _namespace(request: Request) -> str | None:
    return _NAMESPACES.get("".join(request.path[2:3]).lower())


def _identify(request: Request) -> Identity:
    return identity_of(request, "SOAP")


def _refuse(request: Request, error: ApiError) -> Response:
    namespace = _namespace(request) or PARTNER
    if error.code in OF_HTTP:
        body = client_fault(namespace, error.message)
    else:
        body = fault(namespace, error.code, error.message)
    return Response(error.status, body, error.headers, CONTENT_TYPE)


def _wsdl(org: Org, request: Request, url: str) -> Response:
    """An org hands it out to who is logged in, the emulator to anybody; ``?ver=`` names another version."""
    if request.query.get("type", "") not in ("", "partner"):
        raise not_found()
    version = request.query.get("ver", _WSDL_VERSION)
    if not re.fullmatch(r"\d{1,3}\.\d", version):
        raise not_found()
    return Response(200, partner_wsdl(url, version, org.org_id), content_type=CONTENT_TYPE)


SOAP = Wing(
    doors=(
        Door(("services", "soap"), _answer, _identify, _refuse),
        Door(("soap", "wsdl.jsp"), _wsdl, last=True),
        Door(("services", "wsdl", "partner"), _wsdl, last=True),
    ),
)
