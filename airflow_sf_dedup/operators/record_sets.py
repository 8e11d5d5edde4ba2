"""Show the duplicates that a load met in the org's own duplicate record sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_sf_dedup.core.numeric_settings import API_BUDGET, API_FLOOR_PCT
from airflow_sf_dedup.core.wording import counted
from airflow_sf_dedup.errors import LoadFailedError
from airflow_sf_dedup.operators.failing import failing_at_once
from airflow_sf_dedup.operators.parameters import ChecksParameters

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_sf_dedup.audit.base import Load
    from airflow_sf_dedup.journeys.record_sets import SetsMade
    from airflow_sf_dedup.journeys.stores import Stores
    from airflow_sf_dedup.salesforce.calling.session import SalesforceSession


class SalesforceDuplicateRecordSetsOperator(ChecksParameters, BaseOperator):
    """Put records that a load found to be duplicates of each other into duplicate record sets of the org.

    People who merge in Salesforce see them in its own lists: a row that was saved beside its match, several matches of
    one row, several holders of a key. What stands in a set together already stays as it is: the task may run again. It
    costs four calls for 500 such rows, and two to five more for each load, and says how many before the first. Returns
    counts.

    :param audit: what an upsert or audit task returned. (templated)
    :param salesforce_conn_id: the connection; by default that of the load. It leads to the load's org. (templated)
    :param api_budget: most API calls of one try of this task; where they do not do, nothing is written.
    :param api_floor_pct: percent of the org's daily calls that others must find left.
    """

    template_fields: Sequence[str] = ("audit", "salesforce_conn_id")
    ui_color = "#d6ecff"

    def __init__(
        self,
        *,
        audit: Any,
        salesforce_conn_id: str | None = None,
        api_budget: int | None = None,
        api_floor_pct: float | None = None,
        **kwargs: Any,
    ) -> None:
        self._check_names(kwargs)
        super().__init__(**kwargs)
        self.audit = audit
        self.salesforce_conn_id = salesforce_conn_id
        self.api_budget = API_BUDGET.read(api_budget)
        self.api_floor_pct = API_FLOOR_PCT.read(api_floor_pct)

    def execute(self, context: Context) -> dict[str, Any]:
        """Make the sets of the loads that ``audit`` names.

        :raises AirflowFailException: a setting does not fit, or this user may not make sets; a retry cannot help.
        :raises TransientCallError: another task makes sets in this org; nothing was written.
        :raises LoadFailedError: some were not saved; a retry tries these again.
        """
        from airflow_sf_dedup.audit.base import LOOKUP
        from airflow_sf_dedup.hooks.audited_rows import loads_of, stores_of
        from airflow_sf_dedup.journeys.limits import CallLimits
        from airflow_sf_dedup.journeys.mirror_cost import cost_of_sets
        from airflow_sf_dedup.journeys.mirroring import MIRRORED
        from airflow_sf_dedup.journeys.record_sets import SetsMade
        from airflow_sf_dedup.journeys.task_calls import TaskCalls
        from airflow_sf_dedup.salesforce.record_sets import SET

        done = SetsMade()
        with failing_at_once():
            audit, loads = loads_of(self.audit)
            stores = stores_of(self.audit)
            calls = TaskCalls(CallLimits(self.api_budget, self.api_floor_pct), audit, SET)
            for load in loads:
                entries = audit.entries(load.load_id, actions=MIRRORED)
                foreseen = cost_of_sets(entries, load.sobject, load.settings.get(LOOKUP))
                calls.add(load, self._session(load), foreseen)
            calls.run(lambda load, session: self._show(load, stores, session, context, done))
        return self._told(done, calls.totals)

    def _session(self, load: Load) -> SalesforceSession:
        from airflow_sf_dedup.operators.task_context import session_of_load

        return session_of_load(load, self.salesforce_conn_id)

    def _show(self, load: Load, stores: Stores, session: SalesforceSession, context: Context, done: SetsMade) -> None:
        from airflow_sf_dedup.core.clock import utc_now
        from airflow_sf_dedup.journeys.mirroring import MIRRORED
        from airflow_sf_dedup.journeys.record_set_claim import SetClaim
        from airflow_sf_dedup.journeys.record_sets import SetMirror
        from airflow_sf_dedup.journeys.sending.senders import Senders
        from airflow_sf_dedup.operators.task_context import task_run
        from airflow_sf_dedup.salesforce.record_sets import OrgRecordSets

        claim = SetClaim(stores.key_claims, load.org_id, load.load_id, str(task_run(context)))
        org = OrgRecordSets.opened(session.gated(claim.keep), load.sobject)
        senders = Senders(now=lambda: session.org_now() or utc_now())
        with claim.held(done):
            SetMirror(load.sobject, org, senders, done=done).show(stores.audit.entries(load.load_id, actions=MIRRORED))

    def _told(self, done: SetsMade, calls: Mapping[str, int]) -> dict[str, Any]:
        shown = f"{counted(done.sets, 'duplicate record sets')} made, {counted(done.items, 'records')} put into sets"
        self.log.info("%s; of %s, %s stood together before", shown, counted(done.rows, "rows"), f"{done.before:,}")
        if done.gone:
            self.log.info("%s without two records any more that this user can see", counted(done.gone, "rows"))
        if done.failed:
            codes = ", ".join(f"{count:,} {code}" for code, count in done.failed.most_common(5))
            raise LoadFailedError(
                f"{done.failed.total():,} duplicate record sets and items were not saved: {codes}", codes=done.failed
            )
        return {
            "rows": done.rows,
            "together_before": done.before,
            "gone": done.gone,
            "sets_created": done.sets,
            "items_created": done.items,
            **calls,
        }
