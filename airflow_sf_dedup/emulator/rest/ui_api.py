"""The duplicate resources of the User Interface API: is duplicate management on, and would this record match?

Shapes as in the guide's response bodies "Duplicates", "Match", "Duplicate Result Info" and "Duplicates Configuration".
"""

from __future__ import annotations

from typing import Any

from airflow_sf_dedup.emulator.errors import ApiError, not_found
from airflow_sf_dedup.emulator.http import Call, Response
from airflow_sf_dedup.emulator.records.drafts import read_json
from airflow_sf_dedup.emulator.records.schema import Sobject
from airflow_sf_dedup.emulator.results import DuplicateResult
from airflow_sf_dedup.emulator.rules.duplicate_rules import DuplicateRule, MatchItem
from airflow_sf_dedup.emulator.saving.finding_duplicates import rules_of, would_match

_SINCE = 50.0


def predupe(call: Call) -> Response:
    _check_version(call)
    body = call.request.json_object()
    fields = body.get("fields")
    if not isinstance(fields, dict):
        raise ApiError("JSON_PARSER_ERROR", "fields should be an object")
    sobject = _sobject(call, body.get("apiName"))
    draft = read_json(sobject, fields)
    if draft.errors:
        raise ApiError(draft.errors[0].code, draft.errors[0].message)
    with call.org.lock:
        found = would_match(call.org, sobject, draft.values)
        rules = [rule.name for rule in rules_of(call.org, sobject)]
    answer = {
        "allowSave": all(each.allow_save for each in found),
        "duplicateError": bool(found),
        "duplicateRules": rules,
        "matches": _matches(found),
    }
    return Response(200, answer, rows=1)


def _check_version(call: Call) -> None:
    if call.version < _SINCE:
        raise not_found()


def _sobject(call: Call, name: Any) -> Sobject:
    found = call.org.schema.find(name) if isinstance(name, str) else None
    if found is None:
        raise ApiError("INVALID_TYPE", f"Object {name} is not supported in UI API")
    return found


def _matches(found: list[DuplicateResult]) -> list[dict[str, Any]]:
    """One entry for each sobject that was matched."""
    matches: dict[str, dict[str, Any]] = {}
    for result in found:
        for matched in result.match_results:
            match = matches.setdefault(
                matched.entity_type, {"duplicateResultInfos": {}, "objectApiName": matched.entity_type, "recordIds": []}
            )
            ids = [each.record_id for each in matched.match_records]
            match["recordIds"] += [each for each in ids if each not in match["recordIds"]]
            match["duplicateResultInfos"][result.duplicate_rule] = {
                "allowSave": result.allow_save,
                "matchResultInfo": {"recordIds": ids, "rule": matched.rule},
                "rule": result.duplicate_rule,
            }
    return list(matches.values())


def duplicates_configuration(call: Call, name: str) -> Response:
    _check_version(call)
    sobject = _sobject(call, name)
    rules = rules_of(call.org, sobject)
    answer = {
        "apiName": sobject.name,
        "dedupeEnabled": bool(rules),
        "dedupeFields": sorted({field for rule in rules for field in rule.compared}),
        "duplicateRules": [_rule(rule) for rule in rules],
        "predupeEnabled": bool(rules),
    }
    return Response(200, answer)


def _rule(rule: DuplicateRule) -> dict[str, Any]:
    return {
        "actionOnInsert": rule.action_on_insert.capitalize(),
        "actionOnUpdate": rule.action_on_update.capitalize(),
        "active": rule.active,
        "duplicateRuleFilters": [],
        "matchRules": [
            {
                "matchRuleItems": [_item(item) for item in matching.items],
                "name": matching.name,
                "objectApiName": matching.target,
            }
            for matching in rule.matching
        ],
        "name": rule.name,
        "operationsOnInsert": [each.capitalize() for each in sorted(rule.operations_on_insert)],
        "operationsOnUpdate": [each.capitalize() for each in sorted(rule.operations_on_update)],
    }


def _item(item: MatchItem) -> dict[str, Any]:
    blanks = "MatchBlanks" if item.match_blanks else "NullNotAllowed"
    return {"blankValueBehavior": blanks, "field": item.field, "matchingMethod": item.method}
