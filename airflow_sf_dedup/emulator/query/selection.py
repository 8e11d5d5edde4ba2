"""What does SELECT show of a record? Names in, the nodes of a row out."""

from __future__ import annotations

from collections.abc import Callable

from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.query.columns import Column, Names, no_such_sobject_named
from airflow_sf_dedup.emulator.query.functions import SHOWN
from airflow_sf_dedup.emulator.query.layout import Children, Node, TypedParent, nested
from airflow_sf_dedup.emulator.soql.pointing import refusal
from airflow_sf_dedup.emulator.soql.tree import Expression, Fields, Function, Path, Query, Selected, TypeOf

_MOST_FIELDS_ALL = 200
_MOST_SUBQUERIES = 20


def selection(names: Names, query: Query, child: Callable[[Query], Children]) -> tuple[Node, ...]:
    """The nodes of a row.

    :param child: prepares a subquery.
    :raises ApiError: a name that there is not, or one that is selected twice.
    """
    reader = _Selection(names, query, child)
    for each in query.selected:
        reader.take(each)
    return nested(reader.items)


class _Selection:
    def __init__(self, names: Names, query: Query, child: Callable[[Query], Children]) -> None:
        self.items: list[tuple[str, Column] | Node] = []
        self._names = names
        self._query = query
        self._child = child
        self._taken: set[tuple[str, ...]] = set()

    def take(self, selected: Selected) -> None:
        what = selected.what
        if isinstance(what, Query):
            self._take_children(what)
        elif isinstance(what, TypeOf):
            self._once(what.relationship.names, what.relationship.position)
            self.items.append(self._typed(what))
        elif isinstance(what, Fields):
            for name in self._expanded(what):
                self._add(Path((name,), what.position), None)
        else:
            self._add(what, selected.alias)

    def _take_children(self, query: Query) -> None:
        if sum(isinstance(each, Children) for each in self.items) == _MOST_SUBQUERIES:
            message = f"The number of subqueries in the select list is more than {_MOST_SUBQUERIES}"
            raise refusal(query.text, query.sobject.position, message)
        children = self._child(query)
        self._once((children.name,), query.sobject.position)
        self.items.append(children)

    def _add(self, expression: Expression, alias: str | None) -> None:
        shows = isinstance(expression, Function) and expression.name in SHOWN
        column = self._names.column(expression)
        if column.function and not shows:
            message = f"Field must be grouped or aggregated: {expression}"
            raise refusal(self._query.text, expression.position, message)
        if alias is not None and not shows:
            message = "only aggregate expressions use field aliasing"
            raise refusal(self._query.text, expression.position, message)
        names = column.names if alias is None else (*column.names[:-1], alias)
        self._once(names, expression.position)
        self.items.append((names[-1], column))

    def _once(self, names: tuple[str, ...], position: int) -> None:
        if names in self._taken:
            message = f"duplicate field selected: {'.'.join(names)}"
            raise ApiError("INVALID_FIELD", message)
        self._taken.add(names)

    def _expanded(self, fields: Fields) -> list[str]:
        if fields.which != "STANDARD" and (self._query.limit or _MOST_FIELDS_ALL + 1) > _MOST_FIELDS_ALL:
            message = f"The SOQL FIELDS function must have a LIMIT of at most {_MOST_FIELDS_ALL}"
            raise ApiError("MALFORMED_QUERY", message)
        wanted = {"ALL": (True, False), "STANDARD": (False,), "CUSTOM": (True,)}[fields.which]
        return [each.name for each in self._names.sobject.fields.values() if each.custom in wanted]

    def _typed(self, wanted: TypeOf) -> TypedParent:
        *_, step = self._names.steps(wanted.relationship)
        if step.sobject is not None:
            message = f"TYPEOF: '{wanted.relationship}' is no polymorphic relationship"
            raise refusal(self._query.text, wanted.relationship.position, message)
        branches = {}
        for path, fields in wanted.branches:
            sobject = self._names.org.schema.find(path.names[0])
            if sobject is None:
                raise no_such_sobject_named(self._query.text, path)
            branches[sobject.name] = _nodes(Names(self._names.org, sobject, self._query), fields)
        otherwise = [(path.names[-1], self._names.name_column(path)) for path in wanted.otherwise]
        return TypedParent(step.name, step.get, branches, nested(otherwise))


def _nodes(names: Names, paths: tuple[Path, ...]) -> tuple[Node, ...]:
    return nested((path_column.names[-1], path_column) for path_column in map(names.column, paths))
