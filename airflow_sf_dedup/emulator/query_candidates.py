"""Which records are worth testing? Those that an index leaves, or all."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from airflow_sf_dedup.emulator.query_columns import Column
from airflow_sf_dedup.emulator.query_values import fitting
from airflow_sf_dedup.emulator.soql_tree import Both, Compare, Condition, Expression, In, Literal, SemiJoin
from airflow_sf_dedup.emulator.store import Record, Table


class Candidates:
    """:param column: finds what an expression means.
    :param joined: the values that a subquery of a condition selects.
    """

    def __init__(
        self,
        table: Table,
        column: Callable[[Expression], Column],
        joined: Callable[[SemiJoin], frozenset[str]],
        text: str,
    ) -> None:
        self._table = table
        self._column = column
        self._joined = joined
        self._text = text

    def records(self, where: Condition | None, *, deleted: bool) -> Iterable[Record]:
        """In the order of their ids."""
        ids = self._ids(where)
        if ids is None:
            return self._table.all(deleted=deleted)
        found = (self._table.records.get(each) for each in sorted(ids))
        return (each for each in found if each is not None and (deleted or not each["IsDeleted"]))

    def indexed(self, where: Condition | None) -> bool:
        return self._ids(where) is not None

    def _ids(self, where: Condition | None) -> set[str] | frozenset[str] | None:
        """The smallest set of ids that one of the conditions leaves."""
        conditions = where.conditions if isinstance(where, Both) else (where,)
        found = [ids for each in conditions if (ids := self._ids_of(each)) is not None]
        return min(found, key=len, default=None)

    def _ids_of(self, condition: Condition | None) -> set[str] | frozenset[str] | None:
        if isinstance(condition, SemiJoin):
            column = self._column(condition.left)
            fits = column.plain_name == "Id" and not condition.negated
            return self._joined(condition) if fits else None
        literals = _equal_to(condition)
        if literals is None or not isinstance(condition, Compare | In):
            return None
        column = self._column(condition.left)
        if column.plain_name is None:
            return None
        values = [fitting(column, each, self._text, condition.left.position) for each in literals]
        if column.field.kind == "id":
            return set(values)
        field = column.field
        # An index that minds the case helps only where comparisons do.
        if not field.indexed or (field.case_sensitive and column.folded):
            return None
        return {each for value in values for each in self._table.holders(field, value, deleted=True)}


def _equal_to(condition: Condition | None) -> tuple[Literal, ...] | None:
    if isinstance(condition, Compare) and condition.operator == "=":
        literals: tuple[Literal, ...] = (condition.literal,)
    elif isinstance(condition, In) and not condition.negated and condition.operator == "in":
        literals = condition.literals
    else:
        return None
    return None if any(each.kind in ("null", "range") for each in literals) else literals
