"""What a rule with the ``report`` operation leaves behind: a DuplicateRecordSet and its items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from airflow_sf_dedup.emulator.records.match_index import Column
from airflow_sf_dedup.emulator.records.store import Record
from airflow_sf_dedup.emulator.results import DuplicateResult
from airflow_sf_dedup.emulator.rules.duplicate_rules import DuplicateRule, MatchingRule, Search, find_duplicates
from airflow_sf_dedup.emulator.state.org import Org
from airflow_sf_dedup.emulator.state.seeding import system_fields

_BY_RECORD = (Column("RecordId", "exact", False),)
_BY_SET = (Column("DuplicateRecordSetId", "exact", False),)


@dataclass(frozen=True, slots=True)
class Reporting:
    """A row that was saved, with the rules that report what they find for it."""

    record_id: str
    rules: tuple[DuplicateRule, ...]
    created: bool


def report_duplicates(
    org: Org, rule: DuplicateRule, result: DuplicateResult, record_id: str, now: str, user_id: str
) -> None:
    """Adds the saved record and what it matched to the rule's set of one of them, or to a new set."""
    matched = [match.record_id for found in result.match_results for match in found.match_records]
    together = list(dict.fromkeys([record_id, *matched]))
    found = _sets_of(org, rule, together)
    set_id = found[0] if found else _new_set(org, rule, now, user_id)
    for other in found[1:] if org.quirks.report_joins_sets else ():
        _join(org, set_id, other)
    members = {item["RecordId"] for item in _items(org, set_id)}
    for each in together:
        if each not in members:
            item = {"DuplicateRecordSetId": set_id, "RecordId": each}
            _insert(org, "DuplicateRecordItem", item, now, user_id)


def _sets_of(org: Org, rule: DuplicateRule, record_ids: list[str]) -> list[str]:
    """The rule's sets that have one of the records, the oldest first."""
    items, sets = org.table("DuplicateRecordItem"), org.table("DuplicateRecordSet")
    index = items.match_index(_BY_RECORD)
    found = set()
    for record_id in record_ids:
        for item_id in index.find(record_id.lower()):
            item = items.live(item_id)
            each = sets.live(item["DuplicateRecordSetId"]) if item else None
            if each is not None and each["DuplicateRuleId"] == rule.record_id:
                found.add(str(each["Id"]))
    return sorted(found)


def _new_set(org: Org, rule: DuplicateRule, now: str, user_id: str) -> str:
    fields = {"DuplicateRuleId": rule.record_id, "SobjectType": rule.sobject}
    return _insert(org, "DuplicateRecordSet", fields, now, user_id)


def _join(org: Org, set_id: str, other: str) -> None:
    """Moves the items of another set into this one, and does away with that."""
    members = {item["RecordId"] for item in _items(org, set_id)}
    for item in list(_items(org, other)):
        moved = None if item["RecordId"] in members else {**item, "DuplicateRecordSetId": set_id}
        org.put("DuplicateRecordItem", item["Id"], moved)
    org.put("DuplicateRecordSet", other, None)


def _items(org: Org, set_id: str) -> Iterator[Record]:
    items = org.table("DuplicateRecordItem")
    index = items.match_index(_BY_SET)
    for item_id in tuple(index.find(set_id.lower())):
        item = items.live(item_id)
        if item is not None:
            yield item


def _insert(org: Org, sobject: str, fields: Record, now: str, user_id: str) -> str:
    table = org.table(sobject)
    record_id = table.new_id()
    record = {**table.sobject.defaults, **system_fields(table.sobject, now, user_id), **fields, "Id": record_id}
    for each in table.sobject.auto_numbers:
        record[each] = f"{table.next_number():08d}"
    org.put(sobject, record_id, record)
    return record_id


# --- rows of one save -------------------------------------------------------------------------------------


def report_within_save(org: Org, saved: list[Reporting], now: str, user_id: str) -> None:
    """Reports what the rows of one save have in common: they were compared with the org as it was before."""
    if len(saved) < 2 or not org.quirks.report_sees_rows_of_one_save:
        return
    search = Search(tables=org.tables, deleted_match=org.quirks.deleted_records_match)
    rules = {rule.full_name: rule for row in saved for rule in row.rules}
    for rule in rules.values():
        rows = [row for row in saved if any(each is rule for each in row.rules)]
        near = _near_another(org, rule, rows, search)
        for row in rows:
            record = org.record(row.record_id) if row.record_id in near else None
            if record is not None:
                result = find_duplicates(rule, record, row.record_id, search, created=row.created)
                if result is not None:
                    report_duplicates(org, rule, result, row.record_id, now, user_id)


def _near_another(org: Org, rule: DuplicateRule, rows: list[Reporting], search: Search) -> set[str]:
    """The ids of those rows that are worth comparing with another one."""
    records = [org.table(rule.sobject).records[row.record_id] for row in rows]
    return {
        record["Id"]
        for matching in rule.matching
        if matching.target == rule.sobject
        for record in _sharing(matching, records, search)
    }


def _sharing(matching: MatchingRule, records: list[Record], search: Search) -> Iterator[Record]:
    """Records whose blocking key is one way or the other that of another record too."""
    places = search.places(matching)
    own = [places.blocking.keys(record) for record in records]
    found = own if matching.own_names else [matching.target_blocking.keys(record) for record in records]
    for _, position, _ in places.looks:
        wanted, there = [keys[position] for keys in own], [keys[position] for keys in found]
        filled = [key for key in there if key is not None]
        if matching.own_names and len(set(filled)) == len(filled):
            continue
        times = Counter(there)
        for record, key, own_place in zip(records, wanted, there, strict=True):
            if key is not None and times[key] > (key == own_place):
                yield record
