"""The common case in one call: partition, mapped upsert, audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import TaskGroup

from airflow_sf_dedup.operators.duplicate_audit import SalesforceDuplicateAuditOperator
from airflow_sf_dedup.operators.partition import SalesforcePartitionOperator
from airflow_sf_dedup.operators.upsert import SalesforceUpsertOperator
from airflow_sf_dedup.retry_policy import SALESFORCE_RETRY_POLICY

if TYPE_CHECKING:
    from airflow.sdk import XComArg

#: Parameters of the upsert task that ``salesforce_upsert`` takes and hands on.
_UPSERT = (
    "api",
    "lookup",
    "assignment_rules",
    "run_as_current_user",
    "audit_values",
    "masked_fields",
    "max_in_flight",
    "api_budget",
    "api_floor_pct",
    "claim_timeout",
)
#: What the upsert task goes by is the partition task's as well, as far as it tells before anything is staged whether it
#: fits the load.
_PARTITION = (
    "partitions",
    "on_repeat",
    "newer_than",
    "group_by",
    "staging_path",
    "allow_non_unique_key",
    "masked_fields",
    "api_budget",
    "api_floor_pct",
)
_AUDIT = ("max_failed", "max_failed_pct", "max_awaiting_review")
#: What Airflow itself knows of a task; it has to travel in ``.partial()`` to reach mapped instances.
_TASK = (
    "retries",
    "retry_delay",
    "retry_exponential_backoff",
    "max_retry_delay",
    "pool",
    "pool_slots",
    "queue",
    "priority_weight",
    "execution_timeout",
    "max_active_tis_per_dagrun",
    "executor_config",
    "on_execute_callback",
    "on_failure_callback",
    "on_retry_callback",
    "on_skipped_callback",
    "on_success_callback",
)


def salesforce_upsert(
    *,
    source: Any,
    sobject: str,
    external_id_field: str,
    on_duplicate: Any = "ask_reviewer",
    group_id: str = "salesforce_upsert",
    salesforce_conn_id: str = "salesforce_default",
    audit_conn_id: str | None = None,
    retries: int = 2,
    retry_policy: Any = SALESFORCE_RETRY_POLICY,
    outlets: Sequence[Any] = (),
    **settings: Any,
) -> XComArg:
    """Load a source into an sObject; answers the run's ``duplicate_audit``.

    :param source: as for :class:`~airflow_sf_dedup.operators.partition.SalesforcePartitionOperator`.
    :param on_duplicate: as for :class:`~airflow_sf_dedup.operators.upsert.SalesforceUpsertOperator`.
    :param group_id: name of the task group with the tasks ``partition``, ``upsert`` and ``audit``.
    :param retries: of each task; a retried upsert sends only what is not settled.
    :param retry_policy: when Airflow tries a task again; by default as the error says: see
        :data:`~airflow_sf_dedup.retry_policy.SALESFORCE_RETRY_POLICY`.
    :param outlets: assets that the audit task updates when the load is green.
    :param settings: any further parameter of the three operators, or of a task: ``partitions``,
        ``on_repeat``, ``newer_than``, ``group_by``, ``api_budget``, ``max_failed``, ``pool`` …
    :raises TypeError: there is no such parameter.
    :raises SettingError: the policy or a threshold cannot be read.
    """
    unknown = set(settings) - {*_UPSERT, *_PARTITION, *_AUDIT, *_TASK}
    if unknown:
        raise TypeError(f"salesforce_upsert() knows no {', '.join(sorted(unknown))}")
    task = {"retries": retries, "retry_policy": retry_policy, **_chosen(settings, _TASK)}
    alone = {name: value for name, value in task.items() if name != "max_active_tis_per_dagrun"}
    with TaskGroup(group_id=group_id):
        partition = SalesforcePartitionOperator(
            task_id="partition",
            source=source,
            sobject=sobject,
            external_id_field=external_id_field,
            salesforce_conn_id=salesforce_conn_id,
            audit_conn_id=audit_conn_id,
            on_duplicate=on_duplicate,
            **_chosen(settings, _PARTITION),
            **alone,
        )
        upsert = SalesforceUpsertOperator.partial(
            task_id="upsert",
            on_duplicate=on_duplicate,
            audit_conn_id=audit_conn_id,
            **_chosen(settings, _UPSERT),
            **task,
        ).expand(partition=partition.output)
        audit = SalesforceDuplicateAuditOperator(
            task_id="audit",
            upserts=upsert.output,
            audit_conn_id=audit_conn_id,
            outlets=list(outlets),
            **_chosen(settings, _AUDIT),
            **alone,
        )
        partition >> audit
    return audit.output


def _chosen(settings: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: settings[name] for name in names if name in settings}
