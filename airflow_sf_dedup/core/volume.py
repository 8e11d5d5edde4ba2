"""How much of a load creates, changes or is blocked, and how much of it may? Pure: numbers in, a sentence out.

What counts is told by an entry's action and code alone, so that what is counted as rows are written and what a load's
totals say are the same. A row that a policy saved although a rule named duplicates counts as created; one that a rule
kept out counts as blocked, whatever became of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from airflow_sf_dedup.core.entries import Action
from airflow_sf_dedup.core.numeric_settings import MAX_BLOCKED_PCT, MAX_CHANGED_PCT, MAX_CREATED, MAX_VS_HISTORY
from airflow_sf_dedup.core.obstacles import Obstacle

#: Rows that a percentage needs before it says anything: of three rows, one is a third. 0 percent needs none.
LEAST_ROWS = 20

_CREATED = (Action.CREATED, Action.SAVED_ANYWAY)
_CHANGED = (Action.UPDATED, Action.MATCHED_UPDATED)
_BLOCKED = Obstacle.DUPLICATE_RULE.code


@dataclass(frozen=True, slots=True)
class Volume:
    """Rows of a load, or of one of its partitions. A row that was blocked and then written counts at both."""

    created: int = 0
    changed: int = 0
    blocked: int = 0
    #: Blocked rows of which no entry says so yet.
    waiting: int = 0

    def __add__(self, other: Volume) -> Volume:
        return Volume(
            self.created + other.created,
            self.changed + other.changed,
            self.blocked + other.blocked,
            self.waiting + other.waiting,
        )

    def __neg__(self) -> Volume:
        return Volume(-self.created, -self.changed, -self.blocked, -self.waiting)

    def __str__(self) -> str:
        return f"{self.created:,} created, {self.changed:,} changed, {self.all_blocked:,} blocked"

    @property
    def all_blocked(self) -> int:
        """Those without an entry among them."""
        return self.blocked + self.waiting


def volume_of(action: Action, error_code: str | None, rows: int = 1) -> Volume:
    """What rows with such an entry count as."""
    created, changed, blocked = action in _CREATED, action in _CHANGED, error_code == _BLOCKED
    return Volume(rows * created, rows * changed, rows * blocked)


@dataclass(frozen=True, slots=True)
class VolumeLimits:
    """How much a load may do before it stops; ``None``: any number.

    :param max_created: rows that create a record.
    :param max_changed_pct: percent of the load's rows that change a record, 0 to 100.
    :param max_blocked_pct: percent of the load's rows that a duplicate rule keeps out, 0 to 100.
    :param max_vs_history: how many times what is usual of its task, see :mod:`airflow_sf_dedup.core.volume_history`;
        1 to 1,000.
    :raises SettingError: one is no number that it may be.
    """

    max_created: int | None = None
    max_changed_pct: float | None = None
    max_blocked_pct: float | None = None
    max_vs_history: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "max_created", MAX_CREATED.read(self.max_created))
        object.__setattr__(self, "max_changed_pct", MAX_CHANGED_PCT.read(self.max_changed_pct))
        object.__setattr__(self, "max_blocked_pct", MAX_BLOCKED_PCT.read(self.max_blocked_pct))
        object.__setattr__(self, "max_vs_history", MAX_VS_HISTORY.read(self.max_vs_history))

    def __bool__(self) -> bool:
        """Whether anything is limited."""
        return self != VolumeLimits()

    def exceeded(self, volume: Volume, rows: int) -> str | None:
        """Which limits are exceeded that need no history, with their values; ``None``: none is.

        :param rows: of the load.
        """
        return ", ".join(self._exceeded(volume, rows)) or None

    def _exceeded(self, volume: Volume, rows: int) -> Iterator[str]:
        if self.max_created is not None and volume.created > self.max_created:
            yield f"max_created={self.max_created}"
        if _is_more(volume.changed, self.max_changed_pct, rows):
            yield f"max_changed_pct={self.max_changed_pct:g}"
        if _is_more(volume.all_blocked, self.max_blocked_pct, rows):
            yield f"max_blocked_pct={self.max_blocked_pct:g}"


def _is_more(count: int, percent: float | None, rows: int) -> bool:
    """Whether so many of the rows are more than a percentage, which speaks of a few rows only where it is 0."""
    if percent is None:
        return False
    return count > (LEAST_ROWS if percent else 0) and 100 * count > percent * rows
