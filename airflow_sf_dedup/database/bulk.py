"""Many rows at once, the quickest way that each database knows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Dialect,
    FromClause,
    Table,
    Text,
    any_,
    bindparam,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError


def insert_rows(connection: Connection, table: Table, rows: Iterable[Sequence[Any]]) -> None:
    """Insert rows given in the table's column order: ``COPY`` in PostgreSQL, ``executemany`` in SQLite.

    :raises IntegrityError: when a row is there already.
    """
    rows = list(rows)
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        _copy(connection, table, rows)
    else:
        connection.exec_driver_sql(_insert_statement(table), [tuple(row) for row in rows])


def _names(table: Table) -> str:
    return ", ".join(f'"{column.name}"' for column in table.columns)


def _insert_statement(table: Table) -> str:
    marks = ", ".join("?" for _ in table.columns)
    return f"INSERT INTO {table.name} ({_names(table)}) VALUES ({marks})"


def _copy(connection: Connection, table: Table, rows: Iterable[Sequence[Any]]) -> None:
    from psycopg.errors import IntegrityError as Violation

    driver: Any = connection.connection.driver_connection
    statement = f"COPY {table.name} ({_names(table)}) FROM STDIN"
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)
    except Violation as violation:
        raise IntegrityError(statement, None, violation) from violation


def insert_into(dialect: Dialect, table: Table) -> Any:
    """An ``INSERT`` that may have an ``ON CONFLICT``, in the dialect's own words."""
    return (postgresql if dialect.name == "postgresql" else sqlite).insert(table)


def among(dialect: Dialect, column: ColumnElement[Any], values: Iterable[int | str]) -> ColumnElement[bool]:
    """``column IN values`` with one parameter, however many the values are."""
    wanted = list(values)
    if dialect.name == "postgresql":
        return column == any_(bindparam(None, wanted, type_=ARRAY(column.type)))
    each = func.json_each(json.dumps(wanted)).table_valued("value")
    return column.in_(select(each.c.value))


def each(dialect: Dialect, **columns: Sequence[str | None]) -> FromClause:
    """Texts, or nulls, as a table with one row for each place in these equally long columns, however many there are."""
    if dialect.name == "postgresql":
        arrays = [bindparam(None, list(values), type_=ARRAY(Text)) for values in columns.values()]
        return func.unnest(*arrays).table_valued(*columns).render_derived()
    lines = func.json_each(json.dumps(list(zip(*columns.values(), strict=True)))).table_valued("value")
    cells = (func.json_extract(lines.c.value, f"$[{place}]") for place in range(len(columns)))
    return select(*(cell.label(name) for name, cell in zip(columns, cells, strict=True))).subquery()
