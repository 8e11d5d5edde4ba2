"""What sends the rows of one task: all of it waits alike, tells the same time, and tells the same of late calls."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.journeys.sending.backoff import seconds_before_try
from airflow_sf_dedup.journeys.sending.by_calls import ByCalls, CarriesChunks
from airflow_sf_dedup.journeys.sending.clearance import Clearance
from airflow_sf_dedup.journeys.sending.lanes import way_of
from airflow_sf_dedup.journeys.sending.next_step import Terms
from airflow_sf_dedup.salesforce.ports import ChunkApi

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Room:
    """How much one call takes."""

    rows_per_chunk: int
    chunks_per_call: int = 1

    @classmethod
    def of(cls, api: ChunkApi) -> Room:
        """As an API takes it."""
        return cls(api.rows_per_chunk, api.chunks_per_call)


@dataclass(frozen=True)
class Senders:
    """Makes senders.

    :ivar on_late: told the numbers of rows in a call that was given up and may still be carried out.
    :ivar now: the org's time, UTC.
    :ivar sleep: takes seconds.
    :ivar wait: seconds before a try, from the second one on.
    """

    on_late: Callable[[Iterable[int]], None] = lambda rows: None
    now: Callable[[], datetime] = utc_now
    sleep: Callable[[float], None] = time.sleep
    wait: Callable[[int], float] = seconds_before_try

    def by_calls(
        self,
        call: CarriesChunks[T],
        terms: Terms,
        room: Room,
        record_of: Callable[[T], Record],
        *,
        clearance: Clearance[T] | None = None,
        max_in_flight: int = 1,
    ) -> ByCalls[T]:
        """Send what stands for records through one kind of call."""
        return ByCalls(
            call,
            terms,
            rows_per_chunk=room.rows_per_chunk,
            chunks_per_call=room.chunks_per_call,
            size=lambda item: size_of(record_of(item)),
            clearance=clearance,
            way=lambda item: way_of(record_of(item)),
            on_late=lambda items: self.on_late(record_of(item).row_number for item in items),
            max_in_flight=max_in_flight,
            now=self.now,
            sleep=self.sleep,
            wait=self.wait,
        )


def itself(record: Record) -> Record:
    """The record that a record stands for."""
    return record


def size_of(record: Record) -> int:
    """Characters of a row's text values: what decides how many fit a call."""
    return sum([len(value) for value in record.fields.values() if type(value) is str])
