"""How many API calls has the org answered, and which? Counted as Salesforce counts them.

A composite request is one call, a collection is one call, a SOAP call is one call; getting a token, userinfo, the
list of versions and logging in are none.

A call that is refused because a limit is used up is not counted.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from airflow_sf_dedup.emulator.state.in_progress import DAILY_LIMIT, current, limit_exceeded

_REMEMBERED = 1000


@dataclass(frozen=True, slots=True)
class Call:
    #: Counted from 1 since the last reset, in the order in which the calls came in.
    number: int
    method: str
    path: str
    #: 0 if the connection ended without an answer.
    status: int
    #: Records that the call carried or returned, as far as the resource says.
    rows: int
    milliseconds: float
    #: Under which the call is counted: ``POST /composite``; None for one that is not counted.
    name: str | None = None
    #: Id and username of the user whose session the call used.
    user_id: str | None = None
    user: str | None = None
    #: Kinds of the faults that happened to the call.
    faults: tuple[str, ...] = ()


class Accounting:
    def __init__(self, daily_limit: int = 0) -> None:
        self.daily_limit = daily_limit
        #: Whether calls above the daily limit are refused.
        self.enforced = False
        #: Calls that came in and are not answered yet.
        self.in_progress = 0
        self._arrived = 0
        self._lock = threading.Lock()
        self.api_calls = 0
        self.logins = 0
        self.by_call: Counter[str] = Counter()
        self._calls: deque[Call] = deque(maxlen=_REMEMBERED)

    def bear(self, allowed: int, enforced: int | None) -> None:
        """Says how many calls a day the org bears.

        :param enforced: beyond which calls are refused; None: none is, and ``allowed`` is only shown.
        """
        self.daily_limit = allowed if enforced is None else enforced
        self.enforced = enforced is not None

    def count(self, name: str) -> None:
        """One API call, under the name of its resource: ``POST /composite``, ``SOAP upsert``.

        :raises ApiError: 403 REQUEST_LIMIT_EXCEEDED, the day's calls are used up.
        """
        current().notes.name = name
        with self._lock:
            if self.enforced and self.api_calls >= self.daily_limit:
                raise limit_exceeded(DAILY_LIMIT)
            self.api_calls += 1
            self.by_call[name] += 1

    def count_login(self) -> None:
        with self._lock:
            self.logins += 1

    def arrive(self) -> int:
        """The number of a call that has just come in."""
        with self._lock:
            self._arrived += 1
            return self._arrived

    @contextmanager
    def progressing(self) -> Iterator[int]:
        """For the time of a call; gives how many are in progress with it."""
        with self._lock:
            self.in_progress += 1
            now = self.in_progress
        try:
            yield now
        finally:
            with self._lock:
                self.in_progress -= 1

    def copy(self) -> Accounting:
        """The same counts and calls; what is in progress is not part of it."""
        copied = Accounting(self.daily_limit)
        with self._lock:
            copied.enforced = self.enforced
            copied._arrived = self._arrived
            copied.api_calls, copied.logins = self.api_calls, self.logins
            copied.by_call = Counter(self.by_call)
            copied._calls = deque(self._calls, maxlen=_REMEMBERED)
        return copied

    def remember(self, call: Call) -> None:
        self._calls.append(call)

    def stats(self) -> dict[str, Any]:
        return {
            "api_calls": self.api_calls,
            "by_call": dict(self.by_call),
            "logins": self.logins,
        }

    def calls(self, last: int = _REMEMBERED) -> list[dict[str, Any]]:
        return [asdict(call) for call in list(self._calls)[max(len(self._calls) - last, 0) :]]
