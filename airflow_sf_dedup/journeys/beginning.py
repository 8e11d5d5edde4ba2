"""A load begins: the org is checked, the source is staged, and what the load will cost is said."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

from airflow_sf_dedup.audit.base import LOOKUP, NOTES_BEGINNINGS, ONE_TASK, Audit, Load, LoadKind
from airflow_sf_dedup.audit.report import what_was_read
from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.core.identity import digest_of
from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.match_keys import key_rule_of
from airflow_sf_dedup.core.partitioning import PartitionRef
from airflow_sf_dedup.core.sobjects import SObject
from airflow_sf_dedup.journeys.doubtful import RejectedRows, doubt_of
from airflow_sf_dedup.journeys.field_settings import masked_names, policy_of
from airflow_sf_dedup.journeys.history import history_of
from airflow_sf_dedup.journeys.keeping.given import check_plan, check_same_rows, given_plan, plan_id_of
from airflow_sf_dedup.journeys.limits import CallLimits, must_be_told
from airflow_sf_dedup.journeys.load_settings import LoadSettings
from airflow_sf_dedup.journeys.match_settings import WEAKER
from airflow_sf_dedup.journeys.partition import partition_source
from airflow_sf_dedup.journeys.partition_settings import PartitionSettings
from airflow_sf_dedup.journeys.partitioning.listeners import Listeners
from airflow_sf_dedup.journeys.planning.digest import RowsDigest
from airflow_sf_dedup.journeys.policy_targets import check_other_fields
from airflow_sf_dedup.journeys.prediction import one_call_a_row, predict_calls, reads_of, warnings_of
from airflow_sf_dedup.journeys.required import lacking
from airflow_sf_dedup.journeys.rule_names import check_rule_names
from airflow_sf_dedup.journeys.sending.known import WriteRules
from airflow_sf_dedup.journeys.task_run import TaskRun
from airflow_sf_dedup.journeys.write_rules import write_rules_of
from airflow_sf_dedup.journeys.write_settings import WriteSettings
from airflow_sf_dedup.policies import read_policy
from airflow_sf_dedup.policies.base import needs_rule_states, other_sobjects
from airflow_sf_dedup.salesforce.calling.daily_calls import ask_daily_calls
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.duplicate_rules import OrgRules
from airflow_sf_dedup.salesforce.reader import describe
from airflow_sf_dedup.salesforce.write_paths import LOOKUP_PATHS, WRITE_PATHS
from airflow_sf_dedup.sources.base import Source
from airflow_sf_dedup.sources.read import source_of
from airflow_sf_dedup.staging.area import StagingArea
from airflow_sf_dedup.staging.descriptions import keep_description
from airflow_sf_dedup.staging.sweeping import sweep

_log = logging.getLogger(__name__)


def new_load_id() -> str:
    """A name for one execution of a load."""
    return str(uuid.uuid4())


def load_id_of(rows: Iterable[Any], settings: LoadSettings, org_id: str, task: TaskRun) -> str:
    """A name that the same rows get again in the same task, so that a retry finds what is settled.

    Rows for another org, sObject or key, and rows of which others are sent, are another load: nothing of it is settled.
    """
    of_task = (task.dag_id, task.run_id, task.task_id, task.map_index)
    # Salesforce does not tell API names apart by case, nor do we columns.
    target = (org_id, settings.sobject.lower(), settings.external_id_field.lower())
    decides = [settings.write.decides] if settings.write.decides else []
    # What is left by one plan may be within the next one.
    decides += [{"plan": plan_id_of(settings.plan)}] if settings.write.strict else []
    chosen = (settings.on_repeat, (settings.newer_than or "").lower())
    return str(uuid.UUID(bytes=digest_of([of_task, target, chosen, *decides, *rows])))


@dataclass(frozen=True)
class Beginning:
    """Begins loads. What is opened last is not even made where a setting or the org does not fit.

    :ivar retention_days: after which what other loads left staged is removed.
    :ivar most_partitions: that a load may have.
    :ivar look_after_rules: puts back what other loads of an org's sObject left switched off.
    """

    session: SalesforceSession
    open_audit: Callable[[], Audit]
    open_staging: Callable[[], StagingArea]
    task: TaskRun
    retention_days: int
    most_partitions: int
    look_after_rules: Callable[[str, str], None] = lambda org_id, sobject: None

    def begin(self, source: Any, settings: LoadSettings, load_id: str) -> list[PartitionRef]:
        """Check the org and stage the source in partitions.

        :raises SettingError: a setting, the source or the org does not fit; nothing is staged.
        :raises SourceError: there are rows, and none of them can be sent; all of them are in the audit.
        """
        settings.write.check()
        given = given_plan(settings.plan, strict=settings.write.strict)
        sobject, rows = describe(self.session, settings.sobject), source_of(source)
        if warning := check_rule_names(read_policy(settings.write.on_duplicate), sobject.name, OrgRules(self.session)):
            _log.warning("%s", warning)
        self._know_daily_calls(settings.write.limits)
        if settings.kind is LoadKind.LOAD:
            self.look_after_rules(self.session.org_id, sobject.name)
        sweep(self.staging, now=utc_now())
        self.staging.remove_older_than(self.retention_days, now=utc_now())
        load = self._load(load_id, sobject, settings)
        plan = check_plan(self.audit, given, load) if given else None
        if given is not None:
            load = replace(load, settings={**load.settings, **given.settings})
        try:
            refs, digest = self._staged(rows, settings, sobject, load, digests=plan is not None)
            if given is not None and plan is not None:
                check_same_rows(plan, digest, given)
            return refs
        finally:
            self._count_calls(load_id)

    @cached_property
    def audit(self) -> Audit:
        """Its tables are created or upgraded."""
        return self.open_audit()

    @cached_property
    def staging(self) -> StagingArea:
        """Where the rows will wait."""
        return self.open_staging()

    def _staged(
        self, rows: Source, settings: LoadSettings, sobject: SObject, load: Load, *, digests: bool
    ) -> tuple[list[PartitionRef], str]:
        """The staged partitions, and a digest over their rows where one is wanted."""
        rejected = RejectedRows()
        rows_together, sent = list[int](), list[str]()
        others: dict[str, SObject] = {}
        digest = RowsDigest(settings, load.org_id) if digests or load.kind is LoadKind.PLAN else None

        def other(name: str) -> SObject:
            if name.lower() not in others:
                others[name.lower()] = describe(self.session, name)
            return others[name.lower()]

        def fits(columns: Sequence[str], key_rule: KeyRule) -> None:
            sent[:] = _check_fit(settings.write, sobject, columns, key_rule, other).made_of(columns)

        refs = partition_source(
            rows,
            PartitionSettings(
                external_id_field=settings.external_id_field,
                partitions=settings.partitions,
                most_partitions=self.most_partitions,
                on_repeat=settings.on_repeat,
                group_by=settings.group_by,
                newer_than=settings.newer_than,
                twin_fields=settings.twin_fields,
                allow_non_unique_key=settings.allow_non_unique_key,
                salesforce_conn_id=settings.salesforce_conn_id,
                audit_conn_id=settings.audit_conn_id,
            ),
            load=load,
            describe=sobject,
            parents=partial(describe, self.session),
            staging=self.staging,
            audit=self.audit,
            clock=utc_now,
            listeners=Listeners(
                check_load=fits,
                on_rejected=rejected,
                on_staged=rows_together.extend,
                on_kin=_log.info,
                **({} if digest is None else {"on_read": digest.add}),
            ),
        )
        for each in others.values() if refs else ():
            keep_description(self.staging.folder(load.load_id), each)
        # An earlier try of the same load may have staged elsewhere.
        self.audit.update_load(load.load_id, settings=load.settings, digest=digest.hex() if digest else None)
        _log.info("%s", what_was_read(sum(ref.rows for ref in refs), len(refs), self.audit.totals(load.load_id)))
        if not refs and (doubt := doubt_of(rows, rejected)) is not None:
            raise doubt
        if not refs and rejected.first is None:
            _log.warning("the source has no row: nothing is sent, and the load is green")
        if settings.write.match_on:
            _log.warning(WEAKER, load.external_id_field)
        if sent and (warning := lacking(sobject, sent)) is not None:
            _log.warning("%s", warning)
        self._predict(load, rows_together, len(refs), settings.write)
        return refs, digest.hex() if digest else ""

    def _know_daily_calls(self, limits: CallLimits) -> None:
        """Make sure that a floor can be kept, before anything is staged that could not be sent.

        :raises OwnLimitReachedError: the org does not tell how many calls are left.
        """
        if limits.api_floor_pct is not None:
            must_be_told(self.session.limit_info or ask_daily_calls(self.session))

    def _predict(self, load: Load, rows_together: list[int], tasks: int, write: WriteSettings) -> None:
        """Say and remember what the load will cost, before it writes anything."""
        history = history_of(self.audit, load)
        # Where a login does not tell the org's id, each task asks for it; for a floor each asks what is left.
        asks = min(1, self.session.calls_by_kind.get("GET query", 0) + (write.limits.api_floor_pct is not None))
        path = write.lookup_path
        is_without_soap = history is not None and path.without_soap is not None and history.lookup == path.without_soap
        lookup = LOOKUP_PATHS[path.without_soap] if is_without_soap and path.without_soap else path
        policy = read_policy(write.on_duplicate)
        others = len(other_sobjects(policy))
        prediction = predict_calls(
            rows_together,
            blocked_share=history.shares.blocked if history else None,
            settled_share=history.shares.settled if history else None,
            before=self.session.api_calls + asks * tasks,
            other_sobjects=others,
            asks_rule_states=needs_rule_states(policy),
            asks_reports=write.audit_reports,
            child_relationships=len({name.lower() for name in write.count_children}),
            path=WRITE_PATHS[write.api],
            reads=reads_of(write),
            lookup=lookup,
            max_lookup_calls=write.max_lookup_calls,
            by_soap=not is_without_soap,
        )
        _log.info("%s", f"{prediction}; {history.words}" if history else prediction)
        if lookup.rows_a_call == 1:
            _log.warning("%s", one_call_a_row(lookup.name, write.max_lookup_calls))
        made = self.session.api_calls
        for warning in warnings_of(prediction, write.limits, self.session.limit_info, made=made):
            _log.warning("%s", warning)
        self.audit.update_load(load.load_id, predicted_calls=prediction.calls)

    def _count_calls(self, load_id: str) -> None:
        """The calls so far are the load's, however it began."""
        if self.audit.load(load_id):
            for _ in range(self.session.api_calls):
                self.audit.count_call(load_id, round_number=self.task.round_number, budget=None)

    def _load(self, load_id: str, sobject: SObject, settings: LoadSettings) -> Load:
        key_rule = key_rule_of(sobject, settings.external_id_field)
        return Load(
            load_id=load_id,
            org_id=self.session.org_id,
            sobject=sobject.name,
            # However it is spelled here: the next load of the same field looks for this one.
            external_id_field=key_rule.field.name if key_rule else settings.external_id_field,
            dag_id=self.task.dag_id,
            run_id=self.task.run_id,
            task_id=self.task.task_id,
            started_at=utc_now(),
            kind=settings.kind,
            settings={
                "map_index": self.task.map_index,
                "partitions": settings.partitions,
                "on_repeat": settings.on_repeat,
                "group_by": settings.group_by,
                "newer_than": settings.newer_than,
                **({"twin_fields": settings.twin_fields} if settings.twin_fields else {}),
                "staging_path": self.staging.recorded(load_id),
                "salesforce_conn_id": settings.salesforce_conn_id,
                "audit_conn_id": settings.audit_conn_id,
                LOOKUP: settings.write.lookup_path.name,
                **settings.write.decides,
                NOTES_BEGINNINGS: True,
                **({ONE_TASK: True} if settings.one_task else {}),
            },
        )


def _check_fit(
    settings: WriteSettings,
    described: SObject,
    columns: Iterable[str],
    key_rule: KeyRule,
    others: Callable[[str], SObject],
) -> WriteRules:
    """Whether the settings fit a load that is not staged yet.

    :param described: the sObject with all its fields.
    :param columns: of the source, as far as they are sent.
    :param others: describes the other sObjects that policies write to, each at most once.
    :returns: what may be created and overwritten.
    :raises SettingError: as the upsert task would raise it.
    """
    policy = policy_of(settings.on_duplicate, described, columns, key_rule.field.name)
    check_other_fields(policy, described, key_rule.field.name, others)
    masked_names(settings.masked_fields, described, *key_rule.names)
    return write_rules_of(settings, described, key_rule)
