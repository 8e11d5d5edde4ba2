"""A load ends: every row is accounted for, and what is staged goes once nothing is left to send."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from airflow_sf_dedup.audit.base import Audit, Load, Totals
from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.core.entries import UNSETTLED, Action
from airflow_sf_dedup.core.partitioning import PartitionRef
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.errors import SalesforceDedupError, StagingError
from airflow_sf_dedup.journeys.collect import account_for_missing_rows
from airflow_sf_dedup.journeys.stores import Stores
from airflow_sf_dedup.staging.area import StagingArea
from airflow_sf_dedup.staging.by_reference import read_partition

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Closed:
    """A load as it ended."""

    totals: Totals
    #: Why staged rows without an entry could not be read, a sentence each; none: nothing is in the way.
    unreadable: tuple[str, ...] = ()


def close_load(stores: Stores, load: Load, staging: StagingArea) -> Closed:
    """End a load.

    :param staging: where it is staged.
    """
    audit = stores.audit
    totals, unreadable = audit.totals(load.load_id), list[str]()
    if load.rows_read is not None and totals.rows < load.rows_read:
        unreadable = _account_for_missing_rows(audit, load, staging)
        totals = audit.totals(load.load_id)
    audit.update_load(load.load_id, ended_at=utc_now())
    if Action.UNKNOWN not in totals.actions:
        stores.record_claims.release_load(load.load_id, load.org_id)
    if totals.rows == load.rows_read and not UNSETTLED & totals.actions.keys():
        _remove_staged(staging, load.load_id)
    return Closed(totals, tuple(unreadable))


def _account_for_missing_rows(audit: Audit, load: Load, staging: StagingArea) -> list[str]:
    try:
        refs, unlisted = staging.read_refs(load.load_id), list[str]()
    except Exception as error:  # The load is judged without it.
        refs, unlisted = [], [_why(error, f"the list of partitions of load {load.load_id}")]
    staged = ((ref, _read_or_give_up(ref)) for ref in refs)
    return unlisted + account_for_missing_rows(audit, load, staged, utc_now)


def _read_or_give_up(ref: PartitionRef) -> Iterator[Record]:
    """The staged records of a partition.

    :raises StagingError: it cannot be read, for whatever reason.
    """
    try:
        yield from read_partition(ref)
    except StagingError:
        raise
    except Exception as error:
        raise StagingError(_why(error, f"partition {ref.partition} of load {ref.load_id}")) from error


def _why(error: Exception, what: str) -> str:
    """Why something staged cannot be read; of an error that is not ours only the name, as it may quote an address."""
    if isinstance(error, StagingError):
        return str(error)
    why = str(error) if isinstance(error, SalesforceDedupError) else type(error).__name__
    return f"{what} cannot be read: {why}"


def _remove_staged(staging: StagingArea, load_id: str) -> None:
    """Remove what is staged of a settled load; a store that cannot do so keeps nobody from judging the load."""
    try:
        staging.remove(load_id)
    except Exception as error:  # Of whatever package reaches the store.
        _log.warning(
            "what is staged of load %s could not be removed (%s); it goes after staging_retention_days",
            load_id,
            type(error).__name__,
        )
