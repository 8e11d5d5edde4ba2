"""Upsert one partition, and settle what duplicate rules block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_sf_dedup.core.match_keys import named_key
from airflow_sf_dedup.core.numeric_settings import CLAIM_TIMEOUT
from airflow_sf_dedup.errors import PutOffError, SettingError
from airflow_sf_dedup.operators.failing import failing_at_once
from airflow_sf_dedup.operators.instance_names import MAP_INDEX_TEMPLATE, outcome_label, size_label
from airflow_sf_dedup.operators.literal_settings import check_literals, write_settings_of
from airflow_sf_dedup.operators.outcome import Outcome, Work, judge, push_outcome
from airflow_sf_dedup.operators.parameters import ChecksParameters
from airflow_sf_dedup.operators.records_given import load_settings_of
from airflow_sf_dedup.operators.rescheduling import give_up, wait_or_give_up
from airflow_sf_dedup.operators.rows import HidesRows, hidden, rows_of

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.definitions.mappedoperator import OperatorPartial

    from airflow_sf_dedup.journeys.write_settings import WriteSettings


class SalesforceUpsertOperator(ChecksParameters, HidesRows, BaseOperator):
    """Upsert rows by their key; every row ends as one entry of the audit.

    Returns, and pushes as the XCom ``duplicate_audit``, the document described in
    :mod:`airflow_sf_dedup.journeys.summary` (at most 4 kB). When the task runs again, rows that are
    settled are not sent again; rows that are failed, unknown or not sent are.

    :param partition: a reference made by ``SalesforcePartitionOperator``; it carries everything else. (templated)
    :param records: instead of ``partition``, a list of dicts to load in this one task, with the same
        checks. Needs ``sobject`` and ``external_id_field`` or ``match_on``. Rows that a Dag file spells out in
        ``.expand(records=…)`` become part of the serialised Dag: map over a task's output. (templated)
    :param on_duplicate: the policy for rows that a duplicate rule refuses: an object, a string such as
        ``"update_existing(min_confidence=95) | ask_reviewer"``, or a YAML list or mapping. (templated)
    :param api: the write path; ``collections``.
    :param lookup: how blocked rows are traced to what blocked them: ``soap_upsert``, 200 rows a call;
        ``find_duplicates``, 50 rows a call, which writes nothing; where the org refuses SOAP, ``rest`` or ``predupe``,
        one row a call, take their places.
    :param mode: ``upsert``; ``update_only``, which never creates: a row whose key nobody holds ends ``not_found``;
        ``create_only``, which writes to no record that there is: a row whose key is held ends ``skipped``.
    :param field_rules: of records that hold a row's key, field name to when it is written: ``always``, ``only_blanks``,
        ``on_create_only``, ``never``; ``*`` stands for all other fields. What policies write to matches is up to them.
    :param keep_before: keep what records that hold a row's key have, so that a revert can put it back; it is read.
    :param max_lookup_calls: calls of this task that ask what blocks rows; those beyond are ``not_looked_up``.
    :param assignment_rules: run the org's default assignment rule (True), the rule of an id, or none
        (False). REST itself would run it on every create *and* update.
    :param run_as_current_user: match with the API user's sharing rules instead of all records.
    :param max_failed: red when more rows than this are failed, invalid, unknown or not sent. By default
        0 with ``records``; with ``partition`` the audit task judges, and only rows that are unknown, not
        sent, or failed for a reason that passes make this task red, so that a retry sends them again.
    :param audit_values: whose values the audit keeps: ``none``, ``duplicates`` or ``all``. Rows that
        await a person keep theirs until the verdict.
    :param masked_fields: fields whose values the audit shows as ``***``.
    :param audit_reports: when all rows are sent, ask which of the saved ones rules report; a query or two for 2,000.
    :param count_children: child relationships, ``["Opportunities", "Cases"]``, whose records are counted for matches of
        rows that go to a person, as cautions; a query for each and 2,000 matches.
    :param max_in_flight: API calls of this task at a time, 1 to 10. Mapped tasks multiply it, and an org
        grants 25 long calls at a time to all its clients.
    :param api_budget: API calls that all tasks of the load may make together; what is not sent by then is
        ``not_sent``, and clearing the tasks goes on with it. By default any number.
    :param api_floor_pct: end the run likewise when less than this percentage of the org's daily calls is left.
    :param max_created: stop before more rows than this create a record, those of all tasks and tries of the load. What
        was written by then is in the audit, the other rows are ``not_sent`` with the code ``VOLUME_GUARD``.
    :param max_changed_pct: stop likewise when more than this percentage of the load's rows, and more than 20, change a
        record, 0 to 100; 0: none may.
    :param max_blocked_pct: likewise of rows that a duplicate rule keeps out, whatever becomes of them.
    :param max_vs_history: likewise when any of the three is more than so many times what is usual of this task.
    :param claim_timeout: seconds that rows wait for keys which other tasks have in flight, 0 or more. After 15
        the task gives its worker slot back and comes again every half minute; then it is red and names the holder.
    :param sobject: with ``partition`` optional; a mismatch is an error. (templated)
    :param external_id_field: likewise. (templated)
    :param match_on: likewise; in its place, names of fields whose values together identify a row.
    :param salesforce_conn_id: likewise; ``salesforce_default`` with ``records``. (templated)
    :param audit_conn_id: likewise; without one an embedded file. (templated)
    :param on_repeat: with ``records``, what happens to rows of the same key.
    :param allow_non_unique_key: with ``records``, accept an External ID that is not Unique.
    :param newer_than: with ``records``, a column that says how new a row is, as in a partition task.
    :param twin_fields: with ``records``, fields by which rows with different keys may be one person; likewise.
    :param plan: with ``records``, what ``SalesforcePlanOperator`` returned, or its id; ``strict``: likewise; see
        :class:`~airflow_sf_dedup.operators.partition.SalesforcePartitionOperator`. (templated)
    :param staging_path: with ``records``, where the rows wait for a retry. (templated)
    """

    template_fields: Sequence[str] = (
        "partition",
        "records",
        "on_duplicate",
        "sobject",
        "external_id_field",
        "salesforce_conn_id",
        "audit_conn_id",
        "staging_path",
        "plan",
    )
    ui_color = "#d6ecff"

    def __init__(
        self,
        *,
        partition: Any = None,
        records: Any = None,
        on_duplicate: Any = "ask_reviewer",
        api: str = "collections",
        lookup: str = "soap_upsert",
        mode: str = "upsert",
        field_rules: Mapping[str, str] | None = None,
        keep_before: bool = False,
        max_lookup_calls: int = 5_000,
        assignment_rules: bool | str = False,
        run_as_current_user: bool = False,
        max_failed: int | None = None,
        audit_values: str = "duplicates",
        masked_fields: Sequence[str] = (),
        audit_reports: bool = False,
        count_children: Sequence[str] = (),
        max_in_flight: int = 2,
        api_budget: int | None = None,
        api_floor_pct: float | None = None,
        max_created: int | None = None,
        max_changed_pct: float | None = None,
        max_blocked_pct: float | None = None,
        max_vs_history: float | None = None,
        claim_timeout: float = 1800,
        sobject: str | None = None,
        external_id_field: str | None = None,
        match_on: Sequence[str] | None = None,
        salesforce_conn_id: str | None = None,
        audit_conn_id: str | None = None,
        on_repeat: str = "last",
        newer_than: str | None = None,
        twin_fields: Sequence[str] | Sequence[Sequence[str]] | None = None,
        allow_non_unique_key: bool = False,
        plan: Any = None,
        strict: bool = False,
        staging_path: str | None = None,
        **kwargs: Any,
    ) -> None:
        self._check_names(kwargs)
        super().__init__(**kwargs)
        self.partition = partition
        self.records = hidden(records)
        self.on_duplicate = on_duplicate
        self.api = api
        self.lookup = lookup
        self.mode = mode
        self.field_rules = field_rules
        self.keep_before = keep_before
        self.max_lookup_calls = max_lookup_calls
        self.assignment_rules = assignment_rules
        self.run_as_current_user = run_as_current_user
        self.max_failed = max_failed
        self.audit_values = audit_values
        self.masked_fields = masked_fields
        self.audit_reports = audit_reports
        self.count_children = count_children
        self.max_in_flight = max_in_flight
        self.api_budget = api_budget
        self.api_floor_pct = api_floor_pct
        self.max_created = max_created
        self.max_changed_pct = max_changed_pct
        self.max_blocked_pct = max_blocked_pct
        self.max_vs_history = max_vs_history
        self.claim_timeout = claim_timeout
        self.sobject = sobject
        self.external_id_field = external_id_field
        self.match_on = match_on
        self.salesforce_conn_id = salesforce_conn_id
        self.audit_conn_id = audit_conn_id
        self.on_repeat = on_repeat
        self.newer_than = newer_than
        self.twin_fields = twin_fields
        self.allow_non_unique_key = allow_non_unique_key
        self.plan = plan
        self.strict = strict
        self.staging_path = staging_path
        #: Of a mapped task, what its name ends with once it has run.
        self._outcome = ""
        check_literals(vars(self))

    @classmethod
    def partial(cls, **kwargs: Any) -> OperatorPartial:
        """As of every operator of the package; instances are named by their partition unless the Dag says otherwise."""
        kwargs.setdefault("map_index_template", MAP_INDEX_TEMPLATE)
        return super().partial(**kwargs)

    @property
    def instance_name(self) -> str:
        """What ``map_index_template`` shows: ``2 of 8 · 625 rows``, and after the run what was blocked and failed."""
        return size_label(self.partition if self.records is None else self.records) + self._outcome

    def execute(self, context: Context) -> dict[str, Any]:
        """Write the rows, push what became of them, and go red if too many failed.

        :raises AirflowFailException: a setting, the login or a permission is wrong, or other tasks had keys of
            these rows in flight for all of ``claim_timeout``; a retry cannot help.
        :raises LoadFailedError: more rows failed than ``max_failed``; a retry sends them again.
        :raises AirflowRescheduleException: other tasks have keys of these rows in flight, or rows wait for a stale
            rule; Airflow comes again.
        """
        with failing_at_once():
            return self._execute(context)

    def _execute(self, context: Context) -> dict[str, Any]:
        from airflow_sf_dedup.hooks.stores import open_stores
        from airflow_sf_dedup.journeys.collect import Thresholds
        from airflow_sf_dedup.journeys.partition_task import upsert_partition
        from airflow_sf_dedup.operators.task_context import task_run

        work, task = self._work(context), task_run(context)
        try:
            for ref in work.refs():
                stores = open_stores(ref.audit_conn_id)
                upsert_partition(ref, settings=self._write_settings, session=work.session, stores=stores, task=task)
        except PutOffError as error:
            self.log.info("%s", error)
            wait_or_give_up(error, context, CLAIM_TIMEOUT.read(self.claim_timeout))
            self._push(context, work)
            give_up(error, CLAIM_TIMEOUT.read(self.claim_timeout))
        except BaseException:
            # Why the task ended is what a person has to read, not that this cannot be summed up.
            with suppress(Exception):
                self._push(context, work)
            raise
        outcome = self._push(context, work)
        by_all = self.max_failed is not None or self.records is not None
        judge(outcome, Thresholds(max_failed=self.max_failed), by_all=by_all)
        return outcome.document

    def _push(self, context: Context, work: Work) -> Outcome:
        outcome = push_outcome(context, work)
        self._outcome = outcome_label(outcome.totals)
        return outcome

    def _write_settings(self) -> WriteSettings:
        """How to write.

        :raises SettingError: one of the settings cannot be.
        """
        CLAIM_TIMEOUT.read(self.claim_timeout)
        settings = write_settings_of(vars(self))
        settings.check()
        return settings

    def _work(self, context: Context) -> Work:
        if (self.partition is None) == (self.records is None):
            raise SettingError("give either partition or records, not both", setting="partition")
        return self._of_partition(context) if self.records is None else self._of_records(context)

    def _of_partition(self, context: Context) -> Work:
        from airflow_sf_dedup.hooks.salesforce import SalesforceDedupHook
        from airflow_sf_dedup.operators.references import read_reference

        given = {name: getattr(self, name) for name in ("sobject", "salesforce_conn_id", "audit_conn_id")}
        given["external_id_field"] = named_key(self.external_id_field, self.match_on)
        ref = read_reference(self.partition, given=given, task=self, context=context)
        hook = SalesforceDedupHook(ref.salesforce_conn_id)
        return Work(ref.load_id, ref.audit_conn_id, hook.get_conn, lambda: [ref], ref.partition)

    def _of_records(self, context: Context) -> Work:
        from airflow_sf_dedup.journeys.beginning import load_id_of
        from airflow_sf_dedup.operators.task_context import beginning_of, session_of, task_run

        rows, settings = rows_of(self.records), load_settings_of(self, self._write_settings())
        session = session_of(settings.salesforce_conn_id)
        load_id = load_id_of(rows, settings, session.org_id, task_run(context))
        return Work(
            load_id,
            self.audit_conn_id,
            lambda: session,
            lambda: beginning_of(settings, session, context).begin(rows, settings, load_id),
        )
