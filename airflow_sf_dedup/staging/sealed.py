"""Small JSON files that tell by themselves whether they are whole.

``{"checksum": "<BLAKE2b-128 of the content's bytes, 32 hex digits>", "content": …}``
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from airflow_sf_dedup.files import reading


class _Sealed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    checksum: str
    content: msgspec.Raw


_decode = msgspec.json.Decoder(_Sealed).decode


def seal(content: Any) -> bytes:
    """The file of a JSON value."""
    raw = msgspec.json.encode(content)
    return msgspec.json.encode(_Sealed(_digest(raw), msgspec.Raw(raw)))


def unseal(file: bytes) -> Any:
    """The JSON value of a file.

    :raises ValueError: it is not what was written.
    """
    sealed = _decode(file)
    if _digest(bytes(sealed.content)) != sealed.checksum:
        raise ValueError("the checksum differs")
    return msgspec.json.decode(sealed.content)


def read_sealed(path: str) -> Any:
    """The JSON value of the file of that path.

    :raises FileRefusedError: it is not there, or may not be read.
    :raises ValueError: it is not what was written, or a folder stands in its place.
    """
    try:
        with reading.open_binary(path) as file:
            return unseal(file.read())
    except IsADirectoryError:
        raise ValueError("it is a folder") from None


def _digest(raw: bytes) -> str:
    return hashlib.blake2b(raw, digest_size=16).hexdigest()
