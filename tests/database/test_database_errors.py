"""A database that refuses is told at once: which one, why, and what to do; never with a password."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.database.database_errors import AuditRefusedError, refusal_of
from airflow_sf_dedup.database.engine import engine_for, writing
from airflow_sf_dedup.database.tables import metadata
from airflow_sf_dedup.database.upgrade import ensure_current, upgrade
from airflow_sf_dedup.errors import AuditUnreachableError
from airflow_sf_dedup.testing.contracts.audit import a_load, an_entry
from airflow_sf_dedup.testing.postgres import new_database

PASSWORD = "hunter2"


class Server:
    """A PostgreSQL server, as its owner and as a loader that may log in and no more."""

    def __init__(self, url: str) -> None:
        self.url = new_database(url)
        self.role = f"loader_{uuid4().hex[:8]}"
        self.run(
            f"CREATE ROLE {self.role} LOGIN PASSWORD '{PASSWORD}'", f"REVOKE ALL ON SCHEMA public FROM {self.role}"
        )
        self.run("REVOKE CREATE ON SCHEMA public FROM PUBLIC")

    def run(self, *statements: str) -> None:
        engine = create_engine(self.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in statements:
                connection.execute(text(statement))
        engine.dispose()

    def as_loader(self, **changes: object) -> str:
        url = make_url(self.url).set(username=self.role, password=PASSWORD)
        query = changes.pop("query", {})
        url = url.set(**changes).update_query_dict(query)  # type: ignore[arg-type]
        return url.render_as_string(hide_password=False)


@pytest.fixture
def server(postgres_url: str) -> Server:
    return Server(postgres_url)


def refused(act: Callable[[], object]) -> AuditRefusedError:
    with pytest.raises(AuditRefusedError) as caught:
        act()
    said = str(caught.value)
    assert said.startswith("audit_conn_id: the audit's database ")
    assert PASSWORD not in said
    assert "\n" not in said
    assert caught.value.setting == "audit_conn_id"
    return caught.value


def test_without_the_right_to_create_the_grant_to_run_is_named_and_helps(server: Server) -> None:
    error = refused(lambda: upgrade(engine_for(server.as_loader())))
    grant = f"GRANT USAGE, CREATE ON SCHEMA public TO {server.role};"
    assert grant in error.remedy
    server.run(grant)
    upgrade(engine_for(server.as_loader()))


def test_tables_of_another_owner_want_a_grant_too(server: Server) -> None:
    upgrade(engine_for(server.url))
    error = refused(lambda: SqlAudit(engine_for(server.as_loader())).open_load(a_load()))
    server.run(*error.remedy.removeprefix("Its owner may run: ").rstrip(";").split("; "))
    audit, load = SqlAudit(engine_for(server.as_loader())), a_load()
    audit.open_load(load)
    audit.remember(load.load_id, [an_entry(1)])


def test_a_schema_that_is_not_there_is_named(server: Server) -> None:
    url = server.as_loader(query={"options": "-csearch_path=audit"})
    error = refused(lambda: upgrade(engine_for(url)))
    assert f"CREATE SCHEMA audit AUTHORIZATION {server.role};" in error.remedy
    server.run(f"CREATE SCHEMA audit AUTHORIZATION {server.role}")
    upgrade(engine_for(url))


def test_a_read_only_database_is_named(server: Server) -> None:
    server.run(f"GRANT USAGE, CREATE ON SCHEMA public TO {server.role}")
    url = server.as_loader(query={"options": "-cdefault_transaction_read_only=on"})
    assert "read-only" in refused(lambda: upgrade(engine_for(url))).remedy


def test_a_missing_database_is_named(server: Server) -> None:
    error = refused(lambda: upgrade(engine_for(server.as_loader(database="nowhere"))))
    assert "CREATE DATABASE nowhere;" in error.remedy


def test_a_role_that_is_not_there_is_named(server: Server) -> None:
    error = refused(lambda: upgrade(engine_for(server.as_loader(username="nobody"))))
    assert "login (nobody)" in error.remedy


@pytest.mark.parametrize(
    "words",
    [
        'FATAL:  password authentication failed for user "loader"',
        'FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "loader", database "audit", no encryption',
        "fe_sendauth: no password supplied",
        'FATAL:  role "loader" is not permitted to log in',
    ],
)
def test_a_refused_login_is_told_by_the_servers_words(words: str) -> None:
    import psycopg

    url = make_url("postgresql+psycopg://loader:hunter2@db/audit")
    error = refusal_of(OperationalError("", None, psycopg.OperationalError(f"connection failed: {words}")), url)
    assert error is not None
    assert "login (loader)" in error.remedy


@pytest.mark.parametrize(
    "words",
    [
        "FATAL:  the database system is starting up",
        "FATAL:  sorry, too many clients already",
        "Connection refused",
        "server closed the connection unexpectedly",
        "timeout expired",
    ],
)
def test_what_passes_by_itself_is_not_refused(words: str) -> None:
    import psycopg

    error = OperationalError("", None, psycopg.OperationalError(f"connection failed: {words}"))
    assert refusal_of(error, make_url("postgresql+psycopg://db/audit")) is None


@pytest.fixture(params=["sqlite", "postgresql"])
def upgraded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    sqlite = f"sqlite:///{tmp_path / 'audit.db'}"
    url = sqlite if request.param == "sqlite" else new_database(request.getfixturevalue("postgres_url"))
    engine = engine_for(url)
    upgrade(engine)
    yield engine
    engine.dispose()


@pytest.mark.parametrize("table", sorted(metadata.tables))
def test_a_dropped_table_under_a_right_revision_is_named(upgraded: Engine, table: str) -> None:
    with writing(upgraded) as connection:
        connection.execute(text(f"DROP TABLE {table}{' CASCADE' if 'postgres' in upgraded.name else ''}"))
    ensure_current(upgraded)

    def use() -> None:
        with writing(upgraded) as connection:
            connection.execute(metadata.tables[table].select())

    error = refused(use)
    assert table in error.reason
    assert "restore them" in error.remedy


def garbage(path: Path) -> None:
    path.write_bytes(b"this is no database" * 100)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [(garbage, "no SQLite database"), (Path.mkdir, "read and write the file")],
    ids=["garbage", "a folder"],
)
def test_what_stands_in_place_of_the_file_is_named(tmp_path: Path, spoil: Callable[[Path], None], words: str) -> None:
    path = tmp_path / "audit.db"
    spoil(path)
    error = refused(lambda: upgrade(engine_for(f"sqlite:///{path}")))
    assert words in error.remedy
    assert path.is_dir() or path.read_bytes().startswith(b"this is no database"), "nothing was overwritten"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_file_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    upgrade(engine_for(f"sqlite:///{path}"))
    path.chmod(0o400)
    error = refused(lambda: SqlAudit(engine_for(f"sqlite:///{path}")).open_load(a_load()))
    assert "read and write the file" in error.remedy


def test_a_read_only_database_file_is_named(tmp_path: Path) -> None:
    engine = engine_for(f"sqlite:///{tmp_path / 'audit.db'}")
    upgrade(engine)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only=ON")
    error = refused(lambda: SqlAudit(engine).open_load(a_load()))
    assert "read and write the file" in error.remedy


def test_a_server_that_does_not_answer_is_tried_again() -> None:
    with pytest.raises(AuditUnreachableError):
        upgrade(engine_for("postgresql://loader@127.0.0.1:1/audit"))
