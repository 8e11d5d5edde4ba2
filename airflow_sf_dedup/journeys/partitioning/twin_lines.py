"""Which rows go before a row that may be their twin?"""

from __future__ import annotations

from bisect import bisect_left
from functools import cached_property

from airflow_sf_dedup.core.records import Record


class TwinLine:
    """The rows of one group of twins, of which each has a wave to itself."""

    def __init__(self) -> None:
        self.row_at: dict[int, int] = {}

    @cached_property
    def _waves(self) -> list[int]:
        return sorted(self.row_at)

    def place(self, wave: int) -> tuple[int, int | None]:
        """The number of the first row, and that of the row right before a wave's."""
        place = bisect_left(self._waves, wave)
        return self.row_at[self._waves[0]], self.row_at[self._waves[place - 1]] if place else None


def twin_lines(rows: list[Record], twins: list[int | None], waves: list[int]) -> dict[int, TwinLine]:
    """The lines of all groups, each by its group.

    :param twins: of each row, the group; ``None``: it may be no twin.
    :param waves: of each row.
    """
    lines: dict[int, TwinLine] = {}
    for row, twin, wave in zip(rows, twins, waves, strict=True):
        if twin is not None:
            lines.setdefault(twin, TwinLine()).row_at[wave] = row.row_number
    return lines
