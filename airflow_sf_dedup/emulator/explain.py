"""``/query?explain=…``: how a query would be carried out. Here there is one way: reading the whole table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from airflow_sf_dedup.emulator import queries
from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.http import Call, Response
from airflow_sf_dedup.emulator.list_views import soql_of
from airflow_sf_dedup.emulator.soql import parse


def query(call: Call) -> Response:
    return explained(call) if "explain" in call.request.query else queries.query(call)


def query_all(call: Call) -> Response:
    return explained(call) if "explain" in call.request.query else queries.query_all(call)


def explained(call: Call) -> Response:
    """:raises ApiError: neither a query nor the id of a list view."""
    asked = call.request.query["explain"].strip()
    if not asked:
        raise ApiError("MALFORMED_QUERY", "SOQL statements cannot be empty or null")
    text = soql_of(call, asked) or asked
    table = call.org.table(call.org.sobject(parse(text).sobject).name)
    answer = queries.query(replace(call, request=replace(call.request, query={"q": text})))
    plan = _plan(table.sobject.name, answer.body["totalSize"], len(table.records))
    return Response(200, {"plans": [plan], "sourceQuery": text})


def _plan(sobject: str, cardinality: int, records: int) -> dict[str, Any]:
    return {
        "cardinality": cardinality,
        "fields": [],
        "leadingOperationType": "TableScan",
        "notes": [],
        "relativeCost": round(cardinality / records, 4) if records else 0.0,
        "sobjectCardinality": records,
        "sobjectType": sobject,
    }
