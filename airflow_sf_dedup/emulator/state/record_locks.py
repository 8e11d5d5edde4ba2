"""Which records does a save hold right now, and who has to wait for them?"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

#: The records that each row of a save needs, by the row's position.
Needs = Mapping[int, frozenset[str]]


class RecordLocks:
    """A save takes all that it gets at one moment, so that none holds records while it waits for others."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._held: set[str] = set()

    @contextmanager
    def holding(self, needs: Needs, *, wait: float) -> Iterator[dict[int, str]]:
        """Holds the records of as many rows as possible; gives the others, with the record that was not to be had.

        :param wait: seconds to wait for records that others hold.
        """
        taken, blocked = self._take(needs, wait)
        try:
            yield blocked
        finally:
            with self._changed:
                self._held -= taken
                self._changed.notify_all()

    def _take(self, needs: Needs, wait: float) -> tuple[set[str], dict[int, str]]:
        deadline = time.monotonic() + wait
        with self._changed:
            blocked = self._blocked(needs)
            while blocked and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
                blocked = self._blocked(needs)
            taken = {each for row, records in needs.items() if row not in blocked for each in records}
            self._held |= taken
            return taken, blocked

    def _blocked(self, needs: Needs) -> dict[int, str]:
        return {row: min(records & self._held) for row, records in needs.items() if records & self._held}
