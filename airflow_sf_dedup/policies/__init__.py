"""What to do about a duplicate: policies, and the grammar that names them."""

from __future__ import annotations

from airflow_sf_dedup.policies.ask_reviewer import AskReviewer
from airflow_sf_dedup.policies.base import Chain, Policy
from airflow_sf_dedup.policies.by_confidence import ByConfidence
from airflow_sf_dedup.policies.by_rule import ByRule
from airflow_sf_dedup.policies.by_sobject import BySobject
from airflow_sf_dedup.policies.grammar import read_policy
from airflow_sf_dedup.policies.link import Link
from airflow_sf_dedup.policies.retry_stale_rule import RetryStaleRule
from airflow_sf_dedup.policies.save_anyway import SaveAnyway
from airflow_sf_dedup.policies.skip import Skip
from airflow_sf_dedup.policies.undelete import Undelete
from airflow_sf_dedup.policies.update_existing import UpdateExisting
from airflow_sf_dedup.policies.update_other import UpdateOther

__all__ = [
    "AskReviewer",
    "ByConfidence",
    "ByRule",
    "BySobject",
    "Chain",
    "Link",
    "Policy",
    "RetryStaleRule",
    "SaveAnyway",
    "Skip",
    "Undelete",
    "UpdateExisting",
    "UpdateOther",
    "read_policy",
]
