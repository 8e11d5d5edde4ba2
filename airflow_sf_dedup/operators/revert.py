"""Take back what a load did: put back what it changed, and delete what it created, where nobody touched it since."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_sf_dedup.operators.failing import failing_at_once
from airflow_sf_dedup.operators.parameters import ChecksParameters

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_sf_dedup.audit.base import Load
    from airflow_sf_dedup.journeys.reverting.ledger import Reverted
    from airflow_sf_dedup.journeys.stores import Stores
    from airflow_sf_dedup.salesforce.calling.session import SalesforceSession


class SalesforceRevertOperator(ChecksParameters, BaseOperator):
    """Put back, field by field, what a load changed in records, where nobody has changed it since.

    It takes back what ``update_existing``, ``update_other``, the update of ``undelete`` and ``link`` wrote, with
    ``keep_before`` of the load also updates by key, and says of each field that it left alone, why. It deletes what
    the load created only where it is asked to, and into the recycle bin. The task may run again: what was taken back
    is never touched again. It costs two calls for 1,000 records, and one describe for each sObject. Returns counts, and
    the first hundred changes that were left.

    :param load: the id of a load, or what an upsert or audit task returned. (templated)
    :param clear_opt_outs: take back opt-outs too (``HasOptedOut…``, ``DoNotCall``) that the load set.
    :param delete_created: delete the records that the load created, where nobody has written them since.
    :param delete_undeleted: delete the records that the load took out of the recycle bin, likewise.
    :param salesforce_conn_id: the connection; by default that of the load. It leads to the load's org. (templated)
    :param audit_conn_id: the audit's connection, where ``load`` is an id; without one the embedded file. (templated)
    """

    template_fields: Sequence[str] = ("load", "salesforce_conn_id", "audit_conn_id")
    ui_color = "#d6ecff"

    def __init__(
        self,
        *,
        load: Any,
        clear_opt_outs: bool = False,
        delete_created: bool = False,
        delete_undeleted: bool = False,
        salesforce_conn_id: str | None = None,
        audit_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        from airflow_sf_dedup.core.setting_values import check_flag

        self._check_names(kwargs)
        super().__init__(**kwargs)
        check_flag("clear_opt_outs", clear_opt_outs)
        check_flag("delete_created", delete_created)
        check_flag("delete_undeleted", delete_undeleted)
        self.load = load
        self.clear_opt_outs = clear_opt_outs
        self.delete_created = delete_created
        self.delete_undeleted = delete_undeleted
        self.salesforce_conn_id = salesforce_conn_id
        self.audit_conn_id = audit_conn_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Revert the loads, the latest one first.

        :raises AirflowFailException: a setting does not fit; a retry cannot help.
        :raises LoadFailedError: some changes could not be taken back for now; a retry goes on with them.
        """
        from airflow_sf_dedup.journeys.reverting.ledger import Reverted
        from airflow_sf_dedup.journeys.reverting.report import check_done, document_of, lines_of

        done, calls = Reverted(), 0
        with failing_at_once():
            stores, loads = self._loads()
            for load in sorted(loads, key=lambda each: each.started_at, reverse=True):
                session = self._session(load)
                self._revert(load, stores, session, context, done)
                calls += session.api_calls
        for line in lines_of(done):
            self.log.info("%s", line)
        check_done(done)
        return document_of(done, [load.load_id for load in loads], calls)

    def _loads(self) -> tuple[Stores, list[Load]]:
        from airflow_sf_dedup.hooks.audited_rows import audited_loads

        return audited_loads(self.load, self.audit_conn_id)

    def _session(self, load: Load) -> SalesforceSession:
        from airflow_sf_dedup.operators.task_context import session_of_load

        return session_of_load(load, self.salesforce_conn_id)

    def _revert(self, load: Load, stores: Stores, session: SalesforceSession, context: Context, done: Reverted) -> None:
        from airflow_sf_dedup.journeys.reverting.deleting import Wish
        from airflow_sf_dedup.journeys.reverting.opening import revert_of
        from airflow_sf_dedup.operators.task_context import task_run

        wish = Wish(self.delete_created, self.delete_undeleted)
        revert = revert_of(load, stores, session, task_run(context), clear_opt_outs=self.clear_opt_outs, wish=wish)
        revert.ledger.done = done
        revert.run()
