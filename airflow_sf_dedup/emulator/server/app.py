"""The web application: bytes of HTTP to a Request, and a Response back to bytes."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect
from starlette.requests import Request as WebRequest
from starlette.responses import Response as WebResponse
from starlette.routing import Mount

from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.http import Request, Response, query_fields, split_path
from airflow_sf_dedup.emulator.server import control, front
from airflow_sf_dedup.emulator.server.bodies import body_of, unpacked
from airflow_sf_dedup.emulator.server.call_log import Seen
from airflow_sf_dedup.emulator.server.connections import Connections
from airflow_sf_dedup.emulator.server.exchange import Exchange
from airflow_sf_dedup.emulator.server.fault_effects import Ending, Reply, Silence
from airflow_sf_dedup.emulator.state.accounting import Call
from airflow_sf_dedup.emulator.state.in_progress import InProgress, answering
from airflow_sf_dedup.emulator.state.org import Org
from airflow_sf_dedup.emulator.wire.http_rules import method_of

_LOG = logging.getLogger(__name__)
_SMALLEST_GZIP = 4096
#: A call in its commit window keeps its thread, and a hundred calls may be in theirs at once.
_MOST_THREADS = 250
#: For the log of calls.
_NO_ANSWER = Response(0)
#: Is handed each call when it ends.
Log = Callable[[Seen], None]


def make_app(org: Org, *, connections: Connections | None = None, log: Log | None = None) -> Starlette:
    """:param connections: of the server that runs the app; without them no connection can be reset.
    :param log: is handed each call when it ends.
    """
    gate = Gate(org, connections or Connections(), log)
    return Starlette(routes=[Mount("/", app=gate)])


class Gate:
    """Where every HTTP request enters and every answer leaves."""

    def __init__(self, org: Org, connections: Connections, log: Log | None) -> None:
        self._org = org
        self._connections = connections
        self._log = log
        self._threads: CapacityLimiter | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        start = time.perf_counter()
        web = WebRequest(scope, receive)
        try:
            body = await body_of(web)
        except ClientDisconnect:
            return
        request = _request(web, body)
        if request.headers.get("content-encoding") and body:
            # In a thread: whoever else is served does not wait for it.
            request = replace(request, body=await to_thread.run_sync(unpacked, request.headers, body))
        wire = Wire(self._connections, request, scope, receive, send)
        if control.asks_emulator(request):
            response = await self._in_thread(_guarded, self._org, request, _url(web))
            self._say(Seen(request, response, _since(start)))
            await wire.answer(response)
        else:
            await wire.end(await self._exchange(request, web, start))

    async def _exchange(self, request: Request, web: WebRequest, start: float) -> Ending:
        """How a call to the org ends; it is in the log of calls before its caller hears of it."""
        accounting, exchange = self._org.accounting, Exchange(self._org, request)
        ending = await exchange.run(partial(self._in_thread, _answered, self._org, request, _url(web)))
        response = ending.response if isinstance(ending, Reply) else _NO_ANSWER
        took, notes = _since(start), exchange.notes
        faults = tuple(each.kind for each in exchange.firings)
        username = _username(self._org, notes.user_id)
        accounting.remember(
            Call(
                number=exchange.number,
                method=request.method,
                path=web.url.path,
                status=response.status,
                rows=response.rows,
                milliseconds=took,
                name=notes.name,
                user_id=notes.user_id,
                user=username,
                faults=faults,
            )
        )
        outcomes = self._org.ledger.outcomes(exchange.number)
        self._say(Seen(request, response, took, notes.name, username, outcomes, faults))
        return ending

    async def _in_thread(self, work: Callable[..., Response], *arguments: Any) -> Response:
        if self._threads is None:
            self._threads = CapacityLimiter(_MOST_THREADS)
        return await to_thread.run_sync(partial(work, *arguments), limiter=self._threads)

    def _say(self, seen: Seen) -> None:
        if self._log is not None:
            self._log(seen)


def _username(org: Org, user_id: str | None) -> str | None:
    user = org.record(user_id) if user_id else None
    return user["Username"] if user else None


def _since(start: float) -> float:
    return round((time.perf_counter() - start) * 1000, 2)


class Wire:
    """The way back of one request."""

    def __init__(self, connections: Connections, request: Request, scope: Any, receive: Any, send: Any) -> None:
        self._connections = connections
        self._request = request
        self._scope = scope
        self._receive = receive
        self._send = send

    async def end(self, ending: Ending) -> None:
        if isinstance(ending, Silence):
            await self._fall_silent(ending)
        elif ending.announced is not None:
            await self._break_off(ending.response, ending.announced)
        else:
            await self.answer(ending.response)

    async def answer(self, response: Response) -> None:
        answer = GZipMiddleware(self._web_response(response), minimum_size=_SMALLEST_GZIP, compresslevel=1)
        await answer(self._scope, self._receive, self._send)

    async def _fall_silent(self, silence: Silence) -> None:
        if silence.seconds:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._until_gone(), silence.seconds)
        end = self._connections.reset if silence.reset else self._connections.close
        end(self._scope["client"])
        await self._until_gone()

    async def _break_off(self, response: Response, announced: int) -> None:
        """Sends the headers of a longer answer, the part there is, and closes."""
        web = self._web_response(response)
        web.headers["content-length"] = str(announced)
        await self._send({"type": "http.response.start", "status": web.status_code, "headers": web.raw_headers})
        await self._send({"type": "http.response.body", "body": web.body, "more_body": True})
        self._connections.close(self._scope["client"])
        await self._until_gone()

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    def _web_response(self, response: Response) -> WebResponse:
        content = b"" if self._request.method == "HEAD" else response.encoded()
        media_type = response.content_type if response.body is not None else None
        return WebResponse(content, response.status, dict(response.headers), media_type)


def _request(web: WebRequest, body: bytes) -> Request:
    raw_path = web.scope["raw_path"].partition(b"?")[0].decode("ascii", errors="replace")
    query = query_fields(web.scope["query_string"].decode("ascii", errors="replace"))
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in web.scope["headers"]}
    return Request(method_of(web.method, query), split_path(raw_path), query, headers, body)


def _url(web: WebRequest) -> str:
    """Where the caller reaches the emulator, through a proxy that ends TLS too."""
    host = web.headers.get("host") or "{}:{}".format(*web.scope["server"])
    forwarded = web.headers.get("x-forwarded-proto", "").strip().lower()
    scheme = forwarded if forwarded in ("http", "https") else web.scope["scheme"]
    return f"{scheme}://{host}"


def _answered(org: Org, request: Request, url: str, call: InProgress) -> Response:
    with answering(call):
        return _guarded(org, request, url)


def _guarded(org: Org, request: Request, url: str) -> Response:
    """A mistake of the emulator's own is a 500, as Salesforce's own are."""
    try:
        return front.answer(org, request, url)
    except Exception as error:
        _LOG.exception("%s %s", request.method, "/".join(request.path))
        message = f"An unexpected error occurred: {error!r}"
        return front.door_of(request).refuse(request, ApiError("UNKNOWN_EXCEPTION", message, status=500))
