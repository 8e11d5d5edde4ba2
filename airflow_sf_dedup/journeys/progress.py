"""How far is a task? A line in its log every few seconds, in counts alone."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

from airflow_sf_dedup.core.entries import Action, Entry
from airflow_sf_dedup.core.shortfall import in_words
from airflow_sf_dedup.core.wording import counted, were

#: Seconds between two lines.
EVERY = 5.0

#: The code of a row that a duplicate rule refused, whatever was done about it.
_BLOCKED = "DUPLICATES_DETECTED"


class Progress:
    """Counts rows as they get their entries, and says so now and then. Safe to tell from several threads.

    :param rows: of the partition.
    :param calls: API calls that the task has made so far.
    :param say: takes a line.
    :param clock: seconds, monotonic.
    """

    def __init__(
        self,
        rows: int = 0,
        *,
        calls: Callable[[], int] = lambda: 0,
        say: Callable[[str], None] = lambda line: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rows = rows
        self._calls = calls
        self._say = say
        self._clock = clock
        self._began = self._said = clock()
        self._settled_before = 0
        self._actions: Counter[Action] = Counter()
        self._blocked = 0
        self._lock = threading.Lock()

    def begin(self, settled: int) -> None:
        """The task starts; so many of its rows an earlier try has settled."""
        self._settled_before = settled
        if settled:
            self._say(
                f"{settled:,} of {counted(self._rows, 'rows')} {were(settled)} settled before, and not sent again"
            )

    def note(self, entries: Sequence[Entry]) -> None:
        """These rows have their entries."""
        with self._lock:
            self._actions.update(entry.action for entry in entries)
            self._blocked += sum(entry.error_code == _BLOCKED for entry in entries)
        self.tick()

    def tick(self) -> None:
        """Some time has passed, perhaps without an answer: each call, repeats included, says so before it is made."""
        with self._lock:
            now = self._clock()
            if now - self._said >= EVERY:
                self._said = now
                self._say(self._line(now - self._began))

    def _line(self, seconds: float) -> str:
        done = self._actions.total()
        short = ", ".join(in_words(self._actions)) or "0 failed"
        return (
            f"{done + self._settled_before:,} of {counted(self._rows, 'rows')}, {done / seconds:,.0f} a second; "
            f"{self._blocked:,} blocked, {short}, {counted(self._calls(), 'API calls')}"
        )
