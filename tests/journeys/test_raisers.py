"""What became of a row that announced a newer state: its entry says so, or the org, or nobody."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.core.entries import Action, Entry
from airflow_sf_dedup.errors import TransientCallError
from airflow_sf_dedup.journeys.raisers import AuditedRaisers, Fate
from airflow_sf_dedup.locks.base import Watermark
from airflow_sf_dedup.salesforce.base import Origin
from tests.journeys.fake_org import FakeOrg, lead_id, row

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SENT = NOW - timedelta(minutes=20)
OLDER = row(1, "k")
BEFORE, AFTER = SENT - timedelta(seconds=1), SENT + timedelta(seconds=1)


def fate(audit: SqlAudit, load_id: str, org: FakeOrg, *, since: datetime = SENT) -> Fate:
    mark = Watermark("n:5", f"{load_id}/7", since)
    return AuditedRaisers(audit, org, lambda: NOW).tell([(OLDER, mark)])[mark.raised_by].fate


@pytest.fixture
def load(sql_audit: SqlAudit, new_load: Callable[..., Load]) -> Load:
    return new_load()


@pytest.mark.parametrize("action", [each for each in Action if each is not Action.UNKNOWN])
def test_an_entry_is_the_last_word(sql_audit: SqlAudit, load: Load, action: Action) -> None:
    sql_audit.remember(load.load_id, [Entry(7, action, SENT, key="k")])
    written = {"created", "updated", "matched_updated", "saved_anyway", "unchanged"}
    org = FakeOrg()
    assert fate(sql_audit, load.load_id, org) is (Fate.WRITTEN if action in written else Fate.NOT_WRITTEN)
    assert org.calls == []


@pytest.mark.parametrize("unknown", [False, True], ids=["without an entry", "unknown"])
def test_a_row_of_a_load_that_is_not_over_is_open_for_a_day(sql_audit: SqlAudit, load: Load, unknown: bool) -> None:
    if unknown:
        sql_audit.remember(load.load_id, [Entry(7, Action.UNKNOWN, SENT, key="k")])
    org = FakeOrg()
    assert fate(sql_audit, load.load_id, org) is Fate.OPEN
    assert org.calls == []
    assert fate(sql_audit, load.load_id, org, since=NOW - timedelta(hours=25)) is Fate.NOT_WRITTEN


@pytest.mark.parametrize(
    ("origins", "expected"),
    [
        ([], Fate.NOT_WRITTEN),
        ([BEFORE], Fate.NOT_WRITTEN),
        ([SENT], Fate.UNKNOWN),
        ([AFTER], Fate.UNKNOWN),
        ([None], Fate.UNKNOWN),
        ([BEFORE, BEFORE], Fate.NOT_WRITTEN),
        ([BEFORE, AFTER], Fate.UNKNOWN),
    ],
    ids=["nobody holds the key", "untouched since", "in that second", "since", "unreadable", "several", "one of them"],
)
@pytest.mark.parametrize("purged", [False, True], ids=["ended", "purged"])
def test_where_the_load_is_over_the_org_may_still_tell(
    sql_audit: SqlAudit, load: Load, purged: bool, origins: list[datetime | None], expected: Fate
) -> None:
    sql_audit.update_load(load.load_id, ended_at=NOW)
    ids = [lead_id(number) for number in range(len(origins))]
    org = FakeOrg(
        held={"k": tuple(ids)} if ids else {},
        created={each: Origin(at, None, at, None) for each, at in zip(ids, origins, strict=True) if at},
    )
    assert fate(sql_audit, "purged" if purged else load.load_id, org) is expected


def test_an_org_that_does_not_answer_leaves_it_open(sql_audit: SqlAudit) -> None:
    assert fate(sql_audit, "purged", FakeOrg(errors={1: TransientCallError("down")})) is Fate.OPEN


def test_who_is_waited_for_has_a_name(sql_audit: SqlAudit, load: Load) -> None:
    mark = Watermark("n:5", f"{load.load_id}/7", SENT)
    holder = AuditedRaisers(sql_audit, FakeOrg(), lambda: NOW).tell([(OLDER, mark)])[mark.raised_by].holder
    assert holder is not None
    assert str(holder) == (f"{load.dag_id}.{load.task_id}, run {load.run_id}, load {load.load_id} (not settled yet)")


def test_rows_of_one_load_are_asked_for_together(sql_audit: SqlAudit, load: Load) -> None:
    sql_audit.update_load(load.load_id, ended_at=NOW)
    org = FakeOrg()
    newer = [(row(n, f"k-{n}"), Watermark("n:5", f"{load.load_id}/{n + 100}", SENT)) for n in range(5)]
    told = AuditedRaisers(sql_audit, org, lambda: NOW).tell(newer)
    assert {raiser.fate for raiser in told.values()} == {Fate.NOT_WRITTEN}
    assert [kind for kind in org.kinds() if kind == "holders"] == ["holders"]
