"""What do the groups of a query's records have in common, and what comes out of them?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.query.columns import Column, Names
from airflow_sf_dedup.emulator.query.functions import SHOWN
from airflow_sf_dedup.emulator.query.sorting import ranked
from airflow_sf_dedup.emulator.records.schema import NUMBER_KINDS, Field
from airflow_sf_dedup.emulator.records.showing import shown
from airflow_sf_dedup.emulator.records.store import Record
from airflow_sf_dedup.emulator.soql.pointing import refusal
from airflow_sf_dedup.emulator.soql.tree import Expression, Fields, Function, Path, Query, Selected

Key = tuple[str, tuple[str, ...]]

_COUNT = Field("expr", "", "int")
_FRACTION = Field("expr", "", "double")


@dataclass(frozen=True, slots=True)
class Group:
    """Records that have the same values in what they are grouped by."""

    members: list[Record]
    values: dict[Key, Any]
    #: What a subtotal was not grouped by.
    rolled_up: frozenset[Key] = frozenset()


class Groups:
    """The groups of one query, and the columns that they have.

    :param by_alias: whether ORDER BY and HAVING know the aliases of SELECT.
    """

    def __init__(self, names: Names, query: Query, *, by_alias: bool) -> None:
        self._names = names
        self._query = query
        self._by = [self._groupable(each) for each in (query.group_by.expressions if query.group_by else ())]
        self._keys = {column.key for column in self._by}
        self._columns: dict[Expression, Column] = {}
        self.selected = self._selected()
        self._aliases = {name.lower(): column for name, column in self.selected} if by_alias else {}

    # --- columns of a group ---

    def column(self, expression: Expression, problem: str = "Field must be grouped or aggregated") -> Column:
        """:raises ApiError: MALFORMED_QUERY, the groups have no such value in common."""
        if expression not in self._columns:
            self._columns[expression] = self._column(expression, problem)
        return self._columns[expression]

    def order_column(self, expression: Expression) -> Column:
        if isinstance(expression, Path) and len(expression.names) == 1:
            found = self._aliases.get(expression.names[0].lower())
            if found is not None:
                return found
        return self.column(expression, "Ordered field must be grouped or aggregated")

    def _column(self, expression: Expression, problem: str) -> Column:
        if isinstance(expression, Function) and expression.aggregate:
            return self._aggregate(expression)
        if isinstance(expression, Function) and expression.name in SHOWN and isinstance(expression.argument, Function):
            return self.column(expression.argument, problem)
        column = self._names.column(expression)
        key = ("", column.names) if column.function in SHOWN else column.key
        if key not in self._keys:
            raise refusal(self._text, expression.position, f"{problem}: {expression}")
        return Column(column.names, column.field, get := _group_value(key), get, function=column.function)

    def _groupable(self, expression: Expression) -> Column:
        if isinstance(expression, Function) and expression.aggregate:
            raise refusal(self._text, expression.position, "Grouped field should not be aggregated")
        column = self._names.column(expression)
        if not column.field.groupable:
            message = f"field '{column.field.name}' can not be grouped in a query call"
            raise refusal(self._text, expression.position, message)
        return column

    @property
    def _text(self) -> str:
        return self._query.text

    def _aggregate(self, function: Function) -> Column:
        if function.argument is None:
            if function.name != "COUNT":
                raise refusal(self._text, function.position, f"unexpected token: '{function.name}'")
            return _of_members("COUNT", _COUNT, len)
        column = self._names.column(function.argument)
        if function.name == "GROUPING":
            return self._grouping(function, column)
        if not _applies(function.name, column.field):
            message = f"field {column.field.name} does not support aggregate operator {function.name}"
            raise refusal(self._text, function.position, message)
        return _aggregated(function.name, column)

    def _grouping(self, function: Function, column: Column) -> Column:
        if column.key not in self._keys:
            raise refusal(self._text, function.position, f"Field must be grouped or aggregated: {function}")
        key = column.key

        def get(group: Group) -> int:
            return int(key in group.rolled_up)

        return Column(("GROUPING",), _COUNT, get, get, function="GROUPING")

    # --- SELECT ---

    def _selected(self) -> list[tuple[str, Column]]:
        found: dict[str, Column] = {}
        unnamed = 0
        for each in self._query.selected:
            expression = self._plain(each)
            column = self.column(expression)
            name = each.alias or column.names[-1]
            if isinstance(expression, Function) and expression.name not in SHOWN and each.alias is None:
                name, unnamed = f"expr{unnamed}", unnamed + 1
            if name in found:
                raise refusal(self._text, expression.position, f"duplicate alias: {name}")
            found[name] = column
        return list(found.items())

    def _plain(self, selected: Selected) -> Expression:
        if isinstance(selected.what, Path | Function):
            return selected.what
        if isinstance(selected.what, Fields):
            message = "The SOQL FIELDS function is not supported with GROUP BY or aggregate functions"
            raise refusal(self._text, selected.what.position, message)
        raise refusal(self._text, self._query.sobject.position, "Grouped queries cannot have a subquery or TYPEOF")

    # --- groups ---

    def of(self, records: Iterable[Record]) -> list[Group]:
        members = list(records)
        subtotals = self._query.group_by.subtotals if self._query.group_by else ""
        return [group for kept in self._kept(subtotals) for group in self._grouped(members, kept)]

    def _kept(self, subtotals: str) -> Iterator[tuple[Column, ...]]:
        """What is grouped by: everything, and for subtotals ever less."""
        everything = tuple(self._by)
        yield everything
        for size in range(len(everything) - 1, -1, -1):
            if subtotals == "cube":
                yield from combinations(everything, size)
            elif subtotals == "rollup":
                yield everything[:size]

    def _grouped(self, members: list[Record], kept: tuple[Column, ...]) -> Iterator[Group]:
        rolled_up = self._keys - {column.key for column in kept}
        if not kept:
            if members or not self._by:
                yield Group(members, {}, frozenset(rolled_up))
            return
        groups: dict[tuple[Any, ...], list[Record]] = {}
        for record in members:
            groups.setdefault(tuple(_folded(column, record) for column in kept), []).append(record)
        for found in groups.values():
            values = {column.key: column.get(found[0]) for column in kept}
            yield Group(found, values, frozenset(rolled_up))

    def row(self, group: Group) -> dict[str, Any]:
        return {name: shown(column.field, column.get(group)) for name, column in self.selected}


def refuse_many(count: int, most: int) -> None:
    """:raises ApiError: EXCEEDED_ID_LIMIT, the groups do not fit into one answer."""
    if count > most:
        message = "Aggregate query does not support queryMore(), use LIMIT to restrict the results to a single batch"
        raise ApiError("EXCEEDED_ID_LIMIT", message)


def _folded(column: Column, record: Record) -> Any:
    value = column.get(record)
    return value.lower() if column.folded and value is not None else value


def _group_value(key: Key) -> Callable[[Group], Any]:
    return lambda group: group.values.get(key)


def _applies(name: str, field: Field) -> bool:
    if name in ("SUM", "AVG"):
        return field.kind in NUMBER_KINDS
    return field.aggregatable


def _aggregated(name: str, column: Column) -> Column:
    get = column.get
    reduce = _REDUCTIONS[name](column)

    def of(members: list[Record]) -> Any:
        return reduce([value for value in map(get, members) if value is not None])

    return _of_members(name, _result(name, column.field), of, column.names[-1])


def _of_members(name: str, field: Field, of: Callable[[list[Record]], Any], of_field: str = "") -> Column:
    def get(group: Group) -> Any:
        return of(group.members)

    return Column((of_field,), field, get, get, function=name)


def _result(name: str, field: Field) -> Field:
    if name in ("COUNT", "COUNT_DISTINCT"):
        return _COUNT
    return _FRACTION if (name in ("SUM", "AVG") and field.kind != "int") or name == "AVG" else field


_REDUCTIONS: dict[str, Callable[[Column], Callable[[list[Any]], Any]]] = {
    "COUNT": lambda _: len,
    "COUNT_DISTINCT": lambda column: (
        lambda values: len({value.lower() if column.folded else value for value in values})
    ),
    "MIN": lambda column: lambda values: min(values, key=ranked(column.field), default=None),
    "MAX": lambda column: lambda values: max(values, key=ranked(column.field), default=None),
    "SUM": lambda _: lambda values: sum(values) if values else None,
    "AVG": lambda _: lambda values: sum(values) / len(values) if values else None,
}
