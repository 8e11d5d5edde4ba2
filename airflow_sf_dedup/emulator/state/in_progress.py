"""Which call is being answered in this thread, and what happens to it inside the org?

The number of the call and its faults are needed deep inside a save; they travel in a context variable, so that
nothing between the door and the save has to know of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.faults.switches import Firing

DAILY_LIMIT = "TotalRequests Limit exceeded."
CONCURRENT_LIMIT = "ConcurrentPerOrgLongTxn Limit exceeded."
UNKNOWN = (
    "An unexpected error occurred. Please include this ErrorId if you contact support: 1234567890-12345 (-1234567890)"
)
_PARSER_MESSAGE = "Unexpected character ('}' (code 125)): was expecting a value at [line:1, column:1]"


@dataclass(slots=True)
class Notes:
    """What the org learns about a call while it answers it."""

    #: Under which it is counted.
    name: str | None = None
    user_id: str | None = None


@dataclass(frozen=True)
class InProgress:
    #: Counted from 1 since the last reset; 0 outside of a call.
    number: int = 0
    #: Which reset the call came after; None outside of a call.
    generation: int | None = None
    firings: tuple[Firing, ...] = ()
    #: More calls are in progress than the org bears.
    crowded: bool = False
    #: The firings that have refused a row of this call.
    refusing: set[int] = field(default_factory=set)
    notes: Notes = field(default_factory=Notes)

    def of_kind(self, kind: str) -> Iterator[Firing]:
        return (each for each in self.firings if each.kind == kind)

    def admit(self) -> None:
        """Refuses a call whose session is valid before it is counted.

        :raises ApiError: 403 REQUEST_LIMIT_EXCEEDED.
        """
        if self.crowded:
            raise limit_exceeded(CONCURRENT_LIMIT)
        for firing in self.of_kind("request_limit"):
            message = DAILY_LIMIT if firing["limit"] == "daily" else CONCURRENT_LIMIT
            raise limit_exceeded(message, retry_after=firing["retry_after"])

    def begin(self) -> None:
        """Refuses a call that was counted before anything is done.

        :raises ApiError: as the fault says.
        """
        for firing in self.firings:
            if firing.kind == "refuse_request" and not firing["subrequests"]:
                raise refusal_of(firing)
            if firing.kind == "unknown_error" and not firing["after_commit"]:
                raise ApiError("UNKNOWN_EXCEPTION", UNKNOWN, status=500)

    def refused_subrequests(self, count: int) -> dict[int, ApiError]:
        """Which subrequests of a composite are refused, by position."""
        refused: dict[int, ApiError] = {}
        for firing in self.of_kind("refuse_request"):
            if firing["subrequests"]:
                refused |= dict.fromkeys(some(firing, range(count)), refusal_of(firing))
        return refused

    def refused_rows(self, candidates: Sequence[int]) -> dict[int, Firing]:
        """Which rows of a save are refused by a fault. A fault that happens refuses at least one row of its call."""
        refused: dict[int, Firing] = {}
        for firing in self.of_kind("refuse_rows"):
            first = id(firing) not in self.refusing
            chosen = some(firing, candidates, at_least_one=first)
            if chosen:
                self.refusing.add(id(firing))
            refused = dict.fromkeys(chosen, firing) | refused
        return refused


def refusal_of(firing: Firing) -> ApiError:
    message = firing["message"] or (_PARSER_MESSAGE if firing["code"] == "JSON_PARSER_ERROR" else firing["code"])
    return ApiError(firing["code"], message, status=firing["status"])


def limit_exceeded(message: str, *, retry_after: float | None = None) -> ApiError:
    return ApiError("REQUEST_LIMIT_EXCEEDED", message, status=403, headers=retry_header(retry_after))


def retry_header(seconds: float | None) -> dict[str, str]:
    return {} if seconds is None else {"Retry-After": f"{seconds:g}"}


def some(firing: Firing, positions: Sequence[int], *, at_least_one: bool = True) -> list[int]:
    """Each position with the probability ``share``; one of them when none was drawn."""
    chosen = [each for each in positions if firing.random.random() < firing["share"]]
    return chosen or ([firing.random.choice(positions)] if positions and at_least_one and firing["share"] else [])


_CURRENT: ContextVar[InProgress] = ContextVar("call in progress", default=InProgress())  # noqa: B039


def current() -> InProgress:
    return _CURRENT.get()


@contextmanager
def answering(call: InProgress) -> Iterator[None]:
    before = _CURRENT.set(call)
    try:
        yield
    finally:
        _CURRENT.reset(before)
