"""Load records into Salesforce from Airflow: every row ends as one audited outcome.

The public names below are imported when they are first used, so that importing this package costs a
Dag file nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PLACES = {
    "AskReviewer": "airflow_sf_dedup.policies",
    "ByConfidence": "airflow_sf_dedup.policies",
    "ByRule": "airflow_sf_dedup.policies",
    "BySobject": "airflow_sf_dedup.policies",
    "duplicate_entries": "airflow_sf_dedup.hooks.audited_rows",
    "duplicate_rules_off": "airflow_sf_dedup.task_groups",
    "Link": "airflow_sf_dedup.policies",
    "plan_differences": "airflow_sf_dedup.hooks.audited_rows",
    "RetryStaleRule": "airflow_sf_dedup.policies",
    "SALESFORCE_RETRY_POLICY": "airflow_sf_dedup.retry_policy",
    "salesforce_upsert": "airflow_sf_dedup.task_groups",
    "SalesforceDedupHook": "airflow_sf_dedup.hooks.salesforce",
    "SalesforceDuplicateAuditOperator": "airflow_sf_dedup.operators.duplicate_audit",
    "SalesforceDuplicateMirrorOperator": "airflow_sf_dedup.operators.mirror",
    "SalesforceDuplicateRecordSetsOperator": "airflow_sf_dedup.operators.record_sets",
    "SalesforceDuplicateRuleReportOperator": "airflow_sf_dedup.operators.rule_report",
    "SalesforceDuplicateRulesOffOperator": "airflow_sf_dedup.operators.duplicate_rules",
    "SalesforceDuplicateRulesOnOperator": "airflow_sf_dedup.operators.duplicate_rules",
    "SalesforceFindDuplicatesOperator": "airflow_sf_dedup.operators.find_duplicates",
    "SalesforcePartitionOperator": "airflow_sf_dedup.operators.partition",
    "SalesforcePlanOperator": "airflow_sf_dedup.operators.plan",
    "SalesforceRevertOperator": "airflow_sf_dedup.operators.revert",
    "SalesforceUpsertOperator": "airflow_sf_dedup.operators.upsert",
    "SaveAnyway": "airflow_sf_dedup.policies",
    "Skip": "airflow_sf_dedup.policies",
    "Undelete": "airflow_sf_dedup.policies",
    "UpdateExisting": "airflow_sf_dedup.policies",
    "UpdateOther": "airflow_sf_dedup.policies",
}

__all__ = [
    "SALESFORCE_RETRY_POLICY",
    "AskReviewer",
    "ByConfidence",
    "ByRule",
    "BySobject",
    "Link",
    "RetryStaleRule",
    "SalesforceDedupHook",
    "SalesforceDuplicateAuditOperator",
    "SalesforceDuplicateMirrorOperator",
    "SalesforceDuplicateRecordSetsOperator",
    "SalesforceDuplicateRuleReportOperator",
    "SalesforceDuplicateRulesOffOperator",
    "SalesforceDuplicateRulesOnOperator",
    "SalesforceFindDuplicatesOperator",
    "SalesforcePartitionOperator",
    "SalesforcePlanOperator",
    "SalesforceRevertOperator",
    "SalesforceUpsertOperator",
    "SaveAnyway",
    "Skip",
    "Undelete",
    "UpdateExisting",
    "UpdateOther",
    "__version__",
    "duplicate_entries",
    "duplicate_rules_off",
    "plan_differences",
    "salesforce_upsert",
]

if TYPE_CHECKING:
    from airflow_sf_dedup.hooks.audited_rows import duplicate_entries, plan_differences
    from airflow_sf_dedup.hooks.salesforce import SalesforceDedupHook
    from airflow_sf_dedup.operators.duplicate_audit import SalesforceDuplicateAuditOperator
    from airflow_sf_dedup.operators.duplicate_rules import (
        SalesforceDuplicateRulesOffOperator,
        SalesforceDuplicateRulesOnOperator,
    )
    from airflow_sf_dedup.operators.find_duplicates import SalesforceFindDuplicatesOperator
    from airflow_sf_dedup.operators.mirror import SalesforceDuplicateMirrorOperator
    from airflow_sf_dedup.operators.partition import SalesforcePartitionOperator
    from airflow_sf_dedup.operators.plan import SalesforcePlanOperator
    from airflow_sf_dedup.operators.record_sets import SalesforceDuplicateRecordSetsOperator
    from airflow_sf_dedup.operators.revert import SalesforceRevertOperator
    from airflow_sf_dedup.operators.rule_report import SalesforceDuplicateRuleReportOperator
    from airflow_sf_dedup.operators.upsert import SalesforceUpsertOperator
    from airflow_sf_dedup.policies import (
        AskReviewer,
        ByConfidence,
        ByRule,
        BySobject,
        Link,
        RetryStaleRule,
        SaveAnyway,
        Skip,
        Undelete,
        UpdateExisting,
        UpdateOther,
    )
    from airflow_sf_dedup.retry_policy import SALESFORCE_RETRY_POLICY
    from airflow_sf_dedup.task_groups import duplicate_rules_off, salesforce_upsert


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
