"""Workflow rules, of which this org has none, and approval processes, of which it has those of its org file."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.emulator.definition.approval_processes import ApprovalProcess, Instance, Instances
from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.http import Call, Response
from airflow_sf_dedup.emulator.records.store import Record

_MOST = 200
_ACTIONS = ("Submit", "Approve", "Reject")


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
        _existing(call, each)
    return Response(200, {"errors": None, "success": True})


def approvals(call: Call) -> Response:
    shown: dict[str, list[dict[str, Any]]] = {}
    for each in call.org.definition.approval_processes:
        listed = shown.setdefault(each.sobject, [])
        listed.append(
            {
                "description": None,
                "id": each.record_id,
                "name": each.label,
                "object": each.sobject,
                "sortOrder": len(listed) + 1,
            }
        )
    return Response(200, {"approvals": shown})


def act(call: Call) -> Response:
    """Submits, approves and rejects: all of what is asked for, or nothing.

    :raises ApiError: one of the requests cannot be carried out.
    """
    requests: Any = call.request.json_object().get("requests")
    if not isinstance(requests, list) or not requests or not all(isinstance(each, dict) for each in requests):
        raise ApiError("JSON_PARSER_ERROR", "requests should list approval requests")
    with call.org.lock:
        instances = copy.copy(call.org.approval_instances)
        instances.found = dict(instances.found)
        results = [_carried_out(call, instances, each) for each in requests]
        call.org.approval_instances = instances
    return Response(200, [_shown(each) for each in results], rows=len(results))


def _carried_out(call: Call, instances: Instances, request: Mapping[str, Any]) -> Instance:
    action, context_id = request.get("actionType"), request.get("contextId")
    if action not in _ACTIONS or not isinstance(context_id, str):
        raise ApiError("INVALID_INPUT", f"Each request needs a contextId and an actionType: {', '.join(_ACTIONS)}")
    if action != "Submit":
        return instances.decide(_full_id(context_id), approved=action == "Approve")
    record = _existing(call, context_id)
    return instances.submit(_process(call, record, request.get("processDefinitionNameOrId")), record["Id"])


def _process(call: Call, record: Record, wanted: Any) -> ApprovalProcess:
    sobject = call.org.schema.by_prefix[record["Id"][:3]].name
    processes = (each for each in call.org.definition.approval_processes if each.sobject == sobject)
    found = next((each for each in processes if wanted in (None, "", each.name, each.record_id)), None)
    if found is None:
        raise ApiError("NO_APPLICABLE_PROCESS", "No applicable approval process was found.")
    return found


def _shown(instance: Instance) -> dict[str, Any]:
    pending = instance.workitem_id is not None
    return {
        "actorIds": [instance.approver_id] if pending else None,
        "entityId": instance.record_id,
        "errors": None,
        "instanceId": instance.instance_id,
        "instanceStatus": instance.status,
        "newWorkitemIds": [instance.workitem_id] if pending else [],
        "success": True,
    }


def _existing(call: Call, record_id: str) -> Record:
    record = call.org.record(_full_id(record_id))
    if record is None or record["IsDeleted"]:
        raise ApiError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
    return record


def _full_id(record_id: str) -> str:
    try:
        return to_18(record_id)
    except ValueError:
        raise ApiError("MALFORMED_ID", f"malformed id {record_id}") from None
