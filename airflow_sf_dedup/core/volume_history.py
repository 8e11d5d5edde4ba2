"""How much do the loads of a task usually create, change and have blocked, and is a load far beyond it? Pure.

Rows are compared and not shares of the source: rows are what has to be taken back, and of a feed of new rows each load
creates all, the ten times too large one as well. Of the loads looked at, the one that did most does not count: what
happened once may be the very accident that is to be stopped, or the first load, which created everything. What
happened twice is how the feed is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from airflow_sf_dedup.core.volume import LEAST_ROWS, Volume

#: Loads that make a history.
LEAST_LOADS = 3

#: The latest ones that are looked at: four weeks of working days, with what comes once a week in it.
MOST_LOADS = 20


@dataclass(frozen=True, slots=True)
class VolumeHistory:
    """What earlier whole loads of a task did, at most :data:`MOST_LOADS` of them."""

    loads: Sequence[Volume]

    @property
    def is_enough(self) -> bool:
        """Whether a load is compared with it at all."""
        return len(self.loads) >= LEAST_LOADS

    @property
    def usual(self) -> Volume:
        """The second most rows of any of the loads, of each kind by itself."""
        return Volume(
            _second(each.created for each in self.loads),
            _second(each.changed for each in self.loads),
            _second(each.blocked for each in self.loads),
        )

    def exceeded(self, volume: Volume, factor: float) -> str | None:
        """How a load is beyond its history, with the number that it may have of each kind; ``None``: it is not.

        A few rows never are, so that a load is not stopped by its first row where there was none before.
        """
        found = ", ".join(self._exceeded(volume, factor)) if self.is_enough else ""
        return (
            f"max_vs_history={factor:g} ({found}, by the last {len(self.loads)} loads of this task)" if found else None
        )

    def _exceeded(self, volume: Volume, factor: float) -> Iterator[str]:
        usual = self.usual
        kinds = {
            "created": (volume.created, usual.created),
            "changed": (volume.changed, usual.changed),
            "blocked": (volume.all_blocked, usual.blocked),
        }
        for kind, (rows, usually) in kinds.items():
            most = max(LEAST_ROWS, int(factor * usually))
            if rows > most:
                yield f"at most {most:,} {kind}"

    def words(self, factor: float) -> str:
        """What a load is compared with."""
        if not self.is_enough:
            return (
                f"max_vs_history={factor:g}: no history yet, nothing is compared: this task has {len(self.loads)} "
                f"whole loads before this one, and {LEAST_LOADS} make one"
            )
        return (
            f"max_vs_history={factor:g}: the last {len(self.loads)} whole loads of this task had {self.usual}, each "
            "with the one that had most left out"
        )


def _second(counts: Iterator[int]) -> int:
    """The second largest."""
    return sorted(counts)[-2]
