"""The open connections of the server, so that one can be ended without an answer."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

_Peer = tuple[Any, ...]
_LINGER_ZERO = struct.pack("ii", 1, 0)


class Connections:
    """Open connections by the address of their client."""

    def __init__(self) -> None:
        self._open: dict[_Peer, asyncio.Transport] = {}

    def protocol(self) -> type[asyncio.Protocol]:
        """The server's protocol for HTTP, which enters its connections here."""
        connections = self

        class Entered(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
            def connection_made(self, transport: Any) -> None:
                self._entered = transport
                connections._open[_peer(transport)] = transport
                super().connection_made(transport)

            def connection_lost(self, exc: Exception | None) -> None:
                connections._forget(self._entered)
                super().connection_lost(exc)

        return Entered

    def _forget(self, transport: Any) -> None:
        peer = _peer(transport)
        if self._open.get(peer) is transport:
            del self._open[peer]

    def close(self, client: Any) -> None:
        """Ends a connection once all that was written to it is sent."""
        transport = self._open.get(tuple(client or ()))
        if transport is not None:
            transport.close()

    def reset(self, client: Any) -> None:
        """Ends a connection at once, with RST."""
        transport = self._open.get(tuple(client or ()))
        if transport is None:
            return
        with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as same:
            same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        transport.abort()


def _peer(transport: Any) -> _Peer:
    return tuple(transport.get_extra_info("peername") or ())[:2]
