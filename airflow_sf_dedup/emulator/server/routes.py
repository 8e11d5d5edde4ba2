"""``/services/data``: the versions of the API, and under each the resources of all wings."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from airflow_sf_dedup.emulator.call_names import BATCH, CARRIERS, COMPOSITE, OTHER, WRITES, Identity
from airflow_sf_dedup.emulator.errors import ApiError, MalformedValue, not_found
from airflow_sf_dedup.emulator.http import Call, Request, Response, read_url
from airflow_sf_dedup.emulator.server.wings import WINGS
from airflow_sf_dedup.emulator.state.in_progress import current
from airflow_sf_dedup.emulator.state.org import Org
from airflow_sf_dedup.emulator.wire.http_rules import check_media_type, method_not_allowed, without_format
from airflow_sf_dedup.emulator.wire.json_shapes import refused
from airflow_sf_dedup.emulator.wire.routes import Route, Routes
from airflow_sf_dedup.emulator.wire.versions import VERSIONS, versions
from airflow_sf_dedup.emulator.wire.wing import Door, bearer

ROUTES = tuple(route for wing in WINGS for route in wing.routes)
_ROUTES = Routes(ROUTES)
_NAMES = frozenset(route.path[0] for route in ROUTES if route.path)


def _answer(org: Org, request: Request, url: str) -> Response:
    if [each.lower() for each in without_format(request.path)] == ["services", "data"]:
        if request.method not in ("GET", "HEAD"):
            raise method_not_allowed(request.method, ("GET",))
        return Response(200, versions())
    user_id = authenticated(org, request.headers)
    return _with_limits(org, _answered(org, request, user_id, url))


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


def _with_limits(org: Org, answered: Response) -> Response:
    usage = f"api-usage={org.accounting.api_calls}/{org.accounting.daily_limit}"
    headers = {**answered.headers, "Sforce-Limit-Info": usage}
    return Response(answered.status, answered.body, headers, answered.content_type, answered.rows)


def _answered(org: Org, request: Request, user_id: str, url: str, *, inner: bool = False) -> Response:
    """The answer to an authenticated request under ``/services/data/vXX.X``.

    :param inner: it is a subrequest, which is not counted.
    """
    try:
        version = _version(request)
        route, captured = find(request.method, request.path[3:])
        if not inner:
            if not route.any_media_type:
                check_media_type(request)
            _enter(org, route)
        call = Call(org, request, version, user_id, _sender(org, user_id, url), inner, url, _NAMES)
        return route.handler(call, *captured)
    except MalformedValue as error:
        return refused(request.locate(error))
    except ApiError as error:
        return refused(error)


def _enter(org: Org, route: Route) -> None:
    """Counts a call, unless it is refused because of a limit or whatever it asks for."""
    current().admit()
    if route.counted:
        org.accounting.count(route.name)
    current().begin()


def _sender(org: Org, user_id: str, url: str) -> Callable[[Request], Response]:
    return lambda request: _answered(org, request, user_id, url, inner=True)


def _version(request: Request) -> str:
    version = request.path[2] if len(request.path) > 2 else ""
    if not re.fullmatch(r"v\d{1,3}\.\d", version) or int(float(version[1:])) not in VERSIONS:
        raise not_found()
    return version


def find(method: str, path: tuple[str, ...]) -> tuple[Route, list[str]]:
    """The route for a path after the version, and the segments it captures.

    :raises ApiError: 404, there is no such resource; 405, it has no such method.
    """
    fitting = _ROUTES.fitting(without_format(path))
    for route, captured in fitting:
        if route.method == method or (method == "HEAD" and route.method == "GET"):
            return route, captured
    if fitting:
        raise method_not_allowed(method, [route.method for route, _ in fitting])
    raise not_found()


# --- which call is this? ----------------------------------------------------------------------------------


def _identify(request: Request) -> Identity:
    token = bearer(request)
    if len(request.path) < 3:
        return Identity.of(OTHER, token)
    name = _name(request.method, request.path)
    if name in CARRIERS:
        return Identity(name, "write" if _carries_writes(name, request) else "read", token)
    return Identity.of(name, token)


def _name(method: str, path: tuple[str, ...]) -> str:
    try:
        return find(method, path[3:])[0].name
    except ApiError:
        return OTHER


def _carries_writes(name: str, request: Request) -> bool:
    try:
        body = request.json_object()
    except ApiError:
        return False
    carried = body.get({COMPOSITE: "compositeRequest", BATCH: "batchRequests"}[name])
    return isinstance(carried, list) and any(_subrequest_writes(each) for each in carried)


def _subrequest_writes(found: Any) -> bool:
    if not isinstance(found, dict) or not isinstance(found.get("url"), str):
        return False
    path = read_url(found["url"])[0]
    full = path if path[:2] == ("services", "data") else ("services", "data", *path)
    return _name(str(found.get("method", "GET")).upper(), full) in WRITES


DATA = Door(("services", "data"), _answer, _identify)
