"""Several tasks in one call: a load, and duplicate rules that are off around it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import TaskGroup

from airflow_sf_dedup.operators.duplicate_audit import SalesforceDuplicateAuditOperator
from airflow_sf_dedup.operators.duplicate_rules import (
    SalesforceDuplicateRulesOffOperator,
    SalesforceDuplicateRulesOnOperator,
)
from airflow_sf_dedup.operators.literal_settings import check_literals
from airflow_sf_dedup.operators.load_output import LoadOutput
from airflow_sf_dedup.operators.partition import SalesforcePartitionOperator
from airflow_sf_dedup.operators.shares import share_out
from airflow_sf_dedup.operators.upsert import SalesforceUpsertOperator
from airflow_sf_dedup.retry_policy import SALESFORCE_RETRY_POLICY

if TYPE_CHECKING:
    from airflow.sdk import XComArg

#: Tries after the first, where neither the call nor the Dag nor Airflow's configuration says how many.
RETRIES = 2

#: The same of the tasks that switch duplicate rules: rules that stay off are worse than a task that waits.
RETRIES_OF_RULES = 4


def salesforce_upsert(
    *,
    source: Any,
    sobject: str,
    external_id_field: str | None = None,
    group_id: str = "salesforce_upsert",
    **settings: Any,
) -> XComArg:
    """Load a source into an sObject; answers the run's ``duplicate_audit``.

    The answer stands for the whole load in the order of the Dag: ``before >> load >> after`` holds the partition
    task back until ``before`` is done, and ``after`` until the audit task is.

    What the call does not say, the Dag's ``default_args`` say, and where they are silent too, the operators' own
    defaults hold.

    :param source: as for :class:`~airflow_sf_dedup.operators.partition.SalesforcePartitionOperator`.
    :param group_id: name of the task group with the tasks ``partition``, ``upsert`` and ``audit``.
    :param settings: any further parameter of the three operators: ``on_duplicate``, ``partitions``, ``on_repeat``,
        ``newer_than``, ``group_by``, ``api_budget``, ``max_failed``, ``salesforce_conn_id``, ``audit_conn_id`` …;
        and any argument of a task: ``pool``, ``queue``, ``trigger_rule``, ``doc_md`` …. These go to all three tasks,
        but ``trigger_rule`` and ``inlets`` to the first alone, ``outlets``, ``do_xcom_push`` and
        ``multiple_outputs`` to the audit, and ``map_index_template`` and ``max_active_tis_per_…`` to the upsert.
        ``retries`` (2) and ``retry_policy``
        (:data:`~airflow_sf_dedup.retry_policy.SALESFORCE_RETRY_POLICY`) have defaults of the group's own.
    :raises TypeError: there is no such parameter; names the nearest.
    :raises SettingError: the policy or a number cannot be what it says.
    """
    names = {"source": source, "sobject": sobject}
    if external_id_field is not None:
        names["external_id_field"] = external_id_field
    shares = share_out({**names, **settings})
    with TaskGroup(group_id=group_id, **shares.group) as group:
        said = {**group.dag.default_args, **group.default_args}
        check_literals({**said, **settings})
        group.default_args.update((name, value) for name, value in _retries().items() if name not in said)
        partition = SalesforcePartitionOperator(task_id="partition", dag=group.dag, **shares.partition)
        names = {name: said[name] for name in ("map_index_template",) if name in said}
        upsert = SalesforceUpsertOperator.partial(task_id="upsert", dag=group.dag, **{**names, **shares.upsert}).expand(
            partition=partition.output
        )
        audit = SalesforceDuplicateAuditOperator(task_id="audit", upserts=upsert.output, dag=group.dag, **shares.audit)
        partition >> audit
    return LoadOutput(audit)


def _retries() -> Mapping[str, Any]:
    """What holds where neither the call nor the Dag says anything of retries."""
    from airflow.sdk import conf

    configured = conf.getint("core", "default_task_retries", fallback=0)
    return {"retries": configured or RETRIES, "retry_policy": SALESFORCE_RETRY_POLICY}


def duplicate_rules_off(
    *,
    sobject: str,
    rules: Sequence[str],
    salesforce_conn_id: str = "salesforce_default",
    rules_conn_id: str | None = None,
    audit_conn_id: str | None = None,
    allow_production: bool = False,
    max_hours_off: float = 12.0,
    effective_timeout: float = 900.0,
    settle_seconds: float = 180.0,
    task_id: str = "duplicate_rules",
    **kwargs: Any,
) -> SalesforceDuplicateRulesOnOperator:
    """Named duplicate rules are off around the tasks of a ``with`` block, and on again after them, whatever they do.

    Answers the teardown task: ``with rules:`` puts tasks between it and its setup, and what goes on when the rules are
    on again comes behind it, ``rules >> …``. A teardown that fails makes the run red.

    :param task_id: begin of the ids of the two tasks, which end in ``_off`` and ``_on``.
    :param kwargs: any argument of a task, for both; ``retries`` (4) and ``retry_policy`` have defaults of their own.
    """
    common: dict[str, Any] = {
        "salesforce_conn_id": salesforce_conn_id,
        "rules_conn_id": rules_conn_id,
        "audit_conn_id": audit_conn_id,
        "effective_timeout": effective_timeout,
        "settle_seconds": settle_seconds,
        "retries": RETRIES_OF_RULES,
        "retry_policy": SALESFORCE_RETRY_POLICY,
        **kwargs,
    }
    off = SalesforceDuplicateRulesOffOperator(
        task_id=f"{task_id}_off",
        sobject=sobject,
        rules=rules,
        allow_production=allow_production,
        max_hours_off=max_hours_off,
        **common,
    )
    off.as_setup()  # type: ignore[no-untyped-call]
    on = SalesforceDuplicateRulesOnOperator(task_id=f"{task_id}_on", off_task_id=off.task_id, **common)
    on.as_teardown(setups=off, on_failure_fail_dagrun=True)
    return on
