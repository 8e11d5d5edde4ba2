"""What a load let through is remembered call by call, in groups of records that hang together, in both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine, func, select

from airflow_sf_dedup.audit.base import Load, LoadMissingError
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.audit.sql.duplicate_jobs import FoundMatch, SqlDuplicateJobs, connected
from airflow_sf_dedup.core.outcomes import Match
from airflow_sf_dedup.database import tables
from airflow_sf_dedup.database.engine import reading
from airflow_sf_dedup.testing.contracts.audit import BEGIN, a_load
from airflow_sf_dedup.testing.fake_org import contact_id, lead_id, match


@pytest.fixture
def jobs(engine: Engine) -> SqlDuplicateJobs:
    return SqlDuplicateJobs(engine)


@pytest.fixture
def load(engine: Engine) -> Load:
    load = a_load()
    SqlAudit(engine).open_load(load)
    return load


def pair(row: int, one: int, other: int, *, position: int = 0) -> FoundMatch:
    return FoundMatch(row, position, lead_id(one), match(lead_id(other)))


def test_a_search_goes_on_where_it_was(jobs: SqlDuplicateJobs, load: Load) -> None:
    job = jobs.begin(load.load_id, 1)
    jobs.remember(further := _further(job, through_row=50), [pair(1, 1, 9)])
    assert jobs.begin(load.load_id, 1) == further
    assert jobs.found(load.load_id).records == 1


def _further(job, **changes):
    from dataclasses import replace

    return replace(job, checked=50, calls=1, **changes)


@pytest.mark.parametrize("case", ["ended", "another sample"])
def test_a_search_that_is_over_or_another_one_begins_anew(jobs: SqlDuplicateJobs, load: Load, case: str) -> None:
    job = jobs.begin(load.load_id, 1)
    jobs.remember(job, [pair(1, 1, 9)])
    if case == "ended":
        jobs.end(job)
    again = jobs.begin(load.load_id, 1 if case == "ended" else 10)
    assert (again.through_row, again.ended_at) == (0, None)
    assert jobs.found(load.load_id).records == 0


def test_pairs_of_several_calls_are_one_group_where_they_hang_together(jobs: SqlDuplicateJobs, load: Load) -> None:
    job = jobs.begin(load.load_id, 1)
    jobs.remember(job, [pair(1, 1, 2), pair(3, 3, 4)])
    jobs.remember(job, [pair(7, 7, 8)])
    assert jobs.found(load.load_id).groups == 3
    jobs.remember(job, [pair(5, 5, 2), pair(5, 5, 4, position=1)])
    found = jobs.found(load.load_id)
    assert (found.records, found.groups, found.largest) == (4, 2, 5)
    assert found.sample == (tuple(lead_id(n) for n in (1, 2, 3, 4, 5)), (lead_id(7), lead_id(8)))


def test_a_call_that_is_remembered_twice_counts_once(jobs: SqlDuplicateJobs, load: Load) -> None:
    """As where it is not known whether a commit came through."""
    job = jobs.begin(load.load_id, 1)
    for _ in range(2):
        jobs.remember(job, [pair(1, 1, 2)])
    assert (jobs.found(load.load_id).records, jobs.found(load.load_id).largest) == (1, 2)


def test_rules_are_counted_by_records_and_other_sobjects_are_told(
    engine: Engine, jobs: SqlDuplicateJobs, load: Load
) -> None:
    contact = Match(contact_id(1), "Contact", "Lead_Matches_Contact", "C", "ExactMatchEngine", None, True)
    found = [pair(1, 1, 2), pair(1, 1, 3, position=1), FoundMatch(2, 0, lead_id(4), contact)]
    jobs.remember(jobs.begin(load.load_id, 1), found)
    assert jobs.found(load.load_id).rules == {"Leads_by_mail": 1, "Lead_Matches_Contact": 1}
    column = tables.found_match.c
    with reading(engine) as connection:
        query = select(column.row_number, column.matched_sobject, column.confidence).where(
            column.load_id == load.load_id
        )
        rows = sorted(map(tuple, connection.execute(query)), key=str)
    assert rows == [(1, "Lead", 95.0), (1, "Lead", 95.0), (2, "Contact", None)]


def test_a_sample_shows_the_largest_groups_and_cuts_them(jobs: SqlDuplicateJobs, load: Load) -> None:
    found = [pair(n, 1, n) for n in range(2, 6)] + [pair(10, 10, 11)]
    jobs.remember(jobs.begin(load.load_id, 1), found)
    shown = jobs.found(load.load_id, sample=1, members=2)
    assert (shown.largest, shown.sample) == (5, ((lead_id(1), lead_id(2)),))


def test_what_was_found_goes_with_its_load(empty_url: str) -> None:
    from airflow_sf_dedup.database.engine import engine_for
    from airflow_sf_dedup.database.upgrade import upgrade

    engine = engine_for(empty_url)
    upgrade(engine)
    load, audit, jobs = a_load(), SqlAudit(engine), SqlDuplicateJobs(engine)
    audit.open_load(load)
    jobs.remember(jobs.begin(load.load_id, 1), [pair(1, 1, 2)])
    audit.update_load(load.load_id, ended_at=BEGIN)
    audit.purge(BEGIN + timedelta(days=36_500))
    with reading(engine) as connection:
        for table in (tables.duplicate_job, tables.found_match):
            assert connection.scalar(select(func.count()).select_from(table)) == 0
    with pytest.raises(LoadMissingError):
        jobs.begin(load.load_id, 1)
    engine.dispose()


def test_ids_hang_together_by_whatever_way() -> None:
    assert connected([("b", "a"), ("d", "c"), ("c", "b"), ("x", "y")]) == {
        **dict.fromkeys("abcd", "a"),
        **dict.fromkeys("xy", "x"),
    }
