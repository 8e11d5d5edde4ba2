"""What does the org have of these rows' keys, and how is each of them to be sent?

Asked under the claims of the keys, right before a call: nobody else of ours writes the keys meanwhile. A row is written
by the id of the record that holds its key, or inserted, or not sent at all; see
:class:`~airflow_sf_dedup.core.known_record.KnownRecord`. It is asked anew each time that a row is sent.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_sf_dedup.core.entries import BEYOND_PLAN, Action, MatchEntry
from airflow_sf_dedup.core.field_rules import FIELDS_KEPT, FieldRules, Sharing
from airflow_sf_dedup.core.known_record import KnownRecord
from airflow_sf_dedup.core.outcomes import DuplicatesFound, Failed, KeyHeldByMany, Saved
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.write_modes import KEY_EXISTS, WriteMode
from airflow_sf_dedup.journeys.sending.clearance import Clearance, Cleared, Dropped, granted
from airflow_sf_dedup.journeys.sending.keeping import Keeper, KeepsNothing
from airflow_sf_dedup.journeys.sending.refusals import says_gone
from airflow_sf_dedup.journeys.sending.under_way import Answered, UnderWay
from airflow_sf_dedup.salesforce.ports import RecordReader


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """A row that is not sent, for what the org has."""

    action: Action
    reason: str | None = None
    #: Of the record that holds the key, where there is one.
    record_id: str | None = None
    #: Fields in which it keeps its own values.
    kept: tuple[str, ...] = ()
    #: What a plan found of it.
    error_code: str | None = None
    matches: tuple[MatchEntry, ...] = ()

    @property
    def told(self) -> Mapping[str, Any]:
        """What the row's entry says of it."""
        return {
            "reason": self.reason,
            "record_id": self.record_id,
            "error_fields": self.kept,
            "error_code": self.error_code,
            "matches": self.matches,
        }


#: How a row is sent: written to a record or inserted; or why it is not, or what keeps it out.
Way = Record | LeftAlone | KeyHeldByMany | DuplicatesFound


@dataclass(frozen=True, slots=True)
class Before:
    """What the org has of keys: who holds them, and of those records the values that were asked for."""

    holders: Mapping[str, tuple[str, ...]]
    #: Record id to values; a record that cannot be read is absent.
    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class WriteRules:
    """What a load may write, by its mode and by its rules for fields, and whether what was there is kept."""

    rules: FieldRules
    mode: WriteMode = WriteMode.UPSERT
    #: Whether what is overwritten is kept before.
    keep_before: bool = False

    @property
    def ask_first(self) -> bool:
        """Whether how a row is sent depends on what the org has, or that is to be kept."""
        return self.mode is not WriteMode.UPSERT or not self.rules.is_plain or self.keep_before

    def meet(self, rows: Sequence[Record]) -> None:
        """Told rows before it is asked about each of them."""

    def fields_to_read(self, rows: Sequence[Record]) -> frozenset[str]:
        """What of the records is asked for."""
        names = {name for row in rows for name in row.carried} if self.rules.need_values and self._updates else set()
        return self.rules.fields_to_read(names)

    @property
    def _updates(self) -> bool:
        return self.mode is not WriteMode.CREATE_ONLY

    def made_of(self, columns: Iterable[str]) -> list[str]:
        """The columns of which new records are made; none where the load makes none."""
        return list(self.rules.on_create(dict.fromkeys(columns)).sent) if self.mode.may_create else []

    def as_new(self, row: Record) -> Record:
        """The row, to be inserted."""
        return _known(row, self.rules.on_create(row.carried), None)

    def decide(self, row: Record, before: Before) -> Way:
        """How the row is sent: written to the record or inserted, or why it is not; or what keeps it out, so that it
        goes to the policy without being sent.
        """
        holders = before.holders.get(row.key, ())
        if not holders:
            return self.as_new(row) if self.mode.may_create else LeftAlone(Action.NOT_FOUND)
        if not self._updates:
            return LeftAlone(Action.SKIPPED, KEY_EXISTS, holders[0] if len(holders) == 1 else None)
        if len(holders) > 1:
            return KeyHeldByMany(f"{len(holders)} records hold the key", holders)
        return self._to_holder(row, holders[0], before.values.get(holders[0], {}))

    def _to_holder(self, row: Record, record_id: str, stored: Mapping[str, Any]) -> Record | LeftAlone:
        shared = self.rules.on_update(row.carried, stored)
        if set(shared.sent) <= {self.rules.key_field}:
            return LeftAlone(Action.UNCHANGED, FIELDS_KEPT if shared.kept else None, record_id, shared.kept)
        return _known(row, shared, record_id)


def _known(row: Record, shared: Sharing, record_id: str | None) -> Record:
    return replace(row, fields=shared.sent, known=KnownRecord(record_id, shared.held_back, shared.kept))


