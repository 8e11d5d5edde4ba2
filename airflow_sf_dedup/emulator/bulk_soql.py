"""What does a query of the Bulk APIs find? SOQL in; a header and rows of text, or records, out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.org import Org
from airflow_sf_dedup.emulator.querying import Column, QueryAnswer, run
from airflow_sf_dedup.emulator.rest_shapes import shown
from airflow_sf_dedup.emulator.soql import Aggregate, Query, parse
from airflow_sf_dedup.emulator.store import Record


@dataclass(frozen=True, slots=True)
class Found:
    answer: QueryAnswer
    header: list[str]
    rows: list[list[str]]


def read_query(soql: str) -> Query:
    """:raises ApiError: it is no SOQL, or of a kind that bulk queries have not."""
    query = parse(soql)
    if query.group_by or any(isinstance(each, Aggregate) for each in query.selected):
        raise ApiError("FUNCTIONALITY_NOT_ENABLED", "Aggregate Relationships not supported in Bulk Query")
    if query.offset:
        raise ApiError("FUNCTIONALITY_NOT_ENABLED", "Offset clause not supported in Bulk Query")
    return query


def find(org: Org, query: Query, *, deleted: bool) -> Found:
    """The answer as it is now.

    :raises ApiError: a field or sobject that there is not.
    """
    with org.lock:
        answer = run(org, query, deleted=deleted)
        header = [".".join(column.names) for column in answer.columns]
        rows = [[_cell(column, record) for column in answer.columns] for record in answer.records]
    return Found(answer, header, rows)


def _cell(column: Column, record: Record) -> str:
    return cell(column.field.kind, shown(column.field, column.get(record)))


def cell(kind: str, value: Any) -> str:
    """A value as CSV and XML have it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return text.removesuffix("+0000") + "Z" if kind == "datetime" and text.endswith("+0000") else text
