"""Read a source and stage it so that every key meets exactly one upsert task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_sf_dedup.core.match_keys import key_of_load
from airflow_sf_dedup.operators.failing import failing_at_once
from airflow_sf_dedup.operators.literal_settings import check_literals, write_settings_of
from airflow_sf_dedup.operators.parameters import ChecksParameters
from airflow_sf_dedup.operators.rows import HidesRows, hidden

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_sf_dedup.journeys.load_settings import LoadSettings


class SalesforcePartitionOperator(ChecksParameters, HidesRows, BaseOperator):
    """Check the org, settle repeated keys, and stage the rows in partitions.

    Returns a list of partition references for ``SalesforceUpsertOperator.partial(…).expand(partition=…)``;
    an empty source returns an empty list. Rows without a usable key or with a value that its field
    cannot hold are audited as ``invalid``, repeats as ``superseded``.

    :param source: a list of dicts (or an upstream task's output), the path or URL of a CSV or NDJSON
        file, or a mapping such as ``{"path": …, "encoding": …, "rename": {"E-Mail": "Email"}}``. (templated)
    :param sobject: API name of the sObject. (templated)
    :param external_id_field: the field that identifies a row; an External ID that is Unique. (templated)
    :param match_on: instead of it, where there is no such field: names of one to five fields whose values together
        identify a row, ``["Email", "Company"]``. Weaker, as the org does not keep them unique.
    :param partitions: how many tasks share the load, 1 to Airflow's ``[core] max_map_length`` (1024 as delivered).
    :param on_repeat: what happens to rows of the same key: ``last``, ``first``, ``merge_fields``,
        ``in_order`` or ``fail``.
    :param group_by: a column, usually the parent's id: rows with the same value meet the same task,
        against row locks.
    :param newer_than: a column that says how new a row is, a time or a number that grows: a row that is older
        than what was written of its key is not sent, and ``on_repeat`` goes by it. The column need be no
        field of the sObject; a row without it is ``invalid``. (templated)
    :param twin_fields: fields by which rows with different keys may be one person, ``["Email"]`` or
        ``[["Email"], ["PostalCode", "LastName~85"]]``: such rows meet one task and go one after the other, so that the
        org's duplicate rules compare them; the audit names them. ``~85``: alike by 85 percent, which needs rapidfuzz.
    :param staging_path: folder or URL for the staged rows; by default ``[sf_dedup] staging_path``. (templated)
    :param allow_non_unique_key: accept an External ID that is not Unique, although two upserts of the
        same new key at once then create two records.
    :param salesforce_conn_id: connection of type ``salesforce_dedup`` or ``salesforce``. (templated)
    :param audit_conn_id: connection to the audit's PostgreSQL; without it an embedded file. (templated)
    :param plan: what ``SalesforcePlanOperator`` returned, or its ``plan_id``: the audit says row by row where the load
        differs from it. (templated)
    :param strict: with ``plan``, leave what is beyond it, ``skipped`` with the reason ``beyond_plan``, before it is
        written; and begin nothing where the source or what decides on its rows is not what was planned.
    :param on_duplicate: the policy of the upsert tasks, only to be checked before anything is staged: it may name
        fields that the load does not carry. (templated)
    :param masked_fields: of the upsert tasks, likewise.
    :param mode: of the upsert tasks, to be checked before anything is staged, and to predict what it costs;
        ``field_rules``, ``keep_before``: likewise.
    :param lookup: of the upsert tasks, to predict what it will cost; ``max_lookup_calls``: likewise.
    :param audit_reports: likewise, of the upsert tasks; ``count_children``: likewise.
    :param api_budget: warn when the run will probably need more API calls; the upsert tasks keep the limit.
    :param api_floor_pct: warn when the run will probably leave less than this percentage of the org's daily calls.
    """

    template_fields: Sequence[str] = (
        "source",
        "sobject",
        "external_id_field",
        "group_by",
        "newer_than",
        "staging_path",
        "salesforce_conn_id",
        "audit_conn_id",
        "on_duplicate",
        "plan",
    )
    ui_color = "#d6ecff"

    def __init__(
        self,
        *,
        source: Any,
        sobject: str,
        external_id_field: str | None = None,
        match_on: Sequence[str] | None = None,
        partitions: int = 8,
        on_repeat: str = "last",
        group_by: str | None = None,
        newer_than: str | None = None,
        twin_fields: Sequence[str] | Sequence[Sequence[str]] | None = None,
        staging_path: str | None = None,
        allow_non_unique_key: bool = False,
        salesforce_conn_id: str = "salesforce_default",
        audit_conn_id: str | None = None,
        plan: Any = None,
        strict: bool = False,
        on_duplicate: Any = "ask_reviewer",
        masked_fields: Sequence[str] = (),
        audit_reports: bool = False,
        count_children: Sequence[str] = (),
        lookup: str = "soap_upsert",
        mode: str = "upsert",
        field_rules: Mapping[str, str] | None = None,
        keep_before: bool = False,
        max_lookup_calls: int = 5_000,
        api_budget: int | None = None,
        api_floor_pct: float | None = None,
        **kwargs: Any,
    ) -> None:
        self._check_names(kwargs)
        super().__init__(**kwargs)
        self.source = hidden(source)
        self.sobject = sobject
        self.external_id_field = external_id_field
        self.match_on = match_on
        self.partitions = partitions
        self.on_repeat = on_repeat
        self.group_by = group_by
        self.newer_than = newer_than
        self.twin_fields = twin_fields
        self.staging_path = staging_path
        self.allow_non_unique_key = allow_non_unique_key
        self.salesforce_conn_id = salesforce_conn_id
        self.audit_conn_id = audit_conn_id
        self.plan = plan
        self.strict = strict
        self.on_duplicate = on_duplicate
        self.masked_fields = masked_fields
        self.audit_reports = audit_reports
        self.count_children = count_children
        self.lookup = lookup
        self.mode = mode
        self.field_rules = field_rules
        self.keep_before = keep_before
        self.max_lookup_calls = max_lookup_calls
        self.api_budget = api_budget
        self.api_floor_pct = api_floor_pct
        check_literals(vars(self))

    def execute(self, context: Context) -> list[dict[str, Any]]:
        """Stage the source; answers the references to its partitions.

        :raises AirflowFailException: a setting, the source or the org does not fit; a retry cannot help.
        """
        from airflow_sf_dedup.journeys.beginning import new_load_id
        from airflow_sf_dedup.operators.task_context import beginning_of, session_of

        with failing_at_once():
            settings = self._settings()
            session = session_of(settings.salesforce_conn_id)
            refs = beginning_of(settings, session, context).begin(self.source, settings, new_load_id())
        return [ref.to_json() for ref in refs]

    def _settings(self) -> LoadSettings:
        from airflow_sf_dedup.journeys.load_settings import LoadSettings

        return LoadSettings(
            sobject=self.sobject,
            external_id_field=key_of_load(self.external_id_field, self.match_on),
            partitions=self.partitions,
            on_repeat=self.on_repeat,
            group_by=self.group_by,
            newer_than=self.newer_than,
            twin_fields=self.twin_fields,
            staging_path=self.staging_path,
            allow_non_unique_key=self.allow_non_unique_key,
            salesforce_conn_id=self.salesforce_conn_id,
            audit_conn_id=self.audit_conn_id,
            plan=self.plan,
            write=write_settings_of(vars(self)),
        )
