"""Where the operators' settings and connections meet the journeys."""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_sf_dedup.audit.base import Load, Totals
from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.core.entries import UNSETTLED, Action
from airflow_sf_dedup.core.numeric_settings import CLAIM_LIFETIME, STAGING_RETENTION_DAYS
from airflow_sf_dedup.core.partitioning import PartitionRef
from airflow_sf_dedup.errors import CallError, SettingError, StagingError
from airflow_sf_dedup.hooks.configuration import configured
from airflow_sf_dedup.journeys.entry_maker import TaskMark

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_sf_dedup.audit.sql import SqlAudit
    from airflow_sf_dedup.core.records import Record
    from airflow_sf_dedup.journeys.limits import CallLimits
    from airflow_sf_dedup.journeys.wiring import TaskInstance, WriteSettings
    from airflow_sf_dedup.salesforce.session import SalesforceSession
    from airflow_sf_dedup.sources.staging import StagingArea


_log = logging.getLogger(__name__)

#: Salesforce does not tell API names apart by case.
_API_NAMES = frozenset({"sobject", "external_id_field"})


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """What a load is told of its source and its target."""

    sobject: str
    external_id_field: str
    partitions: int = 8
    on_repeat: str = "last"
    group_by: str | None = None
    newer_than: str | None = None
    staging_path: str | None = None
    allow_non_unique_key: bool = False
    salesforce_conn_id: str = "salesforce_default"
    audit_conn_id: str | None = None
    #: Only for a warning before the start: the upsert tasks keep these limits.
    api_budget: int | None = None
    api_floor_pct: float | None = None


def new_load_id() -> str:
    """A name for one execution of a load."""
    return str(uuid.uuid4())


def load_id_of(rows: Iterable[Any], context: Context) -> str:
    """A name that the same rows get again in the same task, so that a retry finds what is settled."""
    ti = context["ti"]
    digest = hashlib.blake2b(digest_size=16)
    digest.update(repr((ti.dag_id, ti.run_id, ti.task_id, ti.map_index)).encode())
    for row in rows:
        digest.update(repr(row).encode("utf-8", "backslashreplace"))
    return str(uuid.UUID(bytes=digest.digest()))


def session_of(salesforce_conn_id: str) -> SalesforceSession:
    """One login for the whole task."""
    from airflow_sf_dedup.hooks.salesforce import SalesforceDedupHook

    return SalesforceDedupHook(salesforce_conn_id).get_conn()


def staging_area(staging_path: str | None) -> StagingArea:
    """Where staged rows live.

    :raises SettingError: a local folder under an executor that spreads tasks over machines.
    """
    from airflow_sf_dedup.hooks import audit as airflow_side
    from airflow_sf_dedup.sources.staging import StagingArea

    base = staging_path or airflow_side.staging_path()
    if "://" not in base or base.startswith("file://"):
        airflow_side.refuse_local_file_elsewhere("staging_path", "the staging folder")
    return StagingArea(base, airflow_side.work_path())


def stage(
    source: Any, settings: LoadSettings, *, session: SalesforceSession, load_id: str, context: Context
) -> list[PartitionRef]:
    """Check the org and stage the source in partitions."""
    from airflow_sf_dedup.audit.report import what_was_read
    from airflow_sf_dedup.hooks.audit import open_audit
    from airflow_sf_dedup.journeys.limits import CallLimits
    from airflow_sf_dedup.journeys.partition import partition_source
    from airflow_sf_dedup.salesforce.reader import describe
    from airflow_sf_dedup.sources.read import source_of
    from airflow_sf_dedup.sources.sweeping import sweep

    limits = CallLimits(settings.api_budget, settings.api_floor_pct)
    sobject = describe(session, settings.sobject)
    audit = open_audit(settings.audit_conn_id, upgrade=True)
    staging = staging_area(settings.staging_path)
    sweep(staging, now=utc_now())
    staging.remove_older_than(_retention_days(), now=utc_now())
    load = _load(load_id, session.org_id, sobject.name, settings, context)
    rows_together: list[int] = []
    try:
        refs = partition_source(
            source=source_of(source),
            describe=sobject,
            external_id_field=settings.external_id_field,
            partitions=settings.partitions,
            on_repeat=settings.on_repeat,
            group_by=settings.group_by,
            newer_than=settings.newer_than,
            allow_non_unique_key=settings.allow_non_unique_key,
            staging=staging,
            audit=audit,
            load=load,
            salesforce_conn_id=settings.salesforce_conn_id,
            audit_conn_id=settings.audit_conn_id,
            clock=utc_now,
            on_staged=rows_together.extend,
        )
        _log.info("%s", what_was_read(sum(ref.rows for ref in refs), len(refs), audit.totals(load_id)))
        _predict(load, rows_together, len(refs), limits, session=session, audit=audit)
    finally:
        if audit.load(load_id):
            for _ in range(session.api_calls):
                audit.count_call(load_id, round_number=clear_number(context), budget=None)
    return refs


