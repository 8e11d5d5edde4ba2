from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, text

from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.core.entries import Action, Entry
from airflow_sf_dedup.database.engine import engine_for, reading, writing
from airflow_sf_dedup.testing.contracts.audit import BEGIN, MATCH, AuditContract, a_load, an_entry, remembered


@pytest.fixture
def audit(engine) -> SqlAudit:
    return SqlAudit(engine)


class TestSqlAudit(AuditContract):
    @pytest.fixture(autouse=True)
    def _engine(self, engine):
        self.engine = engine

    def make_audit(self) -> SqlAudit:
        return SqlAudit(self.engine)


entries = st.builds(
    an_entry,
    st.integers(1, 6),
    st.sampled_from(Action),
    key=st.none() | st.text(max_size=5).filter(lambda text: "\x00" not in text),
    try_number=st.integers(1, 9),
    values=st.none() | st.just({"Email": "a@b.example"}),
    matches=st.lists(st.just(MATCH), max_size=2).map(tuple),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=st.lists(st.lists(entries, max_size=6), max_size=5))
def test_whatever_is_remembered_each_row_has_one_entry_and_settled_ones_stay(audit: SqlAudit, calls: list[list[Entry]]):
    load = a_load()
    audit.open_load(load)
    for call in calls:
        audit.remember(load.load_id, call)
    expected = remembered(calls)
    assert list(audit.entries(load.load_id)) == [expected[row] for row in sorted(expected)]


def remember_all(url: str, load_id: str, number: int) -> None:
    audit = SqlAudit(engine_for(url))
    for start in range(1, 1001, 100):
        action = Action.CREATED if number % 2 else Action.UNKNOWN
        rows = [
            an_entry(row, action, try_number=number, values={"try": number}, matches=(MATCH,))
            for row in range(start, start + 100)
        ]
        audit.remember(load_id, rows)
        audit.count_call(load_id, round_number=0, budget=None)


def test_tries_that_race_leave_one_settled_entry_a_row(audit, audit_url):
    load = a_load()
    audit.open_load(load)
    with ProcessPoolExecutor(4, mp_context=get_context("fork")) as pool:
        list(pool.map(remember_all, [audit_url] * 4, [load.load_id] * 4, range(1, 5)))
    kept = list(audit.entries(load.load_id))
    assert [entry.row_number for entry in kept] == list(range(1, 1001))
    assert {entry.action for entry in kept} == {Action.CREATED}
    assert all(entry.values == {"try": entry.try_number} and len(entry.matches) == 1 for entry in kept)
    assert audit.load(load.load_id).api_calls == 40


def test_an_engine_is_carried_across_a_fork(audit, audit_url):
    load = a_load()
    audit.open_load(load)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            audit.remember(load.load_id, [an_entry(row) for row in range(1, 50)])
            status = 0
        finally:
            os._exit(status)
    audit.remember(load.load_id, [an_entry(row) for row in range(50, 100)])
    assert os.waitpid(child, 0)[1] == 0
    assert audit.totals(load.load_id).rows == 99


def test_a_chunk_is_remembered_whole_or_not_at_all(audit):
    load = a_load()
    audit.open_load(load)
    naive = an_entry(2, at=BEGIN.replace(tzinfo=None))
    with pytest.raises(ValueError, match="time zone"):
        audit.remember(load.load_id, [an_entry(1), naive])
    assert audit.totals(load.load_id).rows == 0


def test_a_page_takes_one_query_a_table(audit, engine):
    load, statements = a_load(), []
    audit.open_load(load)
    audit.remember(load.load_id, [an_entry(row, values={}, matches=(MATCH,)) for row in range(1, 1001)])
    listener = lambda *call: statements.append(call[2])  # noqa: E731
    event.listen(engine, "before_cursor_execute", listener)
    list(audit.entries(load.load_id, page_size=500))
    event.remove(engine, "before_cursor_execute", listener)
    assert sum(statement.startswith("SELECT") and "sf_dedup" in statement for statement in statements) == 7


def test_long_keys_and_messages_are_cut_and_say_so(audit):
    load = a_load()
    audit.open_load(load)
    audit.remember(
        load.load_id,
        [an_entry(row, key="k" * 300 + str(row), error_message="m" * 5000) for row in (1, 2)],
    )
    first, second = audit.entries(load.load_id)
    assert len(first.key) == 255
    assert first.key != second.key
    assert first.error_message == "m" * 4000 + "… (cut from 5000 characters)"
    assert audit.erase("k" * 300 + "1") == 1


def test_judges_count_actions_in_plain_sql(audit, engine):
    load = a_load()
    audit.open_load(load)
    audit.remember(load.load_id, [an_entry(1), an_entry(2, Action.SKIPPED), an_entry(3)])
    query = "SELECT action, count(*) FROM sf_dedup_entry WHERE load_id = :load GROUP BY action ORDER BY action"
    with reading(engine) as connection:
        rows = connection.execute(text(query), {"load": load.load_id}).all()
    assert rows == [("created", 2), ("skipped", 1)]


def test_times_compare_in_plain_sql(audit, engine):
    load = a_load()
    audit.open_load(load)
    year = (
        "strftime('%Y-%m-%d %H:%M', started_at)"
        if engine.dialect.name == "sqlite"
        else "to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')"
    )
    with reading(engine) as connection:
        query = text(f"SELECT {year} FROM sf_dedup_load WHERE load_id = :load")
        assert connection.scalar(query, {"load": load.load_id}) == "2001-02-03 04:05"


def test_an_erasure_is_in_the_journal_without_the_key(audit, engine):
    load = a_load()
    audit.open_load(load)
    key = f"person-{load.load_id}"
    audit.remember(load.load_id, [an_entry(1, key=key)])
    with writing(engine) as connection:
        connection.execute(
            text("INSERT INTO sf_dedup_record_claim VALUES ('o', :r, 'l', :k, :t, :t)"),
            {"r": load.load_id, "k": key, "t": "2026-01-01 00:00:00+00:00"},
        )
    audit.erase(key)
    with reading(engine) as connection:
        for table in ("entry", "match", "payload", "event", "record_claim"):
            rows = connection.execute(text(f"SELECT * FROM sf_dedup_{table}")).all()
            assert key not in repr(rows), table
        query = text("SELECT event FROM sf_dedup_event WHERE load_id = :load")
        assert list(connection.scalars(query, {"load": load.load_id})) == ["erased"]


def test_an_erased_value_leaves_the_sqlite_file(tmp_path):
    from airflow_sf_dedup.database.upgrade import upgrade

    engine = engine_for(f"sqlite:///{tmp_path / 'audit.db'}")
    upgrade(engine)
    audit, load = SqlAudit(engine), a_load()
    audit.open_load(load)
    audit.remember(load.load_id, [an_entry(1, key="secret-key", values={"Email": "secret-mail"})])
    audit.erase("secret-key")
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"secret-" not in stored


def count_calls(url: str, load_id: str, budget: int) -> int:
    audit = SqlAudit(engine_for(url))
    return sum(audit.count_call(load_id, round_number=1, budget=budget) for _ in range(budget))


def test_processes_together_count_exactly_the_budget(audit, audit_url):
    load = a_load()
    audit.open_load(load)
    with ProcessPoolExecutor(4, mp_context=get_context("fork")) as pool:
        counted = list(pool.map(count_calls, [audit_url] * 4, [load.load_id] * 4, [60] * 4))
    assert sum(counted) == 60
    assert audit.load(load.load_id).api_calls == 60
