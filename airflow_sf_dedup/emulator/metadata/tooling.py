"""The Tooling API as far as the setup objects of duplicate management go, for looking at them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.emulator.errors import ApiError, not_found
from airflow_sf_dedup.emulator.http import Call, Response
from airflow_sf_dedup.emulator.records.schema import Sobject
from airflow_sf_dedup.emulator.soql.parsing import parse
from airflow_sf_dedup.emulator.wire.describing import describe_sobject, sobject_info
from airflow_sf_dedup.emulator.wire.json_shapes import whole_record

_KNOWN = ("MatchingRule", "MatchingRuleItem", "User")
_DUPLICATE_RULE = "DuplicateRule"
_NO_COMPILER = "This org has no Apex compiler"


def _names(call: Call) -> tuple[str, ...]:
    return (*_KNOWN, _DUPLICATE_RULE) if call.org.quirks.tooling_has_duplicate_rules else _KNOWN


def _root(call: Call) -> str:
    return f"{call.root}/tooling"


def resources(call: Call) -> Response:
    return Response(200, {name: f"{_root(call)}/{name}" for name in ("executeAnonymous", "query", "sobjects")})


def query(call: Call) -> Response:
    """A query answers as the one of the data API, with some more about itself."""
    text = call.request.query.get("q", "")
    if not text.strip():
        raise ApiError("MALFORMED_QUERY", "SOQL statements cannot be empty or null")
    sobject = _queried(call, str(parse(text).sobject))
    root = ("services", "data", call.version_text)
    answer = call.send(replace(call.request, path=(*root, "query")))
    if answer.status != 200:
        return answer
    body: dict[str, Any] = answer.body
    return Response(
        200,
        {
            "size": len(body["records"]),
            "totalSize": body["totalSize"],
            "done": body["done"],
            "queryLocator": body.get("nextRecordsUrl"),
            "entityTypeName": sobject.name,
            "records": [_located(call, each) for each in body["records"]],
        },
        rows=answer.rows,
    )


def _queried(call: Call, name: str) -> Sobject:
    found = call.org.schema.find(name)
    if found is None or found.name not in _names(call):
        raise ApiError("INVALID_TYPE", f"sObject type '{name}' is not supported.")
    return found


def _located(call: Call, row: dict[str, Any]) -> dict[str, Any]:
    attributes = row.get("attributes", {})
    if "url" not in attributes:
        return row
    url = attributes["url"].replace(call.root, _root(call), 1)
    return {**row, "attributes": {**attributes, "url": url}}


def list_sobjects(call: Call) -> Response:
    infos = [sobject_info(call.org.schema.sobjects[name], _root(call)) for name in _names(call)]
    return Response(200, {"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": infos})


def basic_info(call: Call, name: str) -> Response:
    recent: list[Any] = []
    info = sobject_info(_sobject(call, name), _root(call))
    return Response(200, {"objectDescribe": info, "recentItems": recent})


def describe(call: Call, name: str) -> Response:
    return Response(200, describe_sobject(call.org.schema, _sobject(call, name), _root(call)))


def get(call: Call, name: str, record_id: str) -> Response:
    sobject = _sobject(call, name)
    try:
        record = call.org.table(sobject.name).live(to_18(record_id))
    except ValueError:
        record = None
    if record is None:
        raise not_found()
    return Response(200, whole_record(_root(call), sobject, record, sobject.fields.values()), rows=1)


def _sobject(call: Call, name: str) -> Sobject:
    found = call.org.schema.find(name)
    if found is None or found.name not in _names(call):
        raise not_found()
    return found


def execute_anonymous(call: Call) -> Response:
    """Apex is not run here; that is said as a compiler would say that it cannot."""
    if not call.request.query.get("anonymousBody", "").strip():
        raise ApiError("MISSING_ARGUMENT", "anonymousBody")
    return Response(
        200,
        {
            "line": 1,
            "column": 1,
            "compiled": False,
            "success": False,
            "compileProblem": _NO_COMPILER,
            "exceptionStackTrace": None,
            "exceptionMessage": None,
        },
    )
