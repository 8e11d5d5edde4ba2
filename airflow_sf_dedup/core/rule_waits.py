"""How often, and until when, has a row waited for a duplicate rule that the org has switched off already?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class RuleWait:
    """The waits of one row of a load. Times are UTC and the worker's own, by which Airflow brings a task back."""

    #: How often it has been put off.
    times: int
    #: When it was put off first.
    since: datetime
    #: From when on it is sent again.
    until: datetime

    def again(self, now: datetime, after: timedelta) -> RuleWait:
        """The same once the row is put off once more."""
        return replace(self, times=self.times + 1, until=now + after)

    @property
    def seconds(self) -> float:
        """From its first putting off to the end of its last wait."""
        return (self.until - self.since).total_seconds()


def seconds_over(waits: Sequence[RuleWait]) -> float:
    """From the first putting off to the end of the last wait, over all rows; 0 where none waited."""
    if not waits:
        return 0.0
    return (max(wait.until for wait in waits) - min(wait.since for wait in waits)).total_seconds()
