"""Which record does each row of a save call mean: a new one, or which existing one?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass

from airflow_sf_dedup.emulator.records.drafts import Draft
from airflow_sf_dedup.emulator.records.schema import Field
from airflow_sf_dedup.emulator.records.store import Record
from airflow_sf_dedup.emulator.results import Refused, RowError
from airflow_sf_dedup.emulator.state.org import Org


@dataclass(frozen=True, slots=True)
class Create:
    pass


@dataclass(frozen=True, slots=True)
class Update:
    """By the ``Id`` among the row's values."""


@dataclass(frozen=True, slots=True)
class Upsert:
    #: The key field; ``Id`` means: update the record with that Id, create one where it is null.
    field: Field


Verb = Create | Update | Upsert


@dataclass(frozen=True, slots=True)
class Target:
    """The record a row means; without one the row makes a new record."""

    record: Record | None = None
    key_field: str | None = None

    @property
    def record_id(self) -> str | None:
        return self.record["Id"] if self.record else None


CONVERTED = RowError("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
#: Salesforce allows one Id five times in one call.
_MOST_UPDATES_OF_ONE = 5


def targets(org: Org, drafts: list[Draft], verb: Verb) -> list[Target | Refused]:
    """The target of every row, in order."""
    if isinstance(verb, Create):
        return [_new(draft) for draft in drafts]
    if isinstance(verb, Update) or verb.field.name == "Id":
        found = _by_id(org, drafts, may_create=isinstance(verb, Upsert))
    else:
        found = _by_key(org, drafts, verb.field)
    return [_unless_converted(each) for each in found]


def _unless_converted(target: Target | Refused) -> Target | Refused:
    if isinstance(target, Refused) or target.record is None or not target.record.get("IsConverted"):
        return target
    return Refused((CONVERTED,), target.record_id)


def refused(code: str, message: str, *fields: str, record_id: str | None = None) -> Refused:
    return Refused((RowError(code, message, fields),), record_id)


def _new(draft: Draft) -> Target | Refused:
    if draft.values.get("Id") is not None:
        return refused("INVALID_FIELD_FOR_INSERT_UPDATE", "cannot specify Id in an insert call", "Id")
    return Target()


def _by_id(org: Org, drafts: list[Draft], *, may_create: bool) -> list[Target | Refused]:
    seen: Counter[str] = Counter()
    found = []
    for draft in drafts:
        record_id = draft.values.get("Id")
        if record_id is None:
            found.append(_without_id(draft, may_create=may_create))
            continue
        seen[record_id] += 1
        found.append(_too_often(record_id) if seen[record_id] > _MOST_UPDATES_OF_ONE else existing(org, draft))
    return found


def _without_id(draft: Draft, *, may_create: bool) -> Target | Refused:
    if draft.errors:
        return Refused(tuple(draft.errors))
    if may_create:
        return Target(key_field="Id")
    return refused("MISSING_ARGUMENT", "Id not specified in an update call")


def _too_often(record_id: str) -> Refused:
    message = (
        f"Maximum number of duplicate updates in one batch ({_MOST_UPDATES_OF_ONE} allowed). "
        f"Attempt to update Id more than once in this Api call: {record_id}"
    )
    return refused("DUPLICATE_VALUE", message, record_id=record_id)


def existing(org: Org, draft: Draft) -> Target | Refused:
    """The record whose Id the row carries."""
    record_id = draft.values["Id"]
    if record_id[:3] != draft.sobject.key_prefix:
        message = f"{draft.sobject.label} ID: id value of incorrect type: {record_id}"
        return refused("MALFORMED_ID", message, "Id", record_id=record_id)
    record = org.table(draft.sobject.name).records.get(record_id)
    if record is None:
        return refused("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", record_id=record_id)
    if record["IsDeleted"]:
        return refused("ENTITY_IS_DELETED", "entity is deleted", record_id=record_id)
    return Target(record)


def _by_key(org: Org, drafts: list[Draft], key: Field) -> list[Target | Refused]:
    times = Counter(_folded(draft, key) for draft in drafts)
    return [_one_by_key(org, draft, key, times[_folded(draft, key)]) for draft in drafts]


def _folded(draft: Draft, key: Field) -> Hashable:
    value = draft.values.get(key.name)
    return None if value is None else key.index_key(value)


def _one_by_key(org: Org, draft: Draft, key: Field, times: int) -> Target | Refused:
    value = draft.values.get(key.name)
    if any(key.name in error.fields for error in draft.errors):
        return Refused(tuple(draft.errors))
    if value is None:
        return refused("MISSING_ARGUMENT", org.quirks.missing_key_message.format(field=key.name))
    if times > 1:
        folded = org.quirks.repeated_key_lower_cased and not key.case_sensitive
        shown = str(value).lower() if folded else value
        return refused("DUPLICATE_VALUE", f"Duplicate external id specified: {shown}", key.name)
    if "Id" in draft.values:
        message = "The Id field should not be specified in the sobject data."
        return refused("INVALID_FIELD", message, "Id")
    return held_by(org, draft, key)


def held_by(org: Org, draft: Draft, key: Field) -> Target | Refused:
    """The record that holds the row's key; refused where several do."""
    table = org.table(draft.sobject.name)
    ids = table.holders(key, draft.values[key.name])
    if len(ids) > 1:
        message = f"{key.label}: more than one record found for external id field: [{', '.join(ids)}]"
        error = RowError("DUPLICATE_EXTERNAL_ID", message, (key.name,))
        return Refused((error,), holders=tuple(ids))
    return Target(table.records[ids[0]] if ids else None, key.name)
