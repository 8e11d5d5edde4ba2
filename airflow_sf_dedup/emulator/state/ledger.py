"""What became of every row of every call, in commit order. Written by the org itself, whatever its callers were told.

Records that are seeded, and those that the org makes for itself (duplicate record sets), are not rows of a call.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Change:
    """One row of a call."""

    #: When its transaction was committed: ``2026-01-31T12:00:00.000+0000``.
    at: str
    #: Number of the HTTP request, as in the log of calls.
    call: int
    sobject: str
    #: ``created``, ``updated``, ``deleted``, ``undeleted``, ``purged`` (from the recycle bin) or ``refused``.
    verb: str
    #: None for a refused create.
    record_id: str | None
    #: What the row wrote; of a refused row its keys.
    values: dict[str, Any]
    #: What an update replaced.
    before: dict[str, Any]
    #: Code of the error that refused the row.
    error: str | None = None

    def taken_back(self, code: str) -> Change:
        """The same row after its transaction was rolled back."""
        if self.verb == "refused":
            return self
        record_id = None if self.verb == "created" else self.record_id
        return replace(self, verb="refused", record_id=record_id, before={}, error=code)


class Ledger:
    """Append only; the org's lock is held while something is added."""

    def __init__(self, changes: Iterable[Change] = ()) -> None:
        self._changes: list[Change] = []
        self._by_call: dict[int, Counter[str]] = {}
        self.add(changes)

    def add(self, changes: Iterable[Change]) -> None:
        for each in changes:
            self._changes.append(each)
            self._by_call.setdefault(each.call, Counter())[each.error or each.verb] += 1

    def copy(self) -> Ledger:
        return Ledger(self._changes)

    def outcomes(self, call: int) -> dict[str, int]:
        """What became of the rows of a call: ``{"created": 188, "DUPLICATES_DETECTED": 12}``."""
        return dict(self._by_call.get(call, {}))

    def __len__(self) -> int:
        return len(self._changes)

    def entries(self, after: int = 0) -> list[dict[str, Any]]:
        """The rows whose ``seq`` is above ``after``."""
        return [_entry(seq, each) for seq, each in enumerate(self._changes[after:], start=after + 1)]


def _entry(seq: int, change: Change) -> dict[str, Any]:
    return {
        "seq": seq,
        "at": change.at,
        "call": change.call,
        "sobject": change.sobject,
        "verb": change.verb,
        "record_id": change.record_id,
        "values": change.values,
        "before": change.before,
        "error": change.error,
    }
