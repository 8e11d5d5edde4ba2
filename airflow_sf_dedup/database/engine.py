"""Engines for the audit: every SQLite or PostgreSQL setting that its promises rest on."""

from __future__ import annotations

import os
import sqlite3
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, Pool, create_engine, event
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random

from airflow_sf_dedup.database.database_errors import AuditFileMissingError, file_rights, refusals_named, refused
from airflow_sf_dedup.database.url import url_from_text

#: Seconds that a writer waits for another writer of a SQLite file.
BUSY_TIMEOUT = 30
#: Seconds to reach a PostgreSQL server.
CONNECT_TIMEOUT = 10
#: Seconds after which a pooled PostgreSQL connection is replaced.
POOL_RECYCLE = 1800

#: Threads of a task that may write at one time: its calls in flight, and itself.
_MOST_CONNECTIONS = 16

_WRITES = "sf_dedup_writes"

_engines: weakref.WeakSet[Engine] = weakref.WeakSet()
#: Pools inherited through a fork. A child never uses nor closes its parent's connections.
_inherited: list[Pool] = []


def _leave_connections_to_parent() -> None:
    for engine in list(_engines):
        _inherited.append(engine.pool)
        engine.dispose(close=False)


os.register_at_fork(after_in_child=_leave_connections_to_parent)


def engine_for(url: str | URL, *, create: bool = True) -> Engine:
    """The engine of an audit, safe to carry across a fork.

    :param url: as made by :func:`~airflow_sf_dedup.database.url.url_from_parts`, or text.
    :param create: a SQLite file that is missing is created for its owner only (0600, in a folder of 0700). False:
        it is an error, and a file that is there keeps its journal mode, whosever it is.
    :raises SettingError: when the database is not supported.
    :raises AuditFileMissingError: the file is to be there, and is not.
    """
    url = url_from_text(url)
    engine = _sqlite_engine(url, create=create) if url.get_backend_name() == "sqlite" else _postgres_engine(url)
    _engines.add(engine)
    return engine


def _postgres_engine(url: URL) -> Engine:
    defaults = {"connect_timeout": CONNECT_TIMEOUT, "application_name": "airflow_sf_dedup"}
    asked = {name: value for name, value in defaults.items() if name not in url.query}
    return create_engine(
        url,
        pool_pre_ping=True,
        pool_size=1,
        max_overflow=_MOST_CONNECTIONS - 1,
        pool_recycle=POOL_RECYCLE,
        hide_parameters=True,
        # A server-side prepared statement is lost behind PgBouncer, which Airflow's chart installs.
        connect_args={**asked, "prepare_threshold": None},
    )


def _sqlite_engine(url: URL, *, create: bool) -> Engine:
    path = Path(str(url.database))
    try:
        if create:
            create_private_file(path)
        elif not path.exists():
            raise AuditFileMissingError(path)
    except OSError as error:
        raise refused(error, url, file_rights) from error
    engine = create_engine(
        url,
        pool_size=1,
        max_overflow=_MOST_CONNECTIONS - 1,
        hide_parameters=True,
        connect_args={"timeout": BUSY_TIMEOUT, "isolation_level": None, "check_same_thread": False},
    )
    if create:
        event.listen(engine, "connect", _switch_to_wal)
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def create_private_file(path: Path) -> None:
    """Create the file (0600) and its missing folders (0700); one that is there is not even opened.

    To close any descriptor of a file gives up all locks that the process holds on it, those of SQLite too
    (https://www.sqlite.org/howtocorrupt.html#posix_close).
    """
    missing = [folder for folder in path.parents if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _configure_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    # A commit is on the disk when it returns; erased values do not stay in free pages.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA secure_delete=ON")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _switch_to_wal(connection: Any, _record: Any) -> None:
    """Let readers and a writer work at one time. A new file is switched once; who meets the switch may not wait by
    SQLite's own time-out: https://www.sqlite.org/wal.html#sometimes_queries_return_sqlite_busy_in_wal_mode
    """
    patiently = Retrying(
        retry=retry_if_exception(_is_busy),
        stop=stop_after_delay(BUSY_TIMEOUT),
        wait=wait_random(0.01, 0.1),
        reraise=True,
    )
    cursor = connection.cursor()
    patiently(lambda: cursor.execute("PRAGMA journal_mode=WAL").fetchone())
    cursor.close()


def _is_busy(error: BaseException) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return isinstance(error, sqlite3.OperationalError) and code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _begin_sqlite(connection: Connection) -> None:
    # A deferred transaction that reads and then writes fails with SQLITE_BUSY_SNAPSHOT, whatever the
    # timeout: https://www.sqlite.org/rescode.html#busy_snapshot
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes: in SQLite the only one of its kind at a time. Committed on leaving."""
    with (
        refusals_named(engine.url),
        engine.connect().execution_options(**{_WRITES: True}) as connection,
        connection.begin(),
    ):
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A short transaction that reads one state."""
    with refusals_named(engine.url), engine.connect() as connection, connection.begin():
        yield connection
