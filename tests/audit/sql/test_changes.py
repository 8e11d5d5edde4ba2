"""What a load changed and what was taken back is kept in both databases, and forgotten with the load or the person."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from airflow_sf_dedup.audit.base import Load, LoadMissingError
from airflow_sf_dedup.audit.changes import Mark
from airflow_sf_dedup.audit.report import lines_of, report_of
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.core.changes import Change, ChangeKind, NotKept
from airflow_sf_dedup.core.entries import Action
from airflow_sf_dedup.core.reverts import Left, RevertState
from airflow_sf_dedup.database import tables
from airflow_sf_dedup.database.engine import reading
from airflow_sf_dedup.testing.contracts.audit import BEGIN, a_load, an_entry

ONE, TWO = "00Q000000000001EAA", "00Q000000000002EAA"
CHANGE = Change(
    1, ONE, "Lead", ChangeKind.UPDATE_MATCH, "Phone", "old", "new", system_modstamp=datetime(2026, 3, 1, 6, tzinfo=UTC)
)


@pytest.fixture
def load(audit: SqlAudit) -> Load:
    load = a_load()
    audit.open_load(load)
    return load


def kept(audit: SqlAudit, load: Load, **paging: Any) -> list[Change]:
    return [made.change for made in audit.changes(load.load_id, **paging)]


def rows_of(engine: Any, load: Load) -> int:
    with reading(engine) as connection:
        return sum(
            len(connection.execute(select(table).where(table.c.load_id == load.load_id)).all())
            for table in (tables.change, tables.revert, tables.reverted)
        )


@pytest.mark.parametrize("value", [None, "", "Ann", True, False, 0, 1.5, {"Ext__c": "K"}, "a\nb", "€"], ids=repr)
def test_a_change_reads_back_whole(audit: SqlAudit, load: Load, value: Any) -> None:
    change = replace(CHANGE, before=value, after="new value")
    audit.keep_changes(load.load_id, [change])
    assert kept(audit, load) == [change]


def test_a_change_is_told_with_what_the_entry_says(audit: SqlAudit, load: Load) -> None:
    own = replace(CHANGE, row_number=2, record_id="", kind=ChangeKind.LINK)
    audit.keep_changes(load.load_id, [CHANGE, own])
    audit.remember(load.load_id, [an_entry(2, Action.SAVED_ANYWAY, key="K-2", record_id=TWO)])
    first, second = audit.changes(load.load_id)
    assert (first.record_id, first.action, first.key) == (ONE, None, None)
    assert second.record_id == TWO, "the entry names it"
    assert (second.action, second.key, second.id) == (Action.SAVED_ANYWAY, "K-2", (2, "", "Phone"))


def test_pages_lose_and_double_nothing(audit: SqlAudit, load: Load) -> None:
    told = [
        replace(CHANGE, row_number=number, record_id=f"r{number % 3}", sobject=sobject, field=field)
        for number, (sobject, field) in enumerate([("Lead", "A"), ("Contact", "A"), ("Lead", "B")] * 3)
    ]
    audit.keep_changes(load.load_id, told)
    found, after = [], ("", "")
    while page := audit.changes(load.load_id, after=after, records=1):
        assert len({(made.change.sobject, made.record_id) for made in page}) == 1
        found += [made.change for made in page]
        after = (page[-1].change.sobject, page[-1].record_id)
    assert sorted(found, key=repr) == sorted(told, key=repr)


@pytest.mark.parametrize(
    ("told", "counts"),
    [
        (replace(CHANGE, before="new", after="newer"), False),
        (replace(CHANGE, before="NEW", after="newer"), False),
        (replace(CHANGE, before="sales"), True),
        (replace(CHANGE, before=None, after=None, not_kept=NotKept.NOT_READ), False),
        (replace(CHANGE, kind=ChangeKind.KEPT_BACK, reason="keep"), False),
    ],
    ids=["written before", "written, and formatted by the org", "not written before", "not read", "kept back"],
)
def test_of_two_tries_the_one_counts_that_knows_what_was_there_before(
    audit: SqlAudit, load: Load, told: Change, counts: bool
) -> None:
    audit.keep_changes(load.load_id, [CHANGE])
    audit.keep_changes(load.load_id, [told])
    assert kept(audit, load) == [told if counts else CHANGE]


def test_what_hangs_on_no_load_is_refused(audit: SqlAudit) -> None:
    for act in (
        lambda: audit.keep_changes("gone", [CHANGE]),
        lambda: audit.begin_revert("r", "gone", "task"),
        lambda: audit.mark("r", "gone", [Mark((1, ONE, "Phone"), RevertState.REVERTED)]),
    ):
        with pytest.raises(LoadMissingError):
            act()


def test_the_last_word_of_a_revert_counts_and_reverted_is_its_last(audit: SqlAudit, load: Load) -> None:
    audit.begin_revert("r-1", load.load_id, "dag run revert")
    key = (1, ONE, "Phone")
    for mark in (
        Mark(key, RevertState.ANNOUNCED, system_modstamp=BEGIN),
        Mark(key, RevertState.LEFT, Left.REFUSED, "CODE"),
        Mark(key, RevertState.REVERTED),
        Mark(key, RevertState.LEFT, Left.CHANGED_SINCE),
    ):
        audit.mark("r-1", load.load_id, [mark])
        standing = audit.standing(load.load_id, [1])[key]
        assert standing == (mark if mark.reason is not Left.CHANGED_SINCE else Mark(key, RevertState.REVERTED))
    audit.mark("r-2", load.load_id, [Mark(key, RevertState.LEFT, Left.CHANGED_SINCE)])
    assert audit.standing(load.load_id, [1])[key].state is RevertState.REVERTED
    assert audit.standing(load.load_id, [2]) == {}


def test_a_revert_is_seen_where_the_load_is_shown(audit: SqlAudit, load: Load) -> None:
    audit.begin_revert("r-1", load.load_id, "dag run revert")
    audit.mark("r-1", load.load_id, [Mark((1, ONE, "Phone"), RevertState.REVERTED), _left(2), _left(3)])
    assert "by dag run revert, not ended: 1 field put back, 2 left as they are" in _shown(audit, load)
    audit.end_revert("r-1", load.load_id)
    assert "by dag run revert: 1 field put back, 2 left as they are" in _shown(audit, load)


def test_a_purge_takes_changes_and_reverts(audit: SqlAudit, engine: Any) -> None:
    old = a_load(started_at=BEGIN - timedelta(days=30))
    audit.open_load(old)
    audit.keep_changes(old.load_id, [CHANGE])
    audit.begin_revert("r-1", old.load_id, "task")
    audit.mark("r-1", old.load_id, [Mark((1, ONE, "Phone"), RevertState.REVERTED)])
    assert rows_of(engine, old) == 3
    audit.purge(BEGIN - timedelta(days=10))
    assert rows_of(engine, old) == 0


def test_an_erasure_takes_what_the_person_s_rows_changed_and_what_held_their_key(audit: SqlAudit, load: Load) -> None:
    key = f"person-{load.load_id}"
    other = replace(CHANGE, row_number=2, record_id=TWO)
    holds_key = replace(other, field="Source_Key__c", before=None, after=key)
    audit.keep_changes(load.load_id, [CHANGE, other, holds_key])
    audit.remember(load.load_id, [an_entry(1, key=key), an_entry(2)])
    audit.erase(key)
    assert kept(audit, load) == [other]


def _left(row: int) -> Mark:
    return Mark((row, ONE, "Phone"), RevertState.LEFT, Left.CHANGED_SINCE)


def _shown(audit: SqlAudit, load: Load) -> str:
    return "\n".join(lines_of(report_of(audit, load)))
