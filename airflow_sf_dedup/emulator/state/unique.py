"""Are the unique values of a record free? (DUPLICATE_VALUE)"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_sf_dedup.emulator.records.schema import Sobject
from airflow_sf_dedup.emulator.results import RowError
from airflow_sf_dedup.emulator.state.org import Org
from airflow_sf_dedup.emulator.state.row_refusals import duplicate_value


def taken(org: Org, sobject: Sobject, record: Mapping[str, Any], own_id: str | None) -> list[RowError]:
    """The refusal if another record holds one of the record's unique values; empty if all are free."""
    table = org.table(sobject.name)
    for field in sobject.unique:
        value = record.get(field.name)
        if value is None:
            continue
        for holder in table.holders(field, value, deleted=org.quirks.deleted_records_hold_unique_values):
            if holder != own_id:
                return [duplicate_value(field.name, holder, org.quirks.duplicate_value_names)]
    return []
