"""A plan of one staged partition: each row gets the entry that a load would give it, and nothing is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, islice

from airflow_sf_dedup.core.entries import NOT_IN_SAMPLE, WRITTEN, Action, Entry
from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.journeys.kin_waits import KinWaits
from airflow_sf_dedup.journeys.parents import PARENT_NOT_SAVED, words_of_parent
from airflow_sf_dedup.journeys.planning.foreseen import foreseeing
from airflow_sf_dedup.journeys.planning.foresight import Foresight, Nowhere
from airflow_sf_dedup.journeys.planning.no_writes import ClaimsInMemory, opened_to_read
from airflow_sf_dedup.journeys.planning.standing import Standings
from airflow_sf_dedup.journeys.recording import Recorder
from airflow_sf_dedup.journeys.sending.watermarks import STALE, is_older
from airflow_sf_dedup.journeys.upsert import SETTLE_TOGETHER
from airflow_sf_dedup.journeys.workshop import Workshop
from airflow_sf_dedup.locks.base import Standing


@dataclass
class Plan:
    """Plans the rows of one partition.

    :ivar recorder: commits the entries, and knows which later rows of a key would wait.
    :ivar standing: folded keys to how new their written states are.
    :ivar sample: rows to look at, spread evenly; ``None``: all.
    """

    key_rule: KeyRule
    foresight: Foresight
    recorder: Recorder
    standing: Callable[[Iterable[str]], Mapping[str, Standing]]
    rows: int
    sample: int | None = None
    #: Folded keys to the records that rows of this plan would have written by then.
    _written: dict[str, str | None] = field(default_factory=dict, init=False)
    #: Row number to action, of rows of this plan that would leave the org without a record of their key.
    _missing: dict[int, Action] = field(default_factory=dict, init=False)

    def run(self, records: Iterable[Record]) -> None:
        """Plan the rows, some thousands at a time; what is planned is committed.

        :param records: ordered by wave.
        :raises CallError: the org does not answer.
        """
        self.recorder.progress.begin(0)
        chosen = chosen_of(self.rows, self.sample)
        for _, wave in groupby(enumerate(records), key=lambda each: each[1].wave):
            while some := list(islice(wave, SETTLE_TOGETHER)):
                self._plan([row for place, row in some if chosen(place)])
                self._leave([row for place, row in some if not chosen(place)])

    def _plan(self, rows: Sequence[Record]) -> None:
        told = {entry.row_number: entry for entry in self._told_without_asking(rows)}
        foreseen = self.foresight.foresee([row for row in rows if row.row_number not in told]) if rows else []
        entries = [*told.values(), *self._with_parents(rows, foreseen)]
        for entry in entries:
            if entry.row_number not in self.foresight.held and _leaves_nothing(entry):
                self._missing[entry.row_number] = entry.action
            if entry.action in WRITTEN and entry.key is not None:
                self._written[self.key_rule.fold(entry.key)] = entry.record_id
        self.recorder.record(entries)

    def _with_parents(self, rows: Sequence[Record], foreseen: Iterable[Entry]) -> Iterator[Entry]:
        """The entries; a row whose parent would not be in the org by then fails, whatever else is said of it."""
        parents = {row.row_number: row for row in rows if row.kin and self._missing.keys() & row.kin.parents}
        for entry in foreseen:
            row = parents.get(entry.row_number)
            yield self._orphan(row) if row is not None else entry

    def _orphan(self, row: Record) -> Entry:
        parent = next(each for each in row.kin.parents if each in self._missing) if row.kin else 0
        words = words_of_parent(parent, self._missing.get(parent))
        return self.recorder.entries.entry(row, Action.FAILED, reason=PARENT_NOT_SAVED, error_message=words)

    def _leave(self, rows: Sequence[Record]) -> None:
        entries = self.recorder.entries
        self.recorder.record([entries.entry(row, Action.NOT_SENT, reason=NOT_IN_SAMPLE) for row in rows])

    def _told_without_asking(self, rows: Sequence[Record]) -> Iterator[Entry]:
        """Rows that wait, that are stale, or whose key an earlier row of the plan would have written."""
        ordered = [self.key_rule.fold(row.key) for row in rows if row.order is not None]
        standing = self.standing(ordered) if ordered else {}
        kin = KinWaits(self.recorder.entries, self._missing)
        for row in rows:
            key, entries = self.key_rule.fold(row.key), self.recorder.entries
            if waiting := self.recorder.waiting(row) or kin.waiting(row):
                yield waiting
            elif is_older(row, standing.get(key, Standing()).confirmed):
                yield entries.entry(row, Action.SKIPPED, reason=STALE)
            elif key in self._written:
                yield entries.entry(row, Action.UPDATED, record_id=self._written[key])


def _leaves_nothing(entry: Entry) -> bool:
    """Whether no record would carry the row's key; an older row than what was written is of a key that has one."""
    return entry.action not in WRITTEN and entry.reason != STALE


def rows_of_waves(records: Iterable[Record], rows: int, sample: int | None) -> list[int]:
    """How many rows are looked at together: those of each wave that are chosen."""
    chosen = chosen_of(rows, sample)
    return list(Counter(row.wave for place, row in enumerate(records) if chosen(place)).values())


def chosen_of(rows: int, sample: int | None) -> Callable[[int], bool]:
    """Says of a row's place, from 0, whether it is one of so many that are spread evenly over all."""
    if sample is None or sample >= rows:
        return lambda place: True
    return lambda place: place * sample // rows != (place + 1) * sample // rows


def planning(workshop: Workshop) -> Workshop:
    """The same workshop, of an org that is only read and with claims that nobody else meets."""
    stores = replace(workshop.stores, record_claims=ClaimsInMemory())
    return replace(workshop, stores=stores, open_org=opened_to_read(workshop.open_org), gates=())


def foresight_of(workshop: Workshop) -> Foresight:
    """What foresees rows.

    :param workshop: from :func:`planning`.
    :raises SettingError: its look-up writes.
    """
    part, settlement = workshop.part, workshop.settlement
    return Foresight(
        standings=Standings(workshop.org.reader, part.described or part.sobject, part.key_rule.field.unique),
        naming=workshop.naming,
        settlement=replace(
            settlement,
            carries_out=foreseeing(settlement.carries_out, workshop.entries),
            sink=Nowhere(),
            is_fresh=True,
        ),
        entries=workshop.entries,
    )


def plan_of(workshop: Workshop, *, sample: int | None = None) -> Plan:
    """The plan of the workshop's partition.

    :param workshop: as for a load.
    :raises SettingError: its look-up writes.
    """
    workshop = planning(workshop)
    watermarks, scope = workshop.stores.watermarks, workshop.keys.scope
    return Plan(
        key_rule=workshop.part.key_rule,
        foresight=foresight_of(workshop),
        recorder=workshop.recorder,
        standing=lambda keys: watermarks.standing(scope, keys),
        rows=workshop.part.rows,
        sample=sample,
    )
