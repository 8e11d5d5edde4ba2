"""How many items has a DuplicateRecordSet, whoever adds, moves or removes one?"""

from __future__ import annotations

from collections.abc import Mapping

from airflow_sf_dedup.emulator.records.match_index import Column
from airflow_sf_dedup.emulator.records.store import Record, Table

SET, ITEM = "DuplicateRecordSet", "DuplicateRecordItem"
_BY_SET = (Column("DuplicateRecordSetId", "exact", False),)


def recounted(tables: Mapping[str, Table], *items: Record | None) -> dict[str, Record]:
    """The sets of ``items``, by id, that have another number of items now than they say.

    :param items: an item as it was and as it is; None where there was or is none.
    """
    index = tables[ITEM].match_index(_BY_SET)
    changed = {}
    for set_id in {item["DuplicateRecordSetId"] for item in items if item is not None}:
        found = tables[SET].records.get(set_id)
        held = index.find(set_id.lower())
        count = sum(1 for each in held if tables[ITEM].live(each) is not None)
        if found is not None and found.get("RecordCount") != count:
            changed[set_id] = {**found, "RecordCount": count}
    return changed
