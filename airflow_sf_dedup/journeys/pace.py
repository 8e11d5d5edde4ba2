"""How much one call carries: less after trouble, more while calls are fast."""

from __future__ import annotations

from dataclasses import dataclass, field

#: Seconds. Salesforce counts calls that take longer against the org's concurrent requests (API limits: 25 of
#: them in production), so a call that takes longer was too large.
SLOW = 20.0

#: Seconds. A call that takes longer, but is not slow, leaves the pace as it is.
FAST = 10.0

#: A share of a full chunk by which chunks grow again.
_STEP = 4


@dataclass
class Pace:
    """The size of calls: chunks of one call, rows of one chunk.

    :param most_rows: of one chunk.
    :param most_chunks: of one call.
    """

    most_rows: int
    most_chunks: int
    rows: int = field(init=False)
    chunks: int = field(init=False)

    def __post_init__(self) -> None:
        self.rows, self.chunks = self.most_rows, self.most_chunks

    def slower(self, rows: int) -> None:
        """After a call that took too long or failed: half as much.

        :param rows: of its largest chunk.
        """
        if self.chunks > 1:
            self.chunks //= 2
        else:
            self.rows = max(1, min(self.rows, rows) // 2)

    def lighter(self, rows: int) -> None:
        """After a chunk of ``rows`` that was too much for one transaction: never so many again."""
        self.most_rows = max(1, min(self.most_rows, rows // 2))
        self.rows = min(self.rows, self.most_rows)

    def answered(self, seconds: float) -> None:
        """After a call that was answered."""
        if seconds > SLOW:
            self.slower(self.rows)
        elif seconds < FAST:
            self._faster()

    def _faster(self) -> None:
        if self.rows < self.most_rows:
            self.rows = min(self.most_rows, self.rows + max(1, self.most_rows // _STEP))
        else:
            self.chunks = min(self.most_chunks, self.chunks + 1)
