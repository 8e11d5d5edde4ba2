"""Where the operators' settings and connections meet the journeys."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_sf_dedup.audit.base import Load, Totals
from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.core.entries import UNSETTLED, Action
from airflow_sf_dedup.core.partitioning import PartitionRef
from airflow_sf_dedup.core.record_ids import is_record_id
from airflow_sf_dedup.errors import CallError, SettingError
from airflow_sf_dedup.journeys.entry_maker import AuditValues, TaskMark

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_sf_dedup.audit.sql import SqlAudit
    from airflow_sf_dedup.core.sobjects import SObject
    from airflow_sf_dedup.journeys.upsert import Upsert
    from airflow_sf_dedup.policies import Chain
    from airflow_sf_dedup.salesforce.session import SalesforceSession
    from airflow_sf_dedup.sources.staging import StagingArea


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
    staging_path: str | None = None
    allow_non_unique_key: bool = False
    salesforce_conn_id: str = "salesforce_default"
    audit_conn_id: str | None = None


@dataclass(frozen=True, slots=True)
class WriteSettings:
    """How rows are written and what happens to duplicates."""

    on_duplicate: Any = "ask_reviewer"
    api: str = "collections"
    lookup: str = "soap_upsert"
    assignment_rules: bool | str = False
    run_as_current_user: bool = False
    audit_values: str = "duplicates"
    masked_fields: Iterable[str] = ()


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
    return StagingArea(base)


def stage(
    source: Any, settings: LoadSettings, *, session: SalesforceSession, load_id: str, context: Context
) -> list[PartitionRef]:
    """Check the org and stage the source in partitions."""
    from airflow_sf_dedup.hooks.audit import open_audit
    from airflow_sf_dedup.journeys.partition import partition_source
    from airflow_sf_dedup.salesforce.reader import describe
    from airflow_sf_dedup.sources.read import source_of

    sobject = describe(session, settings.sobject)
    audit = open_audit(settings.audit_conn_id, upgrade=True)
    staging = staging_area(settings.staging_path)
    staging.remove_older_than(_retention_days(), now=utc_now())
    load = _load(load_id, session.org_id, sobject.name, settings, context)
    try:
        refs = partition_source(
            source=source_of(source),
            describe=sobject,
            external_id_field=settings.external_id_field,
            partitions=settings.partitions,
            on_repeat=settings.on_repeat,
            group_by=settings.group_by,
            allow_non_unique_key=settings.allow_non_unique_key,
            staging=staging,
            audit=audit,
            load=load,
            salesforce_conn_id=settings.salesforce_conn_id,
            audit_conn_id=settings.audit_conn_id,
            clock=utc_now,
        )
        if refs:
            staging.write_refs(load_id, refs)
    finally:
        if audit.load(load_id):
            audit.update_load(load_id, add_api_calls=session.api_calls)
    return refs


def close_load(audit: SqlAudit, load: Load) -> Totals:
    """End a load: account for every staged row, and remove what is staged once nothing is left to send.

    Answers the load in numbers, as it ended.
    """
    from airflow_sf_dedup.journeys.collect import account_for_missing_rows
    from airflow_sf_dedup.locks.sql import SqlRecordClaims
    from airflow_sf_dedup.sources.staging import read_partition

    staging = staging_area(load.settings.get("staging_path"))
    totals = audit.totals(load.load_id)
    if load.rows_read is not None and totals.rows < load.rows_read:
        refs = staging.read_refs(load.load_id)
        account_for_missing_rows(audit, load, ((ref, read_partition(ref)) for ref in refs), utc_now)
        totals = audit.totals(load.load_id)
    audit.update_load(load.load_id, ended_at=utc_now())
    if Action.UNKNOWN not in totals.actions:
        SqlRecordClaims(audit.engine).release_load(load.load_id, load.org_id)
    if totals.rows == load.rows_read and not UNSETTLED & totals.actions.keys():
        staging.remove(load.load_id)
    return totals


def _retention_days() -> int:
    from airflow.sdk import conf

    return int(conf.getint("sf_dedup", "staging_retention_days", fallback=7))


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
            "staging_path": settings.staging_path,
            "salesforce_conn_id": settings.salesforce_conn_id,
        },
    )


def upsert_partition(
    ref: PartitionRef, settings: WriteSettings, *, session: SalesforceSession, context: Context
) -> None:
    """Write one staged partition; what is known of its rows is committed when this returns or raises."""
    from airflow_sf_dedup.hooks.audit import open_audit
    from airflow_sf_dedup.sources.staging import read_partition

    audit = open_audit(ref.audit_conn_id)
    if _nothing_left(audit, ref):
        return
    before = session.api_calls
    journey = _upsert(ref, settings, session, audit, _mark(ref, context))
    try:
        _same_org(session, ref)
    except CallError as error:
        journey.not_sent(read_partition(ref), error)
        raise
    audit.update_load(ref.load_id, policy=repr(journey.duplicates.policy), api=settings.api)
    try:
        journey.run(read_partition(ref))
    finally:
        audit.update_load(ref.load_id, add_api_calls=session.api_calls - before)


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


def _mark(ref: PartitionRef, context: Context) -> TaskMark:
    ti = context["ti"]
    return TaskMark(
        partition=ref.partition,
        map_index=_map_index(context),
        try_number=ti.try_number,
    )


def _upsert(
    ref: PartitionRef,
    settings: WriteSettings,
    session: SalesforceSession,
    audit: SqlAudit,
    mark: TaskMark,
) -> Upsert:
    from airflow_sf_dedup.core.keys import KeyRule
    from airflow_sf_dedup.journeys.duplicates import Duplicates
    from airflow_sf_dedup.journeys.entry_maker import EntryMaker
    from airflow_sf_dedup.journeys.upsert import Upsert
    from airflow_sf_dedup.locks.sql import SqlRecordClaims
    from airflow_sf_dedup.salesforce.collections import CollectionsApi
    from airflow_sf_dedup.salesforce.reader import OrgReader
    from airflow_sf_dedup.salesforce.soap import SoapUpsertLookup
    from airflow_sf_dedup.salesforce.wire import WriteOptions
    from airflow_sf_dedup.sources.staging import read_manifest

    sobject = read_manifest(ref).sobject
    field = sobject.field(ref.external_id_field)
    if field is None:
        raise SettingError(f"external_id_field: the staged load does not know {ref.external_id_field!r}")
    key_rule = KeyRule(field)
    options = WriteOptions(assignment_rules=settings.assignment_rules, run_as_current_user=settings.run_as_current_user)
    api = CollectionsApi(
        session, sobject=sobject.name, external_id_field=field.name, options=options, repeatable=field.unique
    )
    entries = EntryMaker(
        mark,
        sobject=sobject.name,
        audit_values=AuditValues(settings.audit_values),
        masked_fields=settings.masked_fields,
    )
    claims = SqlRecordClaims(audit.engine)
    duplicates = Duplicates(
        load_id=ref.load_id,
        org_id=ref.org_id,
        sobject=sobject,
        key_rule=key_rule,
        api=api,
        lookup=SoapUpsertLookup(
            session, sobject=sobject, external_id_field=field.name, options=options, repeatable=field.unique
        ),
        reader=OrgReader(session, sobject=sobject, key_rule=key_rule),
        claims=claims,
        audit=audit,
        policy=_policy(settings, sobject, field.name),
        entries=entries,
        sleep=time.sleep,
    )
    return Upsert(
        load_id=ref.load_id,
        partition=ref.partition,
        key_rule=key_rule,
        api=api,
        audit=audit,
        entries=entries,
        duplicates=duplicates,
        stamped=claims.claimed(ref.load_id, ref.org_id) if mark.try_number > 1 else {},
        sleep=time.sleep,
    )


def _policy(settings: WriteSettings, sobject: SObject, key_field: str) -> Chain:
    """The policy, where it fits the load.

    :raises SettingError: it names a field that the load does not carry, or the key is to be masked.
    """
    from airflow_sf_dedup.policies import read_policy

    policy = read_policy(settings.on_duplicate)
    unknown = [name for name in policy.named_fields if not (sobject.field(name) or sobject.parent(name))]
    if unknown:
        raise SettingError(
            f"on_duplicate: update_existing names {', '.join(unknown)}, which the load does not carry",
            setting="on_duplicate",
        )
    if key_field.lower() in {name.lower() for name in settings.masked_fields}:
        raise SettingError(
            f"masked_fields: {key_field} is the key, by which the audit knows its rows; it cannot be masked",
            setting="masked_fields",
        )
    return policy


def check_write_settings(settings: WriteSettings) -> None:
    """Read every setting that can be read without a call.

    :raises SettingError: names the parameter and what it may be.
    """
    from airflow_sf_dedup.policies import read_policy

    read_policy(settings.on_duplicate)
    _one_of("api", settings.api, ("collections",))
    _one_of("lookup", settings.lookup, ("soap_upsert",))
    if not isinstance(settings.assignment_rules, bool) and not is_record_id(str(settings.assignment_rules)):
        raise SettingError(
            f"assignment_rules={settings.assignment_rules!r} is neither True, False nor the id of a rule",
            setting="assignment_rules",
        )
    _one_of("audit_values", settings.audit_values, tuple(AuditValues))
    if isinstance(settings.masked_fields, str):
        raise SettingError("masked_fields: expected a list of field names", setting="masked_fields")


def _one_of(setting: str, value: Any, known: Iterable[str]) -> None:
    if value not in tuple(known):
        choices = ", ".join(repr(str(choice)) for choice in known)
        raise SettingError(f"{setting}={value!r} is not known; it may be {choices}", setting=setting)


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
