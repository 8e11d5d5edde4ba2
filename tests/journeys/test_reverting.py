"""A revert puts back what a load changed in matched records, field by field, once, where nobody changed it since."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, delete

from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.core.entries import Action
from airflow_sf_dedup.core.outcomes import DuplicatesFound, Failed
from airflow_sf_dedup.core.record_state import Deletion
from airflow_sf_dedup.core.reverts import Left, RevertState
from airflow_sf_dedup.core.sobjects import Field
from airflow_sf_dedup.database import tables
from airflow_sf_dedup.errors import CallError, OutcomeUnknownError
from airflow_sf_dedup.journeys.reverting.claiming import RevertClaims
from airflow_sf_dedup.journeys.reverting.ledger import Reverted
from airflow_sf_dedup.journeys.reverting.revert import Revert
from airflow_sf_dedup.journeys.sending.senders import Senders
from airflow_sf_dedup.locks.record_claims import SqlRecordClaims
from airflow_sf_dedup.testing.fake_org import (
    BLOCKED,
    CONTACT,
    KEY,
    LEAD,
    ORG_ID,
    STAMP,
    FakeOrg,
    blocked_by,
    contact_id,
    lead_id,
    match,
    row,
    stored,
)
from airflow_sf_dedup.testing.workshops import workshop
from tests.journeys.reverts import claim_elsewhere, ledger_of, meanwhile

ONE, TWO, ANN = lead_id(101), lead_id(102), contact_id(1)
SILENT = OutcomeUnknownError("no answer", code="CONNECTION_BROKEN")
WITH_STAMPS = replace(
    LEAD,
    fields=(*LEAD.fields, Field("SystemModstamp", "Stamp", "datetime"), Field("DoNotCall", "Do Not Call", "boolean")),
)


class Org(FakeOrg):
    """An org that stamps what is written."""

    def _write(self, record_id: str, fields: Any) -> None:
        self.ticks = getattr(self, "ticks", 0) + 1
        super()._write(record_id, {**fields, "SystemModstamp": f"2026-03-02T06:00:{self.ticks:02}.000+0000"})

    def set(self, record_id: str, **values: Any) -> None:
        """Somebody else writes."""
        self._write(record_id, values)


class Loaded:
    """A load that has updated matched records, and the reverts of it."""

    def __init__(self, engine: Engine, load: Load, org: Org) -> None:
        self.engine, self.load, self.org = engine, load, org
        self.audit = SqlAudit(engine)

    def run(self, *rows: Any, policy: str = "update_existing") -> None:
        workshop(self.engine, self.load, self.org, policy=policy).upsert().run(rows)
        SqlRecordClaims(self.engine).release_load(self.load.load_id, ORG_ID)

    def revert(self, name: str = "revert-1", **settings: Any) -> Reverted:
        return self.made(name, **settings).run()

    def made(self, name: str = "revert-1", **settings: Any) -> Revert:
        senders = Senders(sleep=lambda seconds: None)
        more = {"describe": self.org.describe, "open_sobject": lambda sobject: (self.org, self.org), **settings}
        return Revert(ledger_of(self.engine, self.load, name), senders=senders, **more)

    def value(self, field: str, record_id: str = ONE) -> Any:
        return self.org.records[record_id].values.get(field)

    def states(self) -> dict[tuple[RevertState, Left | None], int]:
        return {key: n for each in self.audit.reverts(self.load.load_id) for key, n in each.changes.items()}


@pytest.fixture
def org() -> Org:
    org = Org(answers={"A": [BLOCKED], "B": [BLOCKED]}, sobjects={"Lead": WITH_STAMPS, "Contact": CONTACT})
    org.lookups = {"A": blocked_by(match(ONE)), "B": blocked_by(match(TWO))}
    for record_id in (ONE, TWO):
        org.records[record_id] = stored(record_id)
        org.set(record_id, LastName="Old", Phone="1")
    return org


@pytest.fixture
def loaded(empty_engine: Engine, org: Org) -> Loaded:
    """Two matched records whose names and phones were overwritten."""
    load = Load(
        load_id=f"load-{id(org)}-{datetime.now(UTC).timestamp()}",
        org_id=ORG_ID,
        sobject="Lead",
        external_id_field=KEY,
        dag_id="leads",
        run_id="manual",
        task_id="partition",
        started_at=datetime.now(UTC),
    )
    made = Loaded(empty_engine, load, org)
    made.audit.open_load(load)
    made.run(row(1, "A", LastName="New", Phone="2"), row(2, "B", LastName="New", Phone="2"))
    org.calls.clear()
    return made


def test_everything_is_as_it_was(loaded: Loaded, org: Org) -> None:
    entries = list(loaded.audit.entries(loaded.load.load_id))
    done = loaded.revert()
    for record_id in (ONE, TWO):
        assert [loaded.value(name, record_id) for name in (KEY, "LastName", "Phone")] == [None, "Old", "1"]
    assert (done.reverted, len(done.records), done.left) == (6, 2, {})
    assert org.kinds() == ["by_id", "update"], "one read and one write for all of them"
    assert list(loaded.audit.entries(loaded.load.load_id)) == entries, "a revert changes no entry"
    [told] = loaded.audit.reverts(loaded.load.load_id)
    assert (told.task, told.changes, told.ended_at is not None) == (
        "the task",
        {(RevertState.REVERTED, None): 6},
        True,
    )


def test_a_field_that_somebody_changed_since_is_left_and_told(loaded: Loaded, org: Org) -> None:
    org.set(ONE, Phone="sales")
    done = loaded.revert()
    assert [loaded.value(name) for name in (KEY, "LastName", "Phone")] == [None, "Old", "sales"]
    [left] = done.examples
    assert (left.row_number, left.record_id, left.field, left.reason) == (1, ONE, "Phone", Left.CHANGED_SINCE)
    assert loaded.states() == {(RevertState.REVERTED, None): 5, (RevertState.LEFT, Left.CHANGED_SINCE): 1}


def test_a_field_that_is_back_already_is_not_written(loaded: Loaded, org: Org) -> None:
    org.set(ONE, Phone="1")
    assert loaded.revert().left == {Left.ALREADY_BACK: 1}
    assert all("Phone" not in update.fields for [[update, *_]] in org.sent("update") if update.record_id == ONE)


def test_a_second_revert_does_nothing_whatever_was_written_in_between(loaded: Loaded, org: Org) -> None:
    """Not even where somebody has put the load's value there again: a revert is never reverted."""
    loaded.revert()
    org.set(ONE, LastName="New", Phone="2")
    for name in ("revert-1", "revert-2"):
        done = loaded.revert(name)
        assert (done.reverted, done.before) == (0, 6)
    assert (loaded.value("LastName"), loaded.value("Phone")) == ("New", "2")
    assert org.kinds() == ["by_id", "update"]


