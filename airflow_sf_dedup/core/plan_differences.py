"""Where did a load differ from its plan? A row of one is the same row of the other by its key, and by its place among
the rows of that key.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from airflow_sf_dedup.core.entries import Action


class Departure(StrEnum):
    """How a row of a load differs from the plan."""

    #: It ended in another way.
    OTHERWISE = "otherwise"
    #: It ended as was planned, and another record was written.
    OTHER_RECORD = "other_record"
    #: The load has it and the plan does not.
    NEW = "new"
    #: The plan has it and the load does not.
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class PlanDifference:
    """A row that did not end as it was planned.

    :ivar row_number: in the load, and ``planned_row`` in the plan; ``None``: it is not there.
    """

    departure: Departure
    key: str | None
    row_number: int | None
    planned_row: int | None
    planned: Action | None
    became: Action | None
    planned_reason: str | None = None
    reason: str | None = None
    planned_record: str | None = None
    record_id: str | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """A load and its plan in numbers.

    :ivar as_planned: rows that ended as they were planned.
    :ivar unplanned: rows of the load that the plan did not look at, being no part of its sample.
    :ivar otherwise: how a row was planned, and what it became, to the number of rows; ``None``: one of the two does
        not have them. Other records under one action count as well.
    """

    as_planned: int
    unplanned: int
    otherwise: dict[tuple[Action | None, Action | None], int]

    @property
    def rows_otherwise(self) -> int:
        """All rows that differ."""
        return sum(self.otherwise.values())
