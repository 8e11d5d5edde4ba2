"""Every request enters here: is it for REST, SOAP, OAuth or the emulator itself, and who sends it?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

from airflow_sf_dedup.emulator import control, metadata_api, oauth, routes, soap
from airflow_sf_dedup.emulator.errors import ApiError, not_found
from airflow_sf_dedup.emulator.http import Request, Response
from airflow_sf_dedup.emulator.org import Org
from airflow_sf_dedup.emulator.rest import versions
from airflow_sf_dedup.emulator.soap_shapes import ENTERPRISE, PARTNER

_NAMESPACES = {"u": PARTNER, "c": ENTERPRISE}


def answer(org: Org, request: Request, url: str) -> Response:
    """The answer to any request.

    :param url: where the emulator is reached, without a trailing slash.
    """
    try:
        return _answer(org, request, url)
    except ApiError as error:
        return routes.refusal(error)


def _answer(org: Org, request: Request, url: str) -> Response:
    org.catch_up()
    lower = tuple(segment.lower() for segment in request.path[:3])
    if lower[:1] == ("_emulator",):
        return control.answer(org, request)
    if lower == ("services", "oauth2", "token"):
        return oauth.token(org, _form(request), request.headers, url)
    if lower[:2] == ("services", "soap"):
        return _soap(org, request, url)
    if lower == ("services", "data"):
        return Response(200, versions())
    if lower == ("services", "oauth2", "userinfo"):
        return oauth.userinfo(org, authenticated(org, request.headers), url)
    if lower[:1] == ("id",):
        return _identity(org, request, url)
    if lower[:2] == ("services", "data"):
        answered = routes.answer(org, request, authenticated(org, request.headers))
        return _with_limits(org, answered)
    raise not_found()


def authenticated(org: Org, headers: Mapping[str, str]) -> str:
    """The user id behind the request's access token.

    :raises ApiError: 401 INVALID_SESSION_ID.
    """
    scheme, _, token = headers.get("authorization", "").partition(" ")
    user_id = org.sessions.user_id(token.strip()) if scheme.lower() in ("bearer", "oauth") else None
    if user_id is None:
        raise ApiError("INVALID_SESSION_ID", "Session expired or invalid", status=401)
    return user_id


def _form(request: Request) -> dict[str, str]:
    """The fields of a token request, from its body and its query."""
    body = request.body.decode("utf-8", errors="replace")
    return {**request.query, **dict(parse_qsl(body, keep_blank_values=True))}


def _soap(org: Org, request: Request, url: str) -> Response:
    """``/services/Soap/u/<version>[/<org id>]``; c is the Enterprise namespace."""
    door, version = (*request.path[2:4], "", "")[:2]
    namespace = _NAMESPACES.get(door.lower())
    metadata = door.lower() == "m"
    if (namespace is None and not metadata) or not re.fullmatch(r"\d{1,3}(?:\.\d)?", version):
        raise not_found()
    if request.method != "POST":
        raise ApiError(
            "METHOD_NOT_ALLOWED", f"HTTP Method '{request.method}' not allowed. Allowed are POST", status=405
        )
    if namespace is None:
        return metadata_api.answer(org, request.body, version=version)
    return soap.answer(org, request.body, namespace=namespace, version=float(version), url=url)


def _identity(org: Org, request: Request, url: str) -> Response:
    user_id = authenticated(org, request.headers)
    return oauth.identity(org, user_id, url)


def _with_limits(org: Org, answered: Response) -> Response:
    usage = f"api-usage={org.accounting.api_calls}/{org.accounting.daily_limit}"
    headers = {**answered.headers, "Sforce-Limit-Info": usage}
    return Response(answered.status, answered.body, headers, answered.content_type, answered.rows)
