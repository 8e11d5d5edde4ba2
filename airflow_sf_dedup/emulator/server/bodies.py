"""The bodies of requests: read and unpacked as far as an org would, and no further."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

from starlette.requests import Request as WebRequest

#: Bytes of a body, packed or not: an upload to a Bulk 2.0 job has 150 MB at most, and nothing else is as large.
MOST_BYTES = 200_000_000

#: What stands for a body that is too large or cannot be unpacked: no JSON, no XML, no CSV.
NOTHING = b"\x00"

#: Of zlib: gzip's header and checksum, or those of deflate.
_WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


async def body_of(web: WebRequest) -> bytes:
    """The body as it came; one that is too large is read to its end and forgotten."""
    parts: list[bytes] = []
    size = 0
    async for part in web.stream():
        size += len(part)
        if size <= MOST_BYTES:
            parts.append(part)
        else:
            parts.clear()
    return b"".join(parts) if size <= MOST_BYTES else NOTHING


def unpacked(headers: Mapping[str, str], body: bytes) -> bytes:
    """The body as its ``Content-Encoding`` packs it."""
    window = _WINDOWS.get(headers.get("content-encoding", "").lower())
    if window is None:
        return body
    content = bytearray()
    try:
        # Several gzip files one behind the other are one.
        while body:
            unpacking = zlib.decompressobj(window)
            content += unpacking.decompress(body, MOST_BYTES + 1 - len(content))
            if not unpacking.eof or len(content) > MOST_BYTES:
                return NOTHING
            body = unpacking.unused_data
    except zlib.error:
        return NOTHING
    return bytes(content)
