"""What may a subquery of a condition be? ``AccountId IN (SELECT Id FROM Account WHERE …)``."""

from __future__ import annotations

from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.query.columns import Column
from airflow_sf_dedup.emulator.records.schema import Sobject
from airflow_sf_dedup.emulator.soql.pointing import refusal
from airflow_sf_dedup.emulator.soql.tree import Both, Condition, Either, Not, Path, Query, SemiJoin

_MOST = 2


def joins(condition: Condition | None) -> list[SemiJoin]:
    if isinstance(condition, SemiJoin):
        return [condition]
    if isinstance(condition, Not):
        return joins(condition.condition)
    if isinstance(condition, Both | Either):
        return [join for each in condition.conditions for join in joins(each)]
    return []


def check_joins(query: Query, *, inner: bool) -> None:
    """:raises ApiError: MALFORMED_QUERY, there are too many, or they stand where they may not."""
    found = joins(query.where)
    if inner and found:
        raise _refused(query, found[0], "Nesting of semi join sub-selects is not supported")
    if len(found) > _MOST:
        raise _refused(query, found[_MOST], f"Maximum {_MOST} semi join sub-selects are allowed")
    if _under_or(query.where):
        raise _refused(query, found[0], "Semi join sub-selects are not allowed with the 'OR' operator")


def _under_or(condition: Condition | None) -> bool:
    if isinstance(condition, Either):
        return bool(joins(condition))
    if isinstance(condition, Both):
        return any(_under_or(each) for each in condition.conditions)
    return isinstance(condition, Not) and _under_or(condition.condition)


def selected_path(outer: Query, join: SemiJoin) -> Path:
    """The one field that the subquery selects."""
    query = join.query
    selected = [each.what for each in query.selected]
    if len(selected) != 1 or not isinstance(selected[0], Path):
        raise _refused(outer, join, "The inner select of a semi join should have exactly one field")
    if query.order_by or query.limit is not None or query.offset or query.grouped:
        raise _refused(outer, join, "ORDER BY, LIMIT, OFFSET and GROUP BY are not allowed in semi join sub-selects")
    return selected[0]


def check_sides(query: Query, join: SemiJoin, outer: tuple[Sobject, Column], inner: tuple[Sobject, Column]) -> None:
    """:raises ApiError: MALFORMED_QUERY, the two sides do not point at the same sobject."""
    left, right = _points_at(*outer), _points_at(*inner)
    if left is None:
        raise _refused(
            query, join, "The left operand field in a semi join expression should be an id or reference field"
        )
    if outer[0] is inner[0]:
        raise _refused(query, join, "The inner and outer selects should not be on the same object type")
    if right is None or not left & right:
        message = (
            f"The selected field '{inner[1].names[-1]}' in the subquery and the left operand field in the where "
            f"expression in the outer query '{outer[1].names[-1]}' should point to the same object type"
        )
        raise _refused(query, join, message)


def _points_at(sobject: Sobject, column: Column) -> frozenset[str] | None:
    if column.field.kind == "reference":
        return frozenset(column.field.reference_to)
    if column.field.kind != "id":
        return None
    target = column.steps[-1].sobject if column.steps else sobject
    return frozenset({target.name}) if target else None


def _refused(query: Query, join: SemiJoin, message: str) -> ApiError:
    return refusal(query.text, join.left.position, message)