@dataclass(frozen=True)
class Question:
    """What the org has of rows whose keys are claimed, and so how each of them is sent.

    :ivar reader: asked once a call for the keys, and once for the values that something depends on.
    :ivar keeper: keeps what rows are about to overwrite.
    """

    reader: RecordReader
    sobject: str
    write: WriteRules
    keeper: Keeper = field(default_factory=KeepsNothing)

    def decide(
        self, rows: Sequence[Record], holders: Mapping[str, tuple[str, ...]] | None = None, *, with_key: bool = False
    ) -> list[Way]:
        """The way of each row. What is about to be overwritten is committed by then, where it is kept.

        :param holders: key to the records that hold it, where that is known already.
        :param with_key: whether the key is overwritten too.
        :raises CallError: the org does not answer.
        """
        self.write.meet(rows)
        fields = self.write.fields_to_read(rows) | self.keeper.fields_to_read(rows)
        if holders is None:
            holders = self.reader.holders(list(dict.fromkeys(row.key for row in rows)))
        before = self._before(holders, fields)
        ways = [self.write.decide(row, before) for row in rows]
        self.keeper.keep([way for way in ways if isinstance(way, Record)], before.values, with_key=with_key)
        return ways

    def _before(self, holders: Mapping[str, tuple[str, ...]], fields: Collection[str]) -> Before:
        """With the values of the records that are the only ones to hold a key."""
        ids = sorted({found[0] for found in holders.values() if len(found) == 1})
        if not ids or not fields:
            return Before(holders)
        stored = self.reader.by_id(self.sobject, ids, ["Id", *sorted(fields)])
        return Before(holders, {each.record_id: each.values for each in stored.values() if not each.is_deleted})


@dataclass
class AsksFirst:
    """A :class:`~airflow_sf_dedup.journeys.sending.clearance.Clearance` that looks for what rows are about.

    :ivar clearance: claims the keys.
    :ivar question: is not asked where nothing depends on it.
    """

    clearance: Clearance[Record]
    question: Question
    _left: list[tuple[UnderWay[Record], LeftAlone]] = field(default_factory=list, init=False)
    _told: list[Answered[Record]] = field(default_factory=list, init=False)

    @property
    def write(self) -> WriteRules:
        """What the load may write."""
        return self.question.write

    def clear(self, rows: Sequence[UnderWay[Record]]) -> list[Cleared[Record]]:
        """Claim keys, and say of those that are granted how their rows are sent. What these are about to overwrite is
        committed by then, where it is kept.

        :raises CallError: the org does not answer.
        """
        cleared = self.clearance.clear(rows)
        asked = [each.row for each in granted(cleared)]
        ways = iter(self.question.decide(asked) if asked else ())
        return [self._cleared(each, next(ways)) if isinstance(each, UnderWay) else each for each in cleared]

    def _cleared(self, each: UnderWay[Record], way: Way) -> Cleared[Record]:
        if isinstance(way, Record):
            return each.of(self._perhaps_own(way) if each.in_doubt else way)
        if isinstance(way, KeyHeldByMany | DuplicatesFound):
            self._told.append(Answered(each, way))
        elif each.in_doubt and way.record_id:
            self._told.append(self._doubted(each, way, way.record_id))
        else:
            self._left.append((each, way))
        return Dropped.DROPPED

    def _perhaps_own(self, row: Record) -> Record:
        if row.known is None or row.known.record_id is None or not self.write.mode.may_create:
            return row
        return replace(row, known=replace(row.known, may_be_own=True))

    def _doubted(self, each: UnderWay[Record], left: LeftAlone, record_id: str) -> Answered[Record]:
        """A row that need not be sent, and may have been: a re-read tells whether its own call wrote the record."""
        if left.reason in (KEY_EXISTS, BEYOND_PLAN):
            refused = Failed("DUPLICATE_VALUE", "a record holds the key", in_doubt=True)
            return Answered(each.of(self.write.as_new(each.row)), refused)
        return Answered(each, Saved(record_id, None))

    def left_alone(self) -> list[tuple[Record, LeftAlone]]:
        """The rows that are not sent, since this was asked last."""
        rows, self._left = self._left, []
        return [(each.row, left) for each, left in rows]

    def told(self) -> list[Answered[Record]]:
        """The rows of which the org's records tell the outcome, since this was asked last."""
        rows, self._told = self._told, []
        return rows


def as_far_as_known(answered: Answered[Record]) -> Answered[Record]:
    """A row that was written to a record which an earlier call with it may have created: its dates tell."""
    outcome, known = answered.outcome, answered.row.known
    if isinstance(outcome, Saved) and known is not None and known.may_be_own:
        return replace(answered, outcome=Saved(outcome.record_id, None))
    return answered


@dataclass(frozen=True)
class HoldersMet:
    """How rows go on that a unique value kept out, and whose keys are held by now."""

    question: Question

    def decide(
        self, rows: Sequence[Answered[Record]], holders: Mapping[str, tuple[str, ...]]
    ) -> Iterator[tuple[Answered[Record], LeftAlone | None]]:
        """Each row as it is written to the holder of its key, or why it is left alone.

        :raises CallError: the org does not answer.
        """
        if not self.question.write.ask_first:
            yield from ((each, None) for each in rows)
            return
        ways = self.question.decide([each.row for each in rows], holders, with_key=True)
        for each, way in zip(rows, ways, strict=True):
            if isinstance(way, Record):
                yield replace(each, sent=each.sent.of(way)), None
            elif isinstance(way, LeftAlone):
                yield each, way
            else:
                yield replace(each, outcome=way), None


@dataclass
class Vanished:
    """Rows whose record left the org between the question and the write: it is asked once more, each row once."""

    _rows: list[UnderWay[Record]] = field(default_factory=list, init=False)
    _asked_again: set[int] = field(default_factory=set, init=False)

    def takes(self, answered: Answered[Record]) -> bool:
        """Whether the row is one of them."""
        number, known = answered.row.row_number, answered.row.known
        if known is None or known.record_id is None or number in self._asked_again or not says_gone(answered.outcome):
            return False
        self._asked_again.add(number)
        self._rows.append(answered.sent)
        return True

    def rows(self) -> list[UnderWay[Record]]:
        """Those that were taken since this was asked last."""
        rows, self._rows = self._rows, []
        return rows
