"""A server that answers as it is told, and the emulated org, over real sockets."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import trustme

from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.connecting.fields import from_parts


@dataclass
class Reply:
    """What to answer."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    #: Seconds before the answer.
    delay: float = 0.0
    #: Reset the connection instead of answering.
    reset: bool = False
    #: Say that the answer is this much longer than it is, and hang up.
    missing_bytes: int = 0
    #: Say that the answer is longer than it is, and wait in silence for the client to give up.
    stalls: bool = False

    def content(self) -> bytes:
        if self.body is None:
            return b""
        if isinstance(self.body, bytes):
            return self.body
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()


@dataclass
class Seen:
    """What was asked."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients of these tests hang up, and refuse certificates, on purpose."""


class CannedOrg:
    """Answers with the replies of a path, in order; the last one is repeated; 200 and ``{}`` where there is none."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Seen] = []
        self._replies: dict[str, deque[Reply]] = defaultdict(deque)
        #: Access token to what every request with it is answered.
        self._refused_tokens: dict[str, Reply] = {}
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def answers(self, *replies: Reply, path: str = "") -> None:
        """Answer requests whose path contains ``path`` so; the longest match counts."""
        self._replies[path] = deque(replies)

    def refuses_token(self, token: str, reply: Reply) -> None:
        """Answer every request that carries the token so."""
        self._refused_tokens[token] = reply

    def sent_to(self, path: str) -> list[Seen]:
        return [seen for seen in self.requests if path in seen.path]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _next(self, path: str, authorization: str) -> Reply:
        if (refusal := self._refused_tokens.get(authorization.removeprefix("Bearer "))) is not None:
            return refusal
        with self._lock:
            known = [part for part in self._replies if part in path]
            replies = self._replies[max(known, key=len)] if known else deque()
            if len(replies) > 1:
                return replies.popleft()
            return replies[0] if replies else Reply(body={})

    def _handler(org) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                with org._lock:
                    org.requests.append(Seen(self.command, self.path, headers, body))
                org_reply(self, org._next(self.path, headers.get("authorization", "")))

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = answer  # noqa: N815 - http.server's names

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


def org_reply(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    time.sleep(reply.delay)
    if reply.reset:
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.connection.close()
        handler.close_connection = True
        return
    content = reply.content()
    handler.send_response(reply.status)
    for name, value in {"Content-Type": "application/json", **reply.headers}.items():
        handler.send_header(name, value)
    if reply.status != 204:
        handler.send_header("Content-Length", str(len(content) + reply.missing_bytes + reply.stalls))
    handler.end_headers()
    handler.wfile.write(content)
    if reply.stalls:
        time.sleep(1.5)
    handler.close_connection = handler.close_connection or reply.missing_bytes > 0 or reply.stalls


@pytest.fixture
def canned_org() -> Iterator[CannedOrg]:
    org = CannedOrg()
    yield org
    org.close()


@pytest.fixture
def reply() -> type[Reply]:
    return Reply


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_bundle(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("trust") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture
def tls_org(authority: trustme.CA) -> Iterator[CannedOrg]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    org = CannedOrg(context)
    yield org
    org.close()


@pytest.fixture
def tls_url(tls_org: CannedOrg) -> str:
    return tls_org.url


@pytest.fixture
def org(salesforce_session_org: EmulatedOrg) -> EmulatedOrg:
    """The emulated org, as if it had just been started."""
    salesforce_session_org.reset()
    return salesforce_session_org


@pytest.fixture
def session(org: EmulatedOrg) -> Iterator[SalesforceSession]:
    """Logged in to the emulated org; modules that talk to another one have a session of their own."""
    extra = {"access_token": org.access_token, "instance_url": org.url}
    session = SalesforceSession(from_parts("c", "salesforce_dedup", None, None, None, extra), sleep=lambda s: None)
    yield session
    session.close()
