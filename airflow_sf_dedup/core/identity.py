"""Are two lists of rows the same rows? A digest that says so in any process.

A task that runs again gets its rows as new objects. What Python shows of them need not be the same: a set has
another order in every process, an object without a text of its own shows its address.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Set
from typing import Any

from airflow_sf_dedup.core.values import plain

#: Where an object lies, in what Python shows of it.
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


#: What Python shows of these says all of them, and no two of them alike.
_AS_THEY_ARE = frozenset({str, int, float, bool, bytes, type(None)})


def digest_of(parts: Iterable[Any]) -> bytes:
    """16 bytes (BLAKE2b-128) over values of any kind, in their order; mappings and sets have none."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        shown = repr(_comparable(part)).encode("utf-8", "backslashreplace")
        digest.update(b"%d:" % len(shown))
        digest.update(shown)
    return digest.digest()


def _comparable(value: Any) -> Any:
    """The value in builtin types only, which Python shows alike in any process."""
    if type(value) not in _AS_THEY_ARE:
        value = plain(value)
    if type(value) in _AS_THEY_ARE:
        # A NaN says "nothing here", as None does.
        return value if value == value else None
    if isinstance(value, Mapping):
        return "mapping", sorted(((_comparable(name), _comparable(each)) for name, each in value.items()), key=repr)
    if isinstance(value, Set):
        return "set", sorted(map(_comparable, value), key=repr)
    if isinstance(value, list | tuple):
        return [_comparable(each) for each in value]
    return f"{type(value).__module__}.{type(value).__qualname__}", _ADDRESS.sub("", repr(value))