@pytest.mark.parametrize(
    ("gone", "why"),
    [
        (lambda org: org.records.update({ONE: stored(ONE, deletion=Deletion())}), Left.RECORD_DELETED),
        (
            lambda org: org.records.update({ONE: stored(ONE, deletion=Deletion(merged_into=TWO))}),
            Left.RECORD_MERGED_AWAY,
        ),
        (lambda org: org.records.pop(ONE), Left.RECORD_GONE),
    ],
    ids=["deleted", "merged away", "gone for good"],
)
def test_a_record_that_is_gone_is_told_and_keeps_no_other_back(
    loaded: Loaded, org: Org, gone: Callable[[Org], None], why: Left
) -> None:
    gone(org)
    done = loaded.revert()
    assert (done.reverted, done.left) == (3, {why: 3})
    assert loaded.value("LastName", TWO) == "Old"


@pytest.mark.parametrize("step", ["claimed", "read", "announced", "written"])
def test_a_crash_between_any_two_steps_is_gone_on_from(loaded: Loaded, org: Org, step: str) -> None:
    with pytest.raises(Crash):
        _crash_after(loaded.made(), org, step).run()
    done = loaded.revert()
    assert done.left == {}
    assert [loaded.value(name) for name in (KEY, "LastName", "Phone")] == [None, "Old", "1"]
    assert sum(len(chunk) for call in org.sent("update") for chunk in call) == 2, "each record is written once"


