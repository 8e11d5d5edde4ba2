"""What does an ingest job want to do? Names of a request in, a Load out, for both Bulk APIs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.records.schema import Field, Sobject
from airflow_sf_dedup.emulator.state.bulk_jobs import Load
from airflow_sf_dedup.emulator.state.org import Org

OPERATIONS = ("insert", "update", "upsert", "delete", "hardDelete")


def read_load(org: Org, asked: Mapping[str, Any], *, refused: str, allow_save: bool = False) -> Load:
    """:param refused: the code of a refusal: ``INVALIDJOB``, or in the first Bulk API ``InvalidJob``.
    :raises ApiError: an operation, sobject, key field or assignment rule that there is not.
    """
    operation = asked.get("operation")
    if operation not in OPERATIONS:
        raise ApiError(refused, f"Unable to create a job for operation: {operation}")
    if operation == "hardDelete" and not org.quirks.bulk_hard_delete_permitted:
        message = "hardDelete operation requires special user profile permission, please contact your administrator"
        raise ApiError("FEATURENOTENABLED" if refused.isupper() else "FeatureNotEnabled", message)
    sobject = find_sobject(org, asked.get("object"), refused)
    return Load(
        sobject,
        operation,
        _key(sobject, asked.get("externalIdFieldName"), refused) if operation == "upsert" else None,
        _assignment_rule(org, sobject, asked.get("assignmentRuleId"), refused),
        allow_save,
    )


def find_sobject(org: Org, name: Any, refused: str) -> Sobject:
    found = org.schema.find(name) if isinstance(name, str) else None
    if found is None:
        raise ApiError(refused, f"Unable to find object: {name}")
    return found


def _key(sobject: Sobject, name: Any, refused: str) -> Field:
    if not name:
        message = f"External ID was blank for {sobject.name}. An External ID must be specified for upsert."
        raise ApiError(refused, message)
    found = sobject.find(name) if isinstance(name, str) else None
    if found is None or not (found.upsert_key or found.kind == "id"):
        wanted = f"an External ID, Salesforce Id, or indexed field for {sobject.name}"
        raise ApiError(refused, f"Field name provided, {name} does not match {wanted}")
    return found


def _assignment_rule(org: Org, sobject: Sobject, given: Any, refused: str) -> str | None:
    if not given:
        return None
    rule = org.definition.assignment_rules.get(sobject.name)
    if rule is None or not isinstance(given, str) or rule.record_id[:15] != given[:15]:
        raise ApiError(refused, f"Invalid assignment rule: {given}")
    return rule.record_id
