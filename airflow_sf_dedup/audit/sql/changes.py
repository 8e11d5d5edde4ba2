"""What did a load change in records that were there before? Told before each call, in ``sf_dedup_change``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, RowMapping, and_, delete, func, or_, select, tuple_

from airflow_sf_dedup.audit.changes import ChangeId, MadeChange
from airflow_sf_dedup.audit.sql.held_load import hold_load
from airflow_sf_dedup.audit.sql.part import SqlPart
from airflow_sf_dedup.audit.sql.rows import Row
from airflow_sf_dedup.core.changes import Change, ChangeKind, NotKept, replaces
from airflow_sf_dedup.core.entries import Action
from airflow_sf_dedup.database import tables
from airflow_sf_dedup.database.bulk import among, insert_rows
from airflow_sf_dedup.database.columns import utc_text
from airflow_sf_dedup.database.contention import again
from airflow_sf_dedup.database.engine import reading, writing
from airflow_sf_dedup.database.storable import json_text, stored_word

_change, _entry = tables.change.c, tables.entry.c

#: The record of a change: one that the row itself was to create, its entry names.
_record = func.coalesce(func.nullif(_change.record_id, ""), _entry.record_id, "")


class SqlChanges(SqlPart):
    """Writes and reads changes."""

    def keep_changes(self, load_id: str, changes: Sequence[Change]) -> None:
        """Write changes, in one transaction; those of an earlier try that knows better stay.

        :raises LoadMissingError: the load was not opened, or has been purged.
        """
        if changes:
            again()(self._keep, load_id, {_id(change): change for change in changes})

    def _keep(self, load_id: str, told: Mapping[ChangeId, Change]) -> None:
        with writing(self.engine) as connection:
            hold_load(connection, load_id)
            kept = _kept(connection, load_id, {number for number, *_ in told})
            new = [change for key, change in told.items() if key not in kept or replaces(kept[key], change)]
            _delete(connection, load_id, [_id(change) for change in new if _id(change) in kept])
            now = self.clock()
            insert_rows(connection, tables.change, (_row(load_id, change, now) for change in new))

    def changes(self, load_id: str, *, after: tuple[str, str] = ("", ""), records: int = 1000) -> list[MadeChange]:
        """Changes of the next records, by sObject and record, those of one record oldest first."""
        wanted = and_(_change.load_id == load_id, _change.kind != ChangeKind.KEPT_BACK.value)
        joined = tables.change.outerjoin(
            tables.entry, and_(_entry.load_id == _change.load_id, _entry.row_number == _change.row_number)
        )
        later = or_(_change.sobject > after[0], and_(_change.sobject == after[0], _record > after[1]))
        page = (
            select(_change.sobject, _record.label("record"))
            .select_from(joined)
            .where(wanted, later)
            .distinct()
            .order_by(_change.sobject, "record")
            .limit(records)
            .subquery()
        )
        said_besides = (_entry.reason.label("said"), _entry.at.label("settled_at"))
        query = (
            select(
                tables.change,
                _record.label("record"),
                _entry.action,
                _entry.key,
                _entry.record_id.label("written"),
                *said_besides,
            )
            .select_from(joined)
            .join(page, and_(page.c.sobject == _change.sobject, page.c.record == _record))
            .where(wanted)
            .order_by(_change.sobject, "record", _change.at, _change.row_number)
        )
        with reading(self.engine) as connection:
            return [_made(row) for row in connection.execute(query).mappings()]


def _id(change: Change) -> ChangeId:
    return (change.row_number, change.record_id, change.field)


def _kept(connection: Connection, load_id: str, rows: Iterable[int]) -> dict[ChangeId, Change]:
    query = select(tables.change).where(
        _change.load_id == load_id, among(connection.dialect, _change.row_number, sorted(rows))
    )
    return {_id(change): change for row in connection.execute(query).mappings() for change in [_from(row)]}


def _delete(connection: Connection, load_id: str, ids: Sequence[ChangeId]) -> None:
    """Few: an earlier try told them, and did not write them."""
    for each in ids:
        same = tuple_(_change.row_number, _change.record_id, _change.field) == tuple_(*each)
        connection.execute(delete(tables.change).where(_change.load_id == load_id, same))


def _row(load_id: str, change: Change, now: datetime) -> Row:
    """The columns of ``sf_dedup_change``, in the table's order."""
    return (
        load_id,
        change.row_number,
        change.record_id,
        change.field,
        change.sobject,
        change.kind.value,
        *(None if value is None else json_text(value) for value in (change.before, change.after)),
        change.not_kept and change.not_kept.value,
        stored_word(change.reason),
        change.system_modstamp and utc_text(change.system_modstamp),
        utc_text(now),
    )


def _from(row: RowMapping) -> Change:
    fields = {name: row[name] for name in row if name in Change.__dataclass_fields__}
    fields["kind"] = ChangeKind(fields["kind"])
    fields["not_kept"] = NotKept(fields["not_kept"]) if fields["not_kept"] else None
    return Change(**fields)


def _made(row: RowMapping) -> MadeChange:
    action = Action(row["action"]) if row["action"] else None
    said = (row["key"], row["written"], row["said"], row["settled_at"])
    return MadeChange(_from(row), row["record"], action, *said)
