"""A row that is kept out by a duplicate rule or by who holds its key, and a decision on its way."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_sf_dedup.core.decisions import Decided, DuplicateCase
from airflow_sf_dedup.core.obstacles import Obstacle
from airflow_sf_dedup.core.outcomes import DuplicatesFound, Failed, KeyHeldByMany
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.journeys.sending.under_way import UnderWay


@dataclass(frozen=True, slots=True)
class Blocked:
    """A row that is kept out.

    :ivar found: what the rules found; nothing where no rule was asked.
    :ivar refused: what Salesforce said instead, where the row's key is the obstacle.
    :ivar holders: ids of records that hold the key then, as far as the refusal names them.
    """

    sent: UnderWay[Record]
    found: DuplicatesFound
    obstacle: Obstacle = Obstacle.DUPLICATE_RULE
    refused: Failed | KeyHeldByMany | None = None
    holders: tuple[str, ...] = ()

    @property
    def record(self) -> Record:
        return self.sent.row


@dataclass(frozen=True, slots=True)
class Settling:
    """A case and what was decided about it."""

    case: DuplicateCase
    decided: Decided

    @property
    def record(self) -> Record:
        return self.case.record

    def refused(self, reason: str) -> DuplicateCase:
        """The case, now that the decision could not be carried out."""
        return self.case.without(self.decided, reason)


def record_of(item: Settling) -> Record:
    """The row that a decision is about."""
    return item.case.record
