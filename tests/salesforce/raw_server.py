"""A server that answers with bytes, as slowly and as wrongly as a test wants, over real sockets."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256

#: Sends an answer, piece by piece.
Answer = Callable[[], Iterable[bytes]]


@dataclass
class RawServer:
    """Answers each request with the bytes of ``answer``, then closes the connection unless ``keeps_open``."""

    answer: Answer = lambda: [b""]
    keeps_open: bool = False
    #: False: of a body only its digest is kept, so that a large one needs no memory.
    keeps_bodies: bool = True
    #: The requests, each as it came; with digests, its head alone.
    requests: list[bytes] = field(default_factory=list)
    #: Bytes and SHA-256 of each body, where these are not kept.
    digests: list[tuple[int, str]] = field(default_factory=list)
    #: Connections that were opened.
    connections: int = 0

    def __post_init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listening.accept()
                self.connections += 1
                threading.Thread(target=self._talk, args=(sock,), daemon=True).start()

    def _talk(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError), sock:
            while request := self._request(sock):
                self.requests.append(request)
                for piece in self.answer():
                    sock.sendall(piece)
                if not self.keeps_open:
                    return

    def _request(self, sock: socket.socket) -> bytes:
        """One request, head and body; empty where the client hung up."""
        data = b""
        while b"\r\n\r\n" not in data:
            if not (some := sock.recv(65_536)):
                return b""
            data += some
            if data.startswith(b"\x16"):
                # TLS wants to begin.
                return data
        head, _, body = data.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        pieces = _body(sock, body, int(length[1]) if length else 0)
        if self.keeps_bodies:
            return head + b"\r\n\r\n" + b"".join(pieces)
        digest, size = sha256(), 0
        for piece in pieces:
            digest.update(piece)
            size += len(piece)
        self.digests.append((size, digest.hexdigest()))
        return head


def _body(sock: socket.socket, begin: bytes, length: int) -> Iterator[bytes]:
    """As much as was announced, or until the client hangs up."""
    yield begin
    left = length - len(begin)
    while left > 0 and (some := sock.recv(65_536)):
        left -= len(some)
        yield some


def http(body: bytes = b"{}", *headers: str, status: str = "200 OK", length: bool = True) -> bytes:
    """A whole answer."""
    lines = [f"HTTP/1.1 {status}", *headers, *([f"Content-Length: {len(body)}"] if length else [])]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def slowly(content: bytes, seconds: float = 0.05) -> Iterator[bytes]:
    """A byte at a time, and at the end for ever the last one."""
    for number in range(len(content)):
        yield content[number : number + 1]
        time.sleep(seconds)
    while True:
        yield content[-1:]
        time.sleep(seconds)


def endless(start: bytes, piece: bytes) -> Iterator[bytes]:
    """As fast as it goes, for ever."""
    yield start
    while True:
        yield piece
