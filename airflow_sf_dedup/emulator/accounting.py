"""How many API calls has the org answered, and which? Counted as Salesforce counts them.

A composite request is one call, a collection is one call, a SOAP call is one call; getting a token, userinfo, the
list of versions and logging in are none.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import asdict, dataclass
from typing import Any

_REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class Call:
    method: str
    path: str
    status: int
    #: Records that the call carried or returned, as far as the resource says.
    rows: int
    milliseconds: float


class Accounting:
    def __init__(self, daily_limit: int) -> None:
        self.daily_limit = daily_limit
        self._lock = threading.Lock()
        self.api_calls = 0
        self.logins = 0
        self.by_call: Counter[str] = Counter()
        self._calls: deque[Call] = deque(maxlen=_REMEMBERED)

    def count(self, name: str) -> None:
        """One API call, under the name of its resource: ``POST /composite``, ``SOAP upsert``."""
        with self._lock:
            self.api_calls += 1
            self.by_call[name] += 1

    def count_login(self) -> None:
        with self._lock:
            self.logins += 1

    def remember(self, call: Call) -> None:
        self._calls.append(call)

    def stats(self) -> dict[str, Any]:
        return {
            "api_calls": self.api_calls,
            "by_call": dict(self.by_call),
            "logins": self.logins,
        }

    def calls(self, last: int = _REMEMBERED) -> list[dict[str, Any]]:
        return [asdict(call) for call in list(self._calls)[-last:]]
