"""Which values does a row of a query have, and how are they nested? Shapes of no wire format are known here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from airflow_sf_dedup.emulator.query.columns import Column, Step
from airflow_sf_dedup.emulator.records.schema import Sobject
from airflow_sf_dedup.emulator.records.store import Record


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value of the record itself; ``column.own`` gets it."""

    name: str
    column: Column


@dataclass(frozen=True, slots=True)
class Parent:
    """A parent, with the values asked for of it."""

    name: str
    get: Callable[[Record], Record | None]
    nodes: tuple[Node, ...]
    #: The parent's type; None if it can be one of several.
    sobject: str | None
    #: The field that holds the parent's id.
    reference: str


@dataclass(frozen=True, slots=True)
class TypedParent:
    """A parent whose values depend on its type."""

    name: str
    get: Callable[[Record], Record | None]
    branches: Mapping[str, tuple[Node, ...]]
    otherwise: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Children:
    """The records that point at a record, as they were when the query ran."""

    name: str
    sobject: Sobject
    nodes: tuple[Node, ...]
    rows: dict[str, list[Record]] = field(default_factory=dict)

    def of(self, record: Record) -> list[Record]:
        return self.rows.get(record["Id"], [])


Node = Leaf | Parent | TypedParent | Children


#: A column, the name of its value in the answer, and the steps that are left to it.
_Placed = tuple[tuple[Step, ...], str, Column]


def nested(items: Iterable[tuple[str, Column] | Node]) -> tuple[Node, ...]:
    """Columns, each with the name of its value in the answer, as nodes among the nodes there are.

    The columns of one parent come where its first one stands.
    """
    return _nested([(each[1].steps, *each) if isinstance(each, tuple) else each for each in items])


def _nested(items: Iterable[_Placed | Node]) -> tuple[Node, ...]:
    nodes: dict[str, Node | list[_Placed]] = {}
    for each in items:
        if not isinstance(each, tuple):
            nodes[each.name] = each
        elif not each[0]:
            nodes[each[1]] = Leaf(each[1], each[2])
        else:
            inner = nodes.setdefault(each[0][0].name, [])
            if isinstance(inner, list):
                inner.append(each)
    return tuple(_parent(each) if isinstance(each, list) else each for each in nodes.values())


def _parent(columns: list[_Placed]) -> Parent:
    step = columns[0][0][0]
    inner = _nested([(steps[1:], name, column) for steps, name, column in columns])
    return Parent(step.name, step.get, inner, step.sobject.name if step.sobject else None, step.reference)


def looks_further(nodes: Iterable[Node]) -> bool:
    """Whether rows show more than their record."""
    return any(not isinstance(node, Leaf) for node in nodes)
