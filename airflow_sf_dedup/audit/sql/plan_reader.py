"""Where did a load differ from its plan? Both stand in ``sf_dedup_entry``; the database joins them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Select, Subquery, and_, case, func, literal, select, union_all

from airflow_sf_dedup.audit.sql.part import SqlPart
from airflow_sf_dedup.core.entries import NOT_IN_SAMPLE, Action
from airflow_sf_dedup.core.plan_differences import Compared, Departure, PlanDifference
from airflow_sf_dedup.database import tables
from airflow_sf_dedup.database.engine import reading

_AS_PLANNED, _UNPLANNED = "as_planned", "unplanned"


class SqlPlanReader(SqlPart):
    """Joins the entries of a load and its plan by key, and by the place among the rows of a key."""

    def plan_differences(self, plan_id: str, load_id: str) -> Iterator[PlanDifference]:
        """The rows that did not end as they were planned: those of the load by their number, then those it lacks."""
        pairs = _pairs(plan_id, load_id)
        differing = pairs.c.departure.not_in([_AS_PLANNED, _UNPLANNED])
        # Those without a number come last in either database.
        in_order = (pairs.c.row_number.is_(None), pairs.c.row_number, pairs.c.planned_row)
        with reading(self.engine) as connection:
            found = connection.execute(select(pairs).where(differing).order_by(*in_order)).mappings().all()
        for row in found:
            yield PlanDifference(
                **{
                    **row,
                    "departure": Departure(row["departure"]),
                    "planned": _action(row["planned"]),
                    "became": _action(row["became"]),
                }
            )

    def compared(self, plan_id: str, load_id: str) -> Compared:
        """A load and its plan in numbers."""
        pairs = _pairs(plan_id, load_id)
        columns = (pairs.c.departure, pairs.c.planned, pairs.c.became)
        query = select(*columns, func.count()).group_by(*columns)
        same = unplanned = 0
        otherwise: dict[tuple[Action | None, Action | None], int] = {}
        with reading(self.engine) as connection:
            for departure, planned, became, rows in connection.execute(query):
                if departure == _AS_PLANNED:
                    same += rows
                elif departure == _UNPLANNED:
                    unplanned += rows
                else:
                    pair = (_action(planned), _action(became))
                    otherwise[pair] = otherwise.get(pair, 0) + rows
        in_order = sorted(otherwise.items(), key=lambda item: (-item[1], str(item[0])))
        return Compared(same, unplanned, dict(in_order))


def _action(name: str | None) -> Action | None:
    return None if name is None else Action(name)


def _rows(load_id: str) -> Subquery:
    """The entries of a load, each with its place among those of its key; rows without one count as of one key."""
    entry = tables.entry.c
    key = func.coalesce(entry.key, "")
    place = func.row_number().over(partition_by=key, order_by=entry.row_number)
    columns = (entry.row_number, entry.key, entry.action, entry.reason, entry.record_id)
    return select(*columns, key.label("of"), place.label("place")).where(entry.load_id == load_id).subquery()


def _pairs(plan_id: str, load_id: str) -> Subquery:
    """Every row of either, beside the same row of the other."""
    plan, load = _rows(plan_id), _rows(load_id)
    same = and_(load.c.of == plan.c.of, load.c.place == plan.c.place)
    of_load = select(*_columns(plan, load, _departure(plan, load))).select_from(load.outerjoin(plan, same))
    gone: Select[Any] = (
        select(*_columns(plan, load, literal(Departure.GONE.value)))
        .select_from(plan.outerjoin(load, same))
        .where(load.c.row_number.is_(None), func.coalesce(plan.c.reason, "") != NOT_IN_SAMPLE)
    )
    return union_all(of_load, gone).subquery()


def _columns(plan: Subquery, load: Subquery, departure: ColumnElement[str]) -> tuple[ColumnElement[Any], ...]:
    return (
        departure.label("departure"),
        func.coalesce(load.c.key, plan.c.key).label("key"),
        load.c.row_number.label("row_number"),
        plan.c.row_number.label("planned_row"),
        plan.c.action.label("planned"),
        load.c.action.label("became"),
        plan.c.reason.label("planned_reason"),
        load.c.reason.label("reason"),
        plan.c.record_id.label("planned_record"),
        load.c.record_id.label("record_id"),
    )


def _departure(plan: Subquery, load: Subquery) -> ColumnElement[str]:
    """What a row of the load is, beside the plan. Whoever is created has an id that no plan knows."""
    known = and_(plan.c.record_id.is_not(None), load.c.record_id.is_not(None))
    return case(
        (plan.c.row_number.is_(None), Departure.NEW.value),
        (plan.c.reason == NOT_IN_SAMPLE, _UNPLANNED),
        (plan.c.action != load.c.action, Departure.OTHERWISE.value),
        (and_(known, plan.c.record_id != load.c.record_id), Departure.OTHER_RECORD.value),
        else_=_AS_PLANNED,
    )
