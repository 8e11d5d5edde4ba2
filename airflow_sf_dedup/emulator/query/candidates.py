"""Which records are worth testing? Those that an index leaves, or all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

from airflow_sf_dedup.emulator.query.columns import Column
from airflow_sf_dedup.emulator.query.values import fitting
from airflow_sf_dedup.emulator.records.references import pointing_at
from airflow_sf_dedup.emulator.records.store import Record, Table
from airflow_sf_dedup.emulator.soql.tree import Both, Compare, Condition, Expression, In, Literal, SemiJoin

Ids = set[str] | frozenset[str]

#: A set of ids is sorted and looked up: that pays for a third of the records, not for all of them.
_WORTH_AN_INDEX = 3


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

    def records(self, *conditions: Condition | None, deleted: bool) -> Iterable[Record]:
        """Those that may meet all of the conditions, in the order of their ids."""
        ids = self._ids(*conditions)
        if ids is None:
            return self._table.all(deleted=deleted)
        found = (self._table.records.get(each) for each in sorted(ids))
        return (each for each in found if each is not None and (deleted or not each["IsDeleted"]))

    def indexed(self, where: Condition | None) -> bool:
        return self._ids(where) is not None

    def _ids(self, *conditions: Condition | None) -> Ids | None:
        """The smallest set of ids that one of the conditions leaves."""
        found = [ids for each in _all_of(conditions) if (ids := self._ids_of(each)) is not None]
        return min(found, key=len, default=None)

    def _ids_of(self, condition: Condition | None) -> Ids | None:
        if isinstance(condition, SemiJoin):
            return None if condition.negated else self._joining(self._column(condition.left), condition)
        literals = _equal_to(condition)
        if literals is None or not isinstance(condition, Compare | In):
            return None
        column = self._column(condition.left)
        if column.plain_name is None:
            return None
        values = [fitting(column, each, self._text, condition.left.position) for each in literals]
        if None in values:
            return None
        if column.field.kind == "id":
            return set(values)
        if column.field.kind == "reference":
            return self._pointing_at(column, values)
        field = column.field
        # An index that minds the case helps only where comparisons do.
        if not field.indexed or (field.case_sensitive and column.folded):
            return None
        return {each for value in values for each in self._table.holders(field, value, deleted=True)}

    def _joining(self, column: Column, join: SemiJoin) -> Ids | None:
        if column.plain_name is None:
            return None
        return self._joined(join) if column.field.kind == "id" else self._pointing_at(column, self._joined(join))

    def _pointing_at(self, column: Column, ids: Collection[str]) -> Ids | None:
        """The ids of those that point at one of ``ids``; None if they are so many that a scan is quicker."""
        found = [pointing_at(self._table, column.field.name, each) for each in set(ids)]
        few = sum(map(len, found)) * _WORTH_AN_INDEX <= len(self._table.records)
        return set().union(*found) if few else None


def _all_of(conditions: tuple[Condition | None, ...]) -> Iterator[Condition | None]:
    for each in conditions:
        yield from each.conditions if isinstance(each, Both) else (each,)


def _equal_to(condition: Condition | None) -> tuple[Literal, ...] | None:
    if isinstance(condition, Compare) and condition.operator == "=":
        literals: tuple[Literal, ...] = (condition.literal,)
    elif isinstance(condition, In) and not condition.negated and condition.operator == "in":
        literals = condition.literals
    else:
        return None
    return None if any(each.kind in ("null", "range") for each in literals) else literals
