"""Where a load asks whether its volume is right: before a call, as a call answers, before it settles, as it decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from airflow_sf_dedup.audit.base import EntryWriter
from airflow_sf_dedup.core.decisions import Decision, DuplicateCase
from airflow_sf_dedup.core.entries import Action, Entry
from airflow_sf_dedup.core.obstacles import Obstacle
from airflow_sf_dedup.core.outcomes import DuplicatesFound, Outcome, Saved
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.volume import Volume, volume_of
from airflow_sf_dedup.journeys.sending.by_calls import CarriesChunks
from airflow_sf_dedup.journeys.sending.clearance import Clearance, Cleared, granted
from airflow_sf_dedup.journeys.sending.under_way import UnderWay
from airflow_sf_dedup.journeys.settling.blocked import Blocked, Settling
from airflow_sf_dedup.journeys.settling.book import Book
from airflow_sf_dedup.journeys.settling.settlement import CarriesOut
from airflow_sf_dedup.journeys.settling.writing import Way, Writes
from airflow_sf_dedup.journeys.volume_guard import VolumeGuard
from airflow_sf_dedup.salesforce.ports import ChunkAnswer

_BLOCKED = Volume(blocked=1)


@dataclass
class GuardedClearance:
    """A :class:`~airflow_sf_dedup.journeys.sending.clearance.Clearance` that stops a load.

    Where the org was asked who holds the rows' keys, what the call would do is known before it is made.
    """

    clearance: Clearance[Record]
    guard: VolumeGuard

    def clear(self, rows: Sequence[UnderWay[Record]]) -> list[Cleared[Record]]:
        """As what it stands before.

        :raises VolumeGuardError: nothing more may be sent.
        """
        self.guard.check()
        cleared = self.clearance.clear(rows)
        foreseen = sum((_foreseen(each.row) for each in granted(cleared)), Volume())
        if foreseen != Volume():
            self.guard.check(foreseen)
        return cleared


def _foreseen(row: Record) -> Volume:
    """What sending a row does, as far as it is known."""
    if row.known is None:
        return Volume()
    return volume_of(Action.CREATED if row.known.record_id is None else Action.UPDATED, None)


def watched(call: CarriesChunks[Record], guard: VolumeGuard) -> CarriesChunks[Record]:
    """The same call, of whose answers the guard knows as soon as they are there."""

    def carry(chunks: Sequence[Sequence[Record]], /, *, on_late: Callable[[], None]) -> list[ChunkAnswer]:
        answers = call(chunks, on_late=on_late)
        for chunk, answer in zip(chunks, answers, strict=False):
            if isinstance(answer, list):
                rows = zip(chunk, answer, strict=False)
                guard.see({row.row_number: seen for row, outcome in rows if (seen := _answered(outcome)) != Volume()})
        return answers

    return carry


def _answered(outcome: Outcome) -> Volume:
    match outcome:
        case Saved(_, created):
            return volume_of(Action.CREATED if created else Action.UPDATED, None)
        case DuplicatesFound():
            return _BLOCKED
        case _:
            return Volume()


@dataclass(frozen=True)
class GuardedSink:
    """An :class:`~airflow_sf_dedup.audit.base.EntryWriter` whose entries count from then on by themselves."""

    sink: EntryWriter
    guard: VolumeGuard

    def remember(self, load_id: str, entries: Sequence[Entry]) -> None:
        """Commit entries."""
        self.guard.settle(entries)
        self.sink.remember(load_id, entries)


def before_settling(guard: VolumeGuard) -> Callable[[Sequence[Blocked]], None]:
    """What stops a load before blocked rows are looked up, which may save them, and decided."""

    def check(rows: Sequence[Blocked]) -> None:
        by_rules = (row for row in rows if row.obstacle is Obstacle.DUPLICATE_RULE)
        guard.see({row.record.row_number: _BLOCKED for row in by_rules})
        guard.check()

    return check


@dataclass(frozen=True)
class Guarded:
    """Carries out a decision that writes, where the load may write as much."""

    writes: CarriesOut
    way: Way
    guard: VolumeGuard

    def carry_out(self, items: Sequence[Settling], book: Book) -> list[DuplicateCase]:
        """As what it stands before.

        :raises VolumeGuardError: nothing more may be written.
        """
        self.guard.check(volume_of(self.way.action, None, len(items)))
        return self.writes.carry_out(items, book)


def guarded(
    carries_out: Mapping[type[Decision], CarriesOut], guard: VolumeGuard
) -> Mapping[type[Decision], CarriesOut]:
    """The same kinds of decisions, of which those that write are guarded."""
    return {
        kind: Guarded(each, each.way, guard) if isinstance(each, Writes) else each for kind, each in carries_out.items()
    }
