"""What the audit's database refuses until a person changes something: named at once, with what to do.

What passes by itself (a server that starts, too many clients, a lock, a dropped connection) is not among it.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from airflow_sf_dedup.errors import SettingError

#: Given the place of the audit, what a person has to do.
Remedy = Callable[[URL], str]


class AuditRefusedError(SettingError):
    """The audit's database does not let this user do the work.

    :param place: the database's URL, without password.
    :param reason: the database's own words, in one line.
    :param remedy: what to do.
    """

    def __init__(self, place: str, reason: str, remedy: str) -> None:
        message = f"audit_conn_id: the audit's database {place} refuses: {reason}. {remedy}"
        super().__init__(message, setting="audit_conn_id")
        self.place = place
        self.reason = reason
        self.remedy = remedy


class AuditFileMissingError(SettingError):
    """There is no file of the audit where one is to be read; nothing was created.

    :param path: where it was looked for.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"audit_conn_id: no audit file at {path}; is AIRFLOW_HOME right, or what else leads there "
            "([sf_dedup] audit_path, --url, the connection)?",
            setting="audit_conn_id",
        )
        self.path = path


def _grant(url: URL) -> str:
    role, schema = _quoted(url.username or "the_role"), _quoted(_schema_of(url))
    return (
        f"Its owner may run: GRANT USAGE, CREATE ON SCHEMA {schema} TO {role}; "
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {role};"
    )


def _create_schema(url: URL) -> str:
    role, schema = _quoted(url.username or "the_role"), _quoted(_schema_of(url))
    return (
        f"Create it (CREATE SCHEMA {schema} AUTHORIZATION {role};), or let the connection's extra 'options' name "
        "another: -csearch_path=audit."
    )


def _create_database(url: URL) -> str:
    database = _quoted(url.database or url.username or "audit")
    return f"Create it (CREATE DATABASE {database};), or mend the connection's schema, which names the database."


def _no_write(url: URL) -> str:
    return "It is a standby, or its transactions are read-only: let the connection lead to the primary."


def _log_in(url: URL) -> str:
    return f"Mend the connection's login ({url.username or 'none is given'}) and password, or the server's pg_hba.conf."


def _tables(url: URL) -> str:
    return (
        "Tables that this version of the package made are gone or changed: restore them from a backup, or drop every "
        "sf_dedup_ table, sf_dedup_alembic_version too, and run the partition task, which makes them anew."
    )


def _space(url: URL) -> str:
    return "Free some space where it is stored."


def _another_file(url: URL) -> str:
    return "It is no SQLite database, or a damaged one: restore it from a backup, or move it away to begin a new one."


def file_rights(url: URL) -> str:
    return "The user that runs the tasks has to be able to read and write the file and its folder."


#: How the names of all tables of the package begin.
_OURS = "sf_dedup_"

#: https://www.postgresql.org/docs/current/errcodes-appendix.html
_SQL_STATES: dict[str, Remedy] = {
    # insufficient_privilege: as since PostgreSQL 15 nobody may create in the schema public unasked
    "42501": _grant,
    # invalid_schema_name: no schema of the search path is there
    "3F000": _create_schema,
    # invalid_catalog_name
    "3D000": _create_database,
    # read_only_sql_transaction
    "25006": _no_write,
    # invalid_authorization_specification: no such role, or pg_hba.conf turns it away
    "28000": _log_in,
    # invalid_password
    "28P01": _log_in,
    # undefined_table, undefined_column, duplicate_table: the revision says otherwise
    "42P01": _tables,
    "42703": _tables,
    "42P07": _tables,
    # disk_full
    "53100": _space,
}

#: libpq tells no SQLSTATE of a refused connection, only the server's words (in English unless its lc_messages says
#: otherwise: what is not recognised is retried).
_WORDS: tuple[tuple[re.Pattern[str], Remedy], ...] = (
    (re.compile(r"database \".*\" does not exist"), _create_database),
    (re.compile(r"permission denied for database"), _log_in),
    (re.compile(r"role \".*\" does not exist"), _log_in),
    (re.compile(r"role \".*\" is not permitted to log in"), _log_in),
    (re.compile(r"\w+ authentication failed for user"), _log_in),
    (re.compile(r"no pg_hba.conf entry|pg_hba.conf rejects"), _log_in),
    (re.compile(r"no password supplied"), _log_in),
)

#: Primary result codes (https://www.sqlite.org/rescode.html).
_SQLITE_CODES: dict[int, Remedy] = {
    sqlite3.SQLITE_NOTADB: _another_file,
    sqlite3.SQLITE_CORRUPT: _another_file,
    sqlite3.SQLITE_READONLY: file_rights,
    sqlite3.SQLITE_PERM: file_rights,
    sqlite3.SQLITE_CANTOPEN: file_rights,
    sqlite3.SQLITE_FULL: _space,
}


@contextmanager
def refusals_named(url: URL) -> Iterator[None]:
    """Turn what the database refuses into one sentence with a remedy; whatever else is raised passes.

    :raises AuditRefusedError: a person has to change something.
    """
    try:
        yield
    except Exception as error:
        if refused := refusal_of(error, url):
            raise refused from error
        raise


def refusal_of(error: BaseException, url: URL) -> AuditRefusedError | None:
    """The error as one that a person can act on; ``None`` where it may pass, or is no error of a database."""
    # What goes past SQLAlchemy, such as COPY or the set-up of a new connection, raises the driver's own.
    raw: Any = error.orig if isinstance(error, DBAPIError) else error
    remedy = _remedy_of(raw, url)
    if remedy is None or (remedy is _tables and _OURS not in f"{getattr(error, 'statement', '')} {raw}"):
        return None
    return refused(raw, url, remedy)


def refused(error: BaseException, url: URL, remedy: Remedy) -> AuditRefusedError:
    """The error with its place and what to do."""
    return AuditRefusedError(place_of(url), first_line(error).rstrip("."), remedy(url))


def _remedy_of(error: Any, url: URL) -> Remedy | None:
    if isinstance(error, sqlite3.Error):
        return _of_sqlite(error, url)
    if state := getattr(error, "sqlstate", None):
        return _SQL_STATES.get(state)
    if not isinstance(error, psycopg.OperationalError):
        return None
    words = str(error)
    return next((remedy for pattern, remedy in _WORDS if pattern.search(words)), None)


def _of_sqlite(error: sqlite3.Error, url: URL) -> Remedy | None:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_ERROR and re.match(r"no such (table|column)|table \S+ already exists", str(error)):
        return _tables
    if code == sqlite3.SQLITE_CANTOPEN and not Path(str(url.database)).parent.is_dir():
        # As when a disk is not mounted yet.
        return None
    return _SQLITE_CODES.get(code)


def place_of(url: URL) -> str:
    """The database's URL, fit to be shown."""
    # Only the password before the host is hidden by SQLAlchemy.
    return url.difference_update_query(["password", "sslpassword"]).render_as_string(hide_password=True)


def first_line(error: BaseException) -> str:
    """What an error says first; libpq adds lines of advice."""
    return str(error).strip().partition("\n")[0]


def _schema_of(url: URL) -> str:
    found = re.search(r"search_path\s*=\s*\"?([^\s,\"]+)", str(url.query.get("options", "")))
    return found[1] if found else "public"


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else '"' + name.replace('"', '""') + '"'
