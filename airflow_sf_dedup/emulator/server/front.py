"""Every request enters here: is it for REST, SOAP, OAuth or the emulator itself, and who sends it?"""

from __future__ import annotations

import re
from collections.abc import Mapping

from airflow_sf_dedup.emulator.bulk import async_door
from airflow_sf_dedup.emulator.errors import ApiError, not_found
from airflow_sf_dedup.emulator.http import Request, Response
from airflow_sf_dedup.emulator.metadata import api as metadata_api
from airflow_sf_dedup.emulator.oauth import endpoints as oauth
from airflow_sf_dedup.emulator.oauth.identity import identity, openid_configuration
from airflow_sf_dedup.emulator.rest.http_rules import method_not_allowed, without_format
from airflow_sf_dedup.emulator.rest.org_resources import VERSIONS, versions
from airflow_sf_dedup.emulator.server import control, routes
from airflow_sf_dedup.emulator.server.refusing import refusal_at
from airflow_sf_dedup.emulator.server.visitors import refuse_strangers
from airflow_sf_dedup.emulator.soap import api as soap
from airflow_sf_dedup.emulator.soap.partner_wsdl import partner_wsdl
from airflow_sf_dedup.emulator.soap.shapes import ENTERPRISE, PARTNER
from airflow_sf_dedup.emulator.state.org import Org

_NO_SUCH_DOOR = "Destination URL not reset. The URL returned from login must be set in the SforceService"
#: SOAP clients stay with the version they were made for.
_SOAP_VERSIONS = range(7, VERSIONS.stop)
_NAMESPACES = {"u": PARTNER, "c": ENTERPRISE}
#: Where an org hands out its Partner WSDL to who is logged in; the emulator to anybody.
_WSDL = frozenset({("soap", "wsdl.jsp"), ("services", "wsdl", "partner")})
_WSDL_VERSION = "60.0"


def answer(org: Org, request: Request, url: str) -> Response:
    """The answer to any request.

    :param url: where the emulator is reached, without a trailing slash.
    """
    try:
        return _answer(org, request, url)
    except ApiError as error:
        return refusal_at(request)(error)


def _answer(org: Org, request: Request, url: str) -> Response:
    org.catch_up()
    lower = tuple(segment.lower() for segment in request.path[:3])
    if control.asks_emulator(request):
        refuse_strangers(request.headers)
        return control.answer(org, request)
    if lower[:2] == ("services", "oauth2"):
        return oauth.answer(org, request, url)
    if lower[:2] == ("services", "soap"):
        return _soap(org, request, url)
    if lower in _WSDL:
        return _wsdl(org, request, url)
    if lower[:2] == ("services", "async"):
        return async_door.answer(org, request)
    if lower[:2] == ("services", "data"):
        return _data(org, request, url)
    if lower[:2] == ("services", "apexrest"):
        authenticated(org, request.headers)
        raise not_found("Could not find a match for URL")
    if lower[:1] == ("id",):
        return identity(org, request, url)
    if lower == (".well-known", "openid-configuration"):
        return openid_configuration(url)
    raise not_found()


def _data(org: Org, request: Request, url: str) -> Response:
    if [each.lower() for each in without_format(request.path)] == ["services", "data"]:
        if request.method not in ("GET", "HEAD"):
            raise method_not_allowed(request.method, ("GET",))
        return Response(200, versions())
    try:
        user_id = authenticated(org, request.headers)
    except ApiError as error:
        return refusal_at(request)(error)
    return _with_limits(org, routes.answer(org, request, user_id, url=url))


def authenticated(org: Org, headers: Mapping[str, str]) -> str:
    """The user id behind the request's access token.

    :raises ApiError: 401 INVALID_SESSION_ID.
    """
    scheme, _, token = headers.get("authorization", "").partition(" ")
    user_id = org.sessions.user_id(token.strip()) if scheme.lower() in ("bearer", "oauth") else None
    if user_id is None:
        headers = {"WWW-Authenticate": "Token"}
        raise ApiError("INVALID_SESSION_ID", "Session expired or invalid", status=401, headers=headers)
    return user_id


def _soap(org: Org, request: Request, url: str) -> Response:
    """``/services/Soap/u/<version>[/<org id>]``; c is the Enterprise namespace."""
    door, version = (*request.path[2:4], "", "")[:2]
    namespace = _NAMESPACES.get(door.lower())
    if request.method != "POST":
        raise method_not_allowed(request.method, ("POST",))
    if namespace is None and door.lower() != "m":
        raise ApiError("UNKNOWN_EXCEPTION", _NO_SUCH_DOOR, status=500)
    if not re.fullmatch(r"\d{1,3}(?:\.\d)?", version) or int(float(version)) not in _SOAP_VERSIONS:
        raise ApiError("UNSUPPORTED_API_VERSION", "Invalid Api version specified on URL", status=500)
    if namespace is None:
        return metadata_api.answer(org, request.body, version=version)
    return soap.answer(org, request.body, namespace=namespace, version=float(version), url=url)


def _wsdl(org: Org, request: Request, url: str) -> Response:
    """The Partner WSDL; ``?ver=`` names another version of the endpoint in it."""
    if request.query.get("type", "") not in ("", "partner"):
        raise not_found()
    version = request.query.get("ver", _WSDL_VERSION)
    if not re.fullmatch(r"\d{1,3}\.\d", version):
        raise not_found()
    return Response(200, partner_wsdl(url, version, org.org_id), content_type="text/xml; charset=utf-8")


def _with_limits(org: Org, answered: Response) -> Response:
    usage = f"api-usage={org.accounting.api_calls}/{org.accounting.daily_limit}"
    headers = {**answered.headers, "Sforce-Limit-Info": usage}
    return Response(answered.status, answered.body, headers, answered.content_type, answered.rows)
