"""Which records did a load create, and which of them has another load written?"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Row as SqlRow
from sqlalchemy import and_, select, true, union

from airflow_sf_dedup.audit.base import LoadKind
from airflow_sf_dedup.audit.changes import MadeChange
from airflow_sf_dedup.audit.sql.part import SqlPart
from airflow_sf_dedup.core.changes import IS_DELETED, Change, ChangeKind
from airflow_sf_dedup.core.entries import IN_THE_ORG, Action
from airflow_sf_dedup.database import tables
from airflow_sf_dedup.database.bulk import among
from airflow_sf_dedup.database.engine import reading

_change, _entry, _load, _match = tables.change.c, tables.entry.c, tables.load.c, tables.match.c

#: A row that was saved although a rule named duplicates may have met a record of its key.
_OWN_RECORDS = [Action.CREATED.value, Action.SAVED_ANYWAY.value]

_MAY_BE_WRITTEN = [each.value for each in (*IN_THE_ORG, Action.UNKNOWN)]


class SqlCreated(SqlPart):
    """Reads entries, and what other loads say of their records."""

    def created(self, load_id: str, *, before: int | None = None, records: int = 1000) -> list[MadeChange]:
        """The rows that were saved as records of their own, or may have been: the latest in the source first."""
        query = (
            select(tables.entry, _load.sobject)
            .join(tables.load, _load.load_id == _entry.load_id)
            .where(_entry.load_id == load_id, _entry.action.in_(_OWN_RECORDS), _entry.record_id.is_not(None))
            .where(true() if before is None else _entry.row_number < before)
            .order_by(_entry.row_number.desc())
            .limit(records)
        )
        with reading(self.engine) as connection:
            return [_created(row) for row in connection.execute(query)]

    def written_elsewhere(
        self, load_id: str, record_ids: Iterable[str], keys: Iterable[str], *, since: datetime
    ) -> frozenset[str]:
        """By a key of these rows, as a match that was written to, or as a record whose change was told."""
        dialect, ids = self.engine.dialect, sorted(set(record_ids))
        org = select(_load.org_id).where(_load.load_id == load_id).scalar_subquery()
        others = select(_load.load_id).where(
            _load.org_id == org, _load.load_id != load_id, _load.kind == LoadKind.LOAD.value
        )
        written = and_(_entry.load_id.in_(others), _entry.action.in_(_MAY_BE_WRITTEN), _entry.at >= since)
        by_key = select(_entry.record_id).where(
            written, among(dialect, _entry.key, sorted(set(keys))), among(dialect, _entry.record_id, ids)
        )
        of_row = and_(_match.load_id == _entry.load_id, _match.row_number == _entry.row_number)
        as_match = (
            select(_match.record_id)
            .select_from(tables.entry.join(tables.match, of_row))
            .where(written, among(dialect, _match.record_id, ids), _match.record_id == _entry.record_id)
        )
        changed = select(_change.record_id).where(
            _change.load_id.in_(others),
            _change.kind != ChangeKind.KEPT_BACK.value,
            _change.at >= since,
            among(dialect, _change.record_id, ids),
        )
        with reading(self.engine) as connection:
            return frozenset(connection.scalars(union(by_key, as_match, changed)))


def _created(row: SqlRow[tuple[object, ...]]) -> MadeChange:
    change = Change(row.row_number, row.record_id, row.sobject, ChangeKind.CREATE, IS_DELETED, before=True, after=False)
    return MadeChange(change, row.record_id, Action(row.action), row.key, row.record_id, row.reason, row.at)
