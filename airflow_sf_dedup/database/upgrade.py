"""Creating and upgrading the audit's tables. Several tasks may try at once: one does it, the others wait."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import OperationalError

from airflow_sf_dedup.database.database_errors import first_line, place_of
from airflow_sf_dedup.database.engine import reading, writing
from airflow_sf_dedup.errors import AuditUnreachableError, SettingError

#: Its own name, so that the audit may share a database with others that use Alembic.
VERSION_TABLE = "sf_dedup_alembic_version"

#: All schema revisions, oldest first.
REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010", "0011", "0012")

#: What a person runs.
COMMAND = "python -m airflow_sf_dedup.audit upgrade"

#: Of PostgreSQL's advisory lock; any number, the same in all versions.
_LOCK = 7_315_220_914

_MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(engine: Engine) -> None:
    """Bring the tables to the newest revision, in one transaction under a lock. Does nothing if they are.

    :raises SettingError: when a newer version of this package made them.
    :raises AuditUnreachableError: when the database does not answer.
    """
    if current_revision(engine) == REVISIONS[-1]:
        return
    with _reaching(engine), writing(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        _refuse_newer(engine, _revision(connection))
        _run_migrations(connection)


def ensure_current(engine: Engine) -> None:
    """Check that the tables fit this version of the package; one query.

    :raises SettingError: naming the command to run, when they are missing, older or newer.
    :raises AuditUnreachableError: when the database does not answer.
    """
    revision = current_revision(engine)
    if revision == REVISIONS[-1]:
        return
    _refuse_newer(engine, revision)
    state = "are missing" if revision is None else f"are of revision {revision}, {REVISIONS[-1]} is needed"
    raise SettingError(
        f"The audit tables {state} in {place_of(engine.url)}. Create or upgrade them with `{COMMAND}`, "
        "adding --audit-conn-id or --url for a database other than the embedded file.",
        setting="audit_conn_id",
    )


def current_revision(engine: Engine) -> str | None:
    """The revision that the database is at; ``None`` where there are no tables.

    :raises AuditUnreachableError: when the database does not answer.
    """
    with _reaching(engine), reading(engine) as connection:
        return _revision(connection)


@contextmanager
def _reaching(engine: Engine) -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        raise AuditUnreachableError(place_of(engine.url), first_line(error.orig or error)) from error


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found: str | None = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))
    return found


def _refuse_newer(engine: Engine, revision: str | None) -> None:
    if revision is not None and revision not in REVISIONS:
        raise SettingError(
            f"The audit tables in {place_of(engine.url)} are of revision {revision}, which this version does not know: "
            "a newer airflow-provider-sf-dedup made them. Upgrade the package on this machine.",
            setting="audit_conn_id",
        )


def _run_migrations(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
