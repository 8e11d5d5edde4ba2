"""Rows with a past, as the parts of sending hand them on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from airflow_sf_dedup.core.outcomes import Outcome
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.journeys.sending.clearance import Clearance, Dropped, granted, put_off
from airflow_sf_dedup.journeys.sending.under_way import Answered, UnderWay, under_way
from airflow_sf_dedup.locks.base import Holder


@dataclass(frozen=True)
class Told:
    """What a clearance said of rows."""

    put_off: list[tuple[Record, Holder]]
    #: Numbers of rows.
    dropped: set[int]
    #: Number of a row that may be in the org to since when.
    since: dict[int, datetime]


def clear(clearance: Clearance[Record], rows: Sequence[Record]) -> Told:
    """Ask for rows that nobody has sent yet."""
    answers = clearance.clear(list(under_way(rows)))
    dropped = {row.row_number for row, each in zip(rows, answers, strict=True) if each is Dropped.DROPPED}
    known = [*granted(answers), *(each.sent for each in put_off(answers))]
    since = {each.row.row_number: each.since for each in known if each.since is not None}
    return Told([(each.sent.row, each.holder) for each in put_off(answers)], dropped, since)


def with_outcome(
    record: Record, outcome: Outcome, attempts: int = 1, waited: float = 0.0, since: datetime | None = None
) -> Answered[Record]:
    """A row with its outcome and its past; the seconds that it waited are from its first to its last sending."""
    return Answered(UnderWay(record, attempts, 0.0, waited, since), outcome)
