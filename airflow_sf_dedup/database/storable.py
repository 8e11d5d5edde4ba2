"""What a database can hold, made from whatever a row or an org says. Every change made here can be seen.

PostgreSQL refuses NUL characters in text, and neither database stores half of a surrogate pair.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import date, datetime, time
from hashlib import blake2b
from typing import Any

#: Characters kept of a key: what Salesforce's external-ID fields hold, and what an index can carry.
KEY_LENGTH = 255
#: Characters kept of an error message.
MESSAGE_LENGTH = 4000
#: Characters kept of a code, a reason, an id or a name.
WORD_LENGTH = 255


def _is_plain(text: str) -> bool:
    return text.isascii() and "\x00" not in text


def clean(text: str) -> str:
    r"""Replace NUL by its picture ␀ and lone surrogates by their escape, such as ``\ud800``."""
    if "\x00" in text:
        text = text.replace("\x00", "␀")
    if text.isascii():
        return text
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def stored_key(text: str | None) -> str | None:
    """A key as the audit stores it: one too long is cut and ends in a digest, so that it stays its own."""
    if text is None:
        return None
    if len(text) > KEY_LENGTH:
        digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        text = f"{text[: KEY_LENGTH - 17]}…{digest}"
    return text if _is_plain(text) else clean(text)


def key_hash(key: str) -> str:
    """The digest under which claims and watermarks know a key: 32 hexadecimal digits.

    They outlive the load, and a key can be personal data.
    """
    return blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def stored_word(text: str | None) -> str | None:
    """A code, reason, id or name, at most :data:`WORD_LENGTH` characters."""
    if text is None:
        return None
    if len(text) > WORD_LENGTH:
        text = text[: WORD_LENGTH - 1] + "…"
    return text if _is_plain(text) else clean(text)


def stored_message(text: str | None) -> str | None:
    """A message; one longer than :data:`MESSAGE_LENGTH` is cut and says how long it was."""
    if text is None:
        return None
    if len(text) <= MESSAGE_LENGTH:
        return clean(text)
    return f"{clean(text[:MESSAGE_LENGTH])}… (cut from {len(text)} characters)"


def storable(value: Any) -> Any:
    """The same as JSON values: times as ISO text, numbers that JSON lacks as text, text cleaned."""
    if isinstance(value, str):
        return clean(str(value))
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {clean(str(name)): storable(part) for name, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [storable(part) for part in value]
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return clean(str(value))


def json_text(value: Any) -> str:
    """JSON text of a value, after :func:`storable`."""
    return json.dumps(storable(value), ensure_ascii=False, separators=(",", ":"))
