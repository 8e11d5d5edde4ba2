"""Each row ends as one entry, whoever writes at the same time, and what is written is there whole."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.core.entries import Action, Entry
from airflow_sf_dedup.database.engine import engine_for
from airflow_sf_dedup.testing.contracts.audit import BEGIN, MATCH, a_load, an_entry, remembered

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