def _predict(
    load: Load, rows_together: list[int], tasks: int, limits: CallLimits, *, session: SalesforceSession, audit: SqlAudit
) -> None:
    """Say and remember what the load will cost, before it writes anything."""
    from airflow_sf_dedup.journeys.prediction import predict_calls, shares_of, warnings_of

    totals = audit.latest_totals(load.org_id, load.sobject, load.external_id_field)
    shares = totals and shares_of(totals)
    # Where a login does not tell the org's id, each task asks for it.
    asks = min(1, session.calls_by_kind.get("GET query", 0))
    prediction = predict_calls(
        rows_together,
        blocked_share=shares.blocked if shares else None,
        settled_share=shares.settled if shares else None,
        before=session.api_calls + asks * tasks,
    )
    _log.info("%s", prediction)
    for warning in warnings_of(prediction, limits, session.limit_info, made=session.api_calls):
        _log.warning("%s", warning)
    audit.update_load(load.load_id, predicted_calls=prediction.calls)


@dataclass(frozen=True, slots=True)
class Closed:
    """A load as it ended."""

    totals: Totals
    #: Why staged rows without an entry could not be read, a sentence each; none: nothing is in the way.
    unreadable: tuple[str, ...] = ()


def close_load(audit: SqlAudit, load: Load) -> Closed:
    """End a load: account for every row, and remove what is staged once nothing is left to send."""
    from airflow_sf_dedup.locks.record_claims import SqlRecordClaims

    staging = staging_area(load.settings.get("staging_path"))
    totals, unreadable = audit.totals(load.load_id), list[str]()
    if load.rows_read is not None and totals.rows < load.rows_read:
        unreadable = _account_for_missing_rows(audit, load, staging)
        totals = audit.totals(load.load_id)
    audit.update_load(load.load_id, ended_at=utc_now())
    if Action.UNKNOWN not in totals.actions:
        SqlRecordClaims(audit.engine).release_load(load.load_id, load.org_id)
    if totals.rows == load.rows_read and not UNSETTLED & totals.actions.keys():
        _remove_staged(staging, load.load_id)
    return Closed(totals, tuple(unreadable))


def _account_for_missing_rows(audit: SqlAudit, load: Load, staging: StagingArea) -> list[str]:
    from airflow_sf_dedup.journeys.collect import account_for_missing_rows

    try:
        refs, unlisted = staging.read_refs(load.load_id), list[str]()
    except StagingError as error:
        refs, unlisted = [], [str(error)]
    except Exception as error:  # Of whatever package reaches the store: the load is judged without it.
        refs, unlisted = [], [f"the list of partitions of load {load.load_id} cannot be read: {type(error).__name__}"]
    staged = ((ref, _read_or_give_up(ref)) for ref in refs)
    return unlisted + account_for_missing_rows(audit, load, staged, utc_now)


def _read_or_give_up(ref: PartitionRef) -> Iterator[Record]:
    """The staged records of a partition.

    :raises StagingError: it cannot be read, for whatever reason.
    """
    from airflow_sf_dedup.sources.staging import read_partition

    try:
        yield from read_partition(ref)
    except StagingError:
        raise
    except Exception as error:  # Of whatever package reaches the store.
        raise StagingError(
            f"partition {ref.partition} of load {ref.load_id} cannot be read: {type(error).__name__}"
        ) from error


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


