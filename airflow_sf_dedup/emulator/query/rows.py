"""How REST shows the rows of a query: parents and children nested, a missing parent null."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_sf_dedup.emulator.query.layout import Children, Leaf, Node, Parent, TypedParent
from airflow_sf_dedup.emulator.query.pages import page
from airflow_sf_dedup.emulator.records.showing import DECIMAL, shown
from airflow_sf_dedup.emulator.records.store import Record
from airflow_sf_dedup.emulator.state.org import Org

Row = dict[str, Any]
Write = Callable[[Record], Any]


class Rows:
    """:param root: ``/services/data/v60.0``."""

    def __init__(self, org: Org, root: str) -> None:
        self._org = org
        self._root = root
        self._by_prefix = org.schema.by_prefix

    def writer(self, nodes: tuple[Node, ...], sobject: str | None, type_name: str = "") -> Callable[[Record], Row]:
        """A function from a record to its row.

        :param sobject: the records' type; None if that is up to their ids.
        :param type_name: what rows call their type instead.
        """
        parts = [(node.name, self._part(node)) for node in nodes]
        by_prefix, sobjects = self._by_prefix, f"{self._root}/sobjects/"

        def write(record: Record) -> Row:
            record_id = record["Id"]
            name = sobject or by_prefix[record_id[:3]].name
            row: Row = {"attributes": {"type": type_name or name, "url": f"{sobjects}{name}/{record_id}"}}
            for part_name, part in parts:
                row[part_name] = part(record)
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
        write = self._typed(node) if isinstance(node, TypedParent) else self._named(node)

        def part(record: Record) -> Row | None:
            parent = get(record)
            return None if parent is None else write(parent)

        return part

    def _named(self, node: Parent) -> Callable[[Record], Row]:
        """A parent that can be of several types is shown as the sobject Name."""
        return self.writer(node.nodes, node.sobject, "" if node.sobject else "Name")

    def _typed(self, node: TypedParent) -> Callable[[Record], Row]:
        otherwise = self.writer(node.otherwise, None)
        writers = {sobject: self.writer(nodes, sobject) for sobject, nodes in node.branches.items()}
        return lambda parent: writers.get(self._by_prefix[parent["Id"][:3]].name, otherwise)(parent)

    def _children(self, node: Children) -> Write:
        write = self.writer(node.nodes, node.sobject.name)

        def part(record: Record) -> Row | None:
            rows = [write(each) for each in node.of(record)]
            return page(self._org, self._root, rows, 0, self._org.quirks.child_rows_in_a_page) if rows else None

        return part


def _value(node: Leaf) -> Write:
    column = node.column
    if column.field.kind in DECIMAL:
        return lambda record: shown(column.field, column.own(record))
    return column.own
