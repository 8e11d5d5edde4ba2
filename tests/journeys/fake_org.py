"""An org in memory that answers as it is told, row by row, and refuses or breaks calls when told to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.outcomes import DuplicatesFound, Match, Outcome, Saved
from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.core.records import Record, row_hash
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.errors import CallError
from airflow_sf_dedup.journeys.sending.clearance import Clearance, Dropped, granted, put_off
from airflow_sf_dedup.journeys.sending.under_way import Answered, UnderWay, under_way
from airflow_sf_dedup.locks.base import Holder
from airflow_sf_dedup.salesforce.ports import ChunkAnswer, ChunkRefused, Origin, RecordUpdate, StoredRecord, nobody

KEY = "Key__c"
KEY_FIELD = Field(KEY, "Key", "string", length=255, external_id=True, unique=True)
LEAD = SObject(
    "Lead",
    (
        Field("Id", "Id", "id"),
        KEY_FIELD,
        Field("LastName", "Last Name", "string", length=80),
        Field("Phone", "Phone", "phone", length=40),
        Field("OwnerId", "Owner", "reference", relationship_name="Owner", reference_to=("User",)),
        Field("IsConverted", "Converted", "boolean"),
    ),
)
KEY_RULE = KeyRule(KEY_FIELD)
ORG_ID = to_18("00D000000000001")


def lead_id(number: int) -> str:
    return to_18(f"00Q{number:012d}")


def row(number: int, key: str | None = None, *, wave: int = 0, **fields: Any) -> Record:
    values = {KEY: key or f"key-{number}", "LastName": f"Name {number}", **fields}
    return Record(number, values[KEY], values, row_hash(values), wave)


def match(record_id: str, *, sobject: str = "Lead", allow_save: bool = False, confidence: float = 95.0) -> Match:
    return Match(record_id, sobject, "Leads_by_mail", "Mail", "FuzzyMatchEngine", confidence, allow_save)


def blocked_by(*matches: Match, all_named: bool = True) -> DuplicatesFound:
    allow_save = bool(matches) and all(m.allow_save for m in matches)
    return DuplicatesFound("Use one of these?", matches, allow_save=allow_save, all_named=all_named)


def stored(record_id: str, *, is_deleted: bool = False, **values: Any) -> StoredRecord:
    return StoredRecord(record_id, {} if is_deleted else {"Id": record_id, KEY: None, **values}, is_deleted)


#: What collections answer to a row that a duplicate rule refuses: no word of the matches.
BLOCKED = DuplicatesFound("Use one of these?")


@dataclass
class FakeOrg:
    """An :class:`UpsertApi`, a :class:`DuplicateLookup` and a :class:`RecordReader`."""

    rows_per_chunk: int = 4
    chunks_per_call: int = 3
    repeatable: bool = True
    rows_per_call: int = 4
    #: Key to the answers of its upserts, in order; the last one is repeated.
    answers: dict[str, list[Outcome]] = field(default_factory=dict)
    #: Key to what a look-up says.
    lookups: dict[str, Outcome] = field(default_factory=dict)
    #: Record id to the answers of its updates, in order; the last one is repeated.
    updates: dict[str, list[Outcome]] = field(default_factory=dict)
    records: dict[str, StoredRecord] = field(default_factory=dict)
    held: dict[str, tuple[str, ...]] = field(default_factory=dict)
    #: The same for records in the recycle bin.
    deleted: dict[str, tuple[str, ...]] = field(default_factory=dict)
    created: dict[str, Origin] = field(default_factory=dict)
    #: Number of a call, from 1, to the error it raises.
    errors: dict[int, CallError] = field(default_factory=dict)
    #: Refuses a chunk of keys, or lets it pass.
    refuse: Callable[[list[str]], ChunkRefused | None] = lambda keys: None
    calls: list[tuple[str, list[list[Any]]]] = field(default_factory=list)

    def upsert(
        self, chunks: Sequence[Sequence[Record]], *, allow_save: bool = False, on_late: Callable[[], None] = nobody
    ) -> list[ChunkAnswer]:
        self._call("save_anyway" if allow_save else "upsert", [[r.key for r in chunk] for chunk in chunks])
        return [self._chunk(chunk) for chunk in chunks]

    def update(
        self, chunks: Sequence[Sequence[RecordUpdate]], *, on_late: Callable[[], None] = nobody
    ) -> list[ChunkAnswer]:
        self._call("update", [list(chunk) for chunk in chunks])
        return [[self._updated(u) for u in chunk] for chunk in chunks]

    def look_up(self, records: Sequence[Record], *, on_late: Callable[[], None] = nobody) -> ChunkAnswer:
        self._call("look_up", [[r.key for r in records]])
        return [self.lookups.get(r.key, Saved(lead_id(r.row_number), True)) for r in records]

    def describe(self, sobject: str) -> SObject:
        return LEAD

    def by_id(self, sobject: str, record_ids: Sequence[str], fields: Sequence[str]) -> dict[str, StoredRecord]:
        self._call("by_id", [list(record_ids)])
        return {i: self.records[i] for i in record_ids if i in self.records}

    def holders(self, keys: Sequence[str]) -> dict[str, tuple[str, ...]]:
        self._call("holders", [list(keys)])
        return {key: self.held[key] for key in keys if key in self.held}

    def deleted_holders(self, keys: Sequence[str]) -> dict[str, tuple[str, ...]]:
        self._call("deleted_holders", [list(keys)])
        return {key: self.deleted[key] for key in keys if key in self.deleted}

    def origins(self, record_ids: Sequence[str]) -> dict[str, Origin]:
        self._call("origins", [list(record_ids)])
        return {i: self.created[i] for i in record_ids if i in self.created}

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.calls]

    def sent(self, kind: str) -> list[list[list[Any]]]:
        return [chunks for name, chunks in self.calls if name == kind]

    def _call(self, kind: str, chunks: list[list[Any]]) -> None:
        self.calls.append((kind, chunks))
        if error := self.errors.get(len(self.calls)):
            raise error

    def _chunk(self, chunk: Sequence[Record]) -> ChunkAnswer:
        refused = self.refuse([r.key for r in chunk])
        return refused or [_next(self.answers, r.key, Saved(lead_id(r.row_number), True)) for r in chunk]

    def _updated(self, update: RecordUpdate) -> Outcome:
        return _next(self.updates, update.record_id, Saved(update.record_id, False))


def _next(answers: Mapping[str, list[Outcome]], name: str, otherwise: Outcome) -> Outcome:
    waiting = answers.get(name)
    if not waiting:
        return otherwise
    return waiting.pop(0) if len(waiting) > 1 else waiting[0]


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
