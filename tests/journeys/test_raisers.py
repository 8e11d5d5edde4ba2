"""What became of a row that announced a newer state: its entry says so, or the org, or nobody."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.core.entries import UNSETTLED, Action, Entry
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import Field
from airflow_sf_dedup.errors import TransientCallError
from airflow_sf_dedup.journeys.sending.raisers import AuditedRaisers, Fate
from airflow_sf_dedup.locks.base import Watermark
from airflow_sf_dedup.salesforce.ports import Origin
from airflow_sf_dedup.testing.fake_org import KEY, LEAD, FakeOrg, lead_id, row, stored

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SENT = NOW - timedelta(minutes=20)
OLDER = row(1, "k")
BEFORE, AFTER = SENT - timedelta(seconds=1), SENT + timedelta(seconds=1)


NEWER = row(7, "k", Phone="555-7")


def raisers(audit: SqlAudit, org: FakeOrg, *staged: Record) -> AuditedRaisers:
    """:param staged: rows of whichever load is asked for."""

    def rows(load: Load, numbers: Collection[int]) -> dict[int, Record]:
        return {each.row_number: each for each in staged if each.row_number in numbers}

    return AuditedRaisers(audit, org, LEAD, (KEY,), rows, lambda: NOW)


def fate(audit: SqlAudit, load_id: str, org: FakeOrg, *staged: Record, since: datetime = SENT) -> Fate:
    mark = Watermark("n:5", f"{load_id}/7", since)
    return raisers(audit, org, *staged).tell([(OLDER, mark)])[mark.raised_by].fate


def holding(*records: tuple[datetime | None, Record | None]) -> FakeOrg:
    """An org whose records of the key were last written then, each with the values of a row that can be read."""
    ids = [lead_id(number) for number in range(len(records))]
    named = dict(zip(ids, records, strict=True))
    return FakeOrg(
        held={"k": tuple(ids)} if ids else {},
        created={each: Origin(at, None, at, None) for each, (at, _) in named.items() if at},
        records={each: stored(each, **dict(held.fields)) for each, (_, held) in named.items() if held},
    )


@pytest.fixture
def load(sql_audit: SqlAudit, new_load: Callable[..., Load]) -> Load:
    return new_load()


@pytest.mark.parametrize("action", sorted(set(Action) - UNSETTLED))
def test_what_is_settled_is_the_last_word(sql_audit: SqlAudit, load: Load, action: Action) -> None:
    sql_audit.remember(load.load_id, [Entry(7, action, SENT, key="k")])
    written = {"created", "updated", "matched_updated", "saved_anyway", "unchanged"}
    org = FakeOrg()
    assert fate(sql_audit, load.load_id, org) is (Fate.WRITTEN if action in written else Fate.NOT_WRITTEN)
    assert org.calls == []


@pytest.mark.parametrize("action", [None, *sorted(UNSETTLED)])
def test_a_row_of_a_load_that_is_not_over_is_open_for_a_day(
    sql_audit: SqlAudit, load: Load, action: Action | None
) -> None:
    """An entry such as ``failed`` is older than what its row announced: it has been sent again since."""
    if action:
        sql_audit.remember(load.load_id, [Entry(7, action, SENT, key="k")])
    org = FakeOrg()
    assert fate(sql_audit, load.load_id, org) is Fate.OPEN
    assert org.calls == []
    assert fate(sql_audit, load.load_id, org, since=NOW - timedelta(hours=25)) is Fate.NOT_WRITTEN


OTHERS = row(9, "k")


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([], Fate.NOT_WRITTEN),
        ([(BEFORE, NEWER)], Fate.NOT_WRITTEN),
        ([(SENT, NEWER)], Fate.WRITTEN),
        ([(AFTER, NEWER)], Fate.WRITTEN),
        ([(None, NEWER)], Fate.WRITTEN),
        ([(AFTER, OLDER)], Fate.NOT_WRITTEN),
        ([(AFTER, OTHERS)], Fate.NOT_WRITTEN),
        ([(AFTER, replace(NEWER, fields={**NEWER.fields, "LastName": "Else"}))], Fate.OPEN),
        ([(AFTER, None)], Fate.OPEN),
        ([(BEFORE, NEWER), (BEFORE, None)], Fate.NOT_WRITTEN),
        ([(AFTER, OTHERS), (AFTER, NEWER)], Fate.WRITTEN),
    ],
    ids=[
        "nobody holds the key",
        "untouched since",
        "its state, in that second",
        "its state",
        "its state, without dates",
        "the older row's state",
        "another state",
        "some of its state",
        "unreadable",
        "several, untouched",
        "one of several has its state",
    ],
)
def test_where_the_load_is_over_the_records_of_the_key_tell(
    sql_audit: SqlAudit, load: Load, records: list[tuple[datetime | None, Record | None]], expected: Fate
) -> None:
    sql_audit.update_load(load.load_id, ended_at=NOW)
    assert fate(sql_audit, load.load_id, holding(*records), NEWER) is expected


@pytest.mark.parametrize(
    ("sent", "held", "expected"),
    [
        ({"At__c": "2026-03-02T10:00:00.000Z"}, {"At__c": "2026-03-02T10:00:00.000+0000"}, Fate.WRITTEN),
        ({"Amount__c": 1000.126}, {"Amount__c": 1000.13}, Fate.WRITTEN),
        ({"Amount__c": 1000.126}, {"Amount__c": 5.0}, Fate.NOT_WRITTEN),
        ({"LastName": "+5"}, {"LastName": "-5"}, Fate.OPEN),
        ({"Account": {"Key__c": "P-2"}}, {"Title": "Boss"}, Fate.OPEN),
    ],
    ids=["a moment", "an amount that was rounded", "another amount", "another sign", "a parent by its key"],
)
def test_its_state_is_compared_as_the_org_writes_it_and_what_cannot_be_compared_leaves_it_open(
    sql_audit: SqlAudit, load: Load, sent: dict[str, object], held: dict[str, object], expected: Fate
) -> None:
    sql_audit.update_load(load.load_id, ended_at=NOW)
    fields = (Field("At__c", "At", "datetime"), Field("Amount__c", "Amount", "currency", scale=2))
    raiser, record = (replace(NEWER, fields={KEY: "k", **values}) for values in (sent, held))
    subject = AuditedRaisers(
        sql_audit,
        holding((AFTER, record)),
        replace(LEAD, fields=(*LEAD.fields, *fields)),
        (KEY,),
        lambda load, numbers: {7: raiser},
        lambda: NOW,
    )
    mark = Watermark("n:5", f"{load.load_id}/7", SENT)
    assert subject.tell([(OLDER, mark)])[mark.raised_by].fate is expected


@pytest.mark.parametrize("purged", [False, True], ids=["its rows are removed", "purged"])
@pytest.mark.parametrize("held", [NEWER, None], ids=["some state", "unreadable"])
def test_of_a_row_that_nobody_can_send_again_no_older_row_waits_for_ever(
    sql_audit: SqlAudit, load: Load, purged: bool, held: Record | None
) -> None:
    sql_audit.update_load(load.load_id, ended_at=NOW)
    assert fate(sql_audit, "purged" if purged else load.load_id, holding((AFTER, held))) is Fate.NOT_WRITTEN


def test_an_org_that_does_not_answer_leaves_it_open(sql_audit: SqlAudit) -> None:
    assert fate(sql_audit, "purged", FakeOrg(errors={1: TransientCallError("down")})) is Fate.OPEN


def test_who_is_waited_for_has_a_name(sql_audit: SqlAudit, load: Load) -> None:
    mark = Watermark("n:5", f"{load.load_id}/7", SENT)
    holder = raisers(sql_audit, FakeOrg()).tell([(OLDER, mark)])[mark.raised_by].holder
    assert holder is not None
    assert str(holder) == (
        f"{load.dag_id}.{load.task_id}, run {load.run_id}, load {load.load_id}, row 7 (not settled yet)"
    )


def test_rows_of_one_load_are_asked_for_together(sql_audit: SqlAudit, load: Load) -> None:
    sql_audit.update_load(load.load_id, ended_at=NOW)
    org = FakeOrg()
    newer = [(row(n, f"k-{n}"), Watermark("n:5", f"{load.load_id}/{n + 100}", SENT)) for n in range(5)]
    told = raisers(sql_audit, org).tell(newer)
    assert {raiser.fate for raiser in told.values()} == {Fate.NOT_WRITTEN}
    assert [kind for kind in org.kinds() if kind == "holders"] == ["holders"]


def test_of_a_load_that_is_over_it_is_said_what_to_clear(sql_audit: SqlAudit, load: Load) -> None:
    sql_audit.update_load(load.load_id, ended_at=NOW)
    mark = Watermark("n:5", f"{load.load_id}/7", SENT)
    [told] = raisers(sql_audit, holding((AFTER, None)), NEWER).tell([(OLDER, mark)]).values()
    assert told.fate is Fate.OPEN
    assert "that load is over and nobody knows whether the row was written: clear its upsert task" in str(told.holder)
