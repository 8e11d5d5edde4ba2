"""From the settings of a load to the journey that writes one partition of it."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import chain

from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.core.entries import WRITTEN, AuditValues
from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.partitioning import PartitionRef
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import SObject
from airflow_sf_dedup.errors import SettingError, StagingError
from airflow_sf_dedup.journeys.entry_maker import EntryMaker, TaskMark
from airflow_sf_dedup.journeys.entry_sink import Intents, SettlingSink
from airflow_sf_dedup.journeys.field_settings import check_policy_fields, masked_names
from airflow_sf_dedup.journeys.limits import CallLimits, CallMeter
from airflow_sf_dedup.journeys.lost_answers import ReRead
from airflow_sf_dedup.journeys.progress import Progress
from airflow_sf_dedup.journeys.recording import Recorder
from airflow_sf_dedup.journeys.sending.backoff import seconds_before_try
from airflow_sf_dedup.journeys.sending.claiming import HeldKeys
from airflow_sf_dedup.journeys.sending.clearance import Clearance
from airflow_sf_dedup.journeys.sending.raisers import AuditedRaisers
from airflow_sf_dedup.journeys.sending.senders import Senders
from airflow_sf_dedup.journeys.sending.watermarks import WatermarkGuard
from airflow_sf_dedup.journeys.upsert import Upsert
from airflow_sf_dedup.journeys.workshop import settlement_of
from airflow_sf_dedup.journeys.write_settings import WriteSettings
from airflow_sf_dedup.locks.base import Claimant, KeyScope
from airflow_sf_dedup.locks.key_claims import SqlKeyClaims
from airflow_sf_dedup.locks.record_claims import SqlRecordClaims
from airflow_sf_dedup.locks.watermarks import SqlWatermarks
from airflow_sf_dedup.policies import Policy, read_policy
from airflow_sf_dedup.salesforce.calling.call_count import LimitInfo
from airflow_sf_dedup.salesforce.calling.caller import Gate
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.collections import CollectionsApi
from airflow_sf_dedup.salesforce.reader import OrgReader
from airflow_sf_dedup.salesforce.soap_lookup import SoapUpsertLookup
from airflow_sf_dedup.salesforce.wire.rest import WriteOptions
from airflow_sf_dedup.staging.area import StagedLoad, StagingArea, read_partition

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TaskInstance:
    """Which task instance writes, for the audit and for those who meet its claims."""

    mark: TaskMark
    #: For people: the Dag, the run, the task, its map index and its try.
    name: str
    #: Counts the times a person cleared the run: each has the whole budget of calls.
    round_number: int = 0


@dataclass(frozen=True, slots=True)
class Clocks:
    """How the journey waits."""

    sleep: Callable[[float], None] = time.sleep
    wait: Callable[[int], float] = seconds_before_try


def upsert_of(
    ref: PartitionRef,
    staged: StagedLoad,
    settings: WriteSettings,
    *,
    session: SalesforceSession,
    audit: SqlAudit,
    claims: SqlKeyClaims,
    task: TaskInstance,
    clocks: Clocks = Clocks(),
    daily_calls: Callable[[], LimitInfo | None] | None = None,
    gates: Sequence[Gate] = (),
) -> Upsert:
    """The journey of one partition, ready to run.

    Each of its calls is counted, kept within the limits, and made under claims that hold.

    :param staged: the load's manifest.
    :param daily_calls: what is known of the org's daily calls; by default what its last answer said.
    :param gates: what else each call of the journey passes, last of all.
    :raises SettingError: a setting does not fit the load.
    """
    sobject, key_rule = staged.sobject, _key_rule(ref, staged)

    def now() -> datetime:
        return session.org_now() or utc_now()

    options = WriteOptions(assignment_rules=settings.assignment_rules, run_as_current_user=settings.run_as_current_user)
    entries = EntryMaker(
        task.mark,
        sobject=sobject.name,
        key_field=key_rule.field.name,
        audit_values=AuditValues(settings.audit_values),
        masked_fields=masked_names(settings.masked_fields, staged.described, key_rule.field.name),
    )
    load, unknown = audit.load(ref.load_id), audit.unknown_rows(ref.load_id, ref.partition)
    keys = _held_keys(ref, key_rule, load, unknown, audit=audit, claims=claims, task=task, now=now)
    progress = Progress(ref.rows, calls=lambda: session.api_calls, say=_log.info)
    known_calls = daily_calls or (lambda: session.limit_info)
    meter = call_meter(settings.limits, audit, ref.load_id, task.round_number, known_calls)
    org = session.gated(meter, keys.keep, progress.tick, *gates)
    reader = OrgReader(org, sobject=sobject, key_rule=key_rule)
    guard = WatermarkGuard(
        keys,
        SqlWatermarks(audit.engine),
        AuditedRaisers(audit, reader, sobject, key_rule.field.name, partial(staged_rows, StagingArea.of(ref))),
        keys.scope,
        ref.load_id,
        key_rule.fold,
        org_now=now,
    )
    api = CollectionsApi(
        org,
        sobject=sobject.name,
        external_id_field=key_rule.field.name,
        key_prefix=sobject.key_prefix,
        options=options,
        repeatable=key_rule.field.unique,
    )

    record_claims = SqlRecordClaims(audit.engine)
    stamped = record_claims.claimed(ref.load_id, ref.org_id) if task.mark.try_number > 1 else {}
    senders = Senders(keys.mark_late, now, clocks.sleep, clocks.wait)
    sink = SettlingSink(audit, keys, guard)
    lost_answers = _re_read(ref, staged, reader, session=session, audit=audit, stamped=stamped)
    settlement = settlement_of(
        load_id=ref.load_id,
        org_id=ref.org_id,
        sobject=sobject,
        key_rule=key_rule,
        api=api,
        lookup=SoapUpsertLookup(
            org,
            sobject=sobject,
            external_id_field=key_rule.field.name,
            options=options,
            repeatable=key_rule.field.unique,
        ),
        reader=reader,
        claims=record_claims,
        sink=sink,
        policy=_policy(settings, staged),
        entries=entries,
        lost_answers=lost_answers,
        senders=senders,
    )
    recorder = Recorder(ref.load_id, key_rule, sink, entries, keys, stamped, progress)
    return Upsert(
        load_id=ref.load_id,
        partition=ref.partition,
        key_rule=key_rule,
        api=api,
        reader=reader,
        audit=audit,
        recorder=recorder,
        settlement=settlement,
        lost_answers=lost_answers,
        keys=keys,
        clearance=_clearance(api, guard, audit, ref.load_id, entries),
        guard=guard,
        try_number=task.mark.try_number,
        max_in_flight=1 if load and load.settings.get("group_by") else settings.max_in_flight,
        unknown=unknown,
        senders=senders,
    )


def _held_keys(
    ref: PartitionRef,
    key_rule: KeyRule,
    load: Load | None,
    unknown: Iterable[int],
    *,
    audit: SqlAudit,
    claims: SqlKeyClaims,
    task: TaskInstance,
    now: Callable[[], datetime],
) -> HeldKeys:
    def unknown_since() -> datetime:
        """When the load began, by the org's clock: however much that of the workers differs."""
        return now() - (utc_now() - load.started_at) if load else now()

    return HeldKeys(
        claims,
        KeyScope(ref.org_id, ref.sobject, key_rule.field.name),
        Claimant(str(uuid.uuid4()), ref.load_id, task.name),
        key_rule.partition_fold,
        settled_among=partial(audit.settled_rows, ref.load_id, ref.partition),
        unknown=frozenset(unknown),
        unknown_since=unknown_since,
        org_now=now,
    )


