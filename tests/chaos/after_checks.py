"""What must hold once loads were mirrored in the org and taken back. Pure, as all of :mod:`tests.chaos.checks`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_sf_dedup.core.entries import WRITTEN, Action, Entry

if TYPE_CHECKING:
    from tests.chaos.checks import Evidence, Line

#: What the org works out or notes by itself.
_ITS_OWN = frozenset({"Name", "LastModifiedDate", "LastModifiedById", "SystemModstamp"})

#: The look-up field that a policy fills in. One that went on to a record in the recycle bin has not read it there, and
#: the audit says ``not_kept``.
_LINK = "Contact__c"

#: Rows with these actions were not kept out by a rule, whatever they matched.
_NOT_MIRRORED = frozenset(
    {Action.CREATED, Action.UPDATED, Action.SUPERSEDED, Action.INVALID, Action.NOT_FOUND, Action.UNCHANGED}
)


@dataclass(frozen=True)
class After:
    """What was done once the loads were over, and what it left."""

    #: Of the ledger, while the loads were taken back.
    lines: Sequence[Mapping[str, Any]]
    #: The live records right before that, by id.
    before: Mapping[str, Mapping[str, Any]]
    #: The live records in the end, by id.
    records: Mapping[str, Mapping[str, Any]]
    #: The records of the mirror.
    mirrored: Sequence[Mapping[str, Any]]

    @cached_property
    def refused(self) -> frozenset[str]:
        """Records that a rule of the org, or a value of another one, kept from being put back."""
        return frozenset(line["record_id"] for line in self.lines if line["error"])


def one_mirror_record_for_each_match(evidence: Evidence) -> Iterator[str]:
    """Each blocked row has one record for each record that it matched, or one where none was named; never two."""
    if evidence.after is None:
        return
    expected = {
        f"{load.load_id}/{entry.row_number}/{match}": str(entry.action)
        for load in evidence.loads.values()
        for entry in load.entries
        for match in _mirrored(entry)
    }
    counts = Counter(each["Audit_Key__c"] for each in evidence.after.mirrored)
    if twice := sorted(key for key, count in counts.items() if count > 1):
        yield f"{twice} are mirrored more than once"
    if missing := sorted(expected.keys() - counts.keys()):
        yield f"{missing} are not mirrored"
    if more := sorted(counts.keys() - expected.keys()):
        yield f"{more} are mirrored, and no row met that record"
    for each in evidence.after.mirrored:
        if each["Action__c"] != (action := expected.get(each["Audit_Key__c"])):
            yield f"{each['Audit_Key__c']} is mirrored as {each['Action__c']} instead of {action}"


def _mirrored(entry: Entry) -> Sequence[str]:
    if entry.action in _NOT_MIRRORED:
        return ()
    return entry.matched_ids or ([""] if entry.error_code == "DUPLICATES_DETECTED" else [])


def what_was_matched_is_put_back(evidence: Evidence) -> Iterator[str]:
    """What loads wrote to records that they matched is as before where nobody else wrote, and nothing else changes."""
    if evidence.after is not None:
        yield from _nothing_else(evidence, evidence.after)
        yield from _all_of_it(evidence, evidence.after)


def _nothing_else(evidence: Evidence, after: After) -> Iterator[str]:
    """Each line of a revert writes what a field held before a load wrote to it, over what the load wrote."""
    now = {record_id: dict(record) for record_id, record in after.before.items()}
    for line in after.lines:
        if line["error"]:
            continue
        if line["verb"] != "updated":
            yield f"line {line['seq']} of a revert {line['verb']} {line['record_id']}"
            continue
        record = now[line["record_id"]]
        for name, value in line["values"].items():
            if name not in _ITS_OWN:
                yield from _one_back(evidence, line, name, value, record.get(name))
        record.update(line["values"])
    for record_id, record in after.records.items():
        changed = {name for name, value in record.items() if after.before.get(record_id, {}).get(name) != value}
        written = {name for line in after.lines if line["record_id"] == record_id for name in line["values"]}
        if more := sorted(changed - written - _ITS_OWN):
            yield f"record {record_id}: {more} changed while loads were taken back, by no line"
    if gone := sorted(after.before.keys() ^ after.records.keys()):
        yield f"the records {gone} came or went while loads were taken back"


def _one_back(evidence: Evidence, line: Mapping[str, Any], name: str, value: Any, held: Any) -> Iterator[str]:
    record_id = line["record_id"]
    if value == held:
        return
    writes = _writes(evidence, record_id, name)
    came_back = record_id in evidence.deleted_before
    if not came_back and not any(_is_matched(evidence, each) or name == _LINK for each in writes):
        yield f"line {line['seq']} wrote {name} of {record_id}, which no load has written to a match"
    elif held not in {each.values[name] for each in writes} | {_before(evidence, each, name) for each in writes}:
        yield f"line {line['seq']} wrote {name} of {record_id} over {held!r}, which no load has written"
    elif value not in {_before(evidence, each, name) for each in writes}:
        yield f"line {line['seq']} wrote {name}={value!r} to {record_id}, which it did not hold before any load"


def _all_of_it(evidence: Evidence, after: After) -> Iterator[str]:
    """What only loads wrote, and only to a record that they matched, is as it was."""
    for each in evidence.scenario.before:
        record_id = each["Id"]
        if record_id not in after.records or record_id in after.refused:
            continue
        lines = [line for line in evidence.lines if line.saved and line.record_id == record_id]
        for name in sorted({name for line in lines for name in line.values} - _ITS_OWN):
            writes = [line for line in lines if name in line.values]
            if not all(_is_matched(evidence, line) and _is_known_to_be_written(evidence, line) for line in writes):
                continue
            if _across(evidence, writes):
                evidence.excused["written by loads across each other, which one revert does not take apart"] += 1
                continue
            if name == _LINK and record_id in evidence.deleted_before:
                evidence.excused["filled in for a link, and then written to a record that it was not read of"] += 1
                continue
            was_edited = after.before[record_id].get(name) != writes[-1].values[name]
            if not was_edited and after.records[record_id].get(name) != each.get(name):
                line, left = writes[-1], after.records[record_id].get(name)
                yield (
                    f"record {record_id}: {name} was {each.get(name)!r}, line {line.seq} wrote "
                    f"{line.values[name]!r}, and it is {left!r} after the loads were taken back"
                )


def _across(evidence: Evidence, writes: Sequence[Line]) -> bool:
    """Whether an earlier load wrote after a later one: that is taken back first, and what lies over it is left."""
    order = list(evidence.loads)
    places = [order.index((line.marker or "").partition("/")[0]) for line in writes]
    return places != sorted(places)


def _writes(evidence: Evidence, record_id: str, name: str) -> list[Line]:
    return [line for line in evidence.lines if line.saved and line.record_id == record_id and name in line.values]


def _before(evidence: Evidence, line: Line, name: str) -> Any:
    return evidence.states_before[line.seq].get(name)


def _is_matched(evidence: Evidence, line: Line) -> bool:
    """Whether a line writes to a record because its row matched it.

    That is one of another sObject, one that does not hold the key until then, or one from the recycle bin that holds
    the key already and is written by its id; later rows of the key write it by that.
    """
    if line.is_contact:
        return True
    key_name = evidence.scenario.key_field.name
    by_id = key_name not in line.values and line.record_id in evidence.deleted_before
    return line.verb == "updated" and (by_id or not evidence.states_before[line.seq].get(key_name))


def _is_known_to_be_written(evidence: Evidence, line: Line) -> bool:
    """Whether the entry of the line's row says that its record was written."""
    entry = _entry_of(evidence, line)
    return entry is not None and entry.action in WRITTEN and entry.record_id == line.record_id


def _entry_of(evidence: Evidence, line: Line) -> Entry | None:
    name, number, _ = evidence.sent_rows.get(line.marker or "", ("", 0, None))
    entries = evidence.loads[name].entries if name else ()
    return next((each for each in entries if each.row_number == number), None)
