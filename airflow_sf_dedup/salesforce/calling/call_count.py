"""Counts the calls that an org's daily limit counts, and keeps what the org says about that limit."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

#: Twelve digits are a thousand times the largest allocation that Salesforce sells.
_USAGE = re.compile(r"(?<![\w-])api-usage=([0-9]{1,12})/([0-9]{1,12})(?![0-9])")
#: Resources whose second part tells more than the first. Never a third: that may be a customer's key.
_TWO_PARTS = ("composite", "jobs", "ui-api", "tooling")
#: Requests that an org does not count: OAuth, identity, and the list of versions.
_FREE = re.compile(r"/services/oauth2/.*|/id/.*|/services/data/?")


@dataclass(frozen=True, slots=True)
class LimitInfo:
    """What the last answer said about the daily limit (``Sforce-Limit-Info``)."""

    #: Calls of the last 24 hours, of all clients of the org.
    used: int
    #: Calls that 24 hours may hold.
    allowed: int


class CallCount:
    """A thread-safe counter of API calls, retries included."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: Counter[str] = Counter()
        self._limit_info: LimitInfo | None = None

    def add(self, kind: str) -> None:
        """Count one call of that kind."""
        with self._lock:
            self._calls[kind] += 1

    def note_limits(self, headers: Mapping[str, str]) -> None:
        """Keep the limits an answer tells of; names of ``headers`` in lower case."""
        usage = _USAGE.search(headers.get("sforce-limit-info", ""))
        if usage:
            self._limit_info = LimitInfo(int(usage[1]), int(usage[2]))

    @property
    def total(self) -> int:
        """All calls."""
        with self._lock:
            return self._calls.total()

    @property
    def by_kind(self) -> dict[str, int]:
        """Calls by kind, such as ``POST composite`` or ``soap upsert``."""
        with self._lock:
            return dict(self._calls)

    @property
    def limit_info(self) -> LimitInfo | None:
        """The limits of the last answer that told of them."""
        return self._limit_info


def is_counted(path: str) -> bool:
    """Whether an org counts a request to that absolute path."""
    return _FREE.fullmatch(path.partition("?")[0]) is None


def kind_of(method: str, path: str) -> str:
    """The kind of a REST call, from its method and its absolute path; holds no customer's value."""
    parts = [part for part in path.partition("?")[0].split("/") if part]
    if parts[:2] == ["services", "data"]:
        parts = parts[3:]
    if parts[-1:] == ["describe"]:
        return f"{method} describe"
    return f"{method} {'/'.join(parts[: 2 if parts[:1] and parts[0] in _TWO_PARTS else 1])}"