def _re_read(
    ref: PartitionRef,
    staged: StagedLoad,
    reader: OrgReader,
    *,
    session: SalesforceSession,
    audit: SqlAudit,
    stamped: Mapping[str, str],
) -> ReRead:
    keys_repeat = staged.on_repeat == "in_order"
    return ReRead(
        reader,
        staged.sobject,
        ref.external_id_field,
        lambda: session.user_id,
        keys_repeat=keys_repeat,
        written=_written(audit, ref) if keys_repeat else (),
        stamped=stamped,
    )


def staged_rows(area: StagingArea, load: Load, rows: Collection[int]) -> dict[int, Record]:
    """Of these rows of any load, those that are staged still.

    :param area: where the load is staged, unless it names another place.
    """
    area, wanted = StagingArea(load.settings.get("staging_path") or area.base_path), set(rows)
    try:
        records = chain.from_iterable(map(read_partition, area.read_refs(load.load_id)))
        return {record.row_number: record for record in records if record.row_number in wanted}
    except StagingError:
        return {}


def _written(audit: SqlAudit, ref: PartitionRef) -> Iterator[str]:
    """Records that earlier tries of the task are known to have written."""
    entries = audit.entries(ref.load_id, actions=WRITTEN, partition=ref.partition)
    return (entry.record_id for entry in entries if entry.record_id)


def _key_rule(ref: PartitionRef, staged: StagedLoad) -> KeyRule:
    field = staged.sobject.field(ref.external_id_field)
    if field is None:
        raise SettingError(f"external_id_field: the staged load does not know {ref.external_id_field!r}")
    return KeyRule(field)


def _clearance(
    api: CollectionsApi, guard: WatermarkGuard, audit: SqlAudit, load_id: str, entries: EntryMaker
) -> Clearance[Record]:
    """A key that is not unique lets one row create two records: its writes are announced before they are made."""
    return guard if api.repeatable else Intents(guard, audit, load_id, entries)


def call_meter(
    limits: CallLimits,
    audit: SqlAudit,
    load_id: str,
    round_number: int,
    daily_calls: Callable[[], LimitInfo | None],
) -> CallMeter:
    """The gate of a session that counts each call for the load, and ends the load when it has used what it may."""
    return CallMeter(
        limits,
        lambda: audit.count_call(load_id, round_number=round_number, budget=limits.api_budget),
        daily_calls,
    )


def check_fit(settings: WriteSettings, described: SObject, columns: Iterable[str], key_field: str) -> None:
    """Whether the settings fit a load that is not staged yet.

    :param described: the sObject with all its fields.
    :param columns: of the source, as far as they are sent.
    :raises SettingError: as the upsert task would raise it.
    """
    check_policy_fields(read_policy(settings.on_duplicate), described, columns, key_field)
    masked_names(settings.masked_fields, described, key_field)


def _policy(settings: WriteSettings, staged: StagedLoad) -> Policy:
    """The policy, where it fits the load.

    :raises SettingError: it names a field that the load does not carry.
    """
    policy = read_policy(settings.on_duplicate)
    check_policy_fields(policy, staged.described, staged.columns, staged.external_id_field)
    return policy
