"""How REST shows the rows of a query: parents and children nested, a missing parent null."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_sf_dedup.emulator.org import Org
from airflow_sf_dedup.emulator.query_layout import Children, Leaf, Node, Parent, TypedParent
from airflow_sf_dedup.emulator.query_pages import page
from airflow_sf_dedup.emulator.shown_values import DECIMAL, shown
from airflow_sf_dedup.emulator.store import Record

Row = dict[str, Any]
Write = Callable[[Record], Any]


class Rows:
    """:param root: ``/services/data/v60.0``."""

    def __init__(self, org: Org, root: str) -> None:
        self._org = org
        self._root = root
        self._by_prefix = org.schema.by_prefix

    def writer(self, nodes: tuple[Node, ...], type_name: str | None = None) -> Callable[[Record], Row]:
        """A function from a record to its row.

        :param type_name: what the row calls its type, unless that is the record's own.
        """
        parts = [(node.name, self._part(node)) for node in nodes]
        by_prefix, sobjects = self._by_prefix, f"{self._root}/sobjects/"

        def write(record: Record) -> Row:
            record_id = record["Id"]
            sobject = by_prefix[record_id[:3]].name
            row: Row = {"attributes": {"type": type_name or sobject, "url": f"{sobjects}{sobject}/{record_id}"}}
            for name, part in parts:
                row[name] = part(record)
            return row

        return write

    def _part(self, node: Node) -> Write:
        if isinstance(node, Leaf):
            return _value(node)
        if isinstance(node, Children):
            return self._children(node)
        return self._parent(node)

    def _parent(self, node: Parent | TypedParent) -> Write:
        get = node.get
        write = self.writer(node.nodes, node.type_name) if isinstance(node, Parent) else self._typed(node)

        def part(record: Record) -> Row | None:
            parent = get(record)
            return None if parent is None else write(parent)

        return part

    def _typed(self, node: TypedParent) -> Callable[[Record], Row]:
        otherwise = self.writer(node.otherwise)
        writers = {sobject: self.writer(nodes) for sobject, nodes in node.branches.items()}
        return lambda parent: writers.get(self._by_prefix[parent["Id"][:3]].name, otherwise)(parent)

    def _children(self, node: Children) -> Write:
        write = self.writer(node.nodes)

        def part(record: Record) -> Row | None:
            rows = [write(each) for each in node.of(record)]
            return page(self._org, self._root, rows, 0, self._org.quirks.child_rows_in_a_page) if rows else None

        return part


def _value(node: Leaf) -> Write:
    field, name, own = node.column.field, node.column.names[-1], node.column.own
    if field.kind in DECIMAL:
        return lambda record: shown(field, own(record))
    return own if node.column.function or name == "Type" else lambda record: record.get(name)
