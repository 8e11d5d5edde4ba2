"""Write the rows of each partition where its task will read them, and what all of them have in common beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.core.partitioning import PartitionRef
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import SObject
from airflow_sf_dedup.journeys.partition_settings import PartitionSettings
from airflow_sf_dedup.journeys.partitioning.grouping import Grouping
from airflow_sf_dedup.journeys.preflight import Fit
from airflow_sf_dedup.staging.area import StagedPartition, StagingArea
from airflow_sf_dedup.staging.spool import Compartment
from airflow_sf_dedup.staging.staged_load import StagedLoad

#: Fields that every load takes along where the sObject has them: they say whether a match may be acted on,
#: and whether a call whose answer was lost wrote a record.
ALWAYS_STAGED = (
    "Id",
    "IsDeleted",
    "MasterRecordId",
    "IsConverted",
    "ConvertedContactId",
    "OwnerId",
    "RecordTypeId",
    "CreatedDate",
    "CreatedById",
    "LastModifiedDate",
    "LastModifiedById",
    "SystemModstamp",
)


def manifest_of(load: Load, settings: PartitionSettings, describe: SObject, fit: Fit, now: datetime) -> StagedLoad:
    """What all rows of a load have in common."""
    key_field = fit.key_rule.field.name
    carried = (column.field.name for column in fit.columns.values())
    return StagedLoad(
        load_id=load.load_id,
        sobject=describe.only([*fit.key_rule.names, *carried, *ALWAYS_STAGED]),
        described=describe,
        external_id_field=key_field,
        on_repeat=settings.on_repeat,
        columns=tuple(fit.columns),
        allow_non_unique_key=settings.allow_non_unique_key,
        created_at=now,
        newer_than=settings.newer_than,
    )


def stage(
    compartments: Iterable[Compartment],
    manifest: StagedLoad,
    grouping: Grouping | None,
    area: StagingArea,
    on_staged: Callable[[list[int]], None],
) -> dict[int, StagedPartition]:
    """Stage every compartment, the manifest before the first; answers what was written, by partition."""
    staged: dict[int, StagedPartition] = {}
    for partition, records in compartments:
        if not staged:
            area.write_manifest(manifest)
        records.sort(key=_order(grouping))
        staged[partition] = area.write_partition(manifest.load_id, partition, records)
        on_staged(list(Counter(record.wave for record in records).values()))
    return staged


def _order(grouping: Grouping | None) -> Callable[[Record], tuple[int, str, int]]:
    """Earlier rows of a key first, then the rows of one parent together, then as in the source."""
    if grouping is None:
        return lambda record: (record.wave, "", record.row_number)
    return lambda record: (record.wave, grouping.of(record), record.row_number)


def refer(
    staged: Mapping[int, StagedPartition], manifest: StagedLoad, load: Load, settings: PartitionSettings
) -> list[PartitionRef]:
    """The reference to each partition, for the task that sends its rows."""
    return [
        PartitionRef(
            load_id=load.load_id,
            partition=partition,
            partitions=settings.partitions,
            rows=part.rows,
            path=part.path,
            checksum=part.checksum,
            sobject=manifest.described.name,
            external_id_field=manifest.external_id_field,
            org_id=load.org_id,
            salesforce_conn_id=settings.salesforce_conn_id,
            audit_conn_id=settings.audit_conn_id,
        )
        for partition, part in staged.items()
    ]
