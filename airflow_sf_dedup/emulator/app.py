"""The web application: bytes of HTTP to a Request, and a Response back to bytes."""

from __future__ import annotations

import gzip
import logging
import sys
import time
import zlib
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request as WebRequest
from starlette.responses import Response as WebResponse
from starlette.routing import Mount

from airflow_sf_dedup.emulator import front
from airflow_sf_dedup.emulator.accounting import Call
from airflow_sf_dedup.emulator.http import Request, Response, split_path
from airflow_sf_dedup.emulator.org import Org

_LOG = logging.getLogger(__name__)
_SMALLEST_GZIP = 4096
Log = Callable[[str], None]


def make_app(org: Org, *, log: Log | None = None) -> Starlette:
    """:param log: is handed one line for each call."""

    async def endpoint(scope: Any, receive: Any, send: Any) -> None:
        web = WebRequest(scope, receive)
        request = _request(web, await web.body())
        response = await run_in_threadpool(_timed, org, request, _url(web), web.url.path, log)
        await _web_response(request, response)(scope, receive, send)

    gzipped = Middleware(GZipMiddleware, minimum_size=_SMALLEST_GZIP, compresslevel=1)
    return Starlette(routes=[Mount("/", app=endpoint)], middleware=[gzipped])


def _request(web: WebRequest, body: bytes) -> Request:
    raw_path = web.scope["raw_path"].partition(b"?")[0].decode("ascii", errors="replace")
    query = dict(parse_qsl(web.scope["query_string"].decode("ascii", errors="replace"), keep_blank_values=True))
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in web.scope["headers"]}
    return Request(web.method, split_path(raw_path), query, headers, body)


def _url(web: WebRequest) -> str:
    """Where the caller reaches the emulator."""
    host = web.headers.get("host") or "{}:{}".format(*web.scope["server"])
    return f"{web.scope['scheme']}://{host}"


def _timed(org: Org, request: Request, url: str, path: str, log: Log | None) -> Response:
    start = time.perf_counter()
    response = _guarded(org, request, url)
    milliseconds = round((time.perf_counter() - start) * 1000, 2)
    if request.path[:1] != ("_emulator",):
        org.accounting.remember(Call(request.method, path, response.status, response.rows, milliseconds))
    if log is not None:
        log(f"{request.method} {path} {response.status} {response.rows} rows {milliseconds} ms")
    return response


def _guarded(org: Org, request: Request, url: str) -> Response:
    """A mistake of the emulator's own is a 500, as Salesforce's own are."""
    try:
        return front.answer(org, _inflated(request), url)
    except Exception as error:
        _LOG.exception("%s %s", request.method, "/".join(request.path))
        return Response(
            500, [{"message": f"An unexpected error occurred: {error!r}", "errorCode": "UNKNOWN_EXCEPTION"}]
        )


def _inflated(request: Request) -> Request:
    encoding = request.headers.get("content-encoding", "").lower()
    if encoding not in ("gzip", "deflate") or not request.body:
        return request
    try:
        body = gzip.decompress(request.body) if encoding == "gzip" else zlib.decompress(request.body)
    except (OSError, EOFError, zlib.error):
        body = b"\x00"
    return Request(request.method, request.path, request.query, request.headers, body)


def _web_response(request: Request, response: Response) -> WebResponse:
    content = b"" if request.method == "HEAD" else response.encoded()
    media_type = response.content_type if response.body is not None else None
    return WebResponse(content, response.status, dict(response.headers), media_type)


def to_stderr(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
