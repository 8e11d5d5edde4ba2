"""What follows from other fields when a record is saved: a compound Name, and whether it is closed or won."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_sf_dedup.emulator.records.schema import Sobject


def compound_name(sobject: Sobject, record: Mapping[str, Any]) -> str | None:
    parts = (record.get(part) for part in sobject.name_parts)
    return " ".join(part for part in parts if part) or None


def flags(sobject: Sobject, record: Mapping[str, Any]) -> dict[str, bool]:
    """The checkboxes that follow from picklists: ``IsClosed`` of a case from its ``Status``."""
    return {flag: record.get(picklist) in values for flag, picklist, values in sobject.flags}
