"""What does a query of the Bulk APIs find? SOQL in; a header and rows of text, or records, out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.query.layout import Leaf, Node, Parent
from airflow_sf_dedup.emulator.query.querying import QueryAnswer, run
from airflow_sf_dedup.emulator.records.schema import Field
from airflow_sf_dedup.emulator.records.showing import shown
from airflow_sf_dedup.emulator.records.store import Record
from airflow_sf_dedup.emulator.soql.parsing import parse
from airflow_sf_dedup.emulator.soql.tree import Query, TypeOf
from airflow_sf_dedup.emulator.state.org import Org


@dataclass(frozen=True, slots=True)
class Column:
    """A value of a record or of one of its parents."""

    #: ``("Account", "Name")``
    names: tuple[str, ...]
    field: Field
    own: Callable[[Any], Any]
    #: From the record to the parent that has the value.
    parents: tuple[Callable[[Record], Record | None], ...] = ()

    def get(self, record: Record) -> Any:
        """The value as JSON shows it; None without a parent."""
        found: Record | None = record
        for parent_of in self.parents:
            found = parent_of(found) if found is not None else None
        return shown(self.field, self.own(found)) if found is not None else None


@dataclass(frozen=True, slots=True)
class Found:
    answer: QueryAnswer
    columns: tuple[Column, ...]
    header: list[str]
    rows: list[list[str]]


def read_query(soql: str) -> Query:
    """:raises ApiError: it is no SOQL, or of a kind that bulk queries have not."""
    query = parse(soql)
    if query.grouped:
        raise ApiError("FUNCTIONALITY_NOT_ENABLED", "Aggregate Relationships not supported in Bulk Query")
    if any(isinstance(each.what, Query | TypeOf) for each in query.selected):
        raise ApiError("FUNCTIONALITY_NOT_ENABLED", "Nested queries and TYPEOF not supported in Bulk Query")
    if query.offset:
        raise ApiError("FUNCTIONALITY_NOT_ENABLED", "Offset clause not supported in Bulk Query")
    return query


def find(org: Org, query: Query, *, deleted: bool) -> Found:
    """The answer as it is now.

    :raises ApiError: a field or sobject that there is not.
    """
    with org.lock:
        answer = run(org, query, deleted=deleted)
        columns = tuple(_columns(answer.columns))
        if any(column.field.parts for column in columns):
            raise ApiError("FUNCTIONALITY_NOT_ENABLED", "Selecting compound data not supported in Bulk Query")
        header = [".".join(column.names) for column in columns]
        rows = [[cell(column.field.kind, column.get(record)) for column in columns] for record in answer.records]
    return Found(answer, columns, header, rows)


def _columns(nodes: tuple[Node, ...]) -> Iterator[Column]:
    for node in nodes:
        if isinstance(node, Leaf):
            yield Column((node.name,), node.column.field, node.column.own)
        elif isinstance(node, Parent):
            for each in _columns(node.nodes):
                yield Column((node.name, *each.names), each.field, each.own, (node.get, *each.parents))


def cell(kind: str, value: Any) -> str:
    """A value as CSV and XML have it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return text.removesuffix("+0000") + "Z" if kind == "datetime" and text.endswith("+0000") else text
