"""Which loads are there, and which of their partitions were begun?"""

from __future__ import annotations

from sqlalchemy import ColumnElement, exists, func, select

from airflow_sf_dedup.audit.base import Load, LoadKind
from airflow_sf_dedup.audit.sql.part import SqlPart
from airflow_sf_dedup.audit.sql.rows import BEGUN, load_from
from airflow_sf_dedup.core.entries import UNSENT
from airflow_sf_dedup.database import tables
from airflow_sf_dedup.database.engine import reading

_UNSENT = sorted(action.value for action in UNSENT)


class SqlLoadReader(SqlPart):
    """Reads loads, from ``sf_dedup_load`` and ``sf_dedup_event``."""

    def load(self, load_id: str) -> Load | None:
        """The load of that id."""
        found = self._loads(tables.load.c.load_id == load_id)
        return found[0] if found else None

    def loads_of_run(self, dag_id: str, run_id: str, *, kind: LoadKind = LoadKind.LOAD) -> list[Load]:
        """The loads of one DAG run, oldest first."""
        columns = tables.load.c
        return self._loads(columns.dag_id == dag_id, columns.run_id == run_id, columns.kind == kind.value)

    def latest_load(self, dag_id: str | None = None, *, kind: LoadKind = LoadKind.LOAD) -> Load | None:
        """The load that began last, of a Dag or of all; ``None``: there is none."""
        columns = tables.load.c
        of_dag = [] if dag_id is None else [columns.dag_id == dag_id]
        wanted = (columns.kind == kind.value, *of_dag)
        query = select(columns.load_id).where(*wanted).order_by(columns.started_at.desc(), columns.load_id).limit(1)
        with reading(self.engine) as connection:
            found = connection.scalar(query)
        return None if found is None else self.load(found)

    def latest_sent(
        self, org_id: str, sobject: str, external_id_field: str, *, made_by: tuple[str, str] | None = None
    ) -> Load | None:
        """The latest load of that org, sObject and field that has ended and sent rows; ``None``: there is none.

        :param made_by: only loads of this Dag and task.
        """
        columns, entry = tables.load.c, tables.entry.c
        sent = exists().where(entry.load_id == columns.load_id, entry.action.not_in(_UNSENT))
        of_task = [] if made_by is None else [columns.dag_id == made_by[0], columns.task_id == made_by[1]]
        query = select(columns.load_id).where(
            columns.kind == LoadKind.LOAD.value,
            columns.org_id == org_id,
            func.lower(columns.sobject) == sobject.lower(),
            func.lower(columns.external_id_field) == external_id_field.lower(),
            columns.ended_at.is_not(None),
            columns.rows_read > 0,
            sent,
            *of_task,
        )
        with reading(self.engine) as connection:
            found = connection.scalar(query.order_by(columns.ended_at.desc(), columns.load_id).limit(1))
        return None if found is None else self.load(found)

    def begun_partitions(self, load_id: str) -> frozenset[int]:
        """The partitions of a load that some task began to send; -1 where an erasure took the number."""
        columns = tables.event.c
        query = select(columns.detail).where(columns.load_id == load_id, columns.event == BEGUN)
        with reading(self.engine) as connection:
            return frozenset(detail.get("partition", -1) for detail in connection.scalars(query))

    def _loads(self, *conditions: ColumnElement[bool]) -> list[Load]:
        query = select(tables.load).where(*conditions)
        with reading(self.engine) as connection:
            rows = connection.execute(query.order_by(tables.load.c.started_at, tables.load.c.load_id))
            return [load_from(row) for row in rows.mappings()]
