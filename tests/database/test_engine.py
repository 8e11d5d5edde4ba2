from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from airflow_sf_dedup.database.engine import engine_for, reading, writing


def test_the_file_and_its_new_folders_are_the_owners_alone(tmp_path):
    path = tmp_path / "new" / "deeper" / "audit.db"
    engine_for(f"sqlite:///{path}")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in list(path.parents)[:2]] == [0o700, 0o700]


def test_the_promises_of_sqlite_are_switched_on(tmp_path):
    with reading(engine_for(f"sqlite:///{tmp_path / 'audit.db'}")) as connection:
        asked = ("journal_mode", "busy_timeout", "foreign_keys", "synchronous")
        assert [connection.scalar(text(f"PRAGMA {name}")) for name in asked] == ["wal", 30000, 1, 2]


def test_a_postgres_connection_says_who_it_is(postgres_url):
    engine = engine_for(postgres_url)
    with reading(engine) as connection:
        assert connection.scalar(text("SHOW application_name")) == "airflow_sf_dedup"
    engine.dispose()


def test_a_file_that_is_opened_again_keeps_its_locks(tmp_path):
    """Without them, the next process that closes the file takes itself for the last and removes what is not merged."""
    path = tmp_path / "audit.db"
    with writing(engine_for(f"sqlite:///{path}")) as connection:
        connection.execute(text("CREATE TABLE kept (value INTEGER)"))
    engine_for(f"sqlite:///{path}")
    reads = f"import sqlite3; c = sqlite3.connect({str(path)!r}); c.execute('SELECT * FROM kept').fetchall(); c.close()"
    subprocess.run([sys.executable, "-c", reads], check=True, timeout=60)
    assert path.with_name("audit.db-wal").exists()
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT count(*) FROM kept").fetchone() == (0,)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_an_error_of_the_database_shows_no_value_of_a_row(tmp_path, postgres_url, kind):
    engine = engine_for(postgres_url if kind == "postgres" else f"sqlite:///{tmp_path / 'audit.db'}")
    with pytest.raises(DBAPIError) as raised, writing(engine) as connection:
        connection.execute(text("INSERT INTO nowhere VALUES (:phone)"), {"phone": "555-0199"})
    assert "555-0199" not in str(raised.value)
