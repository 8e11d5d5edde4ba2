"""Forgetting, when the law or a retention rule says so: in the audit and in what is staged, which know of each other.

What is staged goes first, so that no retry brings back into the audit what was erased there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import TypeVar

from airflow_sf_dedup.audit.base import Purged
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.core.entries import Action, Entry
from airflow_sf_dedup.database.storable import stored_key
from airflow_sf_dedup.files.addresses import shown
from airflow_sf_dedup.hooks.places import configured_staging_path, work_path
from airflow_sf_dedup.journeys.collect import begun_partitions
from airflow_sf_dedup.staging.area import StagingArea
from airflow_sf_dedup.staging.erasing import StagedErasure, StagedRow
from airflow_sf_dedup.staging.sweeping import sweep

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure took away, and what it could not."""

    #: In the audit, those that were only staged among them.
    rows: int
    #: Partitions or loads that were removed whole, because they are not what was staged.
    removed: tuple[str, ...] = ()
    #: Loads that are being staged; the erasure has to be repeated when they are.
    at_work: tuple[str, ...] = ()
    #: Places that could not be looked into, each with the reason.
    unreachable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What a purge took away, and what it could not."""

    audit: Purged
    #: Places where staged rows may be left, each with the reason.
    unreachable: tuple[str, ...] = ()


def erase(audit: SqlAudit, key: str, *, sobject: str | None, external_id_field: str | None) -> Erased:
    """Remove all that is kept of one key; see :func:`airflow_sf_dedup.audit.sql.erasing.erase` for the audit's part.

    A row that was staged and has no entry yet gets one, so that its load still accounts for it: ``not_sent``, or
    ``unknown`` where its partition was begun.
    """
    wanted = stored_key(key)
    erasures = [
        StagedErasure(area, lambda record: stored_key(record.key) == wanted, sobject, external_id_field)
        for area in staging_areas(audit)
    ]
    unreachable = _in_each(erasures, lambda each: each.carry_out(now=utc_now()), lambda each: each.area)
    _enter(audit, key, [row for each in erasures for row in each.rows])
    return Erased(
        audit.erase(key, sobject=sobject, external_id_field=external_id_field),
        removed=tuple(what for each in erasures for what in each.removed),
        at_work=tuple(load_id for each in erasures for load_id in each.at_work),
        unreachable=tuple(unreachable),
    )


def purge(audit: SqlAudit, older_than: datetime, *, force: bool) -> Forgotten:
    """Delete old loads; see :func:`airflow_sf_dedup.audit.sql.purging.purge` for the audit's part.

    What was staged of them goes too, and whatever else was staged before that time, unless its load may be going on,
    or left behind by killed tasks.
    """
    areas, now, going_on = staging_areas(audit), utc_now(), audit.going_on(older_than)
    purged = audit.purge(older_than, force=force)
    gone = frozenset(purged.load_ids)

    def tidy(area: StagingArea) -> None:
        sweep(area, now=now)
        area.remove_older_than(0, now=older_than, but=going_on)
        for load_id in gone.intersection(area.load_ids()):
            area.remove(load_id)

    return Forgotten(purged, tuple(_in_each(areas, tidy, lambda area: area)))


def staging_areas(audit: SqlAudit) -> list[StagingArea]:
    """Everywhere that loads of the audit were staged, the configured place among them."""
    bases = {configured_staging_path(), *audit.staging_paths()}
    return [StagingArea(base, work_path()) for base in sorted(bases)]


def _in_each(items: Iterable[T], act: Callable[[T], None], area_of: Callable[[T], StagingArea]) -> list[str]:
    """Act in each area, and answer where that failed: one that is out of reach keeps no other from being tidied."""
    failed = []
    for item in items:
        try:
            act(item)
        except Exception as error:  # Of whatever package reaches the store.
            failed.append(f"{shown(area_of(item).base_path)} ({type(error).__name__})")
    return failed


def _enter(audit: SqlAudit, key: str, rows: Iterable[StagedRow]) -> None:
    """Give the rows that have no entry one with their key; the erasure makes a tombstone of it."""
    for load_id, of_load in groupby(rows, key=lambda row: row.load_id):
        load = audit.load(load_id)
        if load is None:
            continue
        staged, begun = {row.row_number: row for row in of_load}, begun_partitions(audit, load)
        for number in staged.keys() & set(audit.rows_without_entry(load_id, max(staged))):
            partition = staged[number].partition
            action = Action.UNKNOWN if begun is None or partition in begun else Action.NOT_SENT
            audit.remember(load_id, [Entry(number, action, utc_now(), key=key, partition=partition)])
