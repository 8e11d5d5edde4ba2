"""The audit's blocked rows as records of the org: one for each row and record that it matched.

Whoever works in Salesforce sees there what a load decided: the source row, the matched record and the action taken. The
records are upserted by a key of their own, so that to mirror a load again changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any

from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.core.api_names import api_name
from airflow_sf_dedup.core.entries import Action, Entry, MatchEntry
from airflow_sf_dedup.core.outcomes import Failed, Outcome, Saved
from airflow_sf_dedup.core.records import Record, row_hash
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.core.values import NUMBER_TYPES, WHOLE_NUMBER_TYPES, to_wire
from airflow_sf_dedup.core.wording import listed, nearest
from airflow_sf_dedup.errors import PreflightError, SettingError
from airflow_sf_dedup.journeys.sending.next_step import Terms
from airflow_sf_dedup.journeys.sending.senders import Room, Senders, itself
from airflow_sf_dedup.journeys.sending.under_way import under_way
from airflow_sf_dedup.salesforce.ports import ChunkApi

#: Of the rows with these actions, those are mirrored that a duplicate rule refused.
MIRRORED = (
    Action.MATCHED_UPDATED,
    Action.SAVED_ANYWAY,
    Action.SKIPPED,
    Action.AWAITING_REVIEW,
    Action.HELD,
    Action.FAILED,
    Action.NOT_SENT,
    Action.UNKNOWN,
)

_BLOCKED = "DUPLICATES_DETECTED"

#: The fact that identifies a record of the mirror.
AUDIT_KEY = "audit_key"

#: Characters of the longest such key: a load's id, a row's number and a record's id.
LONGEST_KEY = 36 + 1 + 18 + 1 + 18

_Fact = Callable[[Load, Entry, MatchEntry | None], Any]


def _of_match(name: str) -> _Fact:
    return lambda load, entry, match: getattr(match, name) if match else None


#: What a field of the mirror can hold, by the name that a mapping of fields uses.
FACTS: Mapping[str, _Fact] = {
    AUDIT_KEY: lambda load, entry, match: f"{load.load_id}/{entry.row_number}/{match.record_id if match else ''}",
    "load_id": lambda load, entry, match: load.load_id,
    "dag_id": lambda load, entry, match: load.dag_id,
    "run_id": lambda load, entry, match: load.run_id,
    "task_id": lambda load, entry, match: load.task_id,
    "sobject": lambda load, entry, match: load.sobject,
    "row_number": lambda load, entry, match: entry.row_number,
    "key": lambda load, entry, match: entry.key,
    "action": lambda load, entry, match: entry.action.value,
    "reason": lambda load, entry, match: entry.reason,
    "written_record_id": lambda load, entry, match: entry.record_id,
    "decided_at": lambda load, entry, match: entry.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    "matched_record_id": _of_match("record_id"),
    "matched_sobject": _of_match("sobject"),
    "duplicate_rule": _of_match("duplicate_rule"),
    "matching_rule": _of_match("matching_rule"),
    "confidence": _of_match("confidence"),
}

#: Types of fields (DescribeSObjectResult) that hold every fact; what is no text is written as one.
_TEXTS = frozenset({"string", "textarea", "picklist", "combobox", "phone", "url", "encryptedstring"})

#: Facts to the other types that hold them too.
_OTHER_TYPES: Mapping[str, frozenset[str]] = {
    "row_number": NUMBER_TYPES,
    "confidence": NUMBER_TYPES - WHOLE_NUMBER_TYPES,
    "decided_at": frozenset({"datetime"}),
    "written_record_id": frozenset({"reference"}),
    "matched_record_id": frozenset({"reference"}),
}

#: As the metadata beside :mod:`airflow_sf_dedup.salesforce.org_metadata` defines them.
DEFAULT_FIELDS: Mapping[str, str] = {
    "Audit_Key__c": AUDIT_KEY,
    "Load_Id__c": "load_id",
    "Dag__c": "dag_id",
    "Run__c": "run_id",
    "Source_Object__c": "sobject",
    "Source_Row__c": "row_number",
    "Source_Key__c": "key",
    "Action__c": "action",
    "Reason__c": "reason",
    "Written_Record__c": "written_record_id",
    "Matched_Record__c": "matched_record_id",
    "Matched_Object__c": "matched_sobject",
    "Duplicate_Rule__c": "duplicate_rule",
    "Matching_Rule__c": "matching_rule",
    "Confidence__c": "confidence",
    "Decided_At__c": "decided_at",
}


@dataclass(frozen=True)
class MirrorSettings:
    """Where the mirror is.

    :ivar fields: API name of a field to the fact that it holds; one of them holds the key of the mirror.
    :raises SettingError: a name is no API name or stands there twice, a fact is not known, or not just one field holds
        the key.
    """

    sobject: str = "Duplicate_Audit__c"
    fields: Mapping[str, str] = field(default_factory=lambda: DEFAULT_FIELDS)

    def __post_init__(self) -> None:
        api_name(self.sobject, "sobject")
        if not isinstance(self.fields, Mapping) or not self.fields:
            raise _unusable("expected a mapping of the mirror's fields to facts of the audit")
        for name, fact in self.fields.items():
            api_name(name, "fields")
            if not isinstance(fact, str) or fact not in FACTS:
                raise _unusable(f"{name} cannot hold {fact!r}{nearest(str(fact), FACTS)}; known: {', '.join(FACTS)}")
        if len({name.lower() for name in self.fields}) < len(self.fields):
            raise _unusable(f"a field stands there twice: {listed(self.fields)}")
        if len(self._keys) != 1:
            raise _unusable(f"just one field holds {AUDIT_KEY}, here {listed(self._keys) or 'none'}")

    @property
    def _keys(self) -> list[str]:
        return [name for name, fact in self.fields.items() if fact == AUDIT_KEY]

    @property
    def key_field(self) -> str:
        """By which records of the mirror are upserted."""
        return self._keys[0]


@dataclass
class Mirrored:
    """What became of the records."""

    created: int = 0
    updated: int = 0
    #: Error code to records that it kept out.
    failed: Counter[str] = field(default_factory=Counter)

    def note(self, outcome: Outcome) -> None:
        """Count one record."""
        match outcome:
            case Saved(created=True):
                self.created += 1
            case Saved():
                self.updated += 1
            case Failed(code=code):
                self.failed[code] += 1
            case _:
                self.failed[type(outcome).__name__] += 1


def check_mirror(described: SObject, settings: MirrorSettings) -> Mapping[str, Field]:
    """The fields of the mirror, when it has them all.

    :raises PreflightError: one is missing, may not be written, or cannot hold what it is to hold; or the key is no
        External ID that is Unique, or too short for keys.
    """
    found = {name: described.field(name) for name in settings.fields}
    missing = [name for name, each in found.items() if each is None]
    if missing:
        known = [each.name for each in described.fields]
        names = listed(missing, say=lambda name: f"{name}{nearest(name, known)}")
        raise _unfit(f"{described.name} has no field that this user can see and that is called {names}")
    fields = {name: each for name, each in found.items() if each is not None}
    closed = [name for name, each in fields.items() if not (each.createable and each.updateable)]
    if closed:
        raise _unfit(f"this user may not write {listed(closed)} of {described.name}")
    for name, fact in settings.fields.items():
        if not _holds(fields[name], fact):
            raise _unfit(f"{described.name}.{fields[name].name} is of type {fields[name].type}, which holds no {fact}")
    _check_key(fields[settings.key_field])
    return fields


def _holds(target: Field, fact: str) -> bool:
    return target.type in _TEXTS | _OTHER_TYPES.get(fact, frozenset())


def _check_key(key: Field) -> None:
    if not (key.external_id and key.unique):
        raise _unfit(f"{key.name} holds the key of the mirror: it has to be an External ID that is Unique")
    if key.length < LONGEST_KEY:
        raise _unfit(
            f"{key.name} holds {key.length} characters, and keys of the mirror have up to {LONGEST_KEY}: two records "
            "would be one"
        )


def records_of(
    load: Load, entries: Iterable[Entry], settings: MirrorSettings, fields: Mapping[str, Field]
) -> Iterator[Record]:
    """A record for each blocked row and each record that it matched; one without a match where none was named.

    :param fields: from :func:`check_mirror`; texts are cut to what they hold.
    """
    for number, (entry, match) in enumerate(shown(entries), start=1):
        values = {
            fields[name].name: _fitting(FACTS[fact](load, entry, match), fields[name])
            for name, fact in settings.fields.items()
        }
        yield Record(number, values[fields[settings.key_field].name], values, row_hash(values))


def shown(entries: Iterable[Entry]) -> Iterator[tuple[Entry, MatchEntry | None]]:
    """What the mirror has a record for: each blocked row with each record that it matched, or with none."""
    for entry in entries:
        if entry.matches or entry.error_code == _BLOCKED:
            yield from ((entry, match) for match in _once(entry.matches) or [None])


def mirror(records: Iterable[Record], key_field: str, api: ChunkApi, senders: Senders) -> Mirrored:
    """Upsert the records.

    :raises CallError: a call failed for good; what was sent before it is in the org, and is updated the next time.
    """
    mirrored = Mirrored()
    sender = senders.by_calls(api.upsert, Terms(key_field), Room.of(api), itself)
    try:
        for batch in sender.send(under_way(records)):
            for answered in batch:
                mirrored.note(answered.outcome)
    finally:
        sender.close()
    return mirrored


def _once(matches: Iterable[MatchEntry]) -> Sequence[MatchEntry | None]:
    """Each record once, by the first rule that named it."""
    first: dict[str, MatchEntry] = {}
    for match in matches:
        first.setdefault(match.record_id, match)
    return list(first.values())


def _fitting(value: Any, target: Field) -> Any:
    """As the field holds it; texts are cut."""
    fitting = to_wire(target, value)
    if isinstance(fitting, str) and 0 < target.length < len(fitting):
        return f"{fitting[: target.length - 1]}…"
    return fitting


def _unusable(message: str) -> SettingError:
    return SettingError(f"fields: {message}", setting="fields")


def _unfit(message: str) -> PreflightError:
    return PreflightError(f"sobject: {message}; docs/audit.md has metadata to deploy", setting="sobject")
