"""Lone rows are refused one after the other: is it they, or would every row of the load be refused?"""

from __future__ import annotations

from dataclasses import dataclass

#: Lone rows refused before any chunk is accepted, after which it need not be the rows' fault.
MOST_LONE_REFUSALS = 20

#: Lone rows from everywhere that are refused as well before all are given up.
PROBES = 10


@dataclass
class Suspicion:
    """Counts lone rows that were refused while no chunk was accepted."""

    _accepted_any: bool = False
    _lone_refusals: int = 0

    def accepted(self) -> None:
        """A chunk was taken: whatever is refused is so for its own sake."""
        self._accepted_any = True

    def refused(self) -> None:
        """A lone row was refused."""
        self._lone_refusals += 1

    @property
    def wants_probes(self) -> bool:
        """Whether rows from everywhere should be tried, each alone."""
        return self._lone_refusals == MOST_LONE_REFUSALS and not self._accepted_any

    @property
    def is_certain(self) -> bool:
        """Whether every row would be refused."""
        return self._lone_refusals >= MOST_LONE_REFUSALS + PROBES and not self._accepted_any
