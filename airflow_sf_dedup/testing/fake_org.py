"""An org in memory, for tests of what talks to an org through the ports: no socket, no emulator, every call noted.

It takes every row and remembers it, unless it is told what to answer: row by row, key by key, call by call. Its answers
keep the contracts of :mod:`airflow_sf_dedup.testing.contracts`, as those of a real org do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.outcomes import DuplicatesFound, Failed, Match, Outcome, Saved
from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.core.record_state import Deletion
from airflow_sf_dedup.core.records import Record, row_hash
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.errors import CallError, OutcomeUnknownError, PreflightError
from airflow_sf_dedup.salesforce.ports import (
    ChunkAnswer,
    ChunkRefused,
    Holders,
    Origin,
    RecordUpdate,
    StoredRecord,
    nobody,
)
from airflow_sf_dedup.salesforce.wire.rest import NOTHING_BLOCKS, after_a_lost_answer

KEY = "Key__c"
KEY_FIELD = Field(KEY, "Key", "string", length=255, external_id=True, unique=True)
#: The sObject of the loads.
LEAD = SObject(
    "Lead",
    (
        Field("Id", "Id", "id"),
        KEY_FIELD,
        Field("LastName", "Last Name", "string", length=80),
        Field("Phone", "Phone", "phone", length=40),
        Field("OwnerId", "Owner", "reference", relationship_name="Owner", reference_to=("User",)),
        Field("IsConverted", "Converted", "boolean"),
        Field("Contact__c", "Contact", "reference", relationship_name="Contact__r", reference_to=("Contact",)),
        Field("Tax_Id__c", "Tax Id", "string", length=20, unique=True),
    ),
)
STAMP = "Lead_Key__c"
#: What a lead may turn out to be already.
CONTACT = SObject(
    "Contact",
    (
        Field("Id", "Id", "id"),
        Field(STAMP, "Lead Key", "string", length=255, unique=True),
        Field("LastName", "Last Name", "string", length=80),
        Field("Phone", "Phone", "phone", length=40),
    ),
    key_prefix="003",
)
KEY_RULE = KeyRule(KEY_FIELD)
ORG_ID = to_18("00D000000000001")

_T = TypeVar("_T")


def lead_id(number: int) -> str:
    """The id of a lead."""
    return to_18(f"00Q{number:012d}")


def contact_id(number: int) -> str:
    """The id of a contact."""
    return to_18(f"003{number:012d}")


def row(number: int, key: str | None = None, *, wave: int = 0, **fields: Any) -> Record:
    """A row of a source: a lead with a name and a key."""
    values = {KEY: key or f"key-{number}", "LastName": f"Name {number}", **fields}
    return Record(number, values[KEY], values, row_hash(values), wave)


def match(record_id: str, *, sobject: str = "Lead", allow_save: bool = False, confidence: float = 95.0) -> Match:
    """A record that a duplicate rule names."""
    return Match(record_id, sobject, "Leads_by_mail", "Mail", "FuzzyMatchEngine", confidence, allow_save)


def blocked_by(*matches: Match, all_named: bool = True) -> DuplicatesFound:
    """What a look-up answers to a row that a duplicate rule refuses."""
    allow_save = bool(matches) and all(m.allow_save for m in matches)
    rules = tuple(dict.fromkeys(m.duplicate_rule for m in matches))
    return DuplicatesFound("Use one of these?", matches, allow_save=allow_save, all_named=all_named, rules=rules)


def stored(
    record_id: str, *, is_deleted: bool = False, deletion: Deletion | None = None, **values: Any
) -> StoredRecord:
    """A record as the org holds it; of one in the recycle bin an org tells its key, and what it says of the deletion.

    :param deletion: by default one of which nothing is told.
    """
    if is_deleted or deletion:
        return StoredRecord(record_id, {KEY: values.get(KEY)}, True, deletion or Deletion())
    return StoredRecord(record_id, {"Id": record_id, KEY: None, **values})


def taken(record_id: str) -> Failed:
    """What is answered to a row that is inserted although a record holds its key."""
    return Failed("DUPLICATE_VALUE", f"duplicate value found: {KEY} duplicates value on record with id: {record_id}")


#: What collections answer to a row that a duplicate rule refuses: no word of the matches.
BLOCKED = DuplicatesFound("Use one of these?")


@dataclass
class NotedCalls:
    """The calls that were made, and those of them that fail."""

    #: Number of a call, from 1, to the error it raises.
    errors: dict[int, CallError] = field(default_factory=dict)
    #: Numbers of calls that are carried out and get no answer; what may be sent again is, and is answered then.
    lost: set[int] = field(default_factory=set)
    #: Each call so far: its kind, and the keys or records of its chunks.
    calls: list[tuple[str, list[list[Any]]]] = field(default_factory=list)

    def kinds(self) -> list[str]:
        """The kinds of all calls: ``upsert``, ``save_anyway``, ``update``, ``look_up``, ``by_id``, ``holders`` …"""
        return [kind for kind, _ in self.calls]

    def sent(self, kind: str) -> list[list[list[Any]]]:
        """What the calls of a kind carried: keys of rows, chunk by chunk, or whole updates."""
        return [chunks for name, chunks in self.calls if name == kind]

    def _call(self, kind: str, chunks: list[list[Any]]) -> None:
        self.calls.append((kind, chunks))
        if error := self.errors.get(len(self.calls)):
            raise error

    def _sent(
        self, carry_out: Callable[[], list[ChunkAnswer]], on_late: Callable[[], None], repeatable: bool = True
    ) -> list[ChunkAnswer]:
        answers = carry_out()
        if len(self.calls) not in self.lost:
            return answers
        if not repeatable:
            raise OutcomeUnknownError("no answer came", code="CONNECTION_BROKEN")
        on_late()
        return [after_a_lost_answer(each) for each in carry_out()]


@dataclass
class FakeOrg(NotedCalls):
    """A ``ChunkApi``, ``DuplicateLookup``, ``RecordReader``, ``RecordUndeletes``, ``RecordDeletes`` and
    ``DuplicateRules`` in one.

    The ports are in :mod:`airflow_sf_dedup.salesforce.ports`.
    """

    rows_per_chunk: int = 4
    chunks_per_call: int = 3
    repeatable: bool = True
    rows_per_call: int = 4
    #: Its look-up saves what nothing blocks.
    writes: bool = True
    ids_per_call: int = 4
    key_rule: KeyRule = KEY_RULE
    #: Key to the answers of its upserts, in order; the last one is repeated.
    answers: dict[str, list[Outcome]] = field(default_factory=dict)
    #: Key to what a look-up says.
    lookups: dict[str, Outcome] = field(default_factory=dict)
    #: Record id to the answers of its updates, in order; the last one is repeated.
    updates: dict[str, list[Outcome]] = field(default_factory=dict)
    #: Record id to the answers of its undeletes, in order; the last one is repeated.
    undeletes: dict[str, list[Outcome]] = field(default_factory=dict)
    #: Record id to the answers of its deletes, in order; the last one is repeated.
    deletes: dict[str, list[Outcome]] = field(default_factory=dict)
    #: Record id to the record, live or in the recycle bin.
    records: dict[str, StoredRecord] = field(default_factory=dict)
    #: What the user sees of sObjects, by name.
    sobjects: dict[str, SObject] = field(default_factory=lambda: {each.name: each for each in (LEAD, CONTACT)})
    #: Key to the live records that hold it.
    held: dict[str, tuple[str, ...]] = field(default_factory=dict)
    #: The same for records in the recycle bin.
    deleted: dict[str, tuple[str, ...]] = field(default_factory=dict)
    #: Record id to when and by whom it was written.
    created: dict[str, Origin] = field(default_factory=dict)
    #: Duplicate rule of leads to whether it is active; ``None``: nobody may know.
    rules: dict[str, bool] | None = field(default_factory=lambda: {"Leads_by_mail": True})
    #: Refuses a chunk of keys, or lets it pass.
    refuse: Callable[[list[str]], ChunkRefused | None] = lambda keys: None
    #: The rows of all upserts, inserts and writes by id, as they came.
    rows: list[Record] = field(default_factory=list)

    def upsert(
        self, chunks: Sequence[Sequence[Record]], *, allow_save: bool = False, on_late: Callable[[], None] = nobody
    ) -> list[ChunkAnswer]:
        """Save the rows, each in its own way."""
        self._call("save_anyway" if allow_save else "upsert", [[r.key for r in chunk] for chunk in chunks])
        self.rows += [row for chunk in chunks for row in chunk]

        def carry_out() -> list[ChunkAnswer]:
            return [
                self.refuse([r.key for r in chunk]) or [self._upserted(r, allow_save) for r in chunk]
                for chunk in chunks
            ]

        answers = self._sent(carry_out, on_late, self.repeatable)
        return [_of_known(chunk, answer) for chunk, answer in zip(chunks, answers, strict=True)]

    def update(
        self, chunks: Sequence[Sequence[RecordUpdate]], *, on_late: Callable[[], None] = nobody
    ) -> list[ChunkAnswer]:
        """Update records."""
        self._call("update", [list(chunk) for chunk in chunks])
        return self._sent(lambda: [[self._updated(u) for u in chunk] for chunk in chunks], on_late)

    def look_up(self, records: Sequence[Record], *, on_late: Callable[[], None] = nobody) -> ChunkAnswer:
        """Say what blocks the rows; save what nothing blocks, if the look-up is a write."""
        self._call("look_up", [[r.key for r in records]])
        if not self.writes:
            return [self._looked_up(r) for r in records]
        [answer] = self._sent(lambda: [[self._looked_up(r) for r in records]], on_late, self.repeatable)
        return answer

    def undelete(self, record_ids: Sequence[str], *, on_late: Callable[[], None] = nobody) -> list[Outcome]:
        """Take records out of the recycle bin."""
        if not record_ids:
            return []
        self._call("undelete", [list(record_ids)])
        [answer] = self._sent(lambda: [[self._undeleted(each) for each in record_ids]], on_late)
        return answer if isinstance(answer, list) else []

    def delete(self, chunks: Sequence[Sequence[str]], *, on_late: Callable[[], None] = nobody) -> list[ChunkAnswer]:
        """Put records into the recycle bin."""
        if not chunks:
            return []
        self._call("delete", [list(chunk) for chunk in chunks])
        return self._sent(lambda: [[_into_bin(self, each) for each in chunk] for chunk in chunks], on_late)

    def describe(self, sobject: str) -> SObject:
        """The sObject, if the user sees it."""
        if sobject not in self.sobjects:
            raise PreflightError(f"sobject: the org has no {sobject!r}", setting="sobject")
        return self.sobjects[sobject]

    def by_id(self, sobject: str, record_ids: Sequence[str], fields: Sequence[str]) -> dict[str, StoredRecord]:
        """The records, with all their values."""
        self._call("by_id", [list(record_ids)])
        return {i: self.records[i] for i in record_ids if i in self.records}

    def holders(self, keys: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Who holds the keys."""
        self._call("holders", [list(keys)])
        return _of_keys(self.key_rule, self.held, keys)

    def deleted_holders(self, keys: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Who held them."""
        self._call("deleted_holders", [list(keys)])
        return _of_keys(self.key_rule, self.deleted, keys)

    def all_holders(self, keys: Sequence[str]) -> Holders:
        """Both, in one call."""
        self._call("holders", [list(keys)])
        return Holders(_of_keys(self.key_rule, self.held, keys), _of_keys(self.key_rule, self.deleted, keys))

    def origins(self, record_ids: Sequence[str]) -> dict[str, Origin]:
        """When and by whom records were written."""
        self._call("origins", [list(record_ids)])
        return {i: self.created[i] for i in record_ids if i in self.created}

    def states(self, sobject: str) -> Mapping[str, bool] | None:
        """Which rules are active."""
        self._call("states", [[sobject]])
        return self.rules if sobject == LEAD.name or self.rules is None else {}

    def by_stamp(self, sobject: SObject, key_rule: KeyRule) -> tuple[FakeOrg, OrgByStamp]:
        """What writes to another sObject, and reads which of its records carry a key in a field of theirs."""
        return self, OrgByStamp(self, sobject, key_rule)

    def _upserted(self, record: Record, allow_save: bool) -> Outcome:
        found = self.lookups.get(record.key)
        blocked = isinstance(found, DuplicatesFound) and not (allow_save and found.allow_save)
        return _next(self.answers, record.key) or (BLOCKED if blocked else self._written(record))

    def _looked_up(self, record: Record) -> Outcome:
        return self.lookups.get(record.key) or (self._saved(record) if self.writes else NOTHING_BLOCKS)

    def _written(self, record: Record) -> Outcome:
        """By its key, by the id of a record, or as a new one."""
        if record.known is None:
            return self._saved(record)
        if record.known.record_id:
            fields = {name: value for name, value in record.fields.items() if name != self.key_rule.field.name}
            return self._updated(RecordUpdate(record.known.record_id, fields))
        held = _of_keys(self.key_rule, self.held, [record.key]).get(record.key)
        return taken(held[0]) if held and self.repeatable else self._saved(record)

    def _saved(self, record: Record) -> Saved:
        """What becomes of a row that nothing keeps out."""
        holders = _of_keys(self.key_rule, self.held, [record.key]).get(record.key)
        record_id = holders[0] if holders else lead_id(record.row_number)
        self.held.setdefault(record.key, (record_id,))
        self._write(record_id, record.fields)
        return Saved(record_id, not holders)

    def _updated(self, update: RecordUpdate) -> Outcome:
        if told := _next(self.updates, update.record_id):
            return told
        if (record := self.records.get(update.record_id)) and record.is_deleted:
            return Failed("ENTITY_IS_DELETED", "entity is deleted")
        self._write(update.record_id, update.fields)
        return Saved(update.record_id, False)

    def _undeleted(self, record_id: str) -> Outcome:
        if told := _next(self.undeletes, record_id):
            return told
        record = self.records.get(record_id)
        if record is None or not record.is_deleted:
            return Failed("UNDELETE_FAILED", "Entity is not in the recycle bin")
        self.records[record_id] = stored(record_id, **record.values)
        return Saved(record_id, False)

    def _write(self, record_id: str, fields: Mapping[str, Any]) -> None:
        record = self.records.get(record_id) or stored(record_id)
        self.records[record_id] = replace(record, values={**record.values, **fields})


def _into_bin(org: FakeOrg, record_id: str) -> Outcome:
    if told := _next(org.deletes, record_id):
        return told
    record = org.records.get(record_id)
    if record is None or record.is_deleted:
        return Failed("ENTITY_IS_DELETED", "entity is deleted")
    org.records[record_id] = replace(record, is_deleted=True, deletion=Deletion())
    return Saved(record_id, None)


@dataclass
class OrgByStamp:
    """The ``RecordReader`` of a fake org for records of another sObject that carry keys of rows in a field."""

    org: FakeOrg
    sobject: SObject
    key_rule: KeyRule

    def describe(self, sobject: str) -> SObject:
        """As the org."""
        return self.org.describe(sobject)

    def by_id(self, sobject: str, record_ids: Sequence[str], fields: Sequence[str]) -> dict[str, StoredRecord]:
        """As the org."""
        return self.org.by_id(sobject, record_ids, fields)

    def holders(self, keys: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """The live records of the sObject that carry the keys."""
        return {key: found for key in keys if (found := self._carrying(key, is_deleted=False))}

    def deleted_holders(self, keys: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
        """Those in the recycle bin."""
        return {key: found for key in keys if (found := self._carrying(key, is_deleted=True))}

    def all_holders(self, keys: Sequence[str]) -> Holders:
        """Both."""
        return Holders(self.holders(keys), self.deleted_holders(keys))

    def origins(self, record_ids: Sequence[str]) -> Mapping[str, Origin]:
        """As the org."""
        return self.org.origins(record_ids)

    def _carrying(self, key: str, *, is_deleted: bool) -> tuple[str, ...]:
        name, fold = self.key_rule.field.name, self.key_rule.fold
        return tuple(
            each.record_id
            for each in self.org.records.values()
            if self.sobject.has_id(each.record_id)
            and each.is_deleted is is_deleted
            and self.key_rule.fold_stored(each.values.get(name)) == fold(key)
        )


def _of_keys(key_rule: KeyRule, known: Mapping[str, _T], keys: Sequence[str]) -> dict[str, _T]:
    """Of what is known of keys, by the field's own case rule, what is asked for."""
    folded = {key_rule.fold(key): value for key, value in known.items()}
    return {key: folded[fold] for key in keys if (fold := key_rule.fold(key)) in folded}


def _of_known(chunk: Sequence[Record], answer: ChunkAnswer) -> ChunkAnswer:
    """What is written by its id was not created, whatever answer is lost."""
    if isinstance(answer, ChunkRefused):
        return answer
    return [
        Saved(told.record_id, False) if isinstance(told, Saved) and row.known and row.known.record_id else told
        for row, told in zip(chunk, answer, strict=True)
    ]


def _next(answers: Mapping[str, list[Outcome]], name: str) -> Outcome | None:
    waiting = answers.get(name)
    if not waiting:
        return None
    return waiting.pop(0) if len(waiting) > 1 else waiting[0]
