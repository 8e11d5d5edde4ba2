"""What to do when transactions meet: they lock rows in one order; and one that the database gives up is done again."""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, select, tuple_
from sqlalchemy.exc import DBAPIError
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

#: Of PostgreSQL: serialization_failure, deadlock_detected (https://www.postgresql.org/docs/current/errcodes-appendix.html).
_SQL_STATES = frozenset({"40001", "40P01"})
#: Primary result codes of SQLite (https://www.sqlite.org/rescode.html).
_SQLITE_CODES = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})

_ATTEMPTS = 4


def again() -> Retrying:
    """Calls a function anew, at most four times in all, when its transaction lost against another.

    Such a transaction changed nothing. Between two calls lies less than a second.
    """
    return Retrying(
        retry=retry_if_exception(lost_against_another),
        stop=stop_after_attempt(_ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.05, max=1),
        reraise=True,
    )


def lost_against_another(error: BaseException) -> bool:
    """Whether the database gave a transaction up, as deadlocked, not serializable or busy, for another's sake."""
    if not isinstance(error, DBAPIError):
        return False
    sqlite_code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
    return getattr(error.orig, "sqlstate", None) in _SQL_STATES or sqlite_code in _SQLITE_CODES


def in_key_order(table: Table, *conditions: ColumnElement[bool], skip_locked: bool = False) -> ColumnElement[bool]:
    """The rows that fulfil the conditions, locked in the order of the primary key, as the database sorts it.

    PostgreSQL locks what an ``UPDATE`` or ``DELETE`` finds in any order: two that meet could wait for each other.

    :param skip_locked: leave out rows that another transaction holds.
    """
    identity = list(table.primary_key.columns)
    locked: Select[Any] = select(*identity).where(*conditions).order_by(*identity)
    return tuple_(*identity).in_(locked.with_for_update(skip_locked=skip_locked))
