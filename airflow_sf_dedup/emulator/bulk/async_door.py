"""``/services/async/<version>/job…``: which function answers which request of the first Bulk API."""

from __future__ import annotations

import re
from collections.abc import Mapping

from airflow_sf_dedup.emulator.bulk import async_batches, async_jobs
from airflow_sf_dedup.emulator.bulk import async_shapes as shapes
from airflow_sf_dedup.emulator.bulk.async_request import AsyncCall, said_format
from airflow_sf_dedup.emulator.call_names import OTHER, Identity
from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.http import Request, Response
from airflow_sf_dedup.emulator.state.in_progress import current
from airflow_sf_dedup.emulator.state.org import Org
from airflow_sf_dedup.emulator.wire.routes import Handler, Route, Routes, route
from airflow_sf_dedup.emulator.wire.versions import VERSIONS


def _route(method: str, path: str, handler: Handler) -> Route:
    return route(method, path, handler, under="/async")


ROUTES = (
    _route("POST", "job", async_jobs.create),
    _route("GET", "job/{job}", async_jobs.get),
    _route("POST", "job/{job}", async_jobs.change),
    _route("POST", "job/{job}/batch", async_batches.add),
    _route("GET", "job/{job}/batch", async_batches.get_all),
    _route("GET", "job/{job}/batch/{batch}", async_batches.get),
    _route("GET", "job/{job}/batch/{batch}/request", async_batches.request),
    _route("GET", "job/{job}/batch/{batch}/result", async_batches.result),
    _route("GET", "job/{job}/batch/{batch}/result/{result}", async_batches.query_result),
)
_ROUTES = Routes(ROUTES)


def session_of(headers: Mapping[str, str]) -> str | None:
    """The access token that a request carries: ``X-SFDC-Session``, or as for REST."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() in ("bearer", "oauth") else ""
    return headers.get("x-sfdc-session", "").strip() or bearer or None


def find(method: str, path: tuple[str, ...]) -> tuple[Route, list[str]]:
    """The route for a path after the version, and the segments it captures.

    :raises ApiError: InvalidUrl or MethodNotAllowed.
    """
    fitting = _ROUTES.fitting(path)
    for each, captured in fitting:
        if each.method == method:
            return each, captured
    if fitting:
        allowed = ",".join(sorted({each.method for each, _ in fitting}))
        raise ApiError("MethodNotAllowed", f"HTTP Method '{method}' not allowed. Allowed are {allowed}", status=405)
    raise ApiError("InvalidUrl", "Destination URL not reset. The URL returned from login must be set", status=404)


def identify(request: Request) -> Identity:
    try:
        name = find(request.method, request.path[3:])[0].name
    except ApiError:
        name = OTHER
    return Identity.of(name, session_of(request.headers))


def refuse(request: Request, error: ApiError) -> Response:
    """In the form that the request asks for."""
    return shapes.refusal(error, said_format(request.headers) or "XML")


def answer(org: Org, request: Request, url: str) -> Response:
    version = request.path[2] if len(request.path) > 2 else ""
    if not re.fullmatch(r"v?\d{1,3}(\.\d)?", version) or int(float(version.lstrip("v"))) not in VERSIONS:
        raise ApiError("InvalidVersion", f"Invalid Api version specified on URL: {version}")
    user_id = org.sessions.user_id(session_of(request.headers) or "")
    if user_id is None:
        raise ApiError("InvalidSessionId", "Invalid session id")
    found, captured = find(request.method, request.path[3:])
    current().admit()
    org.accounting.count(found.name)
    current().begin()
    return found.handler(AsyncCall(org, request, float(version.lstrip("v")), user_id), *captured)