def _retention_days() -> int:
    return configured(STAGING_RETENTION_DAYS, 7)


def _map_index(context: Context) -> int:
    """-1 for a task that is not mapped."""
    map_index = context["ti"].map_index
    return -1 if map_index is None else map_index


def _load(load_id: str, org_id: str, sobject: str, settings: LoadSettings, context: Context) -> Load:
    ti = context["ti"]
    return Load(
        load_id=load_id,
        org_id=org_id,
        sobject=sobject,
        external_id_field=settings.external_id_field,
        dag_id=ti.dag_id,
        run_id=ti.run_id,
        task_id=ti.task_id,
        started_at=utc_now(),
        settings={
            "map_index": _map_index(context),
            "partitions": settings.partitions,
            "on_repeat": settings.on_repeat,
            "group_by": settings.group_by,
            "newer_than": settings.newer_than,
            "staging_path": settings.staging_path,
            "salesforce_conn_id": settings.salesforce_conn_id,
        },
    )


def upsert_partition(
    ref: PartitionRef, settings: WriteSettings, *, session: SalesforceSession, context: Context
) -> None:
    """Write one staged partition; what is known of its rows is committed when this returns or raises.

    :raises KeysInFlightError: other tasks had keys of the partition in flight; the same call later goes on.
    """
    from airflow_sf_dedup.hooks.audit import open_audit
    from airflow_sf_dedup.journeys.wiring import upsert_of
    from airflow_sf_dedup.locks.key_claims import SqlKeyClaims
    from airflow_sf_dedup.sources.staging import read_manifest, read_partition

    audit = open_audit(ref.audit_conn_id)
    if _nothing_left(audit, ref):
        return
    claims = SqlKeyClaims(audit.engine, _claim_lifetime())
    task = _task_instance(ref, context)
    journey = upsert_of(ref, read_manifest(ref), settings, session=session, audit=audit, claims=claims, task=task)
    try:
        _same_org(session, ref)
    except CallError as error:
        journey.not_sent(read_partition(ref), error)
        raise
    audit.update_load(ref.load_id, policy=repr(journey.duplicates.policy), api=settings.api)
    journey.run(read_partition(ref))


def _nothing_left(audit: SqlAudit, ref: PartitionRef) -> bool:
    """All rows are settled: neither an org nor the staged rows are needed any more."""
    return len(audit.settled_rows(ref.load_id, ref.partition)) >= ref.rows


def _same_org(session: SalesforceSession, ref: PartitionRef) -> None:
    if session.org_id != ref.org_id:
        raise SettingError(
            f"salesforce_conn_id={ref.salesforce_conn_id!r} leads to org {session.org_id}, but the rows were "
            f"staged for {ref.org_id}: run the partition task again",
            setting="salesforce_conn_id",
        )


def _task_instance(ref: PartitionRef, context: Context) -> TaskInstance:
    from airflow_sf_dedup.journeys.wiring import TaskInstance

    ti, map_index = context["ti"], _map_index(context)
    mapped = f"[{map_index}]" if map_index >= 0 else ""
    return TaskInstance(
        TaskMark(partition=ref.partition, map_index=map_index, try_number=ti.try_number),
        f"{ti.dag_id}.{ti.task_id}{mapped}, run {ti.run_id}, try {ti.try_number}",
        round_number=clear_number(context),
    )


def clear_number(context: Context) -> int:
    """How often the run was cleared."""
    return getattr(context.get("dag_run"), "clear_number", None) or 0


def _claim_lifetime() -> timedelta:
    from airflow_sf_dedup.locks.key_claims import LIFETIME

    return timedelta(seconds=configured(CLAIM_LIFETIME, LIFETIME.total_seconds()))


def refuse_mismatch(ref: PartitionRef, given: Mapping[str, Any]) -> None:
    """Parameters that repeat what the reference says must say the same.

    :raises SettingError: one of them does not.
    """
    for name, value in given.items():
        staged = getattr(ref, name)
        same = value == staged or (name in _API_NAMES and str(value).lower() == str(staged).lower())
        if value is not None and not same:
            raise SettingError(
                f"{name}={value!r}, but the partition was staged with {staged!r}; leave it out here",
                setting=name,
            )
