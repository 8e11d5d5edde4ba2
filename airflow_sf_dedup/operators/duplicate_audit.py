"""Join what the mapped tasks did, and go red when the load is not whole or not good."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, TriggerRule

from airflow_sf_dedup.operators.failing import failing_at_once
from airflow_sf_dedup.operators.instance_states import logs_of, not_done
from airflow_sf_dedup.operators.judged import Judgement, judgement_of
from airflow_sf_dedup.operators.literal_settings import check_literals
from airflow_sf_dedup.operators.outcome import XCOM_KEY
from airflow_sf_dedup.operators.parameters import ChecksParameters
from airflow_sf_dedup.operators.rows import HidesRows
from airflow_sf_dedup.operators.verdict_log import say_verdict

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_sf_dedup.audit.base import Audit, Load
    from airflow_sf_dedup.audit.report import Report
    from airflow_sf_dedup.journeys.collect import Thresholds
    from airflow_sf_dedup.journeys.stores import Stores


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What is said of a run's loads."""

    document: dict[str, Any]
    #: Why the run is red, a sentence each.
    complaints: list[str]
    #: What to do about that.
    ways: list[str]
    #: Those of red loads first.
    reports: list[Report]


class SalesforceDuplicateAuditOperator(ChecksParameters, HidesRows, BaseOperator):
    """A load's verdict: one ``duplicate_audit`` XCom, red by thresholds, never green after a failure.

    It runs also when a task before it failed, and reads the audit table rather than the XComs that
    happen to be there. Rows that a killed task left without an entry are audited as ``unknown``.

    It judges the loads behind ``upserts``, and those on the way to it that no other audit task is given; what
    lies before an earlier audit task is that one's affair.

    :param upserts: the output of the upsert task, mapped or plain, or a list of several; without it, of the tasks
        right before this one. (templated)
    :param max_failed: most rows that may be failed, invalid, unknown or not sent; None: any number.
    :param max_failed_pct: the same in percent of all rows, 0 to 100.
    :param max_awaiting_review: most rows that may await a person; None: any number.
    :param max_awaiting_review_pct: the same in percent of all rows, 0 to 100.
    :param audit_conn_id: the audit's connection; by default the one that the tasks before it use. (templated)
    """

    template_fields: Sequence[str] = ("upserts", "audit_conn_id")
    ui_color = "#d6ecff"

    def __init__(
        self,
        *,
        upserts: Any = None,
        max_failed: int | None = 0,
        max_failed_pct: float | None = None,
        max_awaiting_review: int | None = None,
        max_awaiting_review_pct: float | None = None,
        audit_conn_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("trigger_rule", TriggerRule.ALL_DONE)
        self._check_names(kwargs)
        super().__init__(**kwargs)
        self.upserts = upserts
        self.max_failed = max_failed
        self.max_failed_pct = max_failed_pct
        self.max_awaiting_review = max_awaiting_review
        self.max_awaiting_review_pct = max_awaiting_review_pct
        self.audit_conn_id = audit_conn_id
        check_literals(vars(self))

    def execute(self, context: Context) -> dict[str, Any]:
        """Judge the run; what is said of it is pushed before the task goes red.

        :raises AirflowFailException: the load is not whole, or not good; a retry of this task alone cannot help.
        """
        with failing_at_once():
            return self._execute(context)

    def _execute(self, context: Context) -> dict[str, Any]:
        from airflow.sdk.exceptions import AirflowFailException

        from airflow_sf_dedup.hooks.stores import open_stores
        from airflow_sf_dedup.journeys.collect import in_short
        from airflow_sf_dedup.journeys.way_on import go_on

        audit_conn_id = self._audit_conn_id()
        stores = open_stores(audit_conn_id, upgrade=True)
        undone, of_readers, of_senders = self._not_done(context)
        loads = self._loads(stores.audit, context)
        if not loads:
            return self._no_load(undone, go_on([of_readers, of_senders]))
        verdict = self._verdict(stores, loads, audit_conn_id)
        context["ti"].xcom_push(key=XCOM_KEY, value=verdict.document)
        complaints, way = verdict.complaints + undone, go_on([of_readers, *(verdict.ways or [of_senders])])
        say_verdict(verdict.reports, complaints, audit_conn_id, go_on=way)
        if complaints:
            raise AirflowFailException(in_short(complaints, way))
        return verdict.document

    def _thresholds(self) -> Thresholds:
        from airflow_sf_dedup.journeys.collect import Thresholds

        return Thresholds(
            max_failed=self.max_failed,
            max_failed_pct=self.max_failed_pct,
            max_awaiting_review=self.max_awaiting_review,
            max_awaiting_review_pct=self.max_awaiting_review_pct,
        )

    def _results(self) -> list[Mapping[str, Any]]:
        """What the upsert tasks returned, as far as they did."""
        return [result for result in _flat(self.upserts) if "load_id" in result]

    def _audit_conn_id(self) -> str | None:
        if self.audit_conn_id is not None:
            return self.audit_conn_id
        for result in self._results():
            return result["audit"]["audit_conn_id"]  # type: ignore[no-any-return]
        for task in self._judgement().tasks.values():
            if (conn_id := _setting(task, "audit_conn_id")) is not None:
                return str(conn_id)
        return None

    def _judgement(self) -> Judgement:
        """What this task judges, and what it waits for."""
        dag = self.get_dag()
        return judgement_of(self.task_id, dag.task_dict, SalesforceDuplicateAuditOperator) if dag else Judgement()

    def _not_done(self, context: Context) -> tuple[list[str], str, str]:
        """Tasks before this one that did not succeed, a sentence each; which logs say why, and which of senders do."""
        ti, judgement = context["ti"], self._judgement()
        of_run: dict[str, Any] = {}
        for map_index, task_ids in judgement.instances(ti.map_index).items():
            states = ti.get_task_states(
                dag_id=ti.dag_id, task_ids=sorted(task_ids), run_ids=[ti.run_id], map_index=map_index
            )
            of_run |= states.get(ti.run_id, {})
        readers = judgement.awaited - judgement.senders
        return not_done(of_run, judgement.awaited), logs_of(of_run, readers), logs_of(of_run, judgement.senders)

    def _loads(self, audit: Audit, context: Context) -> list[Load]:
        """The newest load of each task instance that this one judges, and those that results name."""
        from airflow_sf_dedup.audit.base import LoadKind
        from airflow_sf_dedup.audit.latest import latest_loads

        ti, judgement = context["ti"], self._judgement()
        named = {result["load_id"] for result in self._results()}
        by_name = [load for load_id in named if (load := audit.load(load_id))]
        found = {load.load_id: load for load in by_name if load.kind is LoadKind.LOAD}
        found |= {
            load.load_id: load
            for load in audit.loads_of_run(ti.dag_id, ti.run_id)
            if judgement.judges(load.task_id, load.settings.get("map_index", -1), by=ti.map_index)
        }
        return latest_loads(found.values())

    def _no_load(self, undone: list[str], go_on: str) -> dict[str, Any]:
        from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

        from airflow_sf_dedup.journeys.collect import in_short

        if undone:
            say_verdict((), undone, None, go_on=go_on)
            raise AirflowFailException(f"nothing was loaded: {in_short(undone, go_on)}")
        raise AirflowSkipException("nothing was loaded: the tasks before this one were skipped")

    def _verdict(self, stores: Stores, loads: Sequence[Load], audit_conn_id: str | None) -> _Verdict:
        from airflow_sf_dedup.audit.report import report_of
        from airflow_sf_dedup.hooks.places import staging_area
        from airflow_sf_dedup.journeys.collect import complaints, join
        from airflow_sf_dedup.journeys.ending import close_load
        from airflow_sf_dedup.journeys.summary import summarise
        from airflow_sf_dedup.journeys.way_on import ways_on

        audit, thresholds = stores.audit, self._thresholds()
        found: list[str] = []
        ways: list[str] = []
        summaries: list[dict[str, Any]] = []
        red: list[Report] = []
        green: list[Report] = []
        for load in loads:
            closed = close_load(stores, load, staging_area(load.settings.get("staging_path")))
            totals = closed.totals
            why = complaints(load, totals, thresholds, unreadable=closed.unreadable)
            found += [f"load {load.load_id}: {each}" for each in why] if len(loads) > 1 else why
            ways += ways_on(load, totals, thresholds) if why else []
            summaries.append(summarise(audit, load, totals, audit_conn_id=audit_conn_id))
            (red if why else green).append(report_of(audit, load, totals))
        return _Verdict(join(summaries, loads), found, ways, red + green)


def _flat(value: Any) -> Iterator[Mapping[str, Any]]:
    """The documents in one, in a list of them, or in a list of the outputs of mapped tasks."""
    if isinstance(value, Mapping):
        yield value
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for part in value:
            yield from _flat(part)


def _setting(task: Any, name: str) -> Any:
    """A parameter of a plain or mapped task."""
    value = getattr(task, name, None)
    return value if value is not None else getattr(task, "partial_kwargs", {}).get(name)