@pytest.mark.parametrize("step", ["announced", "written"])
def test_what_somebody_writes_after_a_crash_is_theirs(loaded: Loaded, org: Org, step: str) -> None:
    with pytest.raises(Crash):
        _crash_after(loaded.made(), org, step).run()
    org.set(ONE, Phone="2", LastName="sales")
    done = loaded.revert()
    assert (loaded.value("Phone"), loaded.value("LastName")) == ("2", "sales"), "also where it is what the load wrote"
    assert done.left[Left.CHANGED_SINCE] >= 2


def test_another_revert_takes_over_what_a_crashed_one_left(loaded: Loaded, org: Org) -> None:
    with pytest.raises(Crash):
        _crash_after(loaded.made("revert-1"), org, "written").run()
    assert loaded.revert("revert-2").left == {Left.IN_FLIGHT: 6}, "its call may still be under way"
    later = datetime.now(UTC) + timedelta(hours=2)
    with loaded.engine.begin() as connection:
        connection.execute(delete(tables.key_claim))
    made = loaded.made("revert-2")
    made.ledger.claims = replace(made.ledger.claims, records=SqlRecordClaims(loaded.engine, clock=lambda: later))
    done = made.run()
    assert (done.reverted, done.left) == (6, {})
    assert len(org.sent("update")) == 1


def test_a_lost_answer_reverts_nothing_twice(loaded: Loaded, org: Org) -> None:
    org.lost = {2}
    done = loaded.revert()
    assert (done.reverted, done.left) == (6, {})
    assert loaded.value("LastName") == "Old"


def test_a_call_without_any_answer_is_told_by_the_next_try(loaded: Loaded, org: Org) -> None:
    org.errors = dict.fromkeys(range(2, 40), SILENT)
    try:
        left = loaded.revert().left
    except CallError:
        left = {Left.NO_ANSWER: 6}
    assert set(left) == {Left.NO_ANSWER}
    assert loaded.revert("revert-2").left == {Left.IN_FLIGHT: 6}
    org.errors = {}
    assert loaded.revert().left == {}
    assert loaded.value("LastName") == "Old"


def test_two_reverts_at_once_share_no_record(loaded: Loaded, org: Org) -> None:
    with meanwhile(org, "update", lambda: loaded.revert("revert-2")) as others:
        assert loaded.revert().reverted == 6
    assert [each.left for each in others] == [{Left.IN_FLIGHT: 6}]
    assert loaded.revert("revert-2").before == 6


@pytest.mark.parametrize("what", ["record", "key"])
def test_what_a_load_has_in_flight_is_left(loaded: Loaded, what: str) -> None:
    claim_elsewhere(loaded.engine, what, ONE)
    done = loaded.revert()
    assert (done.reverted, done.left) == (3, {Left.IN_FLIGHT: 3})
    assert loaded.value("LastName") == "New"


@pytest.mark.parametrize(
    ("outcome", "why", "code"),
    [
        (Failed("FIELD_CUSTOM_VALIDATION_EXCEPTION", "no"), Left.REFUSED, "FIELD_CUSTOM_VALIDATION_EXCEPTION"),
        (Failed("UNABLE_TO_LOCK_ROW", "locked"), Left.TRIES_USED_UP, "UNABLE_TO_LOCK_ROW"),
        (DuplicatesFound("Use one of these?"), Left.REFUSED, "DUPLICATES_DETECTED"),
    ],
    ids=["a validation", "a lock", "a duplicate rule"],
)
def test_a_refusal_is_told_with_its_code_and_tried_again_by_the_next_revert(
    loaded: Loaded, org: Org, outcome: Any, why: Left, code: str
) -> None:
    org.updates[ONE] = [outcome]
    done = loaded.revert()
    assert (done.reverted, done.left) == (3, {why: 3})
    assert {each.error_code for each in done.examples} == {code}
    org.updates.clear()
    assert loaded.revert("revert-2").reverted == 3


