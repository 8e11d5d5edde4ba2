"""How much did a task's loads create, change and have blocked, load by load?"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Select, exists, func, select

from airflow_sf_dedup.audit.base import Load, LoadKind
from airflow_sf_dedup.audit.sql.part import SqlPart
from airflow_sf_dedup.core.entries import UNSENT, Action
from airflow_sf_dedup.core.volume import Volume
from airflow_sf_dedup.database import tables
from airflow_sf_dedup.database.engine import reading

#: With a row of these, a load did less than it was to do.
_OPEN = (Action.NOT_SENT.value, Action.UNKNOWN.value)

#: With no other rows than these, and none that a rule blocked, a load says nothing of what its task does. That all is
#: as it was says something.
_CAME_TO_NOTHING = sorted({each.value for each in UNSENT - {Action.UNCHANGED}} | {Action.FAILED.value, *_OPEN})


class SqlVolumeReader(SqlPart):
    """Answers from ``sf_dedup_volume``."""

    def earlier_volumes(self, load: Load, most: int) -> list[Volume]:
        """What the latest whole loads of the same task had, the latest first; a line a partition is read."""
        of, counted = _earlier_whole(load, most).subquery(), tables.volume
        sums = (func.coalesce(func.sum(counted.c[name]), 0) for name in ("created", "changed", "blocked"))
        query = (
            select(*sums)
            .select_from(of.outerjoin(counted, counted.c.load_id == of.c.load_id))
            .group_by(of.c.load_id, of.c.ended_at)
            .order_by(of.c.ended_at.desc(), of.c.load_id)
        )
        with reading(self.engine) as connection:
            return [Volume(*map(int, row)) for row in connection.execute(query)]


def _earlier_whole(load: Load, most: int) -> Select[tuple[str, object]]:
    columns = tables.load.c
    return (
        select(columns.load_id, columns.ended_at)
        .where(
            columns.kind == LoadKind.LOAD.value,
            columns.org_id == load.org_id,
            func.lower(columns.sobject) == load.sobject.lower(),
            func.lower(columns.external_id_field) == load.external_id_field.lower(),
            columns.dag_id == load.dag_id,
            columns.task_id == load.task_id,
            columns.load_id != load.load_id,
            columns.ended_at < load.started_at,
            _did_something(),
            ~_has_row(tables.entry.c.action.in_(_OPEN)),
        )
        .order_by(columns.ended_at.desc(), columns.load_id)
        .limit(most)
    )


def _did_something() -> ColumnElement[bool]:
    counted = tables.volume.c
    blocked = exists().where(counted.load_id == tables.load.c.load_id, counted.blocked > 0)
    return blocked | _has_row(tables.entry.c.action.not_in(_CAME_TO_NOTHING))


def _has_row(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(tables.entry.c.load_id == tables.load.c.load_id, condition)
