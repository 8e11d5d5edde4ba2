"""Merging records: a master takes over what points at one or two victims, which go to the recycle bin.

Each request is a transaction of its own. The master's values win, nulls included; what its caller wants to keep of a
victim is written into the master in the same breath, unique values too. Duplicate rules do not run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from airflow_sf_dedup.emulator.records.drafts import Draft
from airflow_sf_dedup.emulator.records.store import Record
from airflow_sf_dedup.emulator.results import Refused
from airflow_sf_dedup.emulator.saving.cascading import Reach
from airflow_sf_dedup.emulator.saving.changing import Changing, full_id
from airflow_sf_dedup.emulator.saving.saving import SaveOptions, commit, plan
from airflow_sf_dedup.emulator.saving.targets import CONVERTED, Update, refused
from airflow_sf_dedup.emulator.state.in_progress import current
from airflow_sf_dedup.emulator.state.org import Org
from airflow_sf_dedup.emulator.state.related import Child, Related
from airflow_sf_dedup.emulator.state.row_refusals import by_fault
from airflow_sf_dedup.emulator.state.together import Step
from airflow_sf_dedup.emulator.state.two_steps import in_two_steps

_MOST_VICTIMS = 2
#: Of these only one may be there for each parent: a victim's is dropped where the master has its own.
_ONE_FOR_EACH = {
    "CampaignMember": "CampaignId",
    "DuplicateRecordItem": "DuplicateRecordSetId",
    "AccountContactRelation": "ContactId",
    "OpportunityContactRole": "OpportunityId",
    "AccountTeamMember": "UserId",
}


@dataclass(slots=True)
class MergeRequest:
    #: The master: its Id and the fields to write.
    master: Draft
    #: Ids as they were given.
    victims: tuple[str, ...]

    @property
    def record_id(self) -> str | None:
        return self.master.values.get("Id")


@dataclass(frozen=True, slots=True)
class Merged:
    record_id: str
    victims: tuple[str, ...]
    #: Records that pointed at a victim and now point at the master.
    related: tuple[str, ...]


MergeResult = Merged | Refused


def merge(org: Org, requests: Sequence[MergeRequest], *, user_id: str) -> list[MergeResult]:
    """The result of every request, in order."""

    def planned() -> Step:
        return Step(_by_faults(org, [_checked(org, each) or each for each in requests]), _holds)

    def carried_out(rows: list[MergeRequest | Refused]) -> list[MergeResult]:
        related = Related(org)
        return [_one(org, request, row, user_id, related) for request, row in zip(requests, rows, strict=True)]

    return in_two_steps(org, planned, carried_out)


def _holds(request: MergeRequest) -> frozenset[str]:
    return frozenset(each for each in (request.record_id, *map(full_id, request.victims)) if each)


def _by_faults(org: Org, rows: list[MergeRequest | Refused]) -> list[MergeRequest | Refused]:
    candidates = [number for number, row in enumerate(rows) if isinstance(row, MergeRequest)]
    for number, firing in current().refused_rows(candidates).items():
        row = rows[number]
        if isinstance(row, MergeRequest):
            names_holder = org.quirks.duplicate_value_names
            error = by_fault(firing, row.master.sobject, row.record_id, (), names_holder=names_holder)
            rows[number] = Refused((error,), row.record_id)
    return rows


# --- may it be done? --------------------------------------------------------------------------------------


def _checked(org: Org, request: MergeRequest) -> Refused | None:
    """Why a request cannot be carried out; None when it can."""
    master = request.master
    if not master.sobject.mergeable:
        message = f"entity type {master.sobject.name} does not support merge"
        return refused("INVALID_TYPE_FOR_OPERATION", message, record_id=request.record_id)
    if master.errors:
        return Refused(tuple(master.errors), request.record_id)
    if request.record_id is None:
        return refused("MISSING_ARGUMENT", "Id not specified in a merge call")
    wrong = _wrong_number(org, request)
    return wrong or next(filter(None, (_unfit(org, request, each) for each in _given(request))), None)


def _given(request: MergeRequest) -> list[str]:
    return [str(request.record_id), *request.victims]


def _wrong_number(org: Org, request: MergeRequest) -> Refused | None:
    if not request.victims:
        return refused("MISSING_ARGUMENT", "recordToMergeIds not specified", record_id=request.record_id)
    ids = [full_id(each) for each in _given(request)]
    if len(request.victims) > _MOST_VICTIMS:
        return _cannot(org, request, f"no more than {_MOST_VICTIMS} records can be merged into a master record")
    if request.record_id in ids[1:]:
        return _cannot(org, request, "the master record cannot be merged into itself")
    if len(set(ids)) < len(ids):
        return _cannot(org, request, "a record is to be merged twice")
    return None


def _cannot(org: Org, request: MergeRequest, reason: str) -> Refused:
    message = org.quirks.merge_refused_message.replace("{reason}", reason)
    return refused(org.quirks.merge_refused_code, message, record_id=request.record_id)


def _unfit(org: Org, request: MergeRequest, given: str) -> Refused | None:
    """Why a record cannot take part."""
    record_id = full_id(given)
    if record_id is None:
        return refused("MALFORMED_ID", f"malformed id {given}", record_id=request.record_id)
    record = org.record(record_id)
    if record is None:
        return refused("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
    if record_id[:3] != request.master.sobject.key_prefix:
        return _cannot(org, request, "all records of a merge must be of the same type")
    if record["IsDeleted"]:
        return refused("ENTITY_IS_DELETED", "entity is deleted", record_id=request.record_id)
    if record.get("IsConverted"):
        return Refused((CONVERTED,), request.record_id)
    return None


# --- doing it ---------------------------------------------------------------------------------------------


def _one(org: Org, request: MergeRequest, row: MergeRequest | Refused, user_id: str, related: Related) -> MergeResult:
    with org.tables.transaction() as transaction:
        merging = _Merging(org, user_id, transaction.changes, related)
        result = row if isinstance(row, Refused) else _checked(org, request) or merging.merge(request, user_id)
        if isinstance(result, Refused):
            transaction.forget()
            merging = _Merging(org, user_id, transaction.changes, related)
            merging.refused(request.record_id or "", result)
        return result


class _Merging(Changing):
    def merge(self, request: MergeRequest, user_id: str) -> MergeResult:
        """The master first, so that a refusal of what it is to become changes nothing."""
        master_id = str(request.record_id)
        victims = [str(full_id(each)) for each in request.victims]
        kept = {each: self.org.record(each) or {} for each in victims}
        for each in victims:
            self._free_unique_values(each)
        options = SaveOptions(user_id=user_id, duplicate_rules=False)
        (row,) = plan(self.org, [request.master], Update(), options)
        if isinstance(row, Refused):
            return row
        (saved,) = commit(self.org, [request.master], [row], options)
        if isinstance(saved, Refused):
            return saved
        if self._own_ancestor(master_id, victims):
            return _cannot(self.org, request, "the hierarchy of the records would be a circle")
        related = [each for victim in victims for each in self._reparent(victim, master_id)]
        for each in victims:
            self._to_the_bin(each, kept[each], master_id)
        moved = tuple(dict.fromkeys(each for each in related if each not in victims))
        return Merged(master_id, tuple(victims), moved)

    def _free_unique_values(self, victim_id: str) -> None:
        """For the time in which the master is saved."""
        sobject = self.org.schema.by_prefix[victim_id[:3]]
        freed = {field.name: None for field in sobject.unique}
        self.org.put(sobject.name, victim_id, {**(self.org.record(victim_id) or {}), **freed})

    def _own_ancestor(self, master_id: str, victims: list[str]) -> bool:
        """Whether the master is below one of its victims."""
        sobject = self.org.schema.by_prefix[master_id[:3]]
        master = self.org.record(master_id) or {}
        own = (name for name in sobject.references if sobject.name in sobject.fields[name].reference_to)
        return any(master.get(name) in victims for name in own if name != "MasterRecordId")

    def _reparent(self, victim_id: str, master_id: str) -> list[str]:
        moved = []
        for child in list(self.related.children(victim_id)):
            if self._superfluous(child, master_id):
                self.delete(child.record_id, Reach((), ()))
            else:
                self.change(child.record_id, "updated", **{child.field.name: master_id})
                moved.append(child.record_id)
        return moved

    def _superfluous(self, child: Child, master_id: str) -> bool:
        """Whether the master has such a record already: a member of the same campaign."""
        group = _ONE_FOR_EACH.get(child.sobject.name)
        table = self.org.table(child.sobject.name)
        if group is None or group == child.field.name:
            return False
        own = table.records[child.record_id].get(group)
        return any(
            other.sobject is child.sobject
            and other.field is child.field
            and table.records[other.record_id].get(group) == own
            for other in self.related.children(master_id)
        )

    def _to_the_bin(self, victim_id: str, before: Record, master_id: str) -> None:
        """A victim keeps its values, but for the unique ones that the master has taken over."""
        sobject = self.org.schema.by_prefix[victim_id[:3]]
        master = self.org.record(master_id) or {}
        now = self.org.record(victim_id) or {}
        unique = {
            field.name: None if _same(field, before.get(field.name), master.get(field.name)) else before[field.name]
            for field in sobject.unique
            if before.get(field.name) is not None
        }
        self.org.put(sobject.name, victim_id, {**now, **unique})
        self.delete(victim_id, Reach((), ()), MasterRecordId=master_id)
        if self.org.quirks.merge_moves_earlier_victims:
            for each in list(self.org.table(sobject.name).records.values()):
                if each.get("MasterRecordId") == victim_id:
                    self.org.put(sobject.name, each["Id"], {**each, "MasterRecordId": master_id})


def _same(field: Any, value: Any, other: Any) -> bool:
    return other is not None and field.index_key(value) == field.index_key(other)
