"""What one upsert task does with its partition: open it, write it, and account for its rows whatever happens."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from functools import partial

from airflow_sf_dedup.audit.base import LOOKUP, Audit
from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.core.entries import AuditValues
from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.match_keys import key_rule_of, match_fields
from airflow_sf_dedup.core.partitioning import PartitionRef
from airflow_sf_dedup.core.sobjects import SObject
from airflow_sf_dedup.errors import CallError, SettingError
from airflow_sf_dedup.journeys.entry_maker import EntryMaker
from airflow_sf_dedup.journeys.field_settings import masked_names, policy_of
from airflow_sf_dedup.journeys.keeping.given import plan_of_load
from airflow_sf_dedup.journeys.keeping.kept import within_plan
from airflow_sf_dedup.journeys.limited_session import metered_by
from airflow_sf_dedup.journeys.limits import CallLimits, DailyCalls
from airflow_sf_dedup.journeys.lookups import Lookups
from airflow_sf_dedup.journeys.not_begun import NotesBeginning, remember_not_begun
from airflow_sf_dedup.journeys.overwrite_settings import check_overwriting
from airflow_sf_dedup.journeys.policy_targets import check_other_fields
from airflow_sf_dedup.journeys.references import check_manifest
from airflow_sf_dedup.journeys.rule_reports import NotesReports
from airflow_sf_dedup.journeys.sending.known import WriteRules
from airflow_sf_dedup.journeys.staged_rows import staged_rows
from airflow_sf_dedup.journeys.stores import Stores
from airflow_sf_dedup.journeys.task_run import TaskRun
from airflow_sf_dedup.journeys.upsert import Upsert
from airflow_sf_dedup.journeys.volume_guard import VolumeGuard, volume_guard_of
from airflow_sf_dedup.journeys.workshop import Clocks, Gate, Org, Part, Workshop
from airflow_sf_dedup.journeys.write_rules import write_rules_of
from airflow_sf_dedup.journeys.write_settings import DECIDES, WriteSettings
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.child_counts import OrgChildCounts
from airflow_sf_dedup.salesforce.duplicate_rules import OrgRules
from airflow_sf_dedup.salesforce.duplicate_sets import OrgReports
from airflow_sf_dedup.salesforce.ports import ChunkApi, RecordReader
from airflow_sf_dedup.salesforce.reader import OrgReader, describe
from airflow_sf_dedup.salesforce.soap_undeletes import SoapUndeletes
from airflow_sf_dedup.salesforce.wire.rest import WriteOptions
from airflow_sf_dedup.salesforce.write_paths import WRITE_PATHS, LookupPath, WriteTarget
from airflow_sf_dedup.staging.area import StagingArea
from airflow_sf_dedup.staging.by_reference import read_manifest, read_partition
from airflow_sf_dedup.staging.descriptions import Descriptions
from airflow_sf_dedup.staging.staged_load import StagedLoad

_log = logging.getLogger(__name__)


def upsert_partition(
    ref: PartitionRef,
    *,
    settings: Callable[[], WriteSettings],
    session: Callable[[], SalesforceSession],
    stores: Stores,
    task: TaskRun,
) -> None:
    """Write one staged partition; what is known of its rows is committed when this returns or raises.

    :param settings: answers them checked.
    :param session: one login for the whole task. What these two raise, its rows' entries say, as ``not_sent``.
    :raises PutOffError: other tasks had keys of the partition in flight, or rows wait for a stale rule; the same call
        later goes on.
    """
    if nothing_left(stores.audit, ref):
        _still_same_org(session(), ref)
        _log.info("all %s rows were settled before; nothing is sent", f"{ref.rows:,}")
    else:
        with _not_sent_if_it_fails(stores.audit, ref, task):
            journey, volume = _opened(ref, _of_key(ref, settings()), session(), stores, task)
        journey.run(read_partition(ref))
        if volume is not None:
            volume.check_end()
    _note_reports(ref, settings(), session(), stores.audit, task)


def _note_reports(
    ref: PartitionRef, settings: WriteSettings, session: SalesforceSession, audit: Audit, task: TaskRun
) -> None:
    """All rows have their entries by now: where this fails, the next try asks again and sends nothing."""
    if settings.audit_reports:
        meter, _ = metered(session, settings.limits, audit, ref.load_id, task.round_number)
        NotesReports(audit, OrgReports(meter).of).note(ref.load_id, ref.partition)


def _of_key(ref: PartitionRef, settings: WriteSettings) -> WriteSettings:
    """The reference says by which key the rows were staged, whatever the task was told."""
    return replace(settings, match_on=match_fields(ref.external_id_field) or None)


def nothing_left(audit: Audit, ref: PartitionRef) -> bool:
    """All rows are settled: neither an org nor the staged rows are needed any more."""
    return len(audit.settled_rows(ref.load_id, ref.partition)) >= ref.rows


def _opened(
    ref: PartitionRef, settings: WriteSettings, session: SalesforceSession, stores: Stores, task: TaskRun
) -> tuple[Upsert, VolumeGuard | None]:
    """The journey, ready to make its first call, and what guards it."""
    audit, given = stores.audit, plan_of_load(stores.audit.load(ref.load_id))
    settings = replace(settings, strict=given is not None and given.is_strict)
    meter, daily_calls = metered(session, settings.limits, audit, ref.load_id, task.round_number)
    staged = check_manifest(ref, read_manifest(ref))
    described = Descriptions(StagingArea.of(ref).folder(ref.load_id), partial(describe, meter))
    workshop = workshop_of(ref, staged, settings, session=meter, stores=stores, task=task, describe=described)
    journey = workshop.upsert()
    _same_org(meter, ref)
    check_other_fields(workshop.policy, staged.described, ref.external_id_field, described)
    audit.update_load(ref.load_id, policy=repr(workshop.policy), api=settings.api)
    _note_lookup(audit, ref.load_id, settings.lookup_path)
    _note_decides(audit, ref.load_id, settings)
    daily_calls.ask_from_now_on()
    return journey, workshop.volume


def workshop_of(
    ref: PartitionRef,
    staged: StagedLoad,
    settings: WriteSettings,
    *,
    session: SalesforceSession,
    stores: Stores,
    task: TaskRun,
    describe: Callable[[str], SObject] | None = None,
    clocks: Clocks = Clocks(),  # noqa: B008
) -> Workshop:
    """What builds the journeys of one partition. From now on its calls are made under claims that hold.

    :param staged: the load's manifest.
    :param describe: describes other sObjects; by default the org is asked.
    :param clocks: its ``now`` counts until the org has told its own time.
    :raises SettingError: a setting does not fit the load.
    """
    key_rule = _key_rule(ref, staged)
    policy = policy_of(settings.on_duplicate, staged.described, staged.columns, staged.external_id_field)
    check_overwriting(policy, staged.described, staged.external_id_field, staged.newer_than)

    def now() -> datetime:
        return session.org_now() or clocks.now()

    return Workshop(
        part=Part(
            load_id=ref.load_id,
            org_id=ref.org_id,
            sobject=staged.sobject,
            key_rule=key_rule,
            partition=ref.partition,
            rows=ref.rows,
            keys_repeat=staged.on_repeat == "in_order",
            described=staged.described,
        ),
        stores=stores,
        open_org=partial(_org_of, session, WriteTarget(staged.sobject, key_rule), settings, stores.audit, ref.load_id),
        policy=policy,
        entries=EntryMaker(
            task.mark(ref.partition),
            sobject=staged.sobject.name,
            key_field=key_rule.field.name,
            audit_values=AuditValues(settings.audit_values),
            masked_fields=masked_names(settings.masked_fields, staged.described, *key_rule.names),
        ),
        task=task,
        clocks=replace(clocks, now=now),
        gates=[NotesBeginning(lambda: stores.audit.note_beginning(ref.load_id, ref.partition))],
        max_in_flight=settings.max_in_flight,
        describe=describe,
        staged=partial(staged_rows, StagingArea.of(ref)),
        say=_log.info,
        write_rules=_within_plan(
            write_rules_of(settings, staged.described, key_rule), settings, stores.audit, ref.load_id
        ),
        volume=volume_guard_of(settings.volume_limits, stores.audit, ref),
    )


def _within_plan(rules: WriteRules, settings: WriteSettings, audit: Audit, load_id: str) -> WriteRules:
    """The same rules, and of a strict load no more than was planned."""
    given = plan_of_load(audit.load(load_id)) if settings.strict else None
    return rules if given is None else within_plan(rules, audit, given.plan_id)


def _org_of(
    session: SalesforceSession,
    target: WriteTarget,
    settings: WriteSettings,
    audit: Audit,
    load_id: str,
    gates: Sequence[Gate],
) -> Org:
    options = WriteOptions(assignment_rules=settings.assignment_rules, run_as_current_user=settings.run_as_current_user)
    session = session.gated(*gates)
    lookups = Lookups(
        settings.lookup_path,
        lambda path: path.open(session, target, options),
        settings.max_lookup_calls,
        on_change=lambda path: _note_lookup(audit, load_id, path),
    )

    def written_and_read(sobject: SObject, key_rule: KeyRule) -> tuple[ChunkApi, RecordReader]:
        api = WRITE_PATHS[settings.api].settles().open(session, WriteTarget(sobject, key_rule), options)
        return api, OrgReader(session, sobject=sobject, key_rule=key_rule, soap_access=lookups.soap_access)

    api, reader = written_and_read(target.sobject, target.key_rule)
    return Org(
        api=api,
        lookup=lookups.first(),
        lookup_instead=lookups.instead,
        reader=reader,
        by_stamp=written_and_read,
        rules=OrgRules(session),
        undeletes=SoapUndeletes(session, lookups.soap_access),
        user_id=lambda: session.user_id,
        calls=lambda: session.api_calls,
        count_children=OrgChildCounts(session, lookups.soap_access, settings.count_children).of,
    )


def _note_lookup(audit: Audit, load_id: str, path: LookupPath) -> None:
    """Which look-up names the matches; another task of the load may have found that the org refuses SOAP."""
    load = audit.load(load_id)
    if load is not None and load.settings.get(LOOKUP, "") not in (path.name, path.without_soap):
        audit.update_load(load_id, settings={**load.settings, LOOKUP: path.name})


def _note_decides(audit: Audit, load_id: str, settings: WriteSettings) -> None:
    """By which mode and rules the rows are sent, where the partition task was told of others."""
    load = audit.load(load_id)
    if load is not None:
        rest = {name: said for name, said in load.settings.items() if name not in DECIDES}
        if (noted := {**rest, **settings.decides}) != load.settings:
            audit.update_load(load_id, settings=noted)


def metered(
    session: SalesforceSession, limits: CallLimits, audit: Audit, load_id: str, round_number: int
) -> tuple[SalesforceSession, DailyCalls]:
    """The session, within the limits, each of whose calls counts in the load."""

    def count() -> bool:
        return audit.count_call(load_id, round_number=round_number, budget=limits.api_budget)

    return metered_by(session, limits, count)


def _key_rule(ref: PartitionRef, staged: StagedLoad) -> KeyRule:
    rule = key_rule_of(staged.sobject, ref.external_id_field)
    if rule is None:
        raise SettingError(f"external_id_field: the staged load does not know {ref.external_id_field!r}")
    return rule


@contextmanager
def _not_sent_if_it_fails(audit: Audit, ref: PartitionRef, task: TaskRun) -> Iterator[None]:
    """Nothing was sent before the first call: when that is not reached, the rows' entries say so, and why."""
    try:
        yield
    except BaseException as error:
        # What is in the way of this as well, the audit task accounts for.
        with suppress(Exception):
            if load := audit.load(ref.load_id):
                mark = task.mark(ref.partition)
                remember_not_begun(audit, load, ref, read_partition(ref), error, mark=mark, clock=utc_now)
        raise


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