def test_what_was_never_written_is_not_touched(loaded: Loaded, org: Org) -> None:
    """The update of the match was refused; what a person has typed since may look like the row."""
    load = replace(loaded.load, load_id=f"{loaded.load.load_id}-2")
    loaded.audit.open_load(load)
    again = Loaded(loaded.engine, load, org)
    org.answers, org.lookups = {"C": [BLOCKED]}, {"C": blocked_by(match(lead_id(103)))}
    org.records[lead_id(103)] = stored(lead_id(103), LastName="Old")
    org.updates[lead_id(103)] = [Failed("FIELD_CUSTOM_VALIDATION_EXCEPTION", "no")]
    again.run(row(3, "C", LastName="New"))
    org.updates.clear()
    org.set(lead_id(103), LastName="New")
    assert again.revert().left == {Left.NOT_WRITTEN: 2}
    assert again.value("LastName", lead_id(103)) == "New"


def test_an_opt_out_that_the_load_set_stays_unless_asked(loaded: Loaded, org: Org) -> None:
    load = replace(loaded.load, load_id=f"{loaded.load.load_id}-2")
    loaded.audit.open_load(load)
    again = Loaded(loaded.engine, load, org)
    org.answers, org.lookups = {"C": [BLOCKED]}, {"C": blocked_by(match(lead_id(103)))}
    org.records[lead_id(103)] = stored(lead_id(103), LastName="Old", DoNotCall=False)
    again.run(row(3, "C", LastName="New", DoNotCall=True))
    assert again.revert().left == {Left.OPTED_OUT: 1}
    assert again.value("DoNotCall", lead_id(103)) is True
    assert again.revert("revert-2", clear_opt_outs=True).reverted == 1
    assert again.value("DoNotCall", lead_id(103)) is False


def test_a_contact_and_a_link_are_put_back(loaded: Loaded, org: Org) -> None:
    load = replace(loaded.load, load_id=f"{loaded.load.load_id}-2")
    loaded.audit.open_load(load)
    again = Loaded(loaded.engine, load, org)
    org.answers = {}
    org.lookups = {
        "C": blocked_by(match(ANN, sobject="Contact")),
        "D": blocked_by(match(ANN, sobject="Contact", allow_save=True)),
    }
    org.records[ANN] = stored(ANN, LastName="Ann", **{STAMP: None})
    policy = f"update_other(sobject='Contact', fields={{'LastName': 'LastName'}}, stamp='{STAMP}')"
    again.run(row(3, "C", LastName="New"), policy=policy)
    again.run(row(4, "D", LastName="New"), policy="link(field='Contact__c')")
    assert [each.action for each in again.audit.entries(load.load_id)] == [Action.MATCHED_UPDATED, Action.SAVED_ANYWAY]
    assert again.revert().left == {}
    assert (again.value("LastName", ANN), again.value(STAMP, ANN)) == ("Ann", None)
    assert again.value("Contact__c", lead_id(4)) is None


def test_batches_lose_and_double_nothing(loaded: Loaded) -> None:
    assert loaded.revert(records_per_batch=1).reverted == 6


class Crash(BaseException):
    """The process is killed."""


def _crash_after(revert: Revert, org: Org, step: str) -> Revert:
    """The revert, which dies right after a step, and lets go of nothing."""

    def crash(*args: Any, **more: Any) -> Any:
        raise Crash

    def then_crash(act: Callable[..., Any]) -> Callable[..., Any]:
        def acted(*args: Any, **more: Any) -> Any:
            act(*args, **more)
            raise Crash

        return acted

    class Dying(RevertClaims):
        def release(self, fields: Any, in_doubt: frozenset[str]) -> None:
            pass

    claims = revert.ledger.claims
    revert.ledger.claims = Dying(claims.load, claims.claimant, claims.records, claims.keys)
    api = FakeApi(org)
    revert.open_sobject = lambda sobject: (api, api)  # type: ignore[assignment, return-value]
    if step == "claimed":
        api.by_id = crash
    elif step == "read":
        api.by_id = then_crash(org.by_id)
    elif step == "announced":
        api.update = crash
    else:
        api.update = then_crash(org.update)
    return revert


class FakeApi:
    """The org as one process sees it."""

    def __init__(self, org: Org) -> None:
        self.rows_per_chunk, self.chunks_per_call = org.rows_per_chunk, org.chunks_per_call
        self.by_id, self.update = org.by_id, org.update
