"""A revert deletes what a load created, or took out of the recycle bin, once, where nobody has touched it since."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, update

from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.core.entries import Action, Entry
from airflow_sf_dedup.core.field_rules import FieldRules
from airflow_sf_dedup.core.outcomes import Failed
from airflow_sf_dedup.core.record_state import Deletion
from airflow_sf_dedup.core.reverts import Left, RevertState
from airflow_sf_dedup.core.sobjects import Field
from airflow_sf_dedup.database import tables
from airflow_sf_dedup.errors import CallError, OutcomeUnknownError
from airflow_sf_dedup.journeys.reverting.deleting import Deletes, Wish
from airflow_sf_dedup.journeys.reverting.ledger import Reverted
from airflow_sf_dedup.journeys.reverting.revert import Revert
from airflow_sf_dedup.journeys.sending.known import WriteRules
from airflow_sf_dedup.journeys.sending.senders import Senders
from airflow_sf_dedup.locks.record_claims import SqlRecordClaims
from airflow_sf_dedup.testing.fake_org import (
    BLOCKED,
    KEY,
    LEAD,
    ORG_ID,
    FakeOrg,
    blocked_by,
    lead_id,
    match,
    row,
    stored,
)
from airflow_sf_dedup.testing.workshops import workshop
from tests.journeys.reverts import claim_elsewhere, ledger_of, meanwhile

ONE, TWO, GONE = lead_id(1), lead_id(2), lead_id(103)
ME, SALES = "005000000000001AAA", "005000000000002AAA"
SILENT = OutcomeUnknownError("no answer", code="CONNECTION_BROKEN")
BOTH = Wish(created=True, undeleted=True)
_TIMES = ("CreatedDate", "LastModifiedDate", "SystemModstamp")
_USERS = ("CreatedById", "LastModifiedById")
WITH_DATES = replace(
    LEAD,
    fields=(
        *(each for each in LEAD.fields if each.name not in (*_TIMES, *_USERS)),
        *(Field(name, name, "datetime") for name in _TIMES),
        *(Field(name, name, "reference") for name in _USERS),
    ),
)
#: By which rows are inserted, and what they overwrite is kept.
KEPT = WriteRules(FieldRules(KEY), keep_before=True)


class Org(FakeOrg):
    """An org that dates what is written, a second apart."""

    ticks = 0
    user = ME

    def now(self) -> datetime:
        return self.start + timedelta(seconds=self.ticks)

    start = datetime(2026, 3, 2, 6, tzinfo=UTC)

    def _write(self, record_id: str, fields: Any) -> None:
        self.ticks += 2
        at = f"{self.now():%Y-%m-%dT%H:%M:%S}.000+0000"
        last = {"LastModifiedDate": at, "LastModifiedById": self.user, "SystemModstamp": at}
        new = {} if record_id in self.records else {"CreatedDate": at, "CreatedById": self.user}
        super()._write(record_id, {**new, **last, **fields})

    def _undeleted(self, record_id: str) -> Any:
        outcome = super()._undeleted(record_id)
        self._write(record_id, {})
        return outcome

    def set(self, record_id: str, user: str = SALES, **values: Any) -> None:
        """Somebody writes."""
        self.user, own = user, self.user
        self._write(record_id, values)
        self.user = own


class Loads:
    """Loads, and the reverts of the first one."""

    def __init__(self, engine: Engine, org: Org) -> None:
        self.engine, self.org, self.audit = engine, org, SqlAudit(engine)
        self.load = self.new_load()

    def new_load(self) -> Load:
        started = datetime(2026, 3, 2, 5, tzinfo=UTC)
        load = Load(str(uuid4()), ORG_ID, "Lead", KEY, "leads", "manual", "partition", started)
        self.audit.open_load(load)
        return load

    def run(self, *rows: Any, load: Load | None = None, policy: str = "ask_reviewer", **settings: Any) -> None:
        load = load or self.load
        workshop(self.engine, load, self.org, policy=policy, **settings).upsert().run(rows)
        SqlRecordClaims(self.engine).release_load(load.load_id, ORG_ID)

    def revert(self, name: str = "revert-1", wish: Wish = BOTH, **settings: Any) -> Reverted:
        return self.made(name, wish, **settings).run()

    def made(self, name: str = "revert-1", wish: Wish = BOTH, recycle: Any = None, **settings: Any) -> Revert:
        org, ledger = self.org, ledger_of(self.engine, self.load, name)
        senders = Senders(now=lambda: datetime.now(UTC), sleep=lambda seconds: None)
        deletes = Deletes(
            wish, ledger, org.describe, lambda sobject: org, recycle or org, lambda: ME, senders=senders, **settings
        )
        return Revert(ledger, org.describe, lambda sobject: (org, org), senders, deletes)

    def is_live(self, record_id: str = ONE) -> bool:
        return not self.org.records[record_id].is_deleted

    def entries(self) -> list[Entry]:
        return list(self.audit.entries(self.load.load_id))


@pytest.fixture
def org() -> Org:
    return Org(sobjects={"Lead": WITH_DATES})


@pytest.fixture
def loads(empty_engine: Engine, org: Org) -> Loads:
    """A load that has created two records."""
    made = Loads(empty_engine, org)
    made.run(row(1, "A"), row(2, "B"))
    org.calls.clear()
    return made


def test_what_the_load_created_is_deleted(loads: Loads, org: Org) -> None:
    entries = loads.entries()
    done = loads.revert()
    assert (loads.is_live(ONE), loads.is_live(TWO)) == (False, False)
    assert (done.deleted, done.left, done.reverted) == ({ONE, TWO}, {}, 0)
    assert org.kinds() == ["by_id", "delete"], "one read and one delete for all of them"
    assert loads.entries() == entries, "a revert changes no entry"
    assert [each.changes for each in loads.audit.reverts(loads.load.load_id)] == [{(RevertState.REVERTED, None): 2}]


def test_nothing_is_deleted_unasked(loads: Loads, org: Org) -> None:
    assert loads.revert(wish=Wish()).deleted == set()
    assert org.kinds() == []


def test_a_second_revert_does_nothing_even_where_somebody_brought_it_back(loads: Loads, org: Org) -> None:
    loads.revert()
    org.records[ONE] = replace(org.records[ONE], is_deleted=False, deletion=None)
    for name in ("revert-1", "revert-2"):
        done = loads.revert(name)
        assert (done.deleted, done.before) == (set(), 2)
    assert loads.is_live()


@pytest.mark.parametrize(
    ("touch", "why"),
    [
        (lambda org: org.set(ONE, Phone="2"), Left.CHANGED_SINCE),
        (lambda org: org.set(ONE, user=ME, Phone="2"), Left.CHANGED_SINCE),
        (lambda org: _stamped(org, LastModifiedById=SALES), Left.CHANGED_SINCE),
        (lambda org: _stamped(org, SystemModstamp="2026-03-02T07:00:00.000+0000"), Left.CHANGED_SINCE),
        (lambda org: _stamped(org, IsConverted=True), Left.CHANGED_SINCE),
        (lambda org: _stamped(org, LastModifiedDate=None), Left.NOT_COMPARED),
        (lambda org: org.records.update({ONE: stored(ONE, deletion=Deletion())}), Left.ALREADY_DELETED),
        (
            lambda org: org.records.update({ONE: stored(ONE, deletion=Deletion(merged_into=TWO))}),
            Left.RECORD_MERGED_AWAY,
        ),
        (lambda org: org.records.pop(ONE), Left.RECORD_GONE),
    ],
    ids=[
        "somebody wrote",
        "our own user wrote",
        "in the same second",
        "the system",
        "converted",
        "no dates",
        "deleted",
        "merged away",
        "gone for good",
    ],
)
def test_what_somebody_touched_is_left_and_told(
    loads: Loads, org: Org, touch: Callable[[Org], None], why: Left
) -> None:
    touch(org)
    done = loads.revert()
    assert (done.deleted, done.left) == ({TWO}, {why: 1})
    [left] = done.examples
    assert (left.row_number, left.record_id, left.field, left.reason) == (1, ONE, "IsDeleted", why)


def _stamped(org: Org, **values: Any) -> None:
    org.records[ONE] = replace(org.records[ONE], values={**org.records[ONE].values, **values})


@pytest.mark.parametrize("how", ["by key", "as a match", "unchanged"])
def test_what_another_load_wrote_or_relies_on_is_left(loads: Loads, org: Org, how: str) -> None:
    """Its dates may tell the same second."""
    before, other = org.records[ONE], loads.new_load()
    if how == "as a match":
        org.records[ONE] = replace(before, values={**before.values, KEY: None})
        org.answers, org.lookups = {"C": [BLOCKED]}, {"C": blocked_by(match(ONE))}
        loads.run(row(9, "C"), load=other, policy="update_existing")
    elif how == "by key":
        loads.run(row(9, "A", LastName="Later"), load=other)
    else:
        entry = Entry(9, Action.UNCHANGED, datetime.now(UTC), key="A", record_id=ONE)
        loads.audit.remember(other.load_id, [entry])
    org.records[ONE] = before
    assert loads.revert().left == {Left.OTHER_LOAD: 1}
    assert loads.is_live()


@pytest.mark.parametrize("reason", ["answer_lost", "created_or_updated", "resolved_on_lookup", "erased"])
def test_what_is_not_for_certain_the_loads_is_left(loads: Loads, reason: str) -> None:
    _say(loads, action="created", reason=reason)
    assert loads.revert().left == {Left.DOUBTFUL: 1}
    assert loads.is_live()


def test_a_row_that_was_saved_anyway_may_have_met_a_record(loads: Loads) -> None:
    _say(loads, action="saved_anyway", reason=None)
    assert loads.revert().left == {Left.DOUBTFUL: 1}


def test_what_was_there_before_is_never_deleted(loads: Loads, org: Org) -> None:
    org.held["C"] = (GONE,)
    org.set(GONE, LastName="Old")
    loads.run(row(3, "C"))
    done = loads.revert()
    assert (done.deleted, done.left) == ({ONE, TWO}, {})
    assert loads.is_live(GONE)


def _say(loads: Loads, **values: Any) -> None:
    entry = tables.entry
    with loads.engine.begin() as connection:
        wanted = (entry.c.load_id == loads.load.load_id, entry.c.row_number == 1)
        connection.execute(update(entry).where(*wanted).values(**values))


@pytest.mark.parametrize("what", ["record", "key"])
def test_what_a_load_has_in_flight_is_left(loads: Loads, what: str) -> None:
    claim_elsewhere(loads.engine, what, ONE)
    assert loads.revert().left == {Left.IN_FLIGHT: 1}
    assert loads.is_live()


def test_two_reverts_at_once_delete_each_record_once(loads: Loads, org: Org) -> None:
    with meanwhile(org, "delete", lambda: loads.revert("revert-2")) as others:
        assert loads.revert().deleted == {ONE, TWO}
    assert [each.left for each in others] == [{Left.IN_FLIGHT: 2}]
    assert loads.revert("revert-2").before == 2


@pytest.mark.parametrize("after", [False, True], ids=["before the delete", "after it"])
def test_a_crash_around_the_call_is_gone_on_from(loads: Loads, org: Org, after: bool) -> None:
    with pytest.raises(KeyboardInterrupt):
        loads.made(recycle=Dying(org, after)).run()
    done = loads.revert()
    assert (done.deleted, done.left) == ({ONE, TWO}, {})
    assert len(org.sent("delete")) == 1, "no record is deleted twice"


@pytest.mark.parametrize("after", [False, True], ids=["before the delete", "after it"])
def test_what_somebody_does_after_a_crash_is_theirs(loads: Loads, org: Org, after: bool) -> None:
    with pytest.raises(KeyboardInterrupt):
        loads.made(recycle=Dying(org, after)).run()
    org.records[ONE] = replace(org.records[ONE], is_deleted=False, deletion=None)
    org.set(ONE)
    assert loads.revert().left == {Left.CHANGED_SINCE: 1}
    assert loads.is_live()


class Dying:
    """A process that is killed around its delete; what it had claimed goes back."""

    rows_per_chunk, chunks_per_call = 4, 3

    def __init__(self, org: Org, after: bool) -> None:
        self.org, self.after = org, after

    def delete(self, *args: Any, **more: Any) -> Any:
        if self.after:
            self.org.delete(*args, **more)
        raise KeyboardInterrupt


def test_a_lost_answer_is_told_by_a_re_read(loads: Loads, org: Org) -> None:
    org.lost = {2}
    done = loads.revert()
    assert (done.deleted, done.left) == ({ONE, TWO}, {})


def test_a_call_without_any_answer_is_told_by_the_next_try(loads: Loads, org: Org) -> None:
    org.errors = dict.fromkeys(range(2, 40), SILENT)
    with pytest.raises(CallError):
        loads.revert()
    assert loads.revert("revert-2").left == {Left.IN_FLIGHT: 2}, "its call may still be under way"
    org.errors = {}
    assert loads.revert().left == {}
    assert not loads.is_live()


@pytest.mark.parametrize(
    ("outcome", "why"),
    [
        (Failed("DELETE_FAILED", "it has cases"), Left.REFUSED),
        (Failed("UNABLE_TO_LOCK_ROW", "locked"), Left.TRIES_USED_UP),
    ],
    ids=["restricted", "a lock"],
)
def test_a_refusal_is_told_with_its_code_and_tried_by_the_next_revert(
    loads: Loads, org: Org, outcome: Failed, why: Left
) -> None:
    org.deletes[ONE] = [outcome]
    done = loads.revert()
    assert (done.deleted, done.left) == ({TWO}, {why: 1})
    assert [each.error_code for each in done.examples] == [outcome.code]
    org.deletes.clear()
    assert loads.revert("revert-2").deleted == {ONE}


def test_somebody_who_deletes_between_the_read_and_the_call_is_told(loads: Loads, org: Org) -> None:
    class Later(Dying):
        def delete(self, *args: Any, **more: Any) -> Any:
            org.records[ONE] = stored(ONE, deletion=Deletion())
            return org.delete(*args, **more)

    done = loads.made(recycle=Later(org, after=False)).run()
    assert (done.deleted, done.left) == ({TWO}, {Left.ALREADY_DELETED: 1})


def test_what_would_take_other_records_along_is_left(loads: Loads) -> None:
    done = loads.revert(parents_among=lambda sobject, record_ids: frozenset({ONE}))
    assert (done.deleted, done.left) == ({TWO}, {Left.HAS_CHILDREN: 1})


def test_batches_lose_and_double_nothing_the_latest_row_first(loads: Loads, org: Org) -> None:
    assert loads.revert(records_per_batch=1).deleted == {ONE, TWO}
    assert org.sent("delete") == [[[TWO]], [[ONE]]]


# -- what was taken out of the recycle bin ----------------------------------------------------------


@pytest.fixture
def undeleted(loads: Loads, org: Org) -> Loads:
    """The load has taken a third record out of the recycle bin, and written it."""
    org.answers, org.lookups = {"C": [BLOCKED]}, {"C": blocked_by(match(GONE))}
    org.start = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    org.set(GONE, LastName="Old")
    record = org.records[GONE]
    org.records[GONE] = replace(record, is_deleted=True, deletion=Deletion(datetime.now(UTC), SALES))
    loads.run(row(3, "C", LastName="New"), policy="undelete")
    assert loads.is_live(GONE)
    return loads


def test_a_record_that_was_undeleted_goes_back(undeleted: Loads) -> None:
    done = undeleted.revert(wish=Wish(undeleted=True))
    assert done.deleted == {GONE}
    assert not undeleted.is_live(GONE)
    assert undeleted.is_live(ONE), "only what was asked"
    assert undeleted.revert("revert-2", wish=Wish(undeleted=True)).deleted == set()


def test_it_stays_live_unless_asked_and_its_fields_go_back(undeleted: Loads, org: Org) -> None:
    done = undeleted.revert(wish=Wish(created=True))
    assert done.left == {Left.NOT_ASKED: 1}
    assert undeleted.is_live(GONE)
    assert org.records[GONE].values["LastName"] == "Old"


@pytest.mark.parametrize(
    ("by", "later"), [(SALES, 0), (ME, 2 * 3600)], ids=["another user", "our own user, later than the load"]
)
def test_it_stays_where_somebody_has_written_it_since(undeleted: Loads, org: Org, by: str, later: int) -> None:
    org.ticks += later
    org.set(GONE, user=by, Phone="sales")
    done = undeleted.revert(wish=Wish(undeleted=True))
    assert (done.deleted, done.left[Left.CHANGED_SINCE]) == (set(), 1)
    assert undeleted.is_live(GONE)


def test_it_stays_where_the_audit_does_not_tell_who_brought_it_back(loads: Loads, org: Org) -> None:
    """The task died right after the undelete: its trace is there, and the next try's entry says nothing of it."""
    org.answers, org.lookups = {"C": [BLOCKED]}, {"C": blocked_by(match(GONE))}
    org.records[GONE] = stored(GONE, deletion=Deletion(datetime.now(UTC), SALES))
    act = org.undelete

    def killed(*args: Any, **more: Any) -> Any:
        act(*args, **more)
        raise KeyboardInterrupt

    org.undelete = killed  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        loads.run(row(3, "C"), policy="undelete")
    [trace] = [made.change for made in loads.audit.changes(loads.load.load_id)]
    assert (trace.record_id, trace.kind, trace.field, trace.before, trace.after) == (
        GONE,
        "undelete",
        "IsDeleted",
        True,
        False,
    )
    assert loads.is_live(GONE)
    assert loads.revert(wish=Wish(undeleted=True)).left == {Left.DOUBTFUL: 1}
    assert loads.is_live(GONE)


