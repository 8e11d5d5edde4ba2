"""Which function answers which REST request, and under which name it is counted."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from airflow_sf_dedup.emulator.bulk import ingest as bulk_ingest
from airflow_sf_dedup.emulator.bulk import query as bulk_query
from airflow_sf_dedup.emulator.errors import ApiError, MalformedValue, not_found
from airflow_sf_dedup.emulator.http import Call, Request, Response
from airflow_sf_dedup.emulator.metadata import rest as metadata_rest
from airflow_sf_dedup.emulator.metadata import tooling
from airflow_sf_dedup.emulator.rest import (
    collections,
    composite,
    limits,
    org_resources,
    queries,
    relationships,
    ui_api,
)
from airflow_sf_dedup.emulator.rest import records as rest
from airflow_sf_dedup.emulator.rest.http_rules import check_media_type, method_not_allowed, without_format
from airflow_sf_dedup.emulator.server.refusing import in_rest
from airflow_sf_dedup.emulator.state.in_progress import current
from airflow_sf_dedup.emulator.state.org import Org

Handler = Callable[..., Response]


class Route(NamedTuple):
    method: str
    #: The path after the version; segments in braces are handed to the handler.
    path: tuple[str, ...]
    handler: Handler

    @property
    def name(self) -> str:
        """Under which the call is counted: ``PATCH /composite/sobjects/{sobject}/{field}``."""
        return f"{self.method} /{'/'.join(self.path)}"

    @property
    def reads_any_media_type(self) -> bool:
        """Jobs and deployments say themselves which formats they read."""
        return self.path[:1] in (("jobs",), ("metadata",))

    @property
    def counted(self) -> bool:
        """A batch is not counted itself: its subrequests are."""
        return self.path != ("composite", "batch")


def _route(method: str, path: str, handler: Handler) -> Route:
    return Route(method, tuple(path.split("/")) if path else (), handler)


ROUTES = (
    _route("GET", "", org_resources.resources),
    _route("GET", "limits", limits.limits),
    _route("GET", "limits/recordCount", limits.record_count),
    _route("GET", "query", queries.query),
    _route("GET", "queryAll", queries.query_all),
    _route("GET", "query/{locator}", queries.more),
    _route("GET", "queryAll/{locator}", queries.more),
    _route("GET", "sobjects", rest.list_sobjects),
    _route("GET", "sobjects/{sobject}", rest.basic_info),
    _route("POST", "sobjects/{sobject}", rest.create),
    _route("GET", "sobjects/{sobject}/describe", rest.describe),
    _route("GET", "sobjects/{sobject}/{id}", rest.get),
    _route("PATCH", "sobjects/{sobject}/{id}", rest.update),
    _route("DELETE", "sobjects/{sobject}/{id}", rest.remove),
    _route("POST", "sobjects/{sobject}/Id", rest.create_without_key),
    _route("GET", "sobjects/{sobject}/{field}/{value}", relationships.get),
    _route("PATCH", "sobjects/{sobject}/{field}/{value}", relationships.update),
    _route("DELETE", "sobjects/{sobject}/{field}/{value}", relationships.remove),
    _route("GET", "composite", org_resources.composite_resources),
    _route("POST", "composite", composite.composite),
    _route("POST", "composite/batch", composite.batch),
    _route("POST", "composite/sobjects", collections.create),
    _route("PATCH", "composite/sobjects", collections.update),
    _route("DELETE", "composite/sobjects", collections.remove),
    _route("PATCH", "composite/sobjects/{sobject}/{field}", collections.upsert),
    _route("POST", "composite/sobjects/{sobject}", collections.retrieve_by_body),
    _route("GET", "composite/sobjects/{sobject}", collections.retrieve_by_query),
    _route("POST", "metadata/deployRequest", metadata_rest.deploy),
    _route("GET", "metadata/deployRequest/{id}", metadata_rest.status),
    _route("PATCH", "metadata/deployRequest/{id}", metadata_rest.change),
    _route("GET", "tooling", tooling.resources),
    _route("GET", "tooling/query", tooling.query),
    _route("GET", "tooling/executeAnonymous", tooling.execute_anonymous),
    _route("GET", "tooling/sobjects", tooling.list_sobjects),
    _route("GET", "tooling/sobjects/{sobject}", tooling.basic_info),
    _route("GET", "tooling/sobjects/{sobject}/describe", tooling.describe),
    _route("GET", "tooling/sobjects/{sobject}/{id}", tooling.get),
    _route("GET", "ui-api/duplicates/{sobject}", ui_api.duplicates_configuration),
    _route("POST", "ui-api/predupe", ui_api.predupe),
    _route("POST", "jobs/ingest", bulk_ingest.create),
    _route("GET", "jobs/ingest", bulk_ingest.get_all),
    _route("GET", "jobs/ingest/{job}", bulk_ingest.get),
    _route("PATCH", "jobs/ingest/{job}", bulk_ingest.change),
    _route("DELETE", "jobs/ingest/{job}", bulk_ingest.remove),
    _route("PUT", "jobs/ingest/{job}/batches", bulk_ingest.upload),
    _route("GET", "jobs/ingest/{job}/successfulResults", bulk_ingest.successful),
    _route("GET", "jobs/ingest/{job}/failedResults", bulk_ingest.failed),
    _route("GET", "jobs/ingest/{job}/unprocessedrecords", bulk_ingest.unprocessed),
    _route("POST", "jobs/query", bulk_query.create),
    _route("GET", "jobs/query", bulk_query.get_all),
    _route("GET", "jobs/query/{job}", bulk_query.get),
    _route("PATCH", "jobs/query/{job}", bulk_query.change),
    _route("DELETE", "jobs/query/{job}", bulk_query.remove),
    _route("GET", "jobs/query/{job}/results", bulk_query.results),
)


def answer(org: Org, request: Request, user_id: str, *, url: str = "", inner: bool = False) -> Response:
    """The answer to an authenticated request under ``/services/data/vXX.X``.

    :param url: where the emulator is reached, without a trailing slash.
    """
    try:
        version = _version(request)
        route, captured = find(request.method, request.path[3:])
        if not inner:
            if not route.reads_any_media_type:
                check_media_type(request)
            _enter(org, route)
        call = Call(org, request, version, user_id, _sender(org, user_id, url), inner, url, _answers)
        return route.handler(call, *captured)
    except MalformedValue as error:
        return in_rest(request.locate(error))
    except ApiError as error:
        return in_rest(error)


def _answers(name: str) -> bool:
    return any(route.path[:1] == (name,) for route in ROUTES)


def _enter(org: Org, route: Route) -> None:
    """Counts a call, unless it is refused because of a limit or whatever it asks for."""
    current().admit()
    if route.counted:
        org.accounting.count(route.name)
    current().begin()


def _sender(org: Org, user_id: str, url: str) -> Callable[[Request], Response]:
    return lambda request: answer(org, request, user_id, url=url, inner=True)


def _version(request: Request) -> str:
    version = request.path[2] if len(request.path) > 2 else ""
    if not re.fullmatch(r"v\d{1,3}\.\d", version) or int(float(version[1:])) not in org_resources.VERSIONS:
        raise not_found()
    return version


def find(method: str, path: tuple[str, ...]) -> tuple[Route, list[str]]:
    """The route for a path and the segments it captures.

    :raises ApiError: 404, there is no such resource; 405, it has no such method.
    """
    path = without_format(path)
    methods = []
    for route in _BY_LENGTH.get(len(path), ()):
        captured = _captured(route.path, path)
        if captured is not None:
            if route.method == method or (method == "HEAD" and route.method == "GET"):
                return route, captured
            methods.append(route.method)
    if methods:
        raise method_not_allowed(method, methods)
    raise not_found()


def _captured(pattern: tuple[str, ...], path: tuple[str, ...]) -> list[str] | None:
    captured = []
    for wanted, found in zip(pattern, path, strict=True):
        if wanted[0] == "{":
            captured.append(found)
        elif wanted.lower() != found.lower():
            return None
    return captured


def _by_length() -> Mapping[int, tuple[Route, ...]]:
    lengths: dict[int, Any] = {}
    for route in ROUTES:
        lengths[len(route.path)] = (*lengths.get(len(route.path), ()), route)
    return lengths


_BY_LENGTH = _by_length()
