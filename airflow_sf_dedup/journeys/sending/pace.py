"""How much one call carries: less after trouble, more while calls are fast."""

from __future__ import annotations

from dataclasses import dataclass, field

#: Seconds. Salesforce counts calls that take longer against the org's concurrent requests (API limits: 25 of
#: them in production), so a call that takes longer was too large.
SLOW = 20.0

#: Seconds. A call that takes longer, but is not slow, leaves the pace as it is.
FAST = 10.0

#: Fast calls before a size is raised; doubled whenever what was too much once turns out to be so again.
_FIRST_STREAK = 2


@dataclass
class _Size:
    """A number that is halved after trouble, and doubled after fast calls: the later, the more often that was wrong.

    :param most: it is never more.
    """

    most: int
    now: int = field(init=False)
    _too_much: int | None = None
    _streak_wanted: int = _FIRST_STREAK
    _fast: int = 0

    def __post_init__(self) -> None:
        self.now = self.most

    def lower(self, failed: int) -> None:
        """So many were too many."""
        if self._too_much is not None and failed >= self._too_much:
            self._streak_wanted *= 2
        self._too_much = failed if self._too_much is None else min(self._too_much, failed)
        self.now = max(1, min(self.now, failed // 2))
        self._fast = 0

    def may_rise(self) -> bool:
        """After a fast call; whether it has risen."""
        self._fast += 1
        if self.now == self.most or self._fast < self._streak_wanted:
            return False
        self.now, self._fast = min(self.most, self.now * 2), 0
        return True


class Pace:
    """The size of calls: chunks of one call, rows of one chunk.

    :param most_rows: of one chunk.
    :param most_chunks: of one call.
    """

    def __init__(self, most_rows: int, most_chunks: int) -> None:
        self._rows = _Size(most_rows)
        self._chunks = _Size(most_chunks)

    @property
    def rows(self) -> int:
        """Of one chunk, at most."""
        return self._rows.now

    @property
    def chunks(self) -> int:
        """Of one call, at most."""
        return self._chunks.now

    def slower(self, rows: int) -> None:
        """After a call that took too long or failed: half as much.

        :param rows: of its largest chunk.
        """
        if self.chunks > 1:
            self._chunks.lower(self.chunks)
        else:
            self._rows.lower(min(self.rows, rows))

    def lighter(self, rows: int) -> None:
        """After a chunk of ``rows`` that was too much for one transaction."""
        self._rows.lower(rows)

    def answered(self, seconds: float) -> None:
        """After a call that was answered."""
        if seconds > SLOW:
            self.slower(self.rows)
        elif seconds < FAST and not self._rows.may_rise():
            self._chunks.may_rise()
