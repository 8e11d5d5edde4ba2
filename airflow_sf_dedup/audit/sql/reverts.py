"""Which changes of a load were taken back? In ``sf_dedup_revert`` and ``sf_dedup_reverted``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, func, select, update

from airflow_sf_dedup.audit.changes import ChangeId, Mark, RevertTotals
from airflow_sf_dedup.audit.sql.held_load import hold_load
from airflow_sf_dedup.audit.sql.part import SqlPart
from airflow_sf_dedup.core.reverts import Left, RevertState
from airflow_sf_dedup.database import tables
from airflow_sf_dedup.database.bulk import among, insert_into
from airflow_sf_dedup.database.contention import again
from airflow_sf_dedup.database.engine import reading, writing
from airflow_sf_dedup.database.storable import stored_message, stored_word

_revert, _reverted = tables.revert.c, tables.reverted.c

_WEIGHT = {RevertState.LEFT: 0, RevertState.ANNOUNCED: 1, RevertState.REVERTED: 2}


class SqlReverts(SqlPart):
    """Writes and reads what reverts did."""

    def begin_revert(self, revert_id: str, load_id: str, task: str) -> None:
        """Begin a revert, or go on with it.

        :raises LoadMissingError: the load was not opened, or has been purged.
        """
        insert = insert_into(self.engine.dialect, tables.revert).values(
            revert_id=revert_id, load_id=load_id, task=stored_message(task), started_at=self.clock(), ended_at=None
        )
        begun = insert.on_conflict_do_update(index_elements=["load_id", "revert_id"], set_={"ended_at": None})
        with writing(self.engine) as connection:
            hold_load(connection, load_id)
            connection.execute(begun)

    def end_revert(self, revert_id: str, load_id: str) -> None:
        """Nothing is left to be done by it."""
        ended = update(tables.revert).where(_revert.load_id == load_id, _revert.revert_id == revert_id)
        with writing(self.engine) as connection:
            connection.execute(ended.values(ended_at=self.clock()))

    def mark(self, revert_id: str, load_id: str, marks: Sequence[Mark]) -> None:
        """Say how far changes are, in one transaction; what is ``reverted`` stays so.

        :raises LoadMissingError: the load was not opened, or has been purged.
        """
        if marks:
            again()(self._mark, revert_id, load_id, marks)

    def _mark(self, revert_id: str, load_id: str, marks: Sequence[Mark]) -> None:
        columns = ("state", "reason", "error_code", "system_modstamp", "at")
        insert = insert_into(self.engine.dialect, tables.reverted)
        statement = insert.on_conflict_do_update(
            index_elements=[column.name for column in tables.reverted.primary_key],
            set_={name: insert.excluded[name] for name in columns},
            where=_reverted.state != RevertState.REVERTED.value,
        )
        now = self.clock()
        rows = [_row(mark, revert_id=revert_id, load_id=load_id, at=now) for mark in sorted(marks, key=lambda m: m.id)]
        with writing(self.engine) as connection:
            hold_load(connection, load_id)
            connection.execute(statement, rows)

    def standing(self, load_id: str, rows: Iterable[int]) -> Mapping[ChangeId, Mark]:
        """How far the changes of rows are, over all reverts."""
        query = (
            select(tables.reverted)
            .where(_reverted.load_id == load_id, among(self.engine.dialect, _reverted.row_number, rows))
            .order_by(_reverted.at)
        )
        found: dict[ChangeId, Mark] = {}
        with reading(self.engine) as connection:
            for mark in map(_mark_from, connection.execute(query).mappings()):
                known = found.get(mark.id)
                if known is None or _WEIGHT[mark.state] >= _WEIGHT[known.state]:
                    found[mark.id] = mark
        return found

    def reverts(self, load_id: str) -> list[RevertTotals]:
        """All reverts of a load, oldest first."""
        begun = select(tables.revert).where(_revert.load_id == load_id).order_by(_revert.started_at, _revert.revert_id)
        counted = (
            select(_reverted.revert_id, _reverted.state, _reverted.reason, func.count())
            .where(_reverted.load_id == load_id)
            .group_by(_reverted.revert_id, _reverted.state, _reverted.reason)
        )
        changes: defaultdict[str, dict[tuple[RevertState, Left | None], int]] = defaultdict(dict)
        with reading(self.engine) as connection:
            for revert_id, state, reason, count in connection.execute(counted):
                changes[revert_id][RevertState(state), Left(reason) if reason else None] = int(count)
            rows = connection.execute(begun).all()
        return [RevertTotals(r.revert_id, r.task, r.started_at, r.ended_at, changes[r.revert_id]) for r in rows]


def _row(mark: Mark, **more: Any) -> dict[str, Any]:
    row_number, record_id, field = mark.id
    return {
        **more,
        "row_number": row_number,
        "record_id": record_id,
        "field": field,
        "state": mark.state.value,
        "reason": mark.reason and mark.reason.value,
        "error_code": stored_word(mark.error_code),
        "system_modstamp": mark.system_modstamp,
    }


def _mark_from(row: RowMapping) -> Mark:
    return Mark(
        (row["row_number"], row["record_id"], row["field"]),
        RevertState(row["state"]),
        Left(row["reason"]) if row["reason"] else None,
        row["error_code"],
        row["system_modstamp"],
    )
