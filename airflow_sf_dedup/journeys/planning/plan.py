"""A plan of one staged partition: each row gets the entry that a load would give it, and nothing is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, islice

from airflow_sf_dedup.core.entries import IN_THE_ORG, NOT_IN_SAMPLE, Action, Entry
from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.journeys.kin_waits import KinWaits
from airflow_sf_dedup.journeys.parents import PARENT_NOT_SAVED, words_of_parent
from airflow_sf_dedup.journeys.planning.foreseen import foreseeing
from airflow_sf_dedup.journeys.planning.foresight import Foreseen, Foresight, Nowhere
from airflow_sf_dedup.journeys.planning.no_writes import ClaimsInMemory, opened_to_read
from airflow_sf_dedup.journeys.planning.standing import Standing, Standings
from airflow_sf_dedup.journeys.planning.twins_met import TwinsMet
from airflow_sf_dedup.journeys.planning.written import Written
from airflow_sf_dedup.journeys.recording import Recorder
from airflow_sf_dedup.journeys.sending.watermarks import STALE, is_older
from airflow_sf_dedup.journeys.upsert import SETTLE_TOGETHER
from airflow_sf_dedup.journeys.workshop import Workshop
from airflow_sf_dedup.locks.base import Standing as KeyStanding


@dataclass
class Plan:
    """Plans the rows of one partition.

    :ivar recorder: commits the entries, and knows which later rows of a key would wait.
    :ivar standing: folded keys to how new their written states are.
    :ivar written: what rows of the plan would have left in the org, for the rows after them.
    :ivar sample: rows to look at, spread evenly; ``None``: all.
    """

    key_rule: KeyRule
    foresight: Foresight
    recorder: Recorder
    written: Written
    standing: Callable[[Iterable[str]], Mapping[str, KeyStanding]]
    rows: int
    sample: int | None = None
    twins: TwinsMet = field(default_factory=TwinsMet, init=False)
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
        self._note_missing(told.values())
        foreseen = self.foresight.foresee([row for row in rows if row.row_number not in told]) if rows else []
        entries = [self._entry(each) for each in foreseen]
        self._note_missing(
            entry for entry, each in zip(entries, foreseen, strict=True) if each.standing.held_by is None
        )
        self.recorder.record([*told.values(), *entries])

    def _note_missing(self, entries: Iterable[Entry]) -> None:
        """Take notice of rows whose key no record holds; an older row than what was written is of a key that has one.

        :param entries: of rows whose key no record held before.
        """
        for entry in entries:
            if entry.action not in IN_THE_ORG and entry.reason != STALE:
                self._missing[entry.row_number] = entry.action

    def _entry(self, foreseen: Foreseen) -> Entry:
        """What becomes of a row beside the others of the plan: its parents, its twins, and those of its key."""
        entry, standing = foreseen.entry, foreseen.standing
        if self._is_orphan(standing):
            entry = self._orphan(standing.row)
        elif foreseen.changes:
            entry = self.twins.told(entry)
        self.written.note(entry, standing.row.fields, standing.held_by)
        return entry

    def _is_orphan(self, standing: Standing) -> bool:
        """Whether the row is sent with the key of a parent that would not be in the org by then; whatever else is said
        of it, it fails.
        """
        row = standing.row
        if not standing.is_sent or row.kin is None or not self._missing.keys() & row.kin.parents:
            return False
        return any(isinstance(value, Mapping) for value in row.fields.values())

    def _orphan(self, row: Record) -> Entry:
        parent = next(each for each in row.kin.parents if each in self._missing) if row.kin else 0
        words = words_of_parent(parent, self._missing.get(parent))
        return self.recorder.entries.entry(row, Action.FAILED, reason=PARENT_NOT_SAVED, error_message=words)

    def _leave(self, rows: Sequence[Record]) -> None:
        """Nobody looks at these rows, so that nothing waits for them."""
        entries = [self.recorder.entries.entry(row, Action.NOT_SENT, reason=NOT_IN_SAMPLE) for row in rows]
        self.recorder.commit(entries)

    def _told_without_asking(self, rows: Sequence[Record]) -> Iterator[Entry]:
        """Rows that wait, or that are stale."""
        ordered = [self.key_rule.fold(row.key) for row in rows if row.order is not None]
        standing = self.standing(ordered) if ordered else {}
        kin = KinWaits(self.recorder.entries, self.recorder.unsettled, self.recorder.behind_failed)
        for row in rows:
            key, entries = self.key_rule.fold(row.key), self.recorder.entries
            if waiting := self.recorder.waiting(row) or kin.waiting(row):
                yield waiting
            elif is_older(row, standing.get(key, KeyStanding()).confirmed):
                yield entries.entry(row, Action.SKIPPED, reason=STALE)


def rows_of_waves(records: Iterable[Record], rows: int, sample: int | None) -> list[int]:
    """How many rows are looked at together: those of each wave that are chosen."""
    chosen = chosen_of(rows, sample)
    return list(Counter(row.wave for place, row in enumerate(records) if chosen(place)).values())


def chosen_of(rows: int, sample: int | None) -> Callable[[int], bool]:
    """Says of a row's place, from 0, whether it is one of so many that are spread evenly over all."""
    if sample is None or sample >= rows:
        return lambda place: True
    return lambda place: place * sample // rows != (place + 1) * sample // rows


def planning(workshop: Workshop, written: Written) -> Workshop:
    """The same workshop, of an org that is only read and with claims that nobody else meets.

    :param written: what rows of the plan would have left in the org.
    """
    stores = replace(workshop.stores, record_claims=ClaimsInMemory())
    return replace(workshop, stores=stores, open_org=opened_to_read(workshop.open_org, written), gates=())


def foresight_of(workshop: Workshop, written: Written) -> Foresight:
    """What foresees rows.

    :param workshop: from :func:`planning`.
    :param written: told what decisions would write.
    :raises SettingError: its look-up writes.
    """
    part, settlement = workshop.part, workshop.settlement
    return Foresight(
        standings=Standings(
            workshop.org.reader,
            part.described or part.sobject,
            workshop.asks_first.write,
            keeps_deleted=part.key_rule.field.unique,
        ),
        naming=workshop.naming,
        settlement=replace(
            settlement,
            carries_out=foreseeing(settlement.carries_out, workshop.entries, written),
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
    part = workshop.part
    written = Written(part.key_rule, part.described or part.sobject, part.keys_repeat)
    workshop = planning(workshop, written)
    watermarks, scope = workshop.stores.watermarks, workshop.keys.scope
    return Plan(
        key_rule=part.key_rule,
        foresight=foresight_of(workshop, written),
        recorder=workshop.recorder,
        written=written,
        standing=lambda keys: watermarks.standing(scope, keys),
        rows=part.rows,
        sample=sample,
    )
