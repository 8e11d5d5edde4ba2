"""What the journeys want to know of Airflow: which task instance this is, and where the configuration puts things."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_sf_dedup.core.numeric_settings import STAGING_RETENTION_DAYS
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.hooks.configuration import configured
from airflow_sf_dedup.operators.mapping import most_partitions

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_sf_dedup.audit.base import Audit, Load
    from airflow_sf_dedup.journeys.beginning import Beginning
    from airflow_sf_dedup.journeys.load_settings import LoadSettings
    from airflow_sf_dedup.journeys.task_run import TaskRun
    from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
    from airflow_sf_dedup.staging.area import StagingArea


def task_run(context: Context) -> TaskRun:
    """The task instance at work."""
    from airflow_sf_dedup.journeys.task_run import TaskRun

    ti = context["ti"]
    return TaskRun(
        dag_id=ti.dag_id,
        run_id=ti.run_id,
        task_id=ti.task_id,
        map_index=-1 if ti.map_index is None else ti.map_index,
        try_number=ti.try_number,
        round_number=getattr(context.get("dag_run"), "clear_number", None) or 0,
    )


def session_of(salesforce_conn_id: str) -> SalesforceSession:
    """One login for the whole task."""
    from airflow_sf_dedup.hooks.salesforce import SalesforceDedupHook

    return SalesforceDedupHook(salesforce_conn_id).get_conn()


def session_of_load(load: Load, salesforce_conn_id: str | None) -> SalesforceSession:
    """A login to the load's own org: the ids in the audit are ids of its records.

    :param salesforce_conn_id: by default that of the load.
    :raises SettingError: the connection leads to another org.
    """
    conn_id = salesforce_conn_id or load.settings.get("salesforce_conn_id") or "salesforce_default"
    session = session_of(conn_id)
    if session.org_id != load.org_id:
        raise SettingError(
            f"salesforce_conn_id={conn_id!r} leads to org {session.org_id}, but load {load.load_id} went into "
            f"{load.org_id}",
            setting="salesforce_conn_id",
        )
    return session


def beginning_of(settings: LoadSettings, session: SalesforceSession, context: Context) -> Beginning:
    """What begins a load, in the places that its settings and the configuration name."""
    from airflow_sf_dedup.hooks.places import staging_area
    from airflow_sf_dedup.hooks.rule_switching import look_after_rules
    from airflow_sf_dedup.hooks.stores import open_stores
    from airflow_sf_dedup.journeys.beginning import Beginning

    def look_after(org_id: str, sobject: str) -> None:
        look_after_rules(org_id, sobject, settings.audit_conn_id, by=str(task_run(context)))

    def audit() -> Audit:
        return open_stores(settings.audit_conn_id, upgrade=True).audit

    def staging() -> StagingArea:
        return staging_area(settings.staging_path)

    return Beginning(
        session,
        audit,
        staging,
        task_run(context),
        retention_days=configured(STAGING_RETENTION_DAYS, 7),
        most_partitions=most_partitions(),
        look_after_rules=look_after,
    )
