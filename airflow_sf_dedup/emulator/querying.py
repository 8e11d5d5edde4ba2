"""Which records does a query mean, and in what order? A Query in, rows out.

A row is the list of the query's columns with their values; what they look like in JSON or XML is settled elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.org import Org
from airflow_sf_dedup.emulator.schema import NUMBER_KINDS, Field, Sobject
from airflow_sf_dedup.emulator.soql import (
    ESCAPED,
    Aggregate,
    Both,
    Compare,
    Condition,
    Either,
    Fields,
    In,
    Literal,
    Not,
    Path,
    Query,
    malformed_query,
)
from airflow_sf_dedup.emulator.store import Record
from airflow_sf_dedup.emulator.values import format_datetime

Getter = Callable[[Record], Any]
Test = Callable[[Record], bool]

_MOST_OFFSET = 2000
_MOST_FIELDS_ALL = 200


@dataclass(frozen=True, slots=True)
class Column:
    #: Canonical names: ``("Account", "Name")``.
    names: tuple[str, ...]
    field: Field
    get: Getter
    #: For each relationship on the way to the field: what finds the parent record.
    parents: tuple[Callable[[Record], Record | None], ...] = ()


@dataclass(frozen=True, slots=True)
class QueryAnswer:
    sobject: Sobject
    columns: tuple[Column, ...]
    records: list[Record]
    total: int
    #: Rows of an aggregate query, which has no records: alias and value.
    aggregates: list[dict[str, Any]] | None = None


def run(org: Org, query: Query, *, deleted: bool = False) -> QueryAnswer:
    """:raises ApiError: MALFORMED_QUERY, INVALID_FIELD or INVALID_TYPE."""
    with org.lock:
        return _Running(org, query, deleted=deleted or query.all_rows).answer()


def _no_such_column(name: str, sobject: str) -> ApiError:
    message = (
        f"No such column '{name}' on entity '{sobject}'. If you are attempting to use a custom field, be sure to "
        "append the '__c' after the custom field name. Please reference your WSDL or the describe call for the "
        "appropriate names."
    )
    return ApiError("INVALID_FIELD", message)


class _Running:
    def __init__(self, org: Org, query: Query, *, deleted: bool) -> None:
        self.org = org
        self.query = query
        self.deleted = deleted
        found = org.schema.find(query.sobject)
        if found is None or not found.queryable:
            raise ApiError("INVALID_TYPE", f"sObject type '{query.sobject}' is not supported.")
        self.sobject = found

    def answer(self) -> QueryAnswer:
        query = self.query
        grouped = query.group_by or any(isinstance(each, Aggregate) for each in query.selected)
        columns = () if grouped else self.columns()
        records = self.matching()
        if grouped:
            return self.aggregated(records)
        self.sort(records)
        if query.offset > _MOST_OFFSET:
            raise ApiError("NUMBER_OUTSIDE_VALID_RANGE", f"Maximum SOQL offset allowed is {_MOST_OFFSET}")
        end = None if query.limit is None else query.offset + query.limit
        records = records[query.offset : end]
        return QueryAnswer(self.sobject, columns, records, len(records))

    # --- names ---

    def columns(self) -> tuple[Column, ...]:
        columns: dict[tuple[str, ...], Column] = {}
        for each in self.query.selected:
            for path in self.expanded(each) if isinstance(each, Fields) else [each]:
                assert isinstance(path, Path)  # noqa: S101 - aggregates are answered elsewhere
                column = self.column(path)
                columns.setdefault(column.names, column)
        return tuple(columns.values())

    def expanded(self, fields: Fields) -> list[Path]:
        if fields.which not in ("ALL", "STANDARD", "CUSTOM"):
            raise malformed_query(f"unexpected token: '{fields.which}'")
        if fields.which != "STANDARD" and (self.query.limit or _MOST_FIELDS_ALL + 1) > _MOST_FIELDS_ALL:
            raise malformed_query(f"The SOQL FIELDS function must have a LIMIT of at most {_MOST_FIELDS_ALL}")
        wanted = {"ALL": (True, False), "STANDARD": (False,), "CUSTOM": (True,)}[fields.which]
        return [Path((each.name,)) for each in self.sobject.fields.values() if each.custom in wanted]

    def column(self, path: Path) -> Column:
        names = list(path.names)
        if len(names) > 1 and names[0].lower() in (self.sobject.name.lower(), (self.query.alias or "").lower()):
            names = names[1:]
        return self._column(self.sobject, names)

    def _column(self, sobject: Sobject, names: list[str]) -> Column:
        name, *rest = names
        if not rest:
            found = sobject.find(name)
            if found is None:
                raise _no_such_column(name, sobject.name)
            return Column((found.name,), found, _plain(found.name))
        reference = sobject.by_relationship.get(name.lower())
        if reference is None or reference.relationship_name is None:
            raise ApiError(
                "INVALID_FIELD",
                f"Didn't understand relationship '{name}' in field path. If you are attempting to use a custom "
                "relationship, be sure to append the '__r' after the custom relationship name. Please reference "
                "your WSDL or the describe call for the appropriate names.",
            )
        parent = self._parent_with(reference, rest)
        inner = self._column(parent, rest)
        parent_of = _parent_of(self.org, reference.name)
        return Column(
            (reference.relationship_name, *inner.names),
            inner.field,
            _through(parent_of, inner.get),
            (parent_of, *(_through(parent_of, further) for further in inner.parents)),
        )

    def _parent_with(self, reference: Field, names: list[str]) -> Sobject:
        """The sobject that a reference points at; of several, the first that has the field asked for."""
        parents = [self.org.schema.sobjects[name] for name in reference.reference_to]
        fitting = [each for each in parents if len(names) > 1 or each.find(names[0])]
        if not parents:
            raise _no_such_column(names[0], reference.name)
        return (fitting or parents)[0]

    # --- rows ---

    def matching(self) -> list[Record]:
        where = self.query.where
        if where is None:
            return list(self.org.table(self.sobject.name).all(deleted=self.deleted))
        test = self.test(where)
        return [record for record in self.candidates(where) if test(record)]

    def candidates(self, where: Condition) -> Iterable[Record]:
        """The records that an index leaves to be tested; all of them when no index helps."""
        table = self.org.table(self.sobject.name)
        for condition in where.conditions if isinstance(where, Both) else (where,):
            ids = self.indexed_ids(condition)
            if ids is not None:
                found = (table.records.get(each) for each in sorted(ids))
                return [each for each in found if each and (self.deleted or not each["IsDeleted"])]
        return table.all(deleted=self.deleted)

    def indexed_ids(self, condition: Condition) -> set[str] | None:
        if isinstance(condition, Compare) and condition.operator == "=":
            literals: tuple[Literal, ...] = (condition.literal,)
        elif isinstance(condition, In) and not condition.negated and condition.operator == "in":
            literals = condition.literals
        else:
            return None
        column = self.column(condition.path)
        if len(column.names) > 1 or any(each.kind in ("null", "range") for each in literals):
            return None
        values = [_fitting(column.field, each) for each in literals]
        if column.field.kind == "id":
            return {value for value in values if value is not None}
        # A key that minds its case is still compared without it by SOQL; so its index cannot help.
        if not column.field.indexed or (column.field.case_sensitive and column.field.kind == "string"):
            return None
        table = self.org.table(self.sobject.name)
        return {each for value in values for each in table.holders(column.field, value, deleted=True)}

    def sort(self, records: list[Record]) -> None:
        for order in reversed(self.query.order_by):
            get = self.column(order.path).get
            records.sort(key=lambda record, get=get: _sortable(get(record)), reverse=order.descending)  # type: ignore[misc]
            nulls = [record for record in records if get(record) is None]
            others = [record for record in records if get(record) is not None]
            records[:] = others + nulls if order.nulls_last else nulls + others

    # --- conditions ---

    def test(self, condition: Condition) -> Test:
        if isinstance(condition, Both):
            tests = [self.test(each) for each in condition.conditions]
            return lambda record: all(test(record) for test in tests)
        if isinstance(condition, Either):
            tests = [self.test(each) for each in condition.conditions]
            return lambda record: any(test(record) for test in tests)
        if isinstance(condition, Not):
            inner = self.test(condition.condition)
            return lambda record: not inner(record)
        if isinstance(condition, In):
            return self.in_test(condition)
        return self.compare_test(condition)

    def in_test(self, condition: In) -> Test:
        column = self.column(condition.path)
        get, negated = column.get, condition.negated
        values = {_comparable(_fitting(column.field, each)) for each in condition.literals}
        if condition.operator == "includes":
            wanted = [set(str(value).split(";")) for value in values]
            return lambda record: (
                any(each <= set(str(_comparable(get(record)) or "").split(";")) for each in wanted) != negated
            )
        return lambda record: (_comparable(get(record)) in values) != negated

    def compare_test(self, condition: Compare) -> Test:
        column = self.column(condition.path)
        if condition.operator == "like":
            return _like_test(column, condition.literal)
        if condition.literal.kind == "range":
            return _range_test(column, condition, self.org.clock())
        value = _comparable(_fitting(column.field, condition.literal))
        return _compare_test(column.get, condition.operator, value)

    # --- aggregates ---

    def aggregated(self, records: list[Record]) -> QueryAnswer:
        query = self.query
        if query.selected == (Aggregate("COUNT", None),):
            return QueryAnswer(self.sobject, (), [], len(records))
        groups: dict[tuple[Any, ...], list[Record]] = {}
        keys = [self.column(path).get for path in query.group_by]
        for record in records:
            groups.setdefault(tuple(get(record) for get in keys), []).append(record)
        if not keys:
            groups.setdefault((), [])
        rows = [self.aggregate_row(members) for members in groups.values()]
        rows = rows[query.offset :][: query.limit]
        return QueryAnswer(self.sobject, (), [], len(rows), rows)

    def aggregate_row(self, members: list[Record]) -> dict[str, Any]:
        row: dict[str, Any] = {}
        unnamed = 0
        grouped = {self.column(path).names for path in self.query.group_by}
        for each in self.query.selected:
            if isinstance(each, Aggregate):
                row[each.alias or f"expr{unnamed}"] = self.aggregate(each, members)
                unnamed += each.alias is None
                continue
            if isinstance(each, Fields) or self.column(each).names not in grouped:
                raise malformed_query(f"Field must be grouped or aggregated: {getattr(each, 'names', ['FIELDS'])[-1]}")
            column = self.column(each)
            row[column.names[-1]] = column.get(members[0])
        return row

    def aggregate(self, aggregate: Aggregate, members: list[Record]) -> Any:
        if aggregate.path is None:
            return len(members)
        column = self.column(aggregate.path)
        values = [value for value in map(column.get, members) if value is not None]
        if aggregate.function in ("SUM", "AVG") and column.field.kind not in NUMBER_KINDS:
            raise malformed_query(f"field {column.field.name} does not support aggregate operator {aggregate.function}")
        return _AGGREGATES[aggregate.function](values)


_AGGREGATES: dict[str, Callable[[list[Any]], Any]] = {
    "COUNT": len,
    "COUNT_DISTINCT": lambda values: len({_comparable(value) for value in values}),
    "MIN": lambda values: min(values, default=None),
    "MAX": lambda values: max(values, default=None),
    "SUM": lambda values: sum(values) if values else None,
    "AVG": lambda values: sum(values) / len(values) if values else None,
}


def _plain(name: str) -> Getter:
    return lambda record: record.get(name)


def _parent_of(org: Org, reference: str) -> Callable[[Record], Record | None]:
    def find(record: Record) -> Record | None:
        parent_id = record.get(reference)
        return org.record(parent_id) if parent_id else None

    return find


def _through(parent_of: Callable[[Record], Record | None], get: Getter) -> Getter:
    def read(record: Record) -> Any:
        parent = parent_of(record)
        return get(parent) if parent is not None else None

    return read


def _comparable(value: Any) -> Any:
    """Text without its case: SOQL compares text case-insensitively."""
    return value.lower() if isinstance(value, str) else value


def _sortable(value: Any) -> tuple[bool, Any]:
    return (value is not None, _comparable(value) if value is not None else 0)


_FITTING = {
    "boolean": ("boolean",),
    "date": ("date",),
    "datetime": ("datetime", "date"),
    "number": ("number",),
}


def _fitting(field: Field, literal: Literal) -> Any:
    """The literal's value as the field keeps it.

    :raises ApiError: INVALID_FIELD, the literal has another type than the field.
    """
    if literal.kind == "null":
        return None
    kind = "number" if field.kind in NUMBER_KINDS else field.kind
    if literal.kind not in _FITTING.get(kind, ("string",)):
        quoted = "should be enclosed in quotes" if kind not in _FITTING else "should not be enclosed in quotes"
        message = f"value of filter criterion for field '{field.name}' must be of type {field.kind} and {quoted}"
        raise ApiError("INVALID_FIELD", message)
    if field.kind in ("id", "reference"):
        return _id_literal(field, literal.value)
    if field.kind == "datetime" and literal.kind == "date":
        return f"{literal.value}T00:00:00.000+0000"
    return literal.value.replace(ESCAPED, "") if literal.kind == "string" else literal.value


def _id_literal(field: Field, text: str) -> str | None:
    if not text:
        return None
    try:
        return to_18(text)
    except ValueError:
        raise ApiError("INVALID_QUERY_FILTER_OPERATOR", f"invalid ID field: {text}") from None


def _compare_test(get: Getter, operator: str, value: Any) -> Test:
    if operator == "=":
        return lambda record: _comparable(get(record)) == value
    if operator == "!=":
        return lambda record: _comparable(get(record)) != value
    if value is None:
        raise malformed_query(f"operator '{operator}' cannot be used with null")
    comparisons: dict[str, Callable[[Any], bool]] = {
        "<": lambda left: left < value,
        ">": lambda left: left > value,
        "<=": lambda left: left <= value,
        ">=": lambda left: left >= value,
    }
    compare = comparisons[operator]

    def test(record: Record) -> bool:
        found = _comparable(get(record))
        return found is not None and compare(found)

    return test


def _like_test(column: Column, literal: Literal) -> Test:
    if literal.kind != "string" or column.field.kind in (*NUMBER_KINDS, "id", "reference", "boolean", "date"):
        raise ApiError("INVALID_QUERY_FILTER_OPERATOR", f"invalid operator on {column.field.kind} field")
    pattern = re.compile(_like_pattern(literal.value), re.IGNORECASE | re.DOTALL)
    return lambda record: pattern.fullmatch(str(column.get(record) or "")) is not None


def _like_pattern(text: str) -> str:
    wildcards = {"%": ".*", "_": "."}
    parts = re.findall(f"{ESCAPED}[%_]|.", text, flags=re.DOTALL)
    # Runs of % mean one; folding them keeps the pattern from backtracking.
    parts = [part for at, part in enumerate(parts) if not (part == "%" and parts[at - 1 : at] == ["%"])]
    return "".join(wildcards.get(part, re.escape(part[-1])) for part in parts)


def _range_test(column: Column, condition: Compare, now: datetime) -> Test:
    """TODAY and its relatives: a half-open range of moments."""
    if column.field.kind not in ("date", "datetime"):
        raise ApiError("INVALID_FIELD", f"date literal cannot be compared with field '{column.field.name}'")
    start, end = (_moment(column.field, each) for each in _range(condition.literal.value, now))
    tests: dict[str, Callable[[str], bool]] = {
        "=": lambda value: start <= value < end,
        "!=": lambda value: not start <= value < end,
        "<": lambda value: value < start,
        ">": lambda value: value >= end,
        "<=": lambda value: value < end,
        ">=": lambda value: value >= start,
    }
    test = tests[condition.operator]
    return lambda record: column.get(record) is not None and test(column.get(record))


def _range(name: str, now: datetime) -> tuple[datetime, datetime]:
    today = datetime(now.year, now.month, now.day, tzinfo=UTC)
    word, _, count = name.partition(":")
    days = timedelta(days=int(count or 1))
    one = timedelta(days=1)
    return {
        "today": (today, today + one),
        "yesterday": (today - one, today),
        "tomorrow": (today + one, today + 2 * one),
        "last_n_days": (today - days, today + one),
        "next_n_days": (today + one, today + one + days),
    }[word]


def _moment(field: Field, moment: datetime) -> str:
    return format_datetime(moment) if field.kind == "datetime" else moment.date().isoformat()
