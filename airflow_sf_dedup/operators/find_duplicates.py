"""What slipped through? Duplicates among the records that a load wrote."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_sf_dedup.core.numeric_settings import MAX_CALLS, SAMPLE
from airflow_sf_dedup.core.wording import counted
from airflow_sf_dedup.operators.failing import failing_at_once
from airflow_sf_dedup.operators.parameters import ChecksParameters

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_sf_dedup.audit.base import Audit, Load
    from airflow_sf_dedup.audit.sql.duplicate_jobs import DuplicateJob, FoundDuplicates


class SalesforceFindDuplicatesOperator(ChecksParameters, BaseOperator):
    """Ask the org's active duplicate rules about each record that a load wrote. Nothing is written to the org.

    Behind a load whose rules were off, when they are on again. What is found is in ``sf_dedup_found_match``, in groups
    of records that hang together. A task that dies goes on where it was. Returns counts and some groups.

    :param audit: what an upsert or audit task returned. (templated)
    :param salesforce_conn_id: the connection; by default that of the load. It leads to the load's org. (templated)
    :param max_calls: that the search of one load may make; known, and refused, before the first.
    :param sample: look at so many of the written records, evenly over the load; ``None``: at all.
    """

    template_fields: Sequence[str] = ("audit", "salesforce_conn_id")
    ui_color = "#d6ecff"

    def __init__(
        self,
        *,
        audit: Any,
        salesforce_conn_id: str | None = None,
        max_calls: int = 5_000,
        sample: int | None = None,
        **kwargs: Any,
    ) -> None:
        self._check_names(kwargs)
        super().__init__(**kwargs)
        self.audit = audit
        self.salesforce_conn_id = salesforce_conn_id
        self.max_calls = MAX_CALLS.read(max_calls)
        self.sample = SAMPLE.read(sample)

    def execute(self, context: Context) -> dict[str, Any]:
        """Search the loads that ``audit`` names.

        :raises AirflowFailException: a setting or the org does not fit; a retry cannot help.
        :raises LoadFailedError: no duplicate rule is active yet.
        """
        from airflow_sf_dedup.hooks.audited_rows import loads_of

        with failing_at_once():
            audit, loads = loads_of(self.audit)
            return {"loads": [self._searched(audit, load) for load in loads]}

    def _searched(self, audit: Audit, load: Load) -> dict[str, Any]:
        from airflow_sf_dedup.core.entries import WRITTEN
        from airflow_sf_dedup.hooks.stores import duplicate_jobs
        from airflow_sf_dedup.journeys.finding_duplicates import DuplicateSearch, extent_of
        from airflow_sf_dedup.operators.task_context import session_of_load
        from airflow_sf_dedup.salesforce.duplicate_finder import SoapDuplicateFinder
        from airflow_sf_dedup.salesforce.reader import describe

        actions = audit.totals(load.load_id).actions
        extent = extent_of(
            sum(actions.get(action, 0) for action in WRITTEN),
            ids_per_call=SoapDuplicateFinder.ids_per_call,
            max_calls=self.max_calls,
            sample=self.sample,
        )
        self.log.info("load %s: %s", load.load_id, extent)
        session = session_of_load(load, self.salesforce_conn_id)
        jobs = duplicate_jobs(load.settings.get("audit_conn_id"))
        search = DuplicateSearch(audit, jobs, SoapDuplicateFinder(session))
        job = search.search(load, describe(session, load.sobject), extent.every)
        document = _document(load, job, jobs.found(load.load_id))
        self.log.info(
            "%s looked at: %s with duplicates, in %s",
            counted(job.checked, "records"),
            f"{document['with_duplicates']:,}",
            counted(document["groups"], "groups"),
        )
        return document


def _document(load: Load, job: DuplicateJob, found: FoundDuplicates) -> dict[str, Any]:
    return {
        "load_id": load.load_id,
        "sobject": load.sobject,
        "checked": job.checked,
        "unchecked": job.unchecked,
        "every": job.every,
        "calls": job.calls,
        "with_duplicates": found.records,
        "groups": found.groups,
        "largest_group": found.largest,
        "rules": dict(found.rules),
        "sample": [list(group) for group in found.sample],
    }
