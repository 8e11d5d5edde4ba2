"""Does a record meet a condition? A condition in, a test out; its names and values are looked up once.

A comparison with a null is false, except that what is null is equal to null and to the empty text, and different from
everything else. A null that stands for a boolean is false ("Use null in WHERE", SOQL reference).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from airflow_sf_dedup.emulator.query.columns import Column
from airflow_sf_dedup.emulator.query.values import fitting, invalid_operator
from airflow_sf_dedup.emulator.records.schema import TEXT_KINDS, Field
from airflow_sf_dedup.emulator.records.values import format_datetime
from airflow_sf_dedup.emulator.soql.date_literals import days
from airflow_sf_dedup.emulator.soql.literals import ESCAPED
from airflow_sf_dedup.emulator.soql.pointing import refusal
from airflow_sf_dedup.emulator.soql.tree import (
    Both,
    Compare,
    Condition,
    Either,
    Expression,
    In,
    Literal,
    Not,
    SemiJoin,
)

Test = Callable[[Any], bool]
#: Of one value.
Check = Callable[[Any], bool]


class Conditions:
    """:param column: finds what an expression means for the things that are tested.
    :param joined: the values that a subquery of a condition selects.
    :param ids_follow_empty_text: whether ids can be compared with the empty text, which comes before all of them.
    """

    def __init__(
        self,
        column: Callable[[Expression], Column],
        joined: Callable[[SemiJoin], frozenset[str]],
        *,
        text: str,
        now: datetime,
        ids_follow_empty_text: bool,
    ) -> None:
        self._column = column
        self._joined = joined
        self._text = text
        self._now = now
        self._ids_follow_empty_text = ids_follow_empty_text

    def test(self, condition: Condition) -> Test:
        """:raises ApiError: the condition cannot be asked of its field."""
        if isinstance(condition, Both | Either):
            tests = [self.test(each) for each in condition.conditions]
            return _all(tests) if isinstance(condition, Both) else _any(tests)
        if isinstance(condition, Not):
            inner = self.test(condition.condition)
            return lambda record: not inner(record)
        if isinstance(condition, SemiJoin):
            values = self._joined(condition)
            return _of(self._column(condition.left), _unless(condition.negated, values.__contains__))
        column = self.filterable(condition.left)
        return _of(column, self._check(column, condition))

    def filterable(self, expression: Expression) -> Column:
        column = self._column(expression)
        if not column.field.filterable and column.function in ("", "TOLABEL"):
            message = f"field '{column.field.name}' can not be filtered in a query call"
            raise refusal(self._text, expression.position, message, code="INVALID_FIELD")
        return column

    def _check(self, column: Column, condition: Compare | In) -> Check:
        if isinstance(condition, In):
            return _unless(condition.negated, self._member(column, condition))
        if condition.operator == "like":
            return self._like(column, condition)
        if condition.literal.kind == "range":
            return self._range(column, condition.left, condition.operator, condition.literal)
        value = self._value(column, condition.left, condition.literal)
        if condition.operator in ("=", "!="):
            return _unless(condition.operator == "!=", _equal(column, {value}))
        if value is None and self._is_empty_text(column, condition.literal):
            value = ""
        if value is None or column.field.kind in ("boolean", "multipicklist"):
            raise self._no_operator(column, condition.left)
        return _ordered(column, condition.operator, value)

    def _is_empty_text(self, column: Column, literal: Literal) -> bool:
        """Whether the literal is ``''`` and the field can be compared with it."""
        return literal.kind == "string" and (column.field.kind in TEXT_KINDS or self._ids_follow_empty_text)

    def _value(self, column: Column, left: Expression, literal: Literal) -> Any:
        return fitting(column, literal, self._text, left.position)

    def _member(self, column: Column, condition: In) -> Check:
        if condition.operator == "includes":
            return self._includes(column, condition)
        ranges = [each for each in condition.literals if each.kind == "range"]
        plain = [each for each in condition.literals if each.kind != "range"]
        checks = [self._range(column, condition.left, "=", each) for each in ranges]
        checks.append(_equal(column, {self._value(column, condition.left, each) for each in plain}))
        return checks[0] if len(checks) == 1 else lambda value: any(check(value) for check in checks)

    def _includes(self, column: Column, condition: In) -> Check:
        if column.field.kind != "multipicklist":
            raise self._no_operator(column, condition.left)
        values = [self._value(column, condition.left, each) for each in condition.literals]
        wanted = [_several(value) for value in values]
        return lambda value: any(each <= _several(value) for each in wanted)

    def _like(self, column: Column, condition: Compare) -> Check:
        if column.field.kind not in TEXT_KINDS or condition.literal.kind != "string":
            raise self._no_operator(column, condition.left)
        return like(condition.literal.value)

    def _range(self, column: Column, left: Expression, operator: str, literal: Literal) -> Check:
        if column.field.kind not in ("date", "datetime"):
            self._value(column, left, Literal("date", ""))
        if operator == "like":
            raise self._no_operator(column, left)
        start, end = (_moment(column.field, each) for each in days(literal.value, self._now))
        return _in_range(operator, start, end)

    def _no_operator(self, column: Column, left: Expression) -> Exception:
        return invalid_operator(self._text, left.position, f"invalid operator on {column.field.kind} field")


def _all(tests: list[Test]) -> Test:
    if len(tests) == 2:
        first, second = tests
        return lambda record: first(record) and second(record)
    return lambda record: all(test(record) for test in tests)


def _any(tests: list[Test]) -> Test:
    if len(tests) == 2:
        first, second = tests
        return lambda record: first(record) or second(record)
    return lambda record: any(test(record) for test in tests)


def _of(column: Column, check: Check) -> Test:
    name = column.plain_name
    if name is not None:
        return lambda record: check(record.get(name))
    get = column.get
    return lambda record: check(get(record))


def _unless(negated: bool, check: Check) -> Check:
    return (lambda value: not check(value)) if negated else check


def _equal(column: Column, values: set[Any]) -> Check:
    if column.field.kind == "boolean":
        wanted = {bool(value) for value in values}
        return lambda value: bool(value) in wanted
    if not column.folded:
        return frozenset(values).__contains__
    with_null = None in values
    folded = frozenset(value.lower() for value in values if value is not None)
    return lambda value: with_null if value is None else value.lower() in folded


def _ordered(column: Column, operator: str, value: Any) -> Check:
    if column.folded:
        compare = _COMPARISONS[operator](value.lower())
        return lambda found: found is not None and compare(found.lower())
    compare = _COMPARISONS[operator](value)
    return lambda found: found is not None and compare(found)


_COMPARISONS: dict[str, Callable[[Any], Check]] = {
    "<": lambda value: lambda found: bool(found < value),
    ">": lambda value: lambda found: bool(found > value),
    "<=": lambda value: lambda found: bool(found <= value),
    ">=": lambda value: lambda found: bool(found >= value),
}


def _in_range(operator: str, start: str, end: str) -> Check:
    checks: dict[str, Check] = {
        "=": lambda value: value is not None and start <= value < end,
        "!=": lambda value: value is None or not start <= value < end,
        "<": lambda value: value is not None and value < start,
        ">": lambda value: value is not None and value >= end,
        "<=": lambda value: value is not None and value < end,
        ">=": lambda value: value is not None and value >= start,
    }
    return checks[operator]


def _moment(field: Field, moment: datetime) -> str:
    return format_datetime(moment) if field.kind == "datetime" else moment.date().isoformat()


def _several(value: str | None) -> set[str]:
    return set((value or "").lower().split(";"))


def like(pattern: str) -> Check:
    """A check of texts against a pattern with ``%`` and ``_``."""
    parts = re.findall(f"{ESCAPED}[%_]|.", pattern.lower(), flags=re.DOTALL)
    # Runs of % mean one; folding them keeps the pattern from backtracking.
    parts = [part for at, part in enumerate(parts) if not (part == "%" and parts[at - 1 : at] == ["%"])]
    inner = "".join(part[-1] for part in parts if part != "%")
    if "_" not in parts and "%" not in parts[1:-1]:
        return _by_its_ends(inner, starts=parts[:1] != ["%"], ends=parts[-1:] != ["%"])
    wildcards = {"%": ".*", "_": "."}
    fits = re.compile("".join(wildcards.get(part, re.escape(part[-1])) for part in parts), re.DOTALL).fullmatch
    return lambda value: value is not None and fits(value.lower()) is not None


def _by_its_ends(text: str, *, starts: bool, ends: bool) -> Check:
    if starts and ends:
        return lambda value: value is not None and value.lower() == text
    if starts:
        return lambda value: value is not None and value.lower().startswith(text)
    if ends:
        return lambda value: value is not None and value.lower().endswith(text)
    return lambda value: value is not None and text in value.lower()
