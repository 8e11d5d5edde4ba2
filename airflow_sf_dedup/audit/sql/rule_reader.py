"""What did the duplicate rules do, over many loads?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, Subquery, and_, case, func, select

from airflow_sf_dedup.audit.base import BlockedRow, Period, RuleUse
from airflow_sf_dedup.audit.sql.part import SqlPart
from airflow_sf_dedup.core.entries import Action
from airflow_sf_dedup.database import tables
from airflow_sf_dedup.database.engine import reading

_T = TypeVar("_T")

_load, _entry, _match = tables.load.c, tables.entry.c, tables.match.c

#: The sObject of the rows, and the rule.
_Rule = tuple[str, str]


class SqlRuleReader(SqlPart):
    """Joins ``sf_dedup_load``, ``sf_dedup_entry`` and ``sf_dedup_match``."""

    def loads_in(self, period: Period) -> Mapping[str, int]:
        """Those that began in it."""
        sobject = tables.load.c.sobject
        asked = select(sobject, func.count()).where(*_began_in(period)).group_by(sobject)
        with reading(self.engine) as connection:
            return {name: int(loads) for name, loads in connection.execute(asked)}

    def rule_uses(self, period: Period, *, examples: int = 0) -> list[RuleUse]:
        """All that is asked of one state, in a few statements however many loads there are."""
        rows = _rows(period)
        with reading(self.engine) as connection:
            actions = _by_rule(connection, _per(rows, func.count(), plain=[rows.c.action]), dict)
            several = _by_rule(connection, _per(rows, func.sum(rows.c.several), func.sum(rows.c.elsewhere)), list)
            matching = _by_rule(connection, _matches(period, _match.matching_rule, func.count()), dict)
            confidences = _by_rule(connection, _matches(period, _match.confidence, func.count()), dict)
            shown = _by_rule(connection, _examples(rows, examples), list) if examples else {}
        uses = [
            RuleUse(
                sobject=sobject,
                rule=rule,
                matching_rules=tuple(sorted(name for name in matching.get((sobject, rule), {}) if name)),
                actions={Action(name): int(count) for name, count in counts.items()},
                several=int(several[sobject, rule][0][0]),
                elsewhere=int(several[sobject, rule][0][1]),
                confidences={
                    percent: int(count)
                    for percent, count in confidences.get((sobject, rule), {}).items()
                    if percent is not None
                },
                examples=tuple(
                    BlockedRow(load_id, number, Action(action), record_id, confidence)
                    for load_id, number, action, record_id, confidence in shown.get((sobject, rule), ())
                ),
            )
            for (sobject, rule), counts in actions.items()
        ]
        return sorted(uses, key=lambda use: (-sum(use.actions.values()), use.sobject, use.rule))


def _began_in(period: Period) -> list[ColumnElement[bool]]:
    conditions = [
        _load.kind == period.kind.value,
        _load.started_at >= period.since,
        _load.started_at < period.until,
    ]
    if period.org_id is not None:
        conditions.append(_load.org_id == period.org_id)
    if period.sobject is not None:
        conditions.append(func.lower(_load.sobject) == period.sobject.lower())
    return conditions


def _rows(period: Period) -> Subquery:
    """One line for each row and each rule that named records for it."""
    of_row = and_(_match.load_id == _entry.load_id, _match.row_number == _entry.row_number)
    is_elsewhere = func.max(_as_number(func.lower(_match.sobject) != func.lower(_load.sobject)))
    return (
        select(
            _load.sobject,
            _match.duplicate_rule.label("rule"),
            _entry.load_id,
            _entry.row_number,
            _entry.action,
            _load.started_at,
            func.min(_match.record_id).label("record_id"),
            func.max(_match.confidence).label("confidence"),
            _as_number(func.count(_match.record_id.distinct()) > 1).label("several"),
            is_elsewhere.label("elsewhere"),
        )
        .join_from(tables.entry, tables.load, _load.load_id == _entry.load_id)
        .join(tables.match, of_row)
        .where(*_began_in(period), _match.duplicate_rule.is_not(None))
        .group_by(
            _load.sobject, _match.duplicate_rule, _entry.load_id, _entry.row_number, _entry.action, _load.started_at
        )
        .subquery()
    )


def _as_number(condition: ColumnElement[bool]) -> ColumnElement[int]:
    """1 where it holds: PostgreSQL sums no booleans."""
    return case((condition, 1), else_=0)


def _per(rows: Subquery, *aggregates: ColumnElement[Any], plain: Sequence[ColumnElement[Any]] = ()) -> Select[Any]:
    """For each rule, and for each value of the plain columns."""
    by = (rows.c.sobject, rows.c.rule, *plain)
    return select(*by, *aggregates).group_by(*by)


def _matches(period: Period, column: ColumnElement[Any], *aggregates: ColumnElement[Any]) -> Select[Any]:
    return (
        select(_load.sobject, _match.duplicate_rule, column, *aggregates)
        .join_from(tables.match, tables.load, _load.load_id == _match.load_id)
        .where(*_began_in(period), _match.duplicate_rule.is_not(None))
        .group_by(_load.sobject, _match.duplicate_rule, column)
    )


def _examples(rows: Subquery, most: int) -> Select[Any]:
    """The latest rows of each rule."""
    place = func.row_number().over(
        partition_by=(rows.c.sobject, rows.c.rule),
        order_by=(rows.c.started_at.desc(), rows.c.load_id, rows.c.row_number),
    )
    placed = select(rows, place.label("place")).subquery()
    columns = placed.c
    return (
        select(
            columns.sobject,
            columns.rule,
            columns.load_id,
            columns.row_number,
            columns.action,
            columns.record_id,
            columns.confidence,
        )
        .where(columns.place <= most)
        .order_by(columns.sobject, columns.rule, columns.place)
    )


def _by_rule(connection: Connection, query: Select[Any], collect: Callable[[list[Any]], _T]) -> dict[_Rule, _T]:
    """What is told of each rule."""
    found: defaultdict[_Rule, list[Any]] = defaultdict(list)
    for sobject, rule, *told in connection.execute(query):
        found[sobject, rule].append(tuple(told))
    return {rule: collect(told) for rule, told in found.items()}
