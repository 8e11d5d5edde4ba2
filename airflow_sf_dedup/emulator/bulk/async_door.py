"""``/services/async/<version>/job…``: which function answers which request of the first Bulk API."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from airflow_sf_dedup.emulator.bulk import async_batches, async_jobs
from airflow_sf_dedup.emulator.bulk import async_shapes as shapes
from airflow_sf_dedup.emulator.bulk.async_request import AsyncCall, said_format
from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.http import Request, Response
from airflow_sf_dedup.emulator.rest.org_resources import VERSIONS
from airflow_sf_dedup.emulator.state.in_progress import current
from airflow_sf_dedup.emulator.state.org import Org

Handler = Callable[..., Response]


class AsyncRoute(NamedTuple):
    method: str
    #: The path after the version; segments in braces are handed to the handler.
    path: tuple[str, ...]
    handler: Handler

    @property
    def name(self) -> str:
        """Under which the call is counted: ``POST /async/job``."""
        return f"{self.method} /async/{'/'.join(self.path)}"


def _route(method: str, path: str, handler: Handler) -> AsyncRoute:
    return AsyncRoute(method, tuple(path.split("/")), handler)


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


def session_of(headers: Mapping[str, str]) -> str | None:
    """The access token that a request carries: ``X-SFDC-Session``, or as for REST."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    bearer = token.strip() if scheme.lower() in ("bearer", "oauth") else ""
    return headers.get("x-sfdc-session", "").strip() or bearer or None


def find(method: str, path: tuple[str, ...]) -> tuple[AsyncRoute, list[str]]:
    """The route for a path after the version, and the segments it captures.

    :raises ApiError: InvalidUrl or MethodNotAllowed.
    """
    fitting = [(route, found) for route in ROUTES if (found := _captured(route.path, path)) is not None]
    for route, found in fitting:
        if route.method == method:
            return route, found
    if fitting:
        allowed = ",".join(sorted({route.method for route, _ in fitting}))
        raise ApiError("MethodNotAllowed", f"HTTP Method '{method}' not allowed. Allowed are {allowed}", status=405)
    raise ApiError("InvalidUrl", "Destination URL not reset. The URL returned from login must be set", status=404)


def _captured(pattern: tuple[str, ...], path: tuple[str, ...]) -> list[str] | None:
    if len(pattern) != len(path):
        return None
    pairs = list(zip(pattern, path, strict=True))
    if any(wanted[0] != "{" and wanted != found.lower() for wanted, found in pairs):
        return None
    return [found for wanted, found in pairs if wanted[0] == "{"]


def answer(org: Org, request: Request) -> Response:
    try:
        return _answer(org, request)
    except ApiError as error:
        return shapes.refusal(error, said_format(request.headers) or "XML")


def _answer(org: Org, request: Request) -> Response:
    version = request.path[2] if len(request.path) > 2 else ""
    if not re.fullmatch(r"v?\d{1,3}(\.\d)?", version) or int(float(version.lstrip("v"))) not in VERSIONS:
        raise ApiError("InvalidVersion", f"Invalid Api version specified on URL: {version}")
    user_id = org.sessions.user_id(session_of(request.headers) or "")
    if user_id is None:
        raise ApiError("InvalidSessionId", "Invalid session id")
    route, captured = find(request.method, request.path[3:])
    current().admit()
    org.accounting.count(route.name)
    current().begin()
    return route.handler(AsyncCall(org, request, float(version.lstrip("v")), user_id), *captured)
