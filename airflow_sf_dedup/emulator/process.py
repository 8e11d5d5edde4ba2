"""Workflow rules and approval processes. This org has neither, and says so as an org without them would."""

from __future__ import annotations

from typing import Any

from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.http import Call, Response

_MOST = 200
_NO_PROCESS = "No applicable approval process was found."


def resources(call: Call) -> Response:
    return Response(200, {name: f"{call.root}/process/{name}" for name in ("rules", "approvals")})


def rules(call: Call) -> Response:
    return Response(200, {"rules": {}})


def trigger_rules(call: Call) -> Response:
    """Every record passes all of no rules."""
    found = call.request.json_object().get("contextIds")
    if not isinstance(found, list) or not 0 < len(found) <= _MOST or not all(isinstance(each, str) for each in found):
        raise ApiError("JSON_PARSER_ERROR", f"contextIds should list 1 to {_MOST} ids")
    for each in found:
        _check_exists(call, each)
    return Response(200, {"errors": None, "success": True})


def approvals(call: Call) -> Response:
    return Response(200, {"approvals": {}})


def submit(call: Call) -> Response:
    """:raises ApiError: as soon as the request can be understood."""
    requests: Any = call.request.json_object().get("requests")
    if not isinstance(requests, list) or not requests or not all(isinstance(each, dict) for each in requests):
        raise ApiError("JSON_PARSER_ERROR", "requests should list approval requests")
    for each in requests:
        action, context_id = each.get("actionType"), each.get("contextId")
        if action not in ("Submit", "Approve", "Reject") or not isinstance(context_id, str):
            raise ApiError("INVALID_INPUT", "each request needs an actionType and a contextId")
        if action != "Submit":
            raise ApiError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        _check_exists(call, context_id)
    raise ApiError("NO_APPLICABLE_PROCESS", _NO_PROCESS)


def _check_exists(call: Call, record_id: str) -> None:
    try:
        record = call.org.record(to_18(record_id))
    except ValueError:
        raise ApiError("MALFORMED_ID", f"malformed id {record_id}") from None
    if record is None or record["IsDeleted"]:
        raise ApiError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
