"""How is it written once, and for good, what became of a row?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from sqlalchemy import Connection, delete, select
from sqlalchemy.exc import IntegrityError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from airflow_sf_dedup.audit.sql.held_load import hold_load
from airflow_sf_dedup.audit.sql.part import SqlPart
from airflow_sf_dedup.audit.sql.rows import (
    entry_row,
    first_decisions,
    match_rows,
    may_be_replaced,
    payload_rows,
    rule_wait_rows,
)
from airflow_sf_dedup.audit.sql.volume import add_volumes
from airflow_sf_dedup.core.entries import Action, Entry
from airflow_sf_dedup.core.volume import Volume, volume_of
from airflow_sf_dedup.database import tables
from airflow_sf_dedup.database.bulk import among, insert_rows
from airflow_sf_dedup.database.engine import writing


class SqlEntryWriter(SqlPart):
    """Writes entries with what hangs on them, in tables of their own."""

    def remember(self, load_id: str, entries: Sequence[Entry]) -> None:
        """Write entries, in one transaction; settled entries of the same rows stay as they are.

        :raises LoadMissingError: when the load was not opened.
        """
        decided = first_decisions(entries)
        if not decided:
            return
        # In PostgreSQL another try of the same task may insert the same rows between our look and our
        # write; the next look sees what it decided.
        for attempt in Retrying(
            retry=retry_if_exception_type(IntegrityError), stop=stop_after_attempt(5), reraise=True
        ):
            with attempt, writing(self.engine) as connection:
                hold_load(connection, load_id)
                kept, gone = _make_room(connection, load_id, decided)
                written = [decided[row] for row in decided if row not in kept]
                _insert(connection, load_id, written)
                add_volumes(connection, load_id, [*gone, *_volumes(written)])


def _volumes(entries: Iterable[Entry]) -> Iterator[tuple[int, Volume]]:
    """What entries count as, by partition; those that count alike are counted together."""
    alike = Counter((entry.partition, entry.action, entry.error_code) for entry in entries)
    return ((partition, volume_of(action, code, rows)) for (partition, action, code), rows in alike.items())


def _make_room(
    connection: Connection, load_id: str, decided: Mapping[int, Entry]
) -> tuple[set[int], list[tuple[int, Volume]]]:
    """Delete the entries that these replace, with what hangs on them.

    :returns: the rows whose entry stays; and what no longer counts, by partition.
    """
    columns = tables.entry.c
    query = select(columns.row_number, columns.action, columns.error_code, columns.partition).where(
        columns.load_id == load_id, among(connection.dialect, columns.row_number, decided)
    )
    found = connection.execute(query.order_by(columns.row_number).with_for_update()).all()
    gone = [each for each in found if may_be_replaced(Action(each.action), decided[each.row_number])]
    replaced = [each.row_number for each in gone]
    if replaced:
        connection.execute(
            delete(tables.entry).where(
                columns.load_id == load_id, among(connection.dialect, columns.row_number, replaced)
            )
        )
    counted = [(each.partition, -volume_of(Action(each.action), each.error_code)) for each in gone]
    return {each.row_number for each in found}.difference(replaced), counted


def _insert(connection: Connection, load_id: str, entries: Sequence[Entry]) -> None:
    insert_rows(connection, tables.entry, (entry_row(load_id, entry) for entry in entries))
    insert_rows(connection, tables.match, (row for entry in entries for row in match_rows(load_id, entry)))
    insert_rows(connection, tables.payload, (row for entry in entries for row in payload_rows(load_id, entry)))
    _insert_waits(connection, load_id, [entry for entry in entries if entry.rule_wait is not None])


def _insert_waits(connection: Connection, load_id: str, entries: Sequence[Entry]) -> None:
    """Each in place of what was known of the row's waits before."""
    if not entries:
        return
    columns = tables.rule_wait.c
    numbers = among(connection.dialect, columns.row_number, [entry.row_number for entry in entries])
    connection.execute(delete(tables.rule_wait).where(columns.load_id == load_id, numbers))
    insert_rows(connection, tables.rule_wait, (row for entry in entries for row in rule_wait_rows(load_id, entry)))
