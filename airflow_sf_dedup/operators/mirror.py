"""Show in the org what a load decided about duplicates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_sf_dedup.core.numeric_settings import API_BUDGET, API_FLOOR_PCT
from airflow_sf_dedup.core.wording import counted, were
from airflow_sf_dedup.errors import LoadFailedError, PreflightError
from airflow_sf_dedup.operators.failing import failing_at_once
from airflow_sf_dedup.operators.parameters import ChecksParameters

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_sf_dedup.audit.base import Audit, Load
    from airflow_sf_dedup.core.sobjects import SObject
    from airflow_sf_dedup.journeys.mirroring import Mirrored, MirrorSettings
    from airflow_sf_dedup.salesforce.calling.session import SalesforceSession


class SalesforceDuplicateMirrorOperator(ChecksParameters, BaseOperator):
    """Write the blocked rows of a load to a custom object of the org, such as ``Duplicate_Audit__c``.

    One record for each row and each record that it matched, upserted by a key of its own: the task may run again. It
    costs one call for 1,000 records and one for the describe, and says how many before the first. Returns counts.

    :param audit: what an upsert or audit task returned. (templated)
    :param sobject: the custom object; the package ships metadata for ``Duplicate_Audit__c``. (templated)
    :param fields: field of it to the fact that it holds, see :data:`airflow_sf_dedup.journeys.mirroring.FACTS`; by
        default those of the shipped metadata. One of them holds ``audit_key``, and is an External ID that is Unique.
    :param salesforce_conn_id: the connection; by default that of the load. It leads to the load's org. (templated)
    :param api_budget: most API calls of one try of this task; where they do not do, nothing is written.
    :param api_floor_pct: percent of the org's daily calls that others must find left.
    """

    template_fields: Sequence[str] = ("audit", "sobject", "salesforce_conn_id")
    ui_color = "#d6ecff"

    def __init__(
        self,
        *,
        audit: Any,
        sobject: str = "Duplicate_Audit__c",
        fields: Mapping[str, str] | None = None,
        salesforce_conn_id: str | None = None,
        api_budget: int | None = None,
        api_floor_pct: float | None = None,
        **kwargs: Any,
    ) -> None:
        self._check_names(kwargs)
        super().__init__(**kwargs)
        self.audit = audit
        self.sobject = sobject
        self.fields = fields
        self.salesforce_conn_id = salesforce_conn_id
        self.api_budget = API_BUDGET.read(api_budget)
        self.api_floor_pct = API_FLOOR_PCT.read(api_floor_pct)

    def execute(self, context: Context) -> dict[str, Any]:
        """Mirror the loads that ``audit`` names.

        :raises AirflowFailException: a setting, or the custom object, does not fit; a retry cannot help.
        :raises LoadFailedError: some records were not saved; a retry writes all of them again.
        """
        with failing_at_once():
            return self._mirrored()

    def _mirrored(self) -> dict[str, Any]:
        from airflow_sf_dedup.hooks.audited_rows import loads_of
        from airflow_sf_dedup.journeys.limits import CallLimits
        from airflow_sf_dedup.journeys.mirror_cost import cost_of_mirror
        from airflow_sf_dedup.journeys.mirroring import MIRRORED, Mirrored
        from airflow_sf_dedup.journeys.task_calls import TaskCalls
        from airflow_sf_dedup.operators.task_context import session_of_load

        settings, counts = self._settings(), Mirrored()
        audit, loads = loads_of(self.audit)
        calls = TaskCalls(CallLimits(self.api_budget, self.api_floor_pct), audit, settings.sobject)
        for load in loads:
            foreseen = cost_of_mirror(audit.entries(load.load_id, actions=MIRRORED), settings.sobject)
            calls.add(load, session_of_load(load, self.salesforce_conn_id), foreseen)
        calls.run(lambda load, session: self._add(counts, self._of_load(audit, load, settings, session)))
        self.log.info("%s: %s created, %s updated", settings.sobject, f"{counts.created:,}", f"{counts.updated:,}")
        if failed := counts.failed.total():
            codes = ", ".join(f"{rows:,} {code}" for code, rows in counts.failed.most_common(5))
            raise LoadFailedError(
                f"{counted(failed, 'records')} of {settings.sobject} {were(failed)} not saved: {codes}",
                codes=counts.failed,
            )
        return {"sobject": settings.sobject, "created": counts.created, "updated": counts.updated, **calls.totals}

    def _settings(self) -> MirrorSettings:
        from airflow_sf_dedup.journeys.mirroring import DEFAULT_FIELDS, MirrorSettings

        return MirrorSettings(self.sobject, DEFAULT_FIELDS if self.fields is None else self.fields)

    def _of_load(self, audit: Audit, load: Load, settings: MirrorSettings, session: SalesforceSession) -> Mirrored:
        from airflow_sf_dedup.journeys.mirroring import MIRRORED, check_mirror, mirror, records_of
        from airflow_sf_dedup.journeys.sending.senders import Senders
        from airflow_sf_dedup.salesforce.collections import CollectionsApi

        described = _described(session, settings.sobject)
        fields = check_mirror(described, settings)
        key_field = fields[settings.key_field].name
        api = CollectionsApi(
            session, sobject=described.name, external_id_field=key_field, key_prefix=described.key_prefix
        )
        entries = audit.entries(load.load_id, actions=MIRRORED)
        return mirror(records_of(load, entries, settings, fields), key_field, api, Senders())

    def _add(self, counts: Mirrored, more: Mirrored) -> None:
        counts.created += more.created
        counts.updated += more.updated
        counts.failed += more.failed


def _described(session: SalesforceSession, sobject: str) -> SObject:
    """The mirror's object.

    :raises PreflightError: it is not there; says what to do.
    """
    from airflow_sf_dedup.salesforce.reader import describe

    try:
        return describe(session, sobject)
    except PreflightError as error:
        raise PreflightError(f"{error}; deploy it first (docs/audit.md)", setting="sobject") from error
