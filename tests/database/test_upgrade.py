from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.core.entries import Action
from airflow_sf_dedup.database import upgrade as module
from airflow_sf_dedup.database.engine import engine_for, reading, writing
from airflow_sf_dedup.database.tables import metadata
from airflow_sf_dedup.database.upgrade import REVISIONS, VERSION_TABLE, current_revision, ensure_current, upgrade
from airflow_sf_dedup.errors import AuditUnreachableError, SettingError


@pytest.fixture
def empty(empty_url):
    engine = engine_for(empty_url)
    yield engine
    engine.dispose()


def test_metadata_and_migrations_agree(empty):
    upgrade(empty)
    with reading(empty) as connection:
        options = {"version_table": VERSION_TABLE, "compare_server_default": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []


def test_upgrading_again_changes_nothing(empty):
    upgrade(empty)
    upgrade(empty)
    ensure_current(empty)
    assert current_revision(empty) == REVISIONS[-1]


def test_missing_tables_name_the_command(empty):
    with pytest.raises(SettingError, match=r"missing.*python -m airflow_sf_dedup\.audit upgrade"):
        ensure_current(empty)


@pytest.mark.parametrize("act", [ensure_current, upgrade])
def test_tables_of_a_newer_version_are_left_alone(empty, act):
    upgrade(empty)
    with writing(empty) as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(SettingError, match="newer"):
        act(empty)


def test_older_tables_name_the_command(empty, monkeypatch):
    upgrade(empty)
    monkeypatch.setattr(module, "REVISIONS", (*REVISIONS, "9999"))
    with pytest.raises(SettingError, match=f"revision {REVISIONS[-1]}, 9999 is needed"):
        ensure_current(empty)


@pytest.mark.parametrize("act", [ensure_current, upgrade])
def test_a_server_that_does_not_answer_is_no_wrong_setting(act):
    engine = engine_for("postgresql://loader:hunter2@127.0.0.1:1/audit?sslpassword=hunter3")
    with pytest.raises(AuditUnreachableError, match=r"audit_conn_id.*127\.0\.0\.1:1/audit.*refused") as unreachable:
        act(engine)
    assert not isinstance(unreachable.value, SettingError)
    assert isinstance(unreachable.value.__cause__, OperationalError)
    assert "hunter" not in str(unreachable.value)
    assert "\n" not in str(unreachable.value)


@pytest.mark.parametrize("act", [ensure_current, upgrade])
def test_a_file_that_is_gone_is_unreachable(tmp_path, act):
    engine = engine_for(f"sqlite:///{tmp_path / 'folder' / 'audit.db'}")
    (tmp_path / "folder" / "audit.db").unlink()
    (tmp_path / "folder").rmdir()
    with pytest.raises(AuditUnreachableError, match="unable to open database file"):
        act(engine)


def test_an_upgrade_that_another_writer_holds_up_may_be_tried_again(tmp_path):
    busy, impatient = [engine_for(f"sqlite:///{tmp_path / 'audit.db'}") for _ in range(2)]
    event.listen(impatient, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout=10"))
    with writing(busy), pytest.raises(AuditUnreachableError, match="locked"):
        upgrade(impatient)


def alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(module._MIGRATIONS))
    return config


FIRST_ROWS = """
INSERT INTO sf_dedup_load
(load_id, org_id, sobject, external_id_field, dag_id, run_id, task_id, started_at, settings, api_calls)
VALUES ('old', 'o', 'Lead', 'Key__c', 'd', 'r', 't', '2026-01-01 00:00:00.000000+00:00', '{}', 7);
INSERT INTO sf_dedup_entry (load_id, row_number, key, action, partition, map_index, try_number, at)
VALUES ('old', 1, 'K', 'unknown', 0, 0, 2, '2026-01-01 00:00:00.000000+00:00');
INSERT INTO sf_dedup_payload VALUES ('old', 1, '{"Email": "a@b.example"}')
"""


def test_what_the_first_version_remembered_is_kept(empty):
    with writing(empty) as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for statement in FIRST_ROWS.split(";"):
            connection.exec_driver_sql(statement)
    with pytest.raises(SettingError, match="of revision 0001"):
        ensure_current(empty)
    upgrade(empty)
    audit = SqlAudit(empty)
    load, (entry,) = audit.load("old"), audit.entries("old")
    assert (load.api_calls, load.predicted_calls) == (7, None)
    assert (entry.key, entry.attempts, entry.waited_seconds) == ("K", 1, 0.0)
    assert entry.values == {"Email": "a@b.example"}
    audit.remember("old", [replace(entry, action=Action.CREATED, attempts=3, waited_seconds=2.5)])
    assert [entry.attempts for entry in audit.entries("old")] == [3]
    assert audit.count_call("old", round_number=1, budget=1)
    with reading(empty) as connection:
        options = {"version_table": VERSION_TABLE, "compare_server_default": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []


SECOND_MARKS = {
    # Key to what is newest, before and by whom, and what is to become of it.
    "written": ("5", "t:3", "old/1", {("", "5")}),
    "refused": ("5", "t:3", "old/2", {("", "3")}),
    "refused and first": ("5", None, "old/2", set()),
    "without an entry": ("5", "t:3", "old/3", {("", "3"), ("old/3", "5")}),
    "unknown": ("5", None, "old/4", {("old/4", "5")}),
    "failed once, and sent again": ("5", "t:3", "old/5", {("", "3"), ("old/5", "5")}),
    "taken back": ("5", "t:5", "", {("", "5")}),
    "purged": ("5", "t:3", "gone/1", {("", "5")}),
}


def test_watermarks_of_the_second_version_are_parted_into_what_is_known_and_what_is_not(empty):
    with writing(empty) as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        connection.exec_driver_sql(FIRST_ROWS.split(";")[0])
        for row, action in ((1, "created"), (2, "awaiting_review"), (4, "unknown"), (5, "failed")):
            connection.exec_driver_sql(
                "INSERT INTO sf_dedup_entry (load_id, row_number, action, partition, map_index, try_number, at) "
                f"VALUES ('old', {row}, '{action}', 0, 0, 1, '2026-01-01 00:00:00.000000+00:00')"
            )
        for key, (newest, before, raised_by, _) in SECOND_MARKS.items():
            connection.execute(
                text("INSERT INTO sf_dedup_watermark VALUES ('o', 'lead', 'key__c', :key, 't', :n, :b, :r, :at)"),
                {"key": key, "n": newest, "b": before, "r": raised_by, "at": "2026-01-02 00:00:00.000000+00:00"},
            )
    upgrade(empty)
    with reading(empty) as connection:
        found = connection.execute(text("SELECT key_hash, raised_by, newest FROM sf_dedup_watermark")).all()
    assert {key: {(by, newest) for name, by, newest in found if name == key} for key in SECOND_MARKS} == {
        key: parted for key, (*_, parted) in SECOND_MARKS.items()
    }


def test_the_list_of_revisions_is_complete():
    scripts = ScriptDirectory.from_config(alembic_config()).walk_revisions()
    assert [script.revision for script in scripts] == list(reversed(REVISIONS))


def upgrade_url(url: str) -> str | None:
    engine = engine_for(url)
    upgrade(engine)
    return current_revision(engine)


def test_tasks_that_start_at_once_upgrade_once(empty_url):
    with ProcessPoolExecutor(4, mp_context=get_context("fork")) as pool:
        assert list(pool.map(upgrade_url, [empty_url] * 4)) == [REVISIONS[-1]] * 4


def test_a_stranger_in_the_same_database_is_left_alone(empty):
    with writing(empty) as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num TEXT)"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('theirs')"))
    upgrade(empty)
    with reading(empty) as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "theirs"
