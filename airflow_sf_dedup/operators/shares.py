"""Which of a load's tasks gets which argument of ``salesforce_upsert()``?

What the operators take is read off their signatures, what a task takes off Airflow's ``BaseOperator``. An argument of
a task goes to all three, as if it stood in ``default_args``, unless a line below says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow.sdk import BaseOperator, TriggerRule

from airflow_sf_dedup.operators.duplicate_audit import SalesforceDuplicateAuditOperator
from airflow_sf_dedup.operators.parameters import parameters, refuse_unknown
from airflow_sf_dedup.operators.partition import SalesforcePartitionOperator
from airflow_sf_dedup.operators.upsert import SalesforceUpsertOperator

#: Arguments of a task that are the group's, and what the group calls them.
_OF_GROUP = {
    "dag": "dag",
    "task_group": "parent_group",
    "task_display_name": "group_display_name",
    # There all three find it, mapped ones too.
    "default_args": "default_args",
}
#: Arguments of a task that only the first one has: when the load begins, and what it reads.
_OF_PARTITION = frozenset({"trigger_rule", "inlets"})
#: Arguments that are about mapped tasks.
_OF_UPSERT = frozenset({"map_index_template", "max_active_tis_per_dag", "max_active_tis_per_dagrun"})
#: Arguments that are about what comes out, and the thresholds that judge it.
_OF_AUDIT = frozenset({"outlets", "do_xcom_push", "multiple_outputs", "max_failed"})

#: The tasks in between live by the XComs of those before them, and update no asset: the load is not over.
_INNER = {"do_xcom_push": True, "multiple_outputs": False, "outlets": []}
#: What nothing else decides, neither ``default_args`` nor the call: the group would not work otherwise.
_FIXED_PARTITION = _INNER
_FIXED_UPSERT = {**_INNER, "trigger_rule": TriggerRule.ALL_SUCCESS, "max_failed": None}
_FIXED_AUDIT = {"trigger_rule": TriggerRule.ALL_DONE}

#: What the group itself says, so that nobody else can.
_WIRED = frozenset({"task_id", "partition", "records", "upserts"})
#: What the upsert task knows too, and needs with ``records`` only.
_WITH_RECORDS = frozenset(
    {"on_repeat", "newer_than", "twin_fields", "allow_non_unique_key", "staging_path", "plan", "strict"}
)
_TASK = parameters(BaseOperator) - _WIRED


@dataclass(frozen=True, slots=True)
class Shares:
    """What the task group and each of its tasks is given, by name."""

    group: Mapping[str, Any]
    partition: Mapping[str, Any]
    upsert: Mapping[str, Any]
    audit: Mapping[str, Any]


def share_out(given: Mapping[str, Any]) -> Shares:
    """Give every argument of a load to the tasks that it is for.

    :raises TypeError: there is no such argument; names the nearest.
    """
    of_partition = _takes(SalesforcePartitionOperator) | _OF_PARTITION
    of_upsert = (_takes(SalesforceUpsertOperator) | _OF_UPSERT) - _OF_AUDIT - _WITH_RECORDS
    of_audit = _takes(SalesforceDuplicateAuditOperator) | _OF_AUDIT
    for_all = _TASK - _OF_GROUP.keys() - _OF_PARTITION - _OF_UPSERT - _OF_AUDIT
    refuse_unknown(
        "salesforce_upsert()", given, {"group_id", *_OF_GROUP, *for_all, *of_partition, *of_upsert, *of_audit}
    )
    return Shares(
        group={_OF_GROUP[name]: value for name, value in given.items() if name in _OF_GROUP and value is not None},
        partition={**_chosen(given, of_partition | for_all), **_FIXED_PARTITION},
        upsert={**_chosen(given, of_upsert | for_all), **_FIXED_UPSERT},
        audit={**_chosen(given, of_audit | for_all), **_FIXED_AUDIT},
    )


def _takes(operator: type[BaseOperator]) -> frozenset[str]:
    return parameters(operator, own=True) - _WIRED


def _chosen(given: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: given[name] for name in sorted(names) if name in given}
