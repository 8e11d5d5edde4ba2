"""How REST shows row results. Shapes only."""

from __future__ import annotations

from typing import Any

from airflow_sf_dedup.emulator.results import (
    ROLLED_BACK,
    DuplicateResult,
    MatchRecord,
    MatchResult,
    Refused,
    RowError,
    RowResult,
    Saved,
)
from airflow_sf_dedup.emulator.wire.json_shapes import attributes

# --- results ----------------------------------------------------------------------------------------------


def collection_row(result: RowResult, *, upsert: bool, failed_says_created: bool = False) -> dict[str, Any]:
    """A row of sObject Collections: ``statusCode``, and never a duplicate result."""
    if isinstance(result, Saved):
        row: dict[str, Any] = {"id": result.record_id, "success": True, "errors": []}
        return row | {"created": result.created} if upsert else row
    row = {"success": False, "errors": [_collection_error(error) for error in result.errors]}
    if result.record_id and (result.errors == (ROLLED_BACK,) or not upsert):
        row = {"id": result.record_id, **row}
    return row | {"created": True} if failed_says_created else row


def _collection_error(error: RowError) -> dict[str, Any]:
    return {"statusCode": error.code, "message": error.message, "fields": list(error.fields)}


def saved(result: Saved) -> dict[str, Any]:
    return {"id": result.record_id, "success": True, "errors": []}


def refusal(result: Refused, root: str, *, result_name: str | None) -> list[dict[str, Any]]:
    """The body of a refused single-record request.

    :param result_name: under which name a duplicate result is shown; None leaves it out.
    """
    return [_error(error, root, result_name) for error in result.errors]


def _error(error: RowError, root: str, result_name: str | None) -> dict[str, Any]:
    if error.duplicate is not None and result_name is not None:
        shown_result = duplicate_result(error.duplicate, root)
        return {result_name: shown_result, "errorCode": error.code, "message": error.message}
    if error.duplicate is not None:
        return {"errorCode": error.code, "message": error.message}
    return {"message": error.message, "errorCode": error.code, "fields": list(error.fields)}


def duplicate_result(result: DuplicateResult, root: str) -> dict[str, Any]:
    return {
        "allowSave": result.allow_save,
        "duplicateRule": result.duplicate_rule,
        "duplicateRuleEntityType": result.sobject,
        "errorMessage": result.alert_text,
        "matchResults": [_match_result(each, root) for each in result.match_results],
    }


def _match_result(result: MatchResult, root: str) -> dict[str, Any]:
    return {
        "entityType": result.entity_type,
        "errors": [],
        "matchEngine": result.match_engine,
        "matchRecords": [_match_record(each, root) for each in result.match_records],
        "rule": result.rule,
        "size": len(result.match_records),
        "success": True,
    }


def _match_record(match: MatchRecord, root: str) -> dict[str, Any]:
    identity = {"attributes": attributes(root, match.sobject, match.record_id), "Id": match.record_id}
    return {
        "additionalInformation": [],
        "fieldDiffs": [{"difference": difference, "name": name} for name, difference in match.field_diffs],
        "matchConfidence": match.match_confidence,
        "record": identity | match.fields,
    }


#: HTTP status of a refused single-record request; every other code is a 400.
STATUS = {"ENTITY_IS_DELETED": 404, "NOT_FOUND": 404, "INVALID_CROSS_REFERENCE_KEY": 400}
