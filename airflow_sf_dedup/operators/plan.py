"""Look before you write: what a load would do, row by row, without writing anything to the org."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_sf_dedup.core.numeric_settings import SAMPLE
from airflow_sf_dedup.operators.failing import failing_at_once
from airflow_sf_dedup.operators.literal_settings import check_literals, write_settings_of
from airflow_sf_dedup.operators.parameters import ChecksParameters
from airflow_sf_dedup.operators.rows import HidesRows, hidden

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_sf_dedup.audit.base import Load
    from airflow_sf_dedup.journeys.plan_task import PlanSettings

_log = logging.getLogger(__name__)

#: Look-ups of a plan are bounded by its budget, and by nothing else.
_ANY_NUMBER = 1_000_000


class SalesforcePlanOperator(ChecksParameters, HidesRows, BaseOperator):
    """Plan a load: what would be created, updated, blocked by what, skipped and asked, and what it would cost in calls.

    Nothing is written to the org. Keys are looked up by query, rules by ``findDuplicates()``, 50 rows a call; policies
    decide as in a load. Each row has its entry in the audit, in a load of kind ``plan``. Logs the table of a load's
    verdict, and returns the ``duplicate_audit`` document of a load with ``plan_id`` and ``digest``.

    :param source: as for :class:`~airflow_sf_dedup.operators.partition.SalesforcePartitionOperator`, as are the
        parameters down to ``audit_conn_id``. (templated)
    :param sobject: API name of the sObject. (templated)
    :param external_id_field: the field that identifies a row. (templated)
    :param partitions: of the load, to predict its calls; the plan itself is one task.
    :param on_repeat: what happens to rows of the same key.
    :param newer_than: a column that says how new a row is. (templated)
    :param twin_fields: fields by which rows with different keys may be one person. No look-up can tell whether such a
        row meets its twin: its entry says ``may_meet_twin``.
    :param allow_non_unique_key: accept an External ID that is not Unique.
    :param staging_path: where the rows wait while the task runs. (templated)
    :param salesforce_conn_id: the connection. (templated)
    :param audit_conn_id: the audit's connection. (templated)
    :param on_duplicate: the policy of the load. (templated)
    :param mode: of the load: ``upsert``, ``update_only`` or ``create_only``.
    :param field_rules: of the load: field name, ``*`` for all others, to when it is written.
    :param lookup: ``find_duplicates``; where the org refuses SOAP, ``predupe``, one row a call, takes its place.
    :param sample: rows to look at, spread evenly over the source; the others are ``not_sent``, ``not_in_sample``.
    :param api_budget: most API calls of the plan. One that may cost more is refused before it asks of a row.
    :param api_floor_pct: percent of the org's daily calls that others must find left.
    :param audit_values: whose values the audit keeps: ``none``, ``duplicates`` or ``all``.
    :param masked_fields: fields whose values the audit shows as ``***``.
    """

    template_fields: Sequence[str] = (
        "source",
        "sobject",
        "external_id_field",
        "newer_than",
        "staging_path",
        "salesforce_conn_id",
        "audit_conn_id",
        "on_duplicate",
    )
    ui_color = "#d6ecff"

    def __init__(
        self,
        *,
        source: Any,
        sobject: str,
        external_id_field: str,
        partitions: int = 8,
        on_repeat: str = "last",
        newer_than: str | None = None,
        twin_fields: Sequence[str] | Sequence[Sequence[str]] | None = None,
        allow_non_unique_key: bool = False,
        staging_path: str | None = None,
        salesforce_conn_id: str = "salesforce_default",
        audit_conn_id: str | None = None,
        on_duplicate: Any = "ask_reviewer",
        mode: str = "upsert",
        field_rules: Mapping[str, str] | None = None,
        lookup: str = "find_duplicates",
        sample: int | None = None,
        api_budget: int | None = None,
        api_floor_pct: float | None = None,
        audit_values: str = "duplicates",
        masked_fields: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        self._check_names(kwargs)
        super().__init__(**kwargs)
        self.source = hidden(source)
        self.sobject = sobject
        self.external_id_field = external_id_field
        self.partitions = partitions
        self.on_repeat = on_repeat
        self.newer_than = newer_than
        self.twin_fields = twin_fields
        self.allow_non_unique_key = allow_non_unique_key
        self.staging_path = staging_path
        self.salesforce_conn_id = salesforce_conn_id
        self.audit_conn_id = audit_conn_id
        self.on_duplicate = on_duplicate
        self.mode = mode
        self.field_rules = field_rules
        self.lookup = lookup
        self.sample = SAMPLE.read(sample)
        self.api_budget = api_budget
        self.api_floor_pct = api_floor_pct
        self.audit_values = audit_values
        self.masked_fields = masked_fields
        check_literals(vars(self))

    def execute(self, context: Context) -> dict[str, Any]:
        """Plan the load; answers what it would do.

        :raises AirflowFailException: a setting, the source, the org or the budget does not fit; a retry cannot help.
        :raises CallError: the org did not answer; a retry plans anew.
        """
        with failing_at_once():
            return self._told(self._planned(context))

    def _planned(self, context: Context) -> Load:
        from airflow_sf_dedup.hooks.stores import open_stores
        from airflow_sf_dedup.journeys.beginning import new_load_id
        from airflow_sf_dedup.journeys.plan_task import make_plan
        from airflow_sf_dedup.operators.task_context import beginning_of, session_of

        settings = self._settings()
        session = session_of(self.salesforce_conn_id)
        beginning = beginning_of(settings.load, session, context)
        return make_plan(self.source, settings, new_load_id(), beginning, partial(open_stores, self.audit_conn_id))

    def _told(self, plan: Load) -> dict[str, Any]:
        from airflow_sf_dedup.audit.report import report_of
        from airflow_sf_dedup.hooks.stores import open_audit
        from airflow_sf_dedup.journeys.planning.document import document_of, in_words
        from airflow_sf_dedup.operators.verdict_log import say_report

        audit = open_audit(self.audit_conn_id)
        document = document_of(audit, plan, audit_conn_id=self.audit_conn_id)
        say_report(report_of(audit, plan), self.audit_conn_id)
        _log.info("%s", in_words(document))
        return document

    def _settings(self) -> PlanSettings:
        from airflow_sf_dedup.journeys.limits import CallLimits
        from airflow_sf_dedup.journeys.load_settings import LoadSettings
        from airflow_sf_dedup.journeys.plan_task import PlanSettings

        of_load = {name: value for name, value in vars(self).items() if name not in ("api_budget", "api_floor_pct")}
        load = LoadSettings(
            sobject=self.sobject,
            external_id_field=self.external_id_field,
            partitions=self.partitions,
            on_repeat=self.on_repeat,
            newer_than=self.newer_than,
            twin_fields=self.twin_fields,
            staging_path=self.staging_path,
            allow_non_unique_key=self.allow_non_unique_key,
            salesforce_conn_id=self.salesforce_conn_id,
            audit_conn_id=self.audit_conn_id,
            write=write_settings_of({**of_load, "max_lookup_calls": _ANY_NUMBER}),
        )
        return PlanSettings(load, CallLimits(self.api_budget, self.api_floor_pct), self.sample)
