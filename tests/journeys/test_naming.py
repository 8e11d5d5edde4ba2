"""What blocks a row is named by a look-up, whichever there is; what it cannot tell, one more save does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine

from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.core.entries import Action, Entry
from airflow_sf_dedup.core.outcomes import DuplicatesFound, Failed, Saved, Unanswered
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.errors import CallError, OutcomeUnknownError, PermissionRefusedError, TransientCallError
from airflow_sf_dedup.journeys.lookups import Lookups
from airflow_sf_dedup.journeys.sending.under_way import UnderWay
from airflow_sf_dedup.journeys.settling.blocked import Blocked
from airflow_sf_dedup.journeys.settling.capped_lookup import CappedLookup
from airflow_sf_dedup.journeys.workshop import Org
from airflow_sf_dedup.salesforce.write_paths import LOOKUP_PATHS
from airflow_sf_dedup.testing.fake_org import BLOCKED, FakeOrg, blocked_by, lead_id, match, row, stored
from airflow_sf_dedup.testing.workshops import workshop

ONE, TWO = lead_id(1), lead_id(2)
BOTH = "update_existing | ask_reviewer"
NO_SOAP = PermissionRefusedError("no", code="API_DISABLED_FOR_ORG")


@pytest.fixture
def org() -> FakeOrg:
    """Its look-up writes nothing."""
    return FakeOrg(writes=False)


@pytest.fixture
def settle(unclaimed: Engine, new_load: Callable[..., Load], org: FakeOrg) -> Callable[..., dict[int, Entry]]:
    load = new_load()

    def settled(
        *rows: Record, lookup: Any = None, instead: Any = None, fails: bool = False, policy: str = BOTH
    ) -> dict[int, Entry]:
        made = workshop(unclaimed, load, org, policy=policy, lookup=lookup)
        if instead is not None:
            made.open_org = lambda gates: Org(org, lookup, org, org, org.by_stamp, org, instead)
        blocked = [Blocked(UnderWay(each, 1), BLOCKED) for each in rows]
        if fails:
            with pytest.raises(CallError):
                made.settlement.settle(blocked)
        else:
            made.settlement.settle(blocked)
        entries = {entry.row_number: entry for entry in SqlAudit(unclaimed).entries(load.load_id)}
        assert entries.keys() == {each.row_number for each in rows}
        return entries

    return settled


Settle = Callable[..., dict[int, Entry]]


def test_what_it_names_is_settled_and_nothing_is_sent_again(settle: Settle, org: FakeOrg) -> None:
    org.lookups["A"], org.records[ONE] = blocked_by(match(ONE)), stored(ONE)
    assert settle(row(1, "A"))[1].action is Action.MATCHED_UPDATED
    assert org.kinds() == ["holders", "look_up", "holders", "by_id", "update"]


def test_a_row_that_nothing_blocks_now_is_sent_again_once_by_the_ordinary_upsert(settle: Settle, org: FakeOrg) -> None:
    org.held["B"] = (TWO,)
    entries = settle(row(1, "A"), row(2, "B"))
    assert [(entries[n].action, entries[n].reason) for n in (1, 2)] == [
        (Action.CREATED, "resolved_on_lookup"),
        (Action.UPDATED, "resolved_on_lookup"),
    ]
    assert org.sent("upsert") == [[["A", "B"]]]
    assert "save_anyway" not in org.kinds()


def test_refused_again_it_is_blocked_without_a_match(settle: Settle, org: FakeOrg) -> None:
    org.answers["A"] = [BLOCKED]
    entry = settle(row(1, "A"))[1]
    assert (entry.action, entry.reason, entry.matches) == (Action.AWAITING_REVIEW, "no_match_named", ())
    assert len(org.sent("upsert")) == 1


def test_a_row_that_cannot_be_looked_up_is_told_by_the_save(settle: Settle, org: FakeOrg) -> None:
    """The look-up's error is none of the row's."""
    org.lookups = {"A": Failed("INVALID_FIELD", "no"), "B": Unanswered("cut off")}
    org.answers["B"] = [Failed("STRING_TOO_LONG", "too long")]
    entries = settle(row(1, "A"), row(2, "B"))
    assert (entries[1].action, entries[1].reason) == (Action.CREATED, "resolved_on_lookup")
    assert (entries[2].action, entries[2].error_code) == (Action.FAILED, "STRING_TOO_LONG")


@pytest.mark.parametrize(
    ("found", "action", "reason"),
    [
        (blocked_by(match(TWO)), Action.UPDATED, "resolved_on_lookup"),
        (blocked_by(match(TWO), match(ONE)), Action.AWAITING_REVIEW, "key_already_held"),
        (blocked_by(match(TWO), all_named=False), Action.AWAITING_REVIEW, "key_already_held"),
    ],
    ids=["itself alone", "itself and another", "itself and some that are hidden"],
)
def test_a_row_is_no_duplicate_of_its_own_record(
    settle: Settle, org: FakeOrg, found: DuplicatesFound, action: Action, reason: str
) -> None:
    """It is asked about as if it were new."""
    org.lookups["A"], org.held["A"], org.records = found, (TWO,), {ONE: stored(ONE), TWO: stored(TWO, Key__c="A")}
    org.upsert = _takes_it(org)  # type: ignore[method-assign]
    entry = settle(row(1, "A"))[1]
    assert (entry.action, entry.reason) == (action, reason)
    assert TWO not in entry.matched_ids
    assert org.sent("update") == []


@pytest.mark.parametrize(
    ("own_rule", "all_named", "action"),
    [
        ("Leads_by_name", True, Action.SAVED_ANYWAY),
        ("Leads_by_mail", True, Action.AWAITING_REVIEW),
        ("Leads_by_name", False, Action.AWAITING_REVIEW),
    ],
    ids=["of itself alone", "of another as well", "of some that are hidden"],
)
def test_a_rule_that_finds_the_rows_own_record_and_no_other_blocks_nothing(
    settle: Settle, org: FakeOrg, own_rule: str, all_named: bool, action: Action
) -> None:
    """It blocks new records; another rule, which finds another record, only alerts."""
    alerts = match(ONE, allow_save=own_rule != "Leads_by_mail")
    found = blocked_by(replace(match(TWO), duplicate_rule=own_rule), alerts, all_named=all_named)
    assert not found.allow_save
    org.lookups["A"], org.held["A"], org.records = found, (TWO,), {ONE: stored(ONE), TWO: stored(TWO, Key__c="A")}
    org.answers["A"] = [Saved(TWO, False)]
    assert settle(row(1, "A"), policy="save_anyway | ask_reviewer")[1].action == action


def _takes_it(org: FakeOrg) -> Any:
    """Whatever the look-up says, nothing blocks the row by the time it is sent again."""

    def upsert(chunks: Any, **how: Any) -> Any:
        org.lookups.clear()
        return FakeOrg.upsert(org, chunks, **how)

    return upsert


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (TransientCallError("no connection", code="CONNECT_FAILED"), Action.NOT_SENT),
        (OutcomeUnknownError("no answer", code="CONNECTION_BROKEN"), Action.UNKNOWN),
    ],
    ids=["not sent", "no answer"],
)
def test_a_save_that_fails_for_good_leaves_an_entry_for_every_row(
    settle: Settle, org: FakeOrg, error: CallError, action: Action
) -> None:
    org.lookups["B"] = blocked_by(match(ONE))
    org.records[ONE] = stored(ONE)
    org.errors = dict.fromkeys(range(3, 30), error)
    entries = settle(row(1, "A"), row(2, "B"), fails=True)
    assert (entries[1].action, entries[2].action) == (action, Action.NOT_SENT)


class Disabled:
    """A look-up by SOAP where there is none."""

    rows_per_call = 4
    writes = True

    def look_up(self, records: Any, *, on_late: Any = None) -> Any:
        raise NO_SOAP


def test_the_rows_of_a_look_up_that_the_org_does_not_have_go_on_with_another(settle: Settle, org: FakeOrg) -> None:
    org.writes, org.rows_per_call = True, 1
    org.lookups = {f"K-{n}": blocked_by(match(lead_id(n))) for n in range(1, 10)}
    org.records = {lead_id(n): stored(lead_id(n)) for n in range(1, 10)}
    asked: list[CallError] = []

    def instead(error: CallError) -> FakeOrg:
        asked.append(error)
        return org

    entries = settle(*(row(n, f"K-{n}") for n in range(1, 10)), lookup=Disabled(), instead=instead)
    assert {entry.action for entry in entries.values()} == {Action.MATCHED_UPDATED}
    assert asked == [NO_SOAP]
    assert [keys for [keys] in org.sent("look_up")] == [[f"K-{n}"] for n in range(1, 10)]


def test_without_another_look_up_the_error_ends_the_load(settle: Settle) -> None:
    entry = settle(row(1, "A"), lookup=Disabled(), fails=True)[1]
    assert (entry.action, entry.error_code) == (Action.NOT_SENT, "API_DISABLED_FOR_ORG")


def test_after_so_many_calls_rows_stay_without_a_match_and_say_so(settle: Settle, org: FakeOrg) -> None:
    org.writes, org.rows_per_call = True, 2
    org.lookups = {f"K-{n}": blocked_by(match(lead_id(n))) for n in range(1, 8)}
    org.records = {lead_id(n): stored(lead_id(n)) for n in range(1, 8)}
    ended: list[None] = []
    capped = CappedLookup(org, 2, lambda: ended.append(None))
    entries = settle(*(row(n, f"K-{n}") for n in range(1, 8)), lookup=capped)
    assert [entries[n].reason for n in range(1, 8)] == [None] * 4 + ["not_looked_up"] * 3
    assert len(org.sent("look_up")) == 2
    assert len(ended) == 1


def test_an_org_without_any_api_is_asked_in_one_other_way_and_no_more(settle: Settle) -> None:
    lookups = Lookups(LOOKUP_PATHS["soap_upsert"], lambda path: Disabled(), 10)
    entry = settle(row(1, "A"), lookup=lookups.first(), instead=lookups.instead, fails=True)[1]
    assert (entry.action, entry.error_code) == (Action.NOT_SENT, "API_DISABLED_FOR_ORG")
    assert lookups.instead(NO_SOAP) is None


def test_a_look_up_that_needs_no_soap_has_nothing_in_its_place() -> None:
    lookups = Lookups(LOOKUP_PATHS["rest"], lambda path: Disabled(), 10)
    assert lookups.instead(NO_SOAP) is None
