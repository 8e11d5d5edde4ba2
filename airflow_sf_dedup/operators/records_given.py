"""How is a task to load the rows that it is given by ``records``? As a load of one partition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_sf_dedup.core.match_keys import key_of_load
from airflow_sf_dedup.errors import SettingError

if TYPE_CHECKING:
    from airflow_sf_dedup.journeys.load_settings import LoadSettings
    from airflow_sf_dedup.journeys.write_settings import WriteSettings


def load_settings_of(task: Any, write: WriteSettings) -> LoadSettings:
    """The settings of a load that is one task's own.

    :param task: has the parameters, rendered.
    :raises SettingError: the rows' sObject or key is not said.
    """
    from airflow_sf_dedup.journeys.load_settings import LoadSettings

    if task.sobject is None:
        raise SettingError("records needs sobject, and external_id_field or match_on", setting="sobject")
    return LoadSettings(
        sobject=task.sobject,
        external_id_field=key_of_load(task.external_id_field, task.match_on),
        partitions=1,
        on_repeat=task.on_repeat,
        newer_than=task.newer_than,
        twin_fields=task.twin_fields,
        staging_path=task.staging_path,
        allow_non_unique_key=task.allow_non_unique_key,
        # A template that became empty does not lead to another org.
        salesforce_conn_id="salesforce_default" if task.salesforce_conn_id is None else task.salesforce_conn_id,
        audit_conn_id=task.audit_conn_id,
        one_task=True,
        plan=task.plan,
        write=write,
    )
