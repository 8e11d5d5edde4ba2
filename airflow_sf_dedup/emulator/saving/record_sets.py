"""DuplicateRecordSets and their items that callers make: what an item may be, and what the org adds to a set.

All items of a set are records of the sobject of its rule (Object Reference, "DuplicateRecordSet": SobjectType).
"""

from __future__ import annotations

from typing import Any

from airflow_sf_dedup.emulator.records.match_index import Column
from airflow_sf_dedup.emulator.records.store import Record
from airflow_sf_dedup.emulator.results import RowError
from airflow_sf_dedup.emulator.rules.duplicate_sets import ITEM, SET
from airflow_sf_dedup.emulator.state.org import Org
from airflow_sf_dedup.emulator.state.row_refusals import duplicate_value

_BY_RECORD = (Column("RecordId", "exact", False),)


def with_its_sobject(org: Org, sobject: str, record: Record) -> Record:
    """A set says which sobject its rule is about; any other record stays as it is."""
    rule_id = record.get("DuplicateRuleId") if sobject == SET else None
    rule = org.record(rule_id) if rule_id else None
    return record if rule is None else {**record, "SobjectType": rule["SobjectType"]}


def misplaced(org: Org, sobject: str, record: Record) -> list[RowError]:
    """The refusal of an item that its set cannot have; empty of any other record."""
    if sobject != ITEM:
        return []
    found = org.record(record["DuplicateRecordSetId"]) or {}
    wanted, own = found.get("SobjectType"), _sobject_of(org, record["RecordId"])
    if org.quirks.record_sets_of_one_sobject and wanted is not None and own != wanted:
        message = f"The record is no {wanted}, as those of its duplicate record set are"
        return [RowError("FIELD_INTEGRITY_EXCEPTION", message, ("RecordId",))]
    twin = _same_item(org, record) if org.quirks.record_sets_have_a_record_once else None
    return [] if twin is None else [duplicate_value("RecordId", twin, org.quirks.duplicate_value_names)]


def tell_set(org: Org, sobject: str, record: Record) -> None:
    """A set without a rule is about the sobject of its first item."""
    found = org.record(record["DuplicateRecordSetId"]) if sobject == ITEM else None
    if found is not None and found.get("SobjectType") is None:
        org.put(SET, found["Id"], {**found, "SobjectType": _sobject_of(org, record["RecordId"])})


def _same_item(org: Org, record: Record) -> str | None:
    items = org.table(ITEM)
    for item_id in items.match_index(_BY_RECORD).find(record["RecordId"].lower()):
        item = items.live(item_id)
        if item and item_id != record["Id"] and item["DuplicateRecordSetId"] == record["DuplicateRecordSetId"]:
            return str(item_id)
    return None


def _sobject_of(org: Org, record_id: Any) -> str | None:
    return next((name for name, each in org.schema.sobjects.items() if each.key_prefix == record_id[:3]), None)
