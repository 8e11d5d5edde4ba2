"""A load of three rows, as it waits to be sent."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow_sf_dedup.core.partitioning import PartitionRef
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.staging.area import StagingArea
from airflow_sf_dedup.staging.staged_load import StagedLoad

NOW = datetime(2026, 1, 10, tzinfo=UTC)
LOAD = StagedLoad(
    load_id="load-1",
    sobject=SObject("Lead", (Field("Key__c", "Key", "string", reference_to=("A",)),), key_prefix="00Q"),
    described=SObject("Lead", (Field("Key__c", "Key", "string", reference_to=("A",)), Field("Fax", "Fax", "phone"))),
    external_id_field="Key__c",
    on_repeat="last",
    columns=("key__c", "Name"),
    allow_non_unique_key=False,
    created_at=NOW,
)
RECORDS = [
    Record(1, "A-1", {"Key__c": "A-1", "Name": None, "Amount": 0.1}, "h1"),
    Record(7, "Zoë\n2", {"Key__c": "Zoë\n2", "Account": {"Ext__c": 123456789012345678}}, "h2", wave=3),
    Record(8, "A-3", {"Key__c": "A-3"}, "h3", order="t:2026-01-02T00:00:00.000000Z"),
]


def staged(area: StagingArea, records: list[Record] = RECORDS) -> PartitionRef:
    area.write_manifest(LOAD)
    part = area.write_partition("load-1", 4, records)
    return PartitionRef("load-1", 4, 8, part.rows, part.path, part.checksum, "Lead", "Key__c", "00D", "sf")
