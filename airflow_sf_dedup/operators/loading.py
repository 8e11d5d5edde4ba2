"""Where the operators' settings and connections meet the journeys."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_sf_dedup.audit.base import NOTES_BEGINNINGS, ONE_TASK, Load, Totals
from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.core.entries import UNSETTLED, Action
from airflow_sf_dedup.core.identity import digest_of
from airflow_sf_dedup.core.numeric_settings import CLAIM_LIFETIME, STAGING_RETENTION_DAYS
from airflow_sf_dedup.core.partitioning import PartitionRef
from airflow_sf_dedup.core.setting_values import check_text
from airflow_sf_dedup.errors import CallError, SalesforceDedupError, SettingError, StagingError
from airflow_sf_dedup.hooks.configuration import configured
from airflow_sf_dedup.journeys.entry_maker import TaskMark
from airflow_sf_dedup.journeys.write_settings import WriteSettings
from airflow_sf_dedup.operators.mapping import most_partitions

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_sf_dedup.audit.sql import SqlAudit
    from airflow_sf_dedup.core.records import Record
    from airflow_sf_dedup.core.sobjects import Field, SObject
    from airflow_sf_dedup.journeys.limits import CallLimits
    from airflow_sf_dedup.journeys.upsert import Upsert
    from airflow_sf_dedup.journeys.wiring import TaskInstance
    from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
    from airflow_sf_dedup.staging.area import StagingArea


_log = logging.getLogger(__name__)


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
    #: The task that stages the rows sends them too.
    one_task: bool = False
    #: Only to be checked before anything is staged, and for a warning: the upsert tasks go by them.
    write: WriteSettings = field(default_factory=WriteSettings)

    def __post_init__(self) -> None:
        """A template may have become anything.

        :raises SettingError: what names something is no text.
        """
        for name in ("sobject", "external_id_field", "salesforce_conn_id"):
            check_text(name, getattr(self, name))
        if self.staging_path not in (None, ""):
            check_text("staging_path", self.staging_path)


def new_load_id() -> str:
    """A name for one execution of a load."""
    return str(uuid.uuid4())


def load_id_of(rows: Iterable[Any], settings: LoadSettings, org_id: str, context: Context) -> str:
    """A name that the same rows get again in the same task, so that a retry finds what is settled.

    Rows for another org, sObject or key, and rows of which others are sent, are another load: nothing of it is settled.
    """
    ti = context["ti"]
    task = (ti.dag_id, ti.run_id, ti.task_id, ti.map_index)
    # Salesforce does not tell API names apart by case, nor do we columns.
    target = (org_id, settings.sobject.lower(), settings.external_id_field.lower())
    chosen = (settings.on_repeat, (settings.newer_than or "").lower())
    return str(uuid.UUID(bytes=digest_of([task, target, chosen, *rows])))


def session_of(salesforce_conn_id: str) -> SalesforceSession:
    """One login for the whole task."""
    from airflow_sf_dedup.hooks.salesforce import SalesforceDedupHook

    return SalesforceDedupHook(salesforce_conn_id).get_conn()


def staging_area(staging_path: str | None) -> StagingArea:
    """Where staged rows live.

    :raises SettingError: a local folder under an executor that spreads tasks over machines.
    """
    from airflow_sf_dedup.hooks import audit as airflow_side
    from airflow_sf_dedup.staging.area import StagingArea

    base = staging_path or airflow_side.staging_path()
    if "://" not in base or base.startswith("file://"):
        airflow_side.refuse_local_file_elsewhere("staging_path", "the staging folder")
    return StagingArea(base, airflow_side.work_path())


def stage(
    source: Any, settings: LoadSettings, *, session: SalesforceSession, load_id: str, context: Context
) -> list[PartitionRef]:
    """Check the org and stage the source in partitions.

    :raises SettingError: a setting, the source or the org does not fit; nothing is staged.
    :raises SourceError: there are rows, and none of them can be sent; all of them are in the audit.
    """
    from airflow_sf_dedup.audit.report import what_was_read
    from airflow_sf_dedup.hooks.audit import open_audit
    from airflow_sf_dedup.journeys.doubtful import RejectedRows, doubt_of
    from airflow_sf_dedup.journeys.partition import partition_source
    from airflow_sf_dedup.journeys.required import lacking
    from airflow_sf_dedup.journeys.wiring import check_fit
    from airflow_sf_dedup.salesforce.reader import describe
    from airflow_sf_dedup.sources.read import source_of
    from airflow_sf_dedup.staging.sweeping import sweep

    settings.write.check()
    sobject, rows = describe(session, settings.sobject), source_of(source)
    _know_daily_calls(settings.write.limits, session)
    audit = open_audit(settings.audit_conn_id, upgrade=True)
    staging = staging_area(settings.staging_path)
    sweep(staging, now=utc_now())
    staging.remove_older_than(_retention_days(), now=utc_now())
    load = _load(load_id, session.org_id, sobject, settings, staging.recorded(load_id), context)
    rows_together, rejected, sent = list[int](), RejectedRows(), list[str]()

    def fits(columns: Sequence[str], key_field: Field) -> None:
        check_fit(settings.write, sobject, columns, key_field.name)
        sent[:] = columns

    try:
        refs = partition_source(
            source=rows,
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
            parents=partial(describe, session),
            most_partitions=most_partitions(),
            check_load=fits,
            on_rejected=rejected,
            on_staged=rows_together.extend,
        )
        # An earlier try of the same load may have staged elsewhere.
        audit.update_load(load_id, settings=load.settings)
        _log.info("%s", what_was_read(sum(ref.rows for ref in refs), len(refs), audit.totals(load_id)))
        if not refs and (doubt := doubt_of(rows, rejected)) is not None:
            raise doubt
        if not refs and rejected.first is None:
            _log.warning("the source has no row: nothing is sent, and the load is green")
        if sent and (warning := lacking(sobject, sent)) is not None:
            _log.warning("%s", warning)
        _predict(load, rows_together, len(refs), settings.write.limits, session=session, audit=audit)
    finally:
        if audit.load(load_id):
            for _ in range(session.api_calls):
                audit.count_call(load_id, round_number=clear_number(context), budget=None)
    return refs


def _know_daily_calls(limits: CallLimits, session: SalesforceSession) -> None:
    """Make sure that a floor can be kept, before anything is staged that could not be sent.

    :raises OwnLimitReachedError: the org does not tell how many calls are left.
    """
    from airflow_sf_dedup.journeys.limits import must_be_told
    from airflow_sf_dedup.salesforce.calling.daily_calls import ask_daily_calls

    if limits.api_floor_pct is not None:
        must_be_told(session.limit_info or ask_daily_calls(session))


def _predict(
    load: Load, rows_together: list[int], tasks: int, limits: CallLimits, *, session: SalesforceSession, audit: SqlAudit
) -> None:
    """Say and remember what the load will cost, before it writes anything."""
    from airflow_sf_dedup.journeys.history import history_of
    from airflow_sf_dedup.journeys.prediction import predict_calls, warnings_of

    history = history_of(audit, load)
    # Where a login does not tell the org's id, each task asks for it; for a floor each asks what is left.
    asks = min(1, session.calls_by_kind.get("GET query", 0) + (limits.api_floor_pct is not None))
    prediction = predict_calls(
        rows_together,
        blocked_share=history.shares.blocked if history else None,
        settled_share=history.shares.settled if history else None,
        before=session.api_calls + asks * tasks,
    )
    _log.info("%s", f"{prediction}; {history.words}" if history else prediction)
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
    except Exception as error:  # The load is judged without it.
        refs, unlisted = [], [_why(error, f"the list of partitions of load {load.load_id}")]
    staged = ((ref, _read_or_give_up(ref)) for ref in refs)
    return unlisted + account_for_missing_rows(audit, load, staged, utc_now)


def _read_or_give_up(ref: PartitionRef) -> Iterator[Record]:
    """The staged records of a partition.

    :raises StagingError: it cannot be read, for whatever reason.
    """
    from airflow_sf_dedup.staging.area import read_partition

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


def _retention_days() -> int:
    return configured(STAGING_RETENTION_DAYS, 7)


def _map_index(context: Context) -> int:
    """-1 for a task that is not mapped."""
    map_index = context["ti"].map_index
    return -1 if map_index is None else map_index


def _load(
    load_id: str, org_id: str, sobject: SObject, settings: LoadSettings, staging_path: str, context: Context
) -> Load:
    ti = context["ti"]
    key_field = sobject.field(settings.external_id_field)
    return Load(
        load_id=load_id,
        org_id=org_id,
        sobject=sobject.name,
        # However it is spelled here: the next load of the same field looks for this one.
        external_id_field=key_field.name if key_field else settings.external_id_field,
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
            "staging_path": staging_path,
            "salesforce_conn_id": settings.salesforce_conn_id,
            "audit_conn_id": settings.audit_conn_id,
            NOTES_BEGINNINGS: True,
            **({ONE_TASK: True} if settings.one_task else {}),
        },
    )


def upsert_partition(
    ref: PartitionRef,
    *,
    settings: Callable[[], WriteSettings],
    session: Callable[[], SalesforceSession],
    context: Context,
) -> None:
    """Write one staged partition; what is known of its rows is committed when this returns or raises.

    :param settings: answers them checked.
    :param session: one login for the whole task. What these two raise, its rows' entries say, as ``not_sent``.
    :raises KeysInFlightError: other tasks had keys of the partition in flight; the same call later goes on.
    """
    from airflow_sf_dedup.hooks.audit import open_audit
    from airflow_sf_dedup.staging.area import read_partition

    audit = open_audit(ref.audit_conn_id)
    if nothing_left(audit, ref):
        _still_same_org(session(), ref)
        _log.info("all %s rows were settled before; nothing is sent", f"{ref.rows:,}")
        return
    with _not_sent_if_it_fails(audit, ref, context):
        journey = _begin(ref, settings(), session(), audit=audit, context=context)
    journey.run(read_partition(ref))


def _begin(
    ref: PartitionRef, settings: WriteSettings, session: SalesforceSession, *, audit: SqlAudit, context: Context
) -> Upsert:
    """The journey, ready to make its first call."""
    from airflow_sf_dedup.journeys.beginning import Beginning
    from airflow_sf_dedup.journeys.limits import DailyCalls
    from airflow_sf_dedup.journeys.references import check_manifest
    from airflow_sf_dedup.journeys.wiring import call_meter, upsert_of
    from airflow_sf_dedup.locks.key_claims import SqlKeyClaims
    from airflow_sf_dedup.salesforce.calling.daily_calls import ask_daily_calls
    from airflow_sf_dedup.staging.area import read_manifest

    task = _task_instance(ref, context)
    daily_calls = DailyCalls(lambda: session.limit_info, lambda: ask_daily_calls(metered), lambda: session.api_calls)
    # Calls that write nothing are counted, but begin nothing.
    metered = session.gated(call_meter(settings.limits, audit, ref.load_id, task.round_number, daily_calls))
    journey = upsert_of(
        ref,
        check_manifest(ref, read_manifest(ref)),
        settings,
        session=session,
        audit=audit,
        claims=SqlKeyClaims(audit.engine, _claim_lifetime()),
        task=task,
        daily_calls=daily_calls,
        gates=[Beginning(lambda: audit.note_beginning(ref.load_id, ref.partition))],
    )
    _same_org(metered, ref)
    audit.update_load(ref.load_id, policy=repr(journey.settlement.policy), api=settings.api)
    daily_calls.ask_from_now_on()
    return journey


@contextmanager
def _not_sent_if_it_fails(audit: SqlAudit, ref: PartitionRef, context: Context) -> Iterator[None]:
    """Nothing was sent before the first call: when that is not reached, the rows' entries say so, and why."""
    from airflow_sf_dedup.journeys.beginning import remember_not_begun
    from airflow_sf_dedup.staging.area import read_partition

    try:
        yield
    except BaseException as error:
        # What is in the way of this as well, the audit task accounts for.
        with suppress(Exception):
            if load := audit.load(ref.load_id):
                mark = _task_mark(ref, context)
                remember_not_begun(audit, load, ref, read_partition(ref), error, mark=mark, clock=utc_now)
        raise


