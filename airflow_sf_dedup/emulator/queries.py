"""``/query`` and ``/queryAll``, with their further pages."""

from __future__ import annotations

from typing import Any

from airflow_sf_dedup.emulator import rest_shapes as shapes
from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.http import Call, Response
from airflow_sf_dedup.emulator.querying import QueryAnswer, run
from airflow_sf_dedup.emulator.rest_headers import options
from airflow_sf_dedup.emulator.soql import parse

_PAGE = 2000
_SMALLEST_PAGE = 200


def query(call: Call) -> Response:
    return _query(call, deleted=False)


def query_all(call: Call) -> Response:
    return _query(call, deleted=True)


def _query(call: Call, *, deleted: bool) -> Response:
    text = call.request.query.get("q", "")
    if not text.strip():
        raise ApiError("MALFORMED_QUERY", "SOQL statements cannot be empty or null")
    answer = run(call.org, parse(text), deleted=deleted)
    rows = _rows(call, answer)
    if not rows:
        return Response(200, {"totalSize": answer.total, "done": True, "records": []}, rows=answer.total)
    return _page(call, tuple(rows), 0, None)


def _rows(call: Call, answer: QueryAnswer) -> list[dict[str, Any]]:
    if answer.aggregates is not None:
        return [{"attributes": {"type": "AggregateResult"}, **row} for row in answer.aggregates]
    return [shapes.query_record(call.org, call.root, record, answer.columns) for record in answer.records]


def more(call: Call, locator: str) -> Response:
    """The next page: ``/query/01g…-2000``."""
    name, _, start = locator.partition("-")
    rows = call.org.cursors.get(name)
    if not rows or not isinstance(rows[0], dict) or not start.isdigit():
        raise ApiError("INVALID_QUERY_LOCATOR", "invalid query locator")
    return _page(call, rows, int(start), name)


def _page(call: Call, rows: tuple[Any, ...], start: int, locator: str | None) -> Response:
    size = _page_size(call)
    page = rows[start : start + size]
    body: dict[str, Any] = {"totalSize": len(rows), "done": start + size >= len(rows), "records": list(page)}
    if not body["done"]:
        locator = locator or call.org.keep_cursor(rows)
        body["nextRecordsUrl"] = f"{call.root}/query/{locator}-{start + size}"
    return Response(200, body, rows=len(page))


def _page_size(call: Call) -> int:
    wanted = options(call.request.headers.get("sforce-query-options", "")).get("batchsize", "")
    return min(max(int(wanted), _SMALLEST_PAGE), _PAGE) if wanted.isdigit() else _PAGE
