"""``/query`` and ``/queryAll``, with their further pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.http import Call, Response
from airflow_sf_dedup.emulator.query import metadata as query_metadata
from airflow_sf_dedup.emulator.query.layout import looks_further
from airflow_sf_dedup.emulator.query.pages import Written, kept, page
from airflow_sf_dedup.emulator.query.querying import QueryAnswer, prepare, run
from airflow_sf_dedup.emulator.query.rows import Rows
from airflow_sf_dedup.emulator.soql.parsing import parse
from airflow_sf_dedup.emulator.soql.tree import Query
from airflow_sf_dedup.emulator.wire.http_rules import header_options

_PAGE = 2000
_SMALLEST_PAGE = 200


def query(call: Call) -> Response:
    return _query(call, deleted=False)


def query_all(call: Call) -> Response:
    return _query(call, deleted=True)


def _query(call: Call, *, deleted: bool) -> Response:
    asked = call.request.query
    if "explain" in asked:
        return _described(call, parse(asked["explain"]), deleted=deleted, explain=True)
    if "q" not in asked:
        raise ApiError("MALFORMED_QUERY", "A query string has to be specified")
    query = parse(asked["q"])
    if asked.get("columns", "").lower() == "true":
        return _described(call, query, deleted=deleted, explain=False)
    with call.org.lock:
        answer = run(call.org, query, deleted=deleted, user_id=call.user_id)
        rows = _rows(call, answer)
    if not rows:
        return Response(200, {"totalSize": answer.total, "done": True, "records": []}, rows=answer.total)
    return _page(call, rows, 0)


def _described(call: Call, query: Query, *, deleted: bool, explain: bool) -> Response:
    with call.org.lock:
        prepared = prepare(call.org, query, deleted=deleted, user_id=call.user_id)
        found = query_metadata.plans(prepared) if explain else query_metadata.columns(prepared)
    return Response(200, found)


def _rows(call: Call, answer: QueryAnswer) -> Sequence[Any]:
    """What shows a record alone is written page by page; what shows others as well is written as they are now."""
    if answer.aggregates is not None:
        return [{"attributes": {"type": "AggregateResult"}, **row} for row in answer.aggregates]
    rows = Written(answer.records, Rows(call.org, call.root).writer(answer.columns, answer.sobject.name))
    return list(rows) if looks_further(answer.columns) else rows


def more(call: Call, locator: str) -> Response:
    """The next page: ``/query/01g…-2000``."""
    name, rows, start = kept(call.org, locator)
    return _page(call, rows, start, name)


def _page(call: Call, rows: Sequence[Any], start: int, locator: str | None = None) -> Response:
    body = page(call.org, call.root, rows, start, _page_size(call), locator)
    return Response(200, body, rows=len(body["records"]))


def _page_size(call: Call) -> int:
    wanted = header_options(call.request.headers.get("sforce-query-options", "")).get("batchsize", "")
    return min(max(int(wanted), _SMALLEST_PAGE), _PAGE) if wanted.isascii() and wanted.isdigit() else _PAGE
