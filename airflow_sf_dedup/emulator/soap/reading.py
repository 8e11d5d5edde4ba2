"""SOAP calls that read records: query, queryAll, queryMore, retrieve."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.query.querying import QueryAnswer, run
from airflow_sf_dedup.emulator.records.schema import Field, Sobject
from airflow_sf_dedup.emulator.soap import shapes
from airflow_sf_dedup.emulator.soap.context import Answer, Context, Operation, full_id
from airflow_sf_dedup.emulator.soql.parsing import parse
from airflow_sf_dedup.emulator.xml_writing import element

_MOST_RETRIEVED = 2000
_PAGE = 500
_SMALLEST_PAGE = 200
_LARGEST_PAGE = 2000


def _query(context: Context) -> Answer:
    return _run(context, deleted=False)


def _query_all(context: Context) -> Answer:
    return _run(context, deleted=True)


def _run(context: Context, *, deleted: bool) -> Answer:
    found = run(context.org, parse(context.call.text("queryString") or ""), deleted=deleted, user_id=context.user_id)
    rows = _rows(context, found)
    if not rows:
        done = '<done>true</done><queryLocator xsi:nil="true"/>'
        return Answer(f'<result xsi:type="QueryResult">{done}<size>{found.total}</size></result>')
    return _page(context, tuple(rows), 0, None)


def _rows(context: Context, found: QueryAnswer) -> list[str]:
    if found.aggregates is not None:
        return [shapes.aggregate_record(row, enterprise=context.enterprise) for row in found.aggregates]
    org, enterprise = context.org, context.enterprise
    return [shapes.query_record(org, record, found.columns, enterprise=enterprise) for record in found.records]


def _query_more(context: Context) -> Answer:
    name, _, start = (context.call.text("queryLocator") or "").partition("-")
    rows = context.org.cursors.get(name)
    if not rows or not isinstance(rows[0], str) or not start.isdigit():
        raise ApiError("INVALID_QUERY_LOCATOR", "invalid query locator")
    return _page(context, rows, int(start), name)


def _page(context: Context, rows: Sequence[str], start: int, name: str | None) -> Answer:
    wanted = context.call.header("QueryOptions", "batchSize") or ""
    size = min(max(int(wanted), _SMALLEST_PAGE), _LARGEST_PAGE) if wanted.isdigit() else _PAGE
    page = rows[start : start + size]
    done = start + size >= len(rows)
    locator = None if done else f"{name or context.org.cursors.keep(rows)}-{start + size}"
    return Answer(
        f'<result xsi:type="QueryResult">{element("done", done)}'
        f"{element('queryLocator', locator)}{''.join(page)}<size>{len(rows)}</size></result>",
        len(page),
    )


def _retrieve(context: Context) -> Answer:
    call, org = context.call, context.org
    sobject = org.sobject((call.text("sObjectType") or "").strip())
    names = [name.strip() for name in (call.text("fieldList") or "").split(",") if name.strip()]
    fields = [_readable(sobject, name) for name in names]
    ids = call.texts("ids")
    if len(ids) > _MOST_RETRIEVED:
        raise ApiError("EXCEEDED_ID_LIMIT", f"cannot retrieve more than {_MOST_RETRIEVED} records")
    with org.lock:
        records = [org.table(sobject.name).live(full_id(each)) for each in ids]
    shown = [
        shapes.whole_record("result", sobject, each, fields, enterprise=context.enterprise)
        if each
        else '<result xsi:nil="true"/>'
        for each in records
    ]
    return Answer("".join(shown), len(ids))


def _readable(sobject: Sobject, name: str) -> Field:
    found = sobject.find(name)
    if found is None:
        raise ApiError("INVALID_FIELD", f"No such column '{name}' on entity '{sobject.name}'")
    return found


OPERATIONS: dict[str, Operation] = {
    "query": _query,
    "queryAll": _query_all,
    "queryMore": _query_more,
    "retrieve": _retrieve,
}
