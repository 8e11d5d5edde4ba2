"""What a rule with the ``report`` operation leaves behind: a DuplicateRecordSet and its items."""

from __future__ import annotations

from airflow_sf_dedup.emulator.duplicate_rules import DuplicateRule
from airflow_sf_dedup.emulator.match_index import Column
from airflow_sf_dedup.emulator.org import Org
from airflow_sf_dedup.emulator.results import DuplicateResult
from airflow_sf_dedup.emulator.seeding import system_fields
from airflow_sf_dedup.emulator.store import Record

_BY_RECORD = (Column("RecordId", "exact", False),)


def report_duplicates(
    org: Org, rule: DuplicateRule, result: DuplicateResult, record_id: str, now: str, user_id: str
) -> None:
    """Adds the saved record and what it matched to the rule's set of one of the matches, or to a new set."""
    matched = [match.record_id for found in result.match_results for match in found.match_records]
    set_id = _set_of(org, rule, matched) or _insert(
        org, "DuplicateRecordSet", {"DuplicateRuleId": rule.record_id}, now, user_id
    )
    members = _members(org, set_id)
    for each in dict.fromkeys([record_id, *matched]):
        if each not in members:
            item = {"DuplicateRecordSetId": set_id, "RecordId": each}
            _insert(org, "DuplicateRecordItem", item, now, user_id)
            members.add(each)
    record = org.table("DuplicateRecordSet").records[set_id]
    org.put("DuplicateRecordSet", set_id, {**record, "RecordCount": len(members)})


def _set_of(org: Org, rule: DuplicateRule, record_ids: list[str]) -> str | None:
    items = org.table("DuplicateRecordItem")
    sets = org.table("DuplicateRecordSet")
    index = items.match_index(_BY_RECORD)
    for record_id in record_ids:
        for item_id in index.find(index.key({"RecordId": record_id})):
            found = sets.live(items.records[item_id]["DuplicateRecordSetId"])
            if found is not None and found["DuplicateRuleId"] == rule.record_id:
                return str(found["Id"])
    return None


def _members(org: Org, set_id: str) -> set[str]:
    index = org.table("DuplicateRecordItem").match_index((Column("DuplicateRecordSetId", "exact", False),))
    items = org.table("DuplicateRecordItem").records
    found = (items[each] for each in index.find(index.key({"DuplicateRecordSetId": set_id})))
    return {item["RecordId"] for item in found if not item["IsDeleted"]}


def _insert(org: Org, sobject: str, fields: Record, now: str, user_id: str) -> str:
    table = org.table(sobject)
    record_id = table.new_id()
    record = {**table.sobject.defaults, **system_fields(table.sobject, now, user_id), **fields, "Id": record_id}
    for each in table.sobject.auto_numbers:
        record[each] = f"{table.next_number():08d}"
    org.put(sobject, record_id, record)
    return record_id
