"""The first task's work: read the source once, audit what will not be sent, stage the rest by key.

Conservation starts here: rows read = rows audited as invalid + rows audited as superseded + rows staged.
Nothing is sent from here, so whatever goes wrong leaves the org untouched and nothing staged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from airflow_sf_dedup.audit.base import AuditWriter, Load
from airflow_sf_dedup.core.partitioning import PartitionRef
from airflow_sf_dedup.core.sobjects import SObject
from airflow_sf_dedup.core.twins import read_twin_fields
from airflow_sf_dedup.core.wording import counted
from airflow_sf_dedup.journeys.columns import DescribesParent, no_parents
from airflow_sf_dedup.journeys.partition_settings import PartitionSettings
from airflow_sf_dedup.journeys.partitioning.grouping import Grouping, grouping_of, regrouped
from airflow_sf_dedup.journeys.partitioning.journal import Journal
from airflow_sf_dedup.journeys.partitioning.kin import gathered, kinship_of
from airflow_sf_dedup.journeys.partitioning.listeners import NOBODY, Listeners
from airflow_sf_dedup.journeys.partitioning.reading import Reading
from airflow_sf_dedup.journeys.partitioning.repeats import settled
from airflow_sf_dedup.journeys.partitioning.staging import manifest_of, refer, stage
from airflow_sf_dedup.journeys.partitioning.twin_criteria import TwinCriteria, twin_criteria
from airflow_sf_dedup.journeys.preflight import Fit, check_sobject
from airflow_sf_dedup.sources.base import Source
from airflow_sf_dedup.sources.renamed import own_names
from airflow_sf_dedup.staging.area import StagingArea
from airflow_sf_dedup.staging.spool import Compartment, Spool


def partition_source(
    source: Source,
    settings: PartitionSettings,
    *,
    load: Load,
    describe: SObject,
    parents: DescribesParent = no_parents,
    staging: StagingArea,
    audit: AuditWriter,
    clock: Callable[[], datetime],
    listeners: Listeners = NOBODY,
) -> list[PartitionRef]:
    """Read, settle, regroup and stage a source; a reference for each partition that has rows.

    :param load: opened in the audit; gets ``rows_read`` and ``partitions`` only when all is staged.
    :param describe: what the org says of the sObject.
    :param parents: what it says of the parents that columns name by their own fields.
    :param clock: the time now, UTC.
    :param listeners: one of them may refuse the load before anything is staged.
    :raises SettingError: a setting, the source or the org does not fit.
    :raises RepeatsRefusedError: a key repeats and ``on_repeat`` is ``fail``.
    """
    fit = _fit(source, settings, describe, parents)
    grouping = grouping_of(settings.group_by, describe, fit)
    twins = twin_criteria(read_twin_fields(settings.twin_fields), describe, fit)
    listeners.check(fit)
    audit.open_load(load)
    reading = Reading(source, fit, settings, Journal(audit, load.load_id, clock), listeners)
    with _nothing_stays_staged_if_it_fails(staging, load.load_id):
        with staging.workspace(load.load_id) as folder:
            rows = _in_partitions(reading, grouping, folder)
            rows = _with_kin_together(rows, reading, twins, describe, folder)
            manifest = manifest_of(load, settings, describe, reading.fit, clock())
            staged = stage(rows, manifest, grouping, staging, listeners.on_staged)
            refs = refer(staged, manifest, load, settings)
            if refs:
                staging.write_refs(load.load_id, refs)
        reading.journal.close(reading.rows_read, staged)
    for words in reading.journal.kin.words():
        listeners.on_kin(words)
    return refs


def _fit(source: Source, settings: PartitionSettings, describe: SObject, parents: DescribesParent) -> Fit:
    """How the load maps onto the org, as far as the source tells its columns beforehand."""
    return check_sobject(
        describe,
        external_id_field=settings.external_id_field,
        columns=source.columns(),
        own_name=own_names(source),
        parents=parents,
        allow_non_unique_key=settings.allow_non_unique_key,
        newer_than=settings.newer_than,
    )


def _in_partitions(reading: Reading, grouping: Grouping | None, folder: Path) -> Iterable[Compartment]:
    """Read every row, settle repeats, and gather what goes on in the partitions that it is sent in."""
    rule, partitions = reading.fit.key_rule, reading.settings.partitions
    by_key = Spool(folder / "by_key", partitions)
    reading.into(by_key)
    rows = settled(by_key.compartments(), rule, reading.settings.on_repeat, reading.journal)
    if grouping is None:
        return rows
    grouping.check_read(reading.fit, reading.rows_read)
    return regrouped(rows, grouping, rule, Spool(folder / "by_group", partitions), partitions)


def _with_kin_together(
    rows: Iterable[Compartment], reading: Reading, twins: TwinCriteria | None, describe: SObject, folder: Path
) -> Iterable[Compartment]:
    """The same, where rows have to do with each other beside their keys."""
    if twins is not None:
        twins.check_carried(reading.fit, f"none of the {counted(reading.rows_read, 'rows')} has a column")
    kinship = kinship_of(twins, describe, reading.fit)
    if kinship is None:
        return rows
    return gathered(rows, kinship, folder, reading.settings.partitions, reading.journal.kin)


@contextmanager
def _nothing_stays_staged_if_it_fails(staging: StagingArea, load_id: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        # A store that cannot remove must not hide why the load ended.
        with suppress(Exception):
            staging.remove(load_id)
        raise