# -- both ways at once --------------------------------------------------------------------------------


def test_a_record_that_was_written_by_its_key_and_as_a_match_goes_back_to_what_it_was(loads: Loads, org: Org) -> None:
    load = loads.load = loads.new_load()
    org.held["D"] = (GONE,)
    org.set(GONE, LastName="Old", Phone="1")
    loads.run(row(4, "D", LastName="By key"), load=load, write_rules=KEPT)
    org.answers, org.lookups = {"E": [BLOCKED]}, {"E": blocked_by(match(GONE))}
    loads.run(row(5, "E", LastName="As a match", Phone="2"), load=load, policy="update_existing", write_rules=KEPT)
    assert org.records[GONE].values["LastName"] == "As a match"
    assert loads.revert(wish=Wish()).left == {}
    assert (org.records[GONE].values["LastName"], org.records[GONE].values["Phone"]) == ("Old", "1")


def test_a_created_record_that_the_load_wrote_again_stays_and_gets_its_first_values(loads: Loads, org: Org) -> None:
    """Nobody can tell the load's own second write from that of another with the same user."""
    load = loads.load = loads.new_load()
    loads.run(row(6, "F", LastName="First"), row(7, "F", wave=1, LastName="Second"), load=load, write_rules=KEPT)
    done = loads.revert()
    assert (done.deleted, done.left, done.reverted) == (set(), {Left.CHANGED_SINCE: 1}, 1)
    assert org.records[lead_id(6)].values["LastName"] == "First"
