"""Answers within bounds: so many bytes, packed and unpacked, and so much time from the first to the last.

A server may send a byte a second for ever, a head without an end, or a few kilobytes of gzip that unpack to gigabytes.
The bounds stand where bytes come in, so that nothing above has to think of them. An answer is kept in memory, or handed
on piece by piece to whoever said beforehand how many bytes it may have. It is also known here whether anything of a
request has left: what failed before surely did nothing.
"""

from __future__ import annotations

import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.client import HTTPException, HTTPResponse
from io import BufferedReader, RawIOBase
from typing import Any

import requests
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

#: Bytes of one answer in memory, as they come and unpacked. The largest that a load asks for, the description of an
#: sObject with hundreds of fields and their picklists or 2,000 whole records, stay well below.
MOST_BYTES = 32 * 1024 * 1024
#: Times the read time-out that an answer may take from its first to its last byte: once for the org's work, once for
#: the way. Between two bytes it is once.
READ_TIMEOUTS = 2

_CHUNK = 64 * 1024
#: What ``Accept-Encoding`` asks for; ``x-gzip`` is an old word for it (RFC 9110, 8.4.1.3).
_GZIP = ("gzip", "x-gzip")


class AnswerUnreadableError(OSError):
    """An answer is larger than any, or cannot be unpacked."""


class _Present(threading.local):
    """This thread's present request."""

    #: Something of it has left.
    has_left = False
    #: Bytes that its answer may have, as they come.
    most = MOST_BYTES


_present = _Present()


def has_left() -> bool:
    """Whether any byte of this thread's last request was handed to the network, beside asking a proxy for the way."""
    return _present.has_left


def request_begins(more: int = 0) -> None:
    """A request begins: nothing of it has left.

    :param more: bytes of its answer that will not be kept in memory.
    """
    _present.has_left = False
    _present.most = MOST_BYTES + more


def something_may_leave() -> None:
    """It goes over a connection that does not tell."""
    _present.has_left = True


def read_whole(response: requests.Response) -> None:
    """Read and unpack the body of a streamed answer; ``response.content`` is that from now on.

    :raises AnswerUnreadableError: it is larger than :data:`MOST_BYTES`, or packed in a way that was not asked for.
    """
    with response:
        content = _joined(_pieces(response))
    _has_been_read(response, content)


def hand_on(response: requests.Response, take: Callable[[Iterator[bytes]], None]) -> None:
    """Read and unpack the body of a streamed answer piece by piece; ``response.content`` is empty from now on.

    :param take: reads the pieces to their end; each has at most 64 KiB.
    :raises AnswerUnreadableError: nobody could tell whether the answer is whole, or it is packed in a way that was not
        asked for.
    """
    with response:
        if response.raw.length_remaining is None and not response.raw.chunked:
            # It ends with the connection, as one that breaks off does (RFC 9112, 8).
            raise AnswerUnreadableError("the answer does not say how long it is")
        take(_pieces(response))
    _has_been_read(response, b"")


def _pieces(response: requests.Response) -> Iterator[bytes]:
    packed = iter(lambda: response.raw.read(_CHUNK, decode_content=False), b"")
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    return packed if encoding in ("", "identity") else _unpacked(packed, encoding)


def _has_been_read(response: requests.Response, content: bytes) -> None:
    """As requests itself does for an answer that is not streamed."""
    response._content = content
    response._content_consumed = True  # type: ignore[attr-defined]


def _joined(parts: Iterator[bytes]) -> bytes:
    content = bytearray()
    for part in parts:
        content += part
        check_size(len(content), MOST_BYTES)
    return bytes(content)


def _unpacked(packed: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """The content, piece by piece: none is larger than a chunk, however well it was packed."""
    if encoding not in _GZIP:
        raise AnswerUnreadableError("the answer is packed in a way that was not asked for")
    member: Any = None
    try:
        for part in packed:
            while part:
                # A gzip stream may have several members, each with an end of its own (RFC 1952, 2.2).
                member = zlib.decompressobj(16 + zlib.MAX_WBITS) if member is None or member.eof else member
                yield member.decompress(part, _CHUNK)
                part = member.unconsumed_tail or member.unused_data
        while member is not None and (rest := member.decompress(b"", _CHUNK)):
            yield rest
    except zlib.error:
        raise AnswerUnreadableError("the answer cannot be unpacked") from None
    if member is not None and not member.eof:
        raise AnswerUnreadableError("the packed answer has no end")


def check_size(size: int, most: int) -> None:
    """:raises AnswerUnreadableError: the answer has more bytes than it may."""
    if size > most:
        raise AnswerUnreadableError(f"the answer is larger than {most:,} bytes")


class _Incoming(RawIOBase):
    """The bytes of one answer, head and body, until it takes too long or grows too large."""

    def __init__(self, raw: RawIOBase, sock: socket.socket) -> None:
        self._raw = raw
        self._sock = sock
        self._timeout = sock.gettimeout()
        self._ends = None if self._timeout is None else time.monotonic() + READ_TIMEOUTS * self._timeout
        self._size = 0
        self._most = _present.most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._wait_no_longer()
        count = self._raw.readinto(buffer)
        self._size += count or 0
        check_size(self._size, self._most)
        return count

    def _wait_no_longer(self) -> None:
        if self._timeout is None or self._ends is None:
            return
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer did not end in time")
        self._sock.settimeout(min(self._timeout, left))

    def close(self) -> None:
        with suppress(OSError):
            # The connection is used again, and what was left of this answer's time is nothing to the next request.
            self._sock.settimeout(self._timeout)
        self._raw.close()
        super().close()


class _BoundedResponse(HTTPResponse):
    """http.client's, over :class:`_Incoming`."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp: Any = BufferedReader(_Incoming(self.fp.detach(), sock))

    def _read_status(self) -> tuple[str, int, str]:
        version, status, reason = super()._read_status()  # type: ignore[misc]
        if 100 < status < 200:
            # http.client would take it for the answer, and the answer for the one to the next request.
            raise HTTPException("an interim answer that was not asked for")
        return version, status, reason


class _NotesDeparture:
    """A connection that notes when something of a request leaves."""

    response_class: type[HTTPResponse] = _BoundedResponse
    sock: Any

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()  # type: ignore[attr-defined]
        _present.has_left = True
        super().send(data)  # type: ignore[misc]

    def _tunnel(self) -> None:
        """Asking a proxy for the way sends nothing of the request."""
        try:
            super()._tunnel()  # type: ignore[misc]
        finally:
            _present.has_left = False


class _Connection(_NotesDeparture, HTTPConnection):
    pass


class _TLSConnection(_NotesDeparture, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


#: What urllib3's managers make their connections of.
POOLS = {"http": _Pool, "https": _TLSPool}
