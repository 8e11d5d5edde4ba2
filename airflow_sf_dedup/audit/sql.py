"""The audit in a SQL database: PostgreSQL for real deployments, a SQLite file on one machine."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Select,
    and_,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from airflow_sf_dedup.audit import upkeep
from airflow_sf_dedup.audit.base import (
    DOUBTFUL_BELOW,
    DoubtfulMatches,
    Load,
    LoadMissingError,
    Purged,
    SentAgain,
    Totals,
)
from airflow_sf_dedup.audit.rows import (
    entry_from,
    entry_row,
    fields_from,
    first_decisions,
    load_row,
    load_value,
    match_from,
    match_rows,
    may_be_replaced,
    payload_rows,
)
from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.core.entries import UNSENT, UNSETTLED, Action, Entry, MatchEntry
from airflow_sf_dedup.database import tables
from airflow_sf_dedup.database.bulk import among, insert_into, insert_rows
from airflow_sf_dedup.database.contention import again
from airflow_sf_dedup.database.engine import reading, writing
from airflow_sf_dedup.database.storable import storable, stored_word

#: Columns of a load that :meth:`SqlAudit.update_load` may set.
CHANGEABLE = frozenset(
    {"policy", "api", "settings", "rows_read", "partitions", "ended_at", "api_calls", "predicted_calls"}
)

#: Row numbers that are read at a time to find those without an entry.
_NUMBERS_AT_A_TIME = 50_000

#: The event of :meth:`SqlAudit.note_beginning`.
_BEGUN = "begun"

_PLAIN = frozenset({Action.CREATED, Action.UPDATED, Action.UNCHANGED})
_UNSENT = sorted(action.value for action in UNSENT)
_UNSETTLED = sorted(action.value for action in UNSETTLED)


class SqlAudit:
    """Remembers in the tables of :mod:`airflow_sf_dedup.database.tables`; they must be there and current.

    :param engine: from :func:`airflow_sf_dedup.database.engine.engine_for`.
    :param clock: gives the times of journal events.
    """

    def __init__(self, engine: Engine, *, clock: Callable[[], datetime] = utc_now) -> None:
        self.engine = engine
        self._clock = clock

    def open_load(self, load: Load) -> None:
        """Begin a load; opening the same ``load_id`` again changes nothing."""
        insertion = insert_into(self.engine.dialect, tables.load).values(load_row(load))
        with writing(self.engine) as connection:
            connection.execute(insertion.on_conflict_do_nothing())

    def update_load(self, load_id: str, **changes: Any) -> None:
        """Set columns of the load.

        :raises LoadMissingError: when the load was not opened.
        :raises TypeError: when a name is not in :data:`CHANGEABLE`.
        """
        if unknown := changes.keys() - CHANGEABLE:
            raise TypeError(f"A load's {sorted(unknown)} cannot change; {sorted(CHANGEABLE)} can.")
        columns = {name: load_value(name, value) for name, value in changes.items()}
        with writing(self.engine) as connection:
            _hold_load(connection, load_id)
            if columns:
                connection.execute(update(tables.load).where(tables.load.c.load_id == load_id).values(columns))

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
                _hold_load(connection, load_id)
                kept = _make_room(connection, load_id, decided)
                self._insert(connection, load_id, [decided[row] for row in decided if row not in kept])

    def _insert(self, connection: Connection, load_id: str, entries: Sequence[Entry]) -> None:
        insert_rows(connection, tables.entry, (entry_row(load_id, entry) for entry in entries))
        insert_rows(
            connection,
            tables.match,
            (row for entry in entries for row in match_rows(load_id, entry)),
        )
        insert_rows(
            connection,
            tables.payload,
            (row for entry in entries for row in payload_rows(load_id, entry)),
        )

    def count_call(self, load_id: str, *, round_number: int, budget: int | None) -> bool:
        """Count one API call before it is made, in the load and in its round; not one more than the budget.

        :raises LoadMissingError: when the load was not opened.
        """
        return again()(self._count_call, load_id, round_number, budget)

    def _count_call(self, load_id: str, round_number: int, budget: int | None) -> bool:
        with writing(self.engine) as connection:
            _hold_load(connection, load_id)
            if not _count_in_round(connection, load_id, round_number, budget):
                return False
            one_more = update(tables.load).where(tables.load.c.load_id == load_id)
            connection.execute(one_more.values(api_calls=tables.load.c.api_calls + 1))
        return True

    def note(self, load_id: str, event: str, detail: Mapping[str, Any]) -> None:
        """Append one event to the journal, dated now."""
        row = {"load_id": load_id, "at": self._clock(), "event": stored_word(event), "detail": storable(detail)}
        with writing(self.engine) as connection:
            _hold_load(connection, load_id)
            connection.execute(insert(tables.event).values(row))

    def note_beginning(self, load_id: str, partition: int) -> None:
        """From now on rows of that partition may be in the org."""
        self.note(load_id, _BEGUN, {"partition": partition})

    def begun_partitions(self, load_id: str) -> frozenset[int]:
        """The partitions of a load that some task began to send; -1 where an erasure took the number."""
        columns = tables.event.c
        query = select(columns.detail).where(columns.load_id == load_id, columns.event == _BEGUN)
        with reading(self.engine) as connection:
            return frozenset(detail.get("partition", -1) for detail in connection.scalars(query))

    def load(self, load_id: str) -> Load | None:
        """The load of that id."""
        found = self._loads(tables.load.c.load_id == load_id)
        return found[0] if found else None

    def loads_of_run(self, dag_id: str, run_id: str) -> list[Load]:
        """The loads of one DAG run, oldest first."""
        return self._loads(tables.load.c.dag_id == dag_id, tables.load.c.run_id == run_id)

    def latest_load(self, dag_id: str | None = None) -> Load | None:
        """The load that began last, of a Dag or of all; ``None``: there is none."""
        columns = tables.load.c
        of_dag = [] if dag_id is None else [columns.dag_id == dag_id]
        query = select(columns.load_id).where(*of_dag).order_by(columns.started_at.desc(), columns.load_id).limit(1)
        with reading(self.engine) as connection:
            found = connection.scalar(query)
        return None if found is None else self.load(found)

    def _loads(self, *conditions: ColumnElement[bool]) -> list[Load]:
        query = select(tables.load).where(*conditions)
        with reading(self.engine) as connection:
            rows = connection.execute(query.order_by(tables.load.c.started_at, tables.load.c.load_id))
            return [Load(**row) for row in rows.mappings()]

    def settled_rows(
        self,
        load_id: str,
        partition: int,
        rows: Iterable[int] | None = None,
        *,
        failed_in_try: int | None = None,
    ) -> Mapping[int, Action]:
        """Row number to action, for the rows of a partition that need not be sent again; of these rows, or all.

        :param failed_in_try: of this try, rows that are ``failed`` count as well.
        """
        columns = tables.entry.c
        failed = and_(columns.action == Action.FAILED.value, columns.try_number == failed_in_try)
        query = select(columns.row_number, columns.action).where(
            columns.load_id == load_id,
            columns.partition == partition,
            or_(columns.action.not_in(_UNSETTLED), failed),
        )
        if rows is not None:
            query = query.where(among(self.engine.dialect, columns.row_number, rows))
        with reading(self.engine) as connection:
            return {row_number: Action(action) for row_number, action in connection.execute(query)}

    def actions(self, load_id: str, rows: Iterable[int]) -> Mapping[int, Action]:
        """Row number to action, of those of these rows that have an entry."""
        columns = tables.entry.c
        query = select(columns.row_number, columns.action).where(
            columns.load_id == load_id, among(self.engine.dialect, columns.row_number, rows)
        )
        with reading(self.engine) as connection:
            return {row_number: Action(action) for row_number, action in connection.execute(query)}

    def unknown_rows(self, load_id: str, partition: int) -> frozenset[int]:
        """The rows of a partition whose entry says ``unknown``."""
        query = select(tables.entry.c.row_number).where(*_of(load_id, [Action.UNKNOWN], partition))
        with reading(self.engine) as connection:
            return frozenset(connection.scalars(query))

    def rows_without_entry(self, load_id: str, last: int) -> Iterator[int]:
        """The row numbers from 1 to ``last`` that have no entry; numbers of entries are read page by page."""
        expected = 1
        while expected <= last:
            end = min(last, expected + _NUMBERS_AT_A_TIME - 1)
            numbers = self._row_numbers(load_id, expected, end)
            yield from (number for number in range(expected, end + 1) if number not in numbers)
            expected = end + 1

    def _row_numbers(self, load_id: str, first: int, last: int) -> set[int]:
        number = tables.entry.c.row_number
        query = select(number).where(tables.entry.c.load_id == load_id, number.between(first, last))
        with reading(self.engine) as connection:
            return set(connection.scalars(query))

    def sent_again(self, load_id: str) -> SentAgain:
        """How many rows of a load were sent more than once by their last try, how often and how long."""
        columns = tables.entry.c
        longest = func.coalesce(func.max(columns.waited_seconds), 0.0)
        query = select(func.count(), func.coalesce(func.max(columns.attempts), 0), longest).where(
            columns.load_id == load_id, columns.attempts > 1
        )
        with reading(self.engine) as connection:
            return SentAgain(*connection.execute(query).one())

    def doubtful_matches(self, load_id: str) -> DoubtfulMatches:
        """The rows of a load that updated a record whose match confidence was low, by the best match of each."""
        entry, match = tables.entry.c, tables.match.c
        best = func.max(match.confidence).label("best")
        same_row = and_(match.load_id == entry.load_id, match.row_number == entry.row_number)
        of_row = (
            select(best)
            .join_from(tables.entry, tables.match, and_(same_row, match.record_id == entry.record_id))
            .where(entry.load_id == load_id, entry.action == Action.MATCHED_UPDATED.value)
            .group_by(entry.row_number)
            .having(best < DOUBTFUL_BELOW)
            .subquery()
        )
        query = select(func.count(), func.coalesce(func.min(of_row.c.best), 0.0)).select_from(of_row)
        with reading(self.engine) as connection:
            return DoubtfulMatches(*connection.execute(query).one())

    def rows_by_rule(self, load_id: str) -> Mapping[str, int]:
        """Duplicate rule to the number of rows of a load that it named records for, most first."""
        columns, rows = tables.match.c, func.count(tables.match.c.row_number.distinct())
        query = (
            select(columns.duplicate_rule, rows)
            .where(columns.load_id == load_id, columns.duplicate_rule.is_not(None))
            .group_by(columns.duplicate_rule)
            .order_by(rows.desc(), columns.duplicate_rule)
        )
        with reading(self.engine) as connection:
            return {rule: int(count) for rule, count in connection.execute(query)}

    def totals(self, load_id: str, partition: int | None = None) -> Totals:
        """Count the entries of a load, or of one of its partitions."""
        entry = tables.entry.c
        columns = (entry.action, entry.error_code, entry.reason, entry.error_fields)
        query = select(*columns, func.count()).where(*_of(load_id, None, partition)).group_by(*columns)
        actions: Counter[Action] = Counter()
        reasons: Counter[tuple[Action, str | None, str | None]] = Counter()
        fields: defaultdict[tuple[Action, str | None, str | None], Counter[str]] = defaultdict(Counter)
        with reading(self.engine) as connection:
            for name, code, reason, names, rows in connection.execute(query):
                key = (Action(name), code, reason)
                actions[key[0]] += rows
                if code or reason or key[0] not in _PLAIN:
                    reasons[key] += rows
                for each in fields_from(names):
                    fields[key][each] += rows
        return Totals(dict(actions), dict(reasons), {key: dict(counts) for key, counts in fields.items()})

    def latest_totals(
        self, org_id: str, sobject: str, external_id_field: str, *, made_by: tuple[str, str] | None = None
    ) -> Totals | None:
        """Count the latest load of that org, sObject and field that has ended and sent rows; ``None``: there is none.

        :param made_by: only loads of this Dag and task.
        """
        columns, entry = tables.load.c, tables.entry.c
        sent = exists().where(entry.load_id == columns.load_id, entry.action.not_in(_UNSENT))
        of_task = [] if made_by is None else [columns.dag_id == made_by[0], columns.task_id == made_by[1]]
        query = select(columns.load_id).where(
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
        return None if found is None else self.totals(found)

    def entries(
        self,
        load_id: str,
        *,
        actions: Iterable[Action] | None = None,
        partition: int | None = None,
        page_size: int = 500,
    ) -> Iterator[Entry]:
        """The entries with matches and kept values, by row number.

        :param page_size: entries read by one set of queries, at least 1. No transaction is open between
            pages, so a slow consumer holds nothing up.
        """
        conditions = _of(load_id, actions, partition)
        page = self._page(conditions, after=-1, size=page_size)
        while page:
            yield from page
            page = self._page(conditions, after=page[-1].row_number, size=page_size)

    def _page(self, conditions: Sequence[ColumnElement[bool]], *, after: int, size: int) -> list[Entry]:
        query = (
            select(tables.entry)
            .where(*conditions, tables.entry.c.row_number > after)
            .order_by(tables.entry.c.row_number)
            .limit(max(1, size))
        )
        with reading(self.engine) as connection:
            rows = connection.execute(query).mappings().all()
            if not rows:
                return []
            load_id, numbers = rows[0]["load_id"], [row["row_number"] for row in rows]
            matches = _matches(connection, load_id, numbers)
            values = _values(connection, load_id, numbers)
        return [entry_from(row, matches[row["row_number"]], values.get(row["row_number"])) for row in rows]

    def erase(self, key: str, *, sobject: str | None = None, external_id_field: str | None = None) -> int:
        """Remove a person; see :func:`airflow_sf_dedup.audit.upkeep.erase`."""
        return upkeep.erase(self.engine, key, sobject=sobject, external_id_field=external_id_field, now=self._clock())

    def purge(self, older_than: datetime, *, force: bool = False) -> Purged:
        """Delete old loads; see :func:`airflow_sf_dedup.audit.upkeep.purge`."""
        return upkeep.purge(self.engine, older_than, force=force, now=self._clock())


def _of(load_id: str, actions: Iterable[Action] | None, partition: int | None) -> tuple[ColumnElement[bool], ...]:
    conditions: list[ColumnElement[bool]] = [tables.entry.c.load_id == load_id]
    if actions is not None:
        conditions.append(tables.entry.c.action.in_(sorted(Action(action).value for action in actions)))
    if partition is not None:
        conditions.append(tables.entry.c.partition == partition)
    return tuple(conditions)


def _hold_load(connection: Connection, load_id: str) -> None:
    """Keep the load from being purged until this transaction ends."""
    query = select(tables.load.c.load_id).where(tables.load.c.load_id == load_id)
    if connection.execute(query.with_for_update(read=True, key_share=True)).first() is None:
        raise LoadMissingError(load_id)


def _count_in_round(connection: Connection, load_id: str, round_number: int, budget: int | None) -> bool:
    if budget is not None and budget < 1:
        return False
    counted = tables.call_count.c
    first = insert_into(connection.dialect, tables.call_count).values(
        load_id=load_id, round_number=round_number, calls=1
    )
    one_more = first.on_conflict_do_update(
        index_elements=["load_id", "round_number"],
        set_={"calls": counted.calls + 1},
        where=None if budget is None else counted.calls < budget,
    )
    return connection.execute(one_more.returning(counted.calls)).first() is not None


def _make_room(connection: Connection, load_id: str, decided: Mapping[int, Entry]) -> set[int]:
    """Delete the entries that these replace, with what hangs on them; answer the rows whose entry stays."""
    columns = tables.entry.c
    query = select(columns.row_number, columns.action).where(
        columns.load_id == load_id, among(connection.dialect, columns.row_number, decided)
    )
    found = connection.execute(query.order_by(columns.row_number).with_for_update()).all()
    replaced = [row for row, action in found if may_be_replaced(Action(action), decided[row])]
    if replaced:
        connection.execute(
            delete(tables.entry).where(
                columns.load_id == load_id, among(connection.dialect, columns.row_number, replaced)
            )
        )
    return {row for row, _ in found}.difference(replaced)


def _of_rows(connection: Connection, query: Select[Any], load_id: str, rows: list[int]) -> Select[Any]:
    columns = query.selected_columns
    return query.where(columns.load_id == load_id, among(connection.dialect, columns.row_number, rows))


def _matches(connection: Connection, load_id: str, rows: list[int]) -> Mapping[int, list[MatchEntry]]:
    query = _of_rows(connection, select(tables.match), load_id, rows)
    matches: defaultdict[int, list[MatchEntry]] = defaultdict(list)
    for row in connection.execute(query.order_by(tables.match.c.row_number, tables.match.c.position)).mappings():
        matches[row["row_number"]].append(match_from(row))
    return matches


def _values(connection: Connection, load_id: str, rows: list[int]) -> Mapping[int, Mapping[str, Any]]:
    query = _of_rows(connection, select(tables.payload), load_id, rows)
    return {row.row_number: row.field_values for row in connection.execute(query)}