def nothing_left(audit: SqlAudit, ref: PartitionRef) -> bool:
    """All rows are settled: neither an org nor the staged rows are needed any more."""
    return len(audit.settled_rows(ref.load_id, ref.partition)) >= ref.rows


def _still_same_org(session: SalesforceSession, ref: PartitionRef) -> None:
    """What is settled was settled in the reference's org. One that does not answer now makes that no less true."""
    try:
        _same_org(session, ref)
    except CallError as error:
        _log.info("All rows are settled, so it does not matter that the org could not be asked for its id: %s", error)


def _same_org(session: SalesforceSession, ref: PartitionRef) -> None:
    if session.org_id != ref.org_id:
        raise SettingError(
            f"salesforce_conn_id={ref.salesforce_conn_id!r} leads to org {session.org_id}, but the rows were "
            f"staged for {ref.org_id}: run the partition task again",
            setting="salesforce_conn_id",
        )


def _task_mark(ref: PartitionRef, context: Context) -> TaskMark:
    return TaskMark(partition=ref.partition, map_index=_map_index(context), try_number=context["ti"].try_number)


def _task_instance(ref: PartitionRef, context: Context) -> TaskInstance:
    from airflow_sf_dedup.journeys.wiring import TaskInstance

    ti, map_index = context["ti"], _map_index(context)
    mapped = f"[{map_index}]" if map_index >= 0 else ""
    return TaskInstance(
        _task_mark(ref, context),
        f"{ti.dag_id}.{ti.task_id}{mapped}, run {ti.run_id}, try {ti.try_number}",
        round_number=clear_number(context),
    )


def clear_number(context: Context) -> int:
    """How often the run was cleared."""
    return getattr(context.get("dag_run"), "clear_number", None) or 0


def _claim_lifetime() -> timedelta:
    from airflow_sf_dedup.locks.key_claims import LIFETIME

    return timedelta(seconds=configured(CLAIM_LIFETIME, LIFETIME.total_seconds()))
