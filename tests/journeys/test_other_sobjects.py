"""Leads that turn out to be contacts: read and compared, updated by a field map, linked; nothing uncertain is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, delete

from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.core.decisions import LinkRow, UpdateOther
from airflow_sf_dedup.core.entries import Action, Entry
from airflow_sf_dedup.core.outcomes import Failed, Unanswered
from airflow_sf_dedup.core.record_state import RecordState
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.database import tables
from airflow_sf_dedup.errors import PermissionRefusedError, RequestRefusedError, TransientCallError
from airflow_sf_dedup.journeys.sending.under_way import UnderWay
from airflow_sf_dedup.journeys.settling.blocked import Blocked
from airflow_sf_dedup.locks.base import RecordClaim
from airflow_sf_dedup.locks.record_claims import SqlRecordClaims
from airflow_sf_dedup.salesforce.ports import StoredRecord
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

ONE, TWO = contact_id(1), contact_id(2)
UPDATE = f"update_other(sobject='Contact', fields={{'LastName': 'LastName'}}, stamp='{STAMP}')"
LINK = "link(field='Contact__c')"


def as_contact(record_id: str = ONE, **how: Any) -> Any:
    return match(record_id, sobject="Contact", **how)


def contact(record_id: str = ONE, **values: Any) -> StoredRecord:
    return StoredRecord(record_id, {"Id": record_id, STAMP: None, "LastName": "Old", "Phone": "1", **values})


@pytest.fixture
def org() -> FakeOrg:
    found = blocked_by(as_contact(allow_save=True))
    return FakeOrg(lookups={"A": found}, records={ONE: contact(), TWO: contact(TWO)})


class Settle:
    """Settles rows of one load, and of the next one."""

    def __init__(self, engine: Engine, new_load: Callable[..., Load], org: FakeOrg) -> None:
        self._engine, self._new_load, self._org = engine, new_load, org
        self.load = new_load()
        self.claims = SqlRecordClaims(engine)

    def __call__(self, policy: str, *rows: Record, **changes: Any) -> dict[int, Entry]:
        settlement = workshop(self._engine, self.load, self._org, policy=policy, **changes).settlement
        settlement.settle([Blocked(UnderWay(each, 1), BLOCKED) for each in rows or (row(1, "A"),)])
        return self.entries()

    def entries(self) -> dict[int, Entry]:
        return {entry.row_number: entry for entry in SqlAudit(self._engine).entries(self.load.load_id)}

    def next_morning(self) -> None:
        self.claims.release_load(self.load.load_id, ORG_ID)
        with self._engine.begin() as connection:
            connection.execute(delete(tables.record_claim))
        self.load = self._new_load()


@pytest.fixture
def settle(unclaimed: Engine, new_load: Callable[..., Load], org: FakeOrg) -> Settle:
    return Settle(unclaimed, new_load, org)


# -- read and compared -----------------------------------------------------------------------------


def test_the_values_of_a_contact_are_compared_by_the_fields_of_the_row(settle: Settle, org: FakeOrg) -> None:
    entry = settle("ask_reviewer", row(1, "A", Phone="2"))[1]
    [found] = entry.matches
    assert (entry.action, entry.reason) == (Action.AWAITING_REVIEW, "match_is_another_sobject")
    assert (found.sobject, found.is_deleted, found.key) == ("Contact", False, None)
    assert found.field_differences == {"LastName": ["Name 1", "Old"], "Phone": ["2", "1"]}


def test_a_contact_shows_as_its_key_what_its_stamp_holds(settle: Settle, org: FakeOrg) -> None:
    org.records[ONE] = contact(**{STAMP: "B"})
    entry = settle(f"{UPDATE} | ask_reviewer")[1]
    assert (entry.action, entry.reason) == (Action.AWAITING_REVIEW, "match_carries_another_key")
    assert entry.matches[0].key == "B"
    assert not org.sent("update")


def test_all_contacts_of_a_settlement_are_read_at_once_and_described_once_in_a_task(
    sql_engine: Engine, settle: Settle, org: FakeOrg
) -> None:
    described: list[str] = []
    org.describe = lambda name: described.append(name) or FakeOrg.describe(org, name)  # type: ignore[method-assign, func-returns-value]
    org.lookups["B"] = blocked_by(as_contact(TWO), match(lead_id(7)))
    settlement = workshop(sql_engine, settle.load, org, policy="skip").settlement
    for rows in ([row(1, "A"), row(2, "B")], [row(3, "A")]):
        settlement.settle([Blocked(UnderWay(each, 1), BLOCKED) for each in rows])
    assert [ids for kind, ids in org.calls if kind == "by_id"] == [[[lead_id(7)]], [[ONE, TWO]], [[]], [[ONE]]]
    assert described == ["Contact"]


def test_where_no_other_sobject_matches_nothing_is_described(settle: Settle, org: FakeOrg) -> None:
    org.lookups["A"] = blocked_by(match(lead_id(7)))
    org.sobjects = {}
    settle("skip")
    assert org.kinds() == ["look_up", "holders", "by_id"]


def refused(error: Exception) -> Callable[..., Any]:
    def ask(*_: Any) -> Any:
        raise error

    return ask


@pytest.mark.parametrize(
    "hide",
    [
        lambda org: org.records.pop(ONE),
        lambda org: setattr(org, "sobjects", {"Lead": LEAD}),
        lambda org: setattr(org, "describe", refused(PermissionRefusedError("no", code="INSUFFICIENT_ACCESS"))),
        lambda org: setattr(org, "sobjects", {"Contact": replace(CONTACT, key_prefix="00x")}),
    ],
    ids=["another user's", "no such sObject", "not to be described", "an id of something else"],
)
@pytest.mark.parametrize("policy", [UPDATE, LINK])
def test_what_cannot_be_read_is_unreadable_and_goes_to_a_person(
    settle: Settle, org: FakeOrg, hide: Callable[[FakeOrg], Any], policy: str
) -> None:
    hide(org)
    entry = settle(f"update_existing | {policy} | ask_reviewer")[1]
    assert entry.action is Action.AWAITING_REVIEW
    assert entry.reason == "match_unreadable"
    assert (entry.matches[0].is_deleted, entry.matches[0].field_differences) == (None, None)
    assert not org.sent("update")


def test_a_read_that_is_refused_for_another_sobject_does_not_end_the_load(settle: Settle, org: FakeOrg) -> None:
    by_id = org.by_id
    org.by_id = lambda sobject, *how: (  # type: ignore[method-assign]
        by_id(sobject, *how) if sobject == "Lead" else refused(RequestRefusedError("no", code="INVALID_FIELD"))()
    )
    assert settle("ask_reviewer")[1].action is Action.AWAITING_REVIEW


def test_a_read_that_gets_no_answer_leaves_the_row_to_the_next_try(settle: Settle, org: FakeOrg) -> None:
    org.describe = refused(TransientCallError("away"))  # type: ignore[method-assign]
    with pytest.raises(TransientCallError):
        settle("ask_reviewer")
    assert settle.entries()[1].action is Action.NOT_SENT


def test_a_deleted_contact_is_told_apart(settle: Settle, org: FakeOrg) -> None:
    org.records[ONE] = StoredRecord(ONE, {}, is_deleted=True)
    entry = settle(f"{UPDATE} | {LINK} | ask_reviewer")[1]
    assert (entry.action, entry.reason, entry.matches[0].is_deleted) == (Action.AWAITING_REVIEW, "match_deleted", True)


def test_a_deleted_contact_beside_a_live_one_leaves_the_live_one_certain(settle: Settle, org: FakeOrg) -> None:
    org.lookups["A"] = blocked_by(as_contact(TWO), as_contact(ONE))
    org.records[TWO] = StoredRecord(TWO, {}, is_deleted=True)
    assert settle(UPDATE)[1].record_id == ONE


# -- updated ---------------------------------------------------------------------------------------


def test_the_contact_is_updated_through_the_map_and_remembers_the_row(settle: Settle, org: FakeOrg) -> None:
    entry = settle(f"update_existing | {UPDATE} | ask_reviewer")[1]
    assert (entry.action, entry.record_id, entry.matches[0].sobject) == (Action.MATCHED_UPDATED, ONE, "Contact")
    [[[update]]] = org.sent("update")
    assert (update.record_id, update.fields) == (ONE, {"LastName": "Name 1", STAMP: "A"})
    assert settle.claims.claim("another-load", ORG_ID, [RecordClaim(ONE, "probe")]) == {ONE: "a"}


def test_the_next_morning_the_stamped_contact_is_updated_again_without_asking(settle: Settle, org: FakeOrg) -> None:
    strict = UPDATE.replace(")", ", min_confidence=95)")
    settle(strict)
    settle.next_morning()
    org.lookups["A"] = blocked_by(as_contact(confidence=50.0))
    entry = settle(f"{strict} | ask_reviewer", row(1, "A", LastName="New"))[1]
    assert (entry.action, entry.record_id) == (Action.MATCHED_UPDATED, ONE)
    assert org.records[ONE].values["LastName"] == "New"


def test_two_rows_that_want_one_contact_do_not_both_get_it(settle: Settle, org: FakeOrg) -> None:
    org.lookups["B"] = org.lookups["A"]
    entries = settle(UPDATE, row(1, "A"), row(2, "B"))
    assert [(e.action, e.reason) for e in entries.values()] == [
        (Action.MATCHED_UPDATED, None),
        (Action.AWAITING_REVIEW, "match_claimed"),
    ]
    assert org.records[ONE].values[STAMP] == "A"


@pytest.mark.parametrize(
    ("is_begun", "action", "reason"),
    [(True, Action.MATCHED_UPDATED, None), (False, Action.SKIPPED, "key_already_held")],
    ids=["by an earlier try", "by an earlier load"],
)
def test_a_contact_that_an_earlier_try_stamped_is_the_rows_own_though_a_lead_got_its_key_since(
    settle: Settle, org: FakeOrg, is_begun: bool, action: Action, reason: str | None
) -> None:
    org.records[ONE] = contact(**{STAMP: "A"})
    org.held["A"] = (lead_id(9),)
    if is_begun:
        settle.claims.claim(settle.load.load_id, ORG_ID, [RecordClaim(ONE, "a")])
    entry = settle(f"{UPDATE} | skip", try_number=2)[1]
    assert (entry.action, entry.reason) == (action, reason)


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        (blocked_by(as_contact(TWO)), "settle_refused_by_rule"),
        (Failed("ENTITY_IS_DELETED", "entity is deleted"), "match_deleted"),
        (Failed("DUPLICATE_VALUE", f"duplicate value found: {STAMP} duplicates value on record"), "key_already_held"),
        (Failed("DUPLICATE_VALUE", "duplicate value found: <unknown> duplicates value on record"), "key_already_held"),
    ],
    ids=["by a rule", "deleted since", "stamped on another since", "the same, masked"],
)
def test_a_refused_update_goes_to_the_next_policy_but_never_to_a_save(
    settle: Settle, org: FakeOrg, refusal: Any, reason: str
) -> None:
    org.updates[ONE] = [refusal]
    entry = settle(f"{UPDATE} | save_anyway | {LINK} | skip")[1]
    assert (entry.action, entry.reason) == (Action.SKIPPED, reason)
    assert not org.sent("save_anyway")
    assert settle.claims.claim("another-load", ORG_ID, [RecordClaim(ONE, "probe")]) == {ONE: "probe"}


def test_an_update_that_fails_for_the_rows_own_values_is_a_failed_row(settle: Settle, org: FakeOrg) -> None:
    org.updates[ONE] = [Failed("STRING_TOO_LONG", "…", ("LastName",))]
    entry = settle(f"{UPDATE} | skip")[1]
    assert (entry.action, entry.reason) == (Action.FAILED, "matched_updated_failed")


def test_a_refusal_after_a_lost_answer_is_told_by_who_carries_the_stamp(settle: Settle, org: FakeOrg) -> None:
    """The lost call stamped the one contact; what that set off in the org refuses the same update now."""
    org.lookups["B"] = blocked_by(as_contact(TWO))
    org.updates = {each: [Unanswered("cut off"), Failed("ENTITY_IS_LOCKED", "…")] for each in (ONE, TWO)}

    def update(chunks: Any, **how: Any) -> Any:
        org.records[ONE] = contact(LastName="Name 1", **{STAMP: "A"})
        return FakeOrg.update(org, chunks, **how)

    org.update = update  # type: ignore[method-assign]
    entries = settle(UPDATE, row(1, "A"), row(2, "B"))
    assert (entries[1].action, entries[1].record_id) == (Action.MATCHED_UPDATED, ONE)
    assert (entries[2].action, entries[2].error_code) == (Action.FAILED, "ENTITY_IS_LOCKED")


def test_an_update_without_answer_is_unknown_and_keeps_its_claim(settle: Settle, org: FakeOrg) -> None:
    org.updates[ONE] = [Unanswered("cut off")]
    assert settle(UPDATE)[1].action is Action.UNKNOWN
    assert settle.claims.claim("another-load", ORG_ID, [RecordClaim(ONE, "probe")]) == {ONE: "a"}


# -- linked ----------------------------------------------------------------------------------------


def test_the_row_is_saved_and_points_to_the_contact(settle: Settle, org: FakeOrg) -> None:
    entry = settle(f"update_existing | {LINK} | ask_reviewer")[1]
    assert (entry.action, entry.reason, entry.record_id) == (Action.SAVED_ANYWAY, "linked", lead_id(1))
    assert org.records[lead_id(1)].values["Contact__c"] == ONE
    assert org.records[ONE].values == contact().values, "the contact stays as it is"
    assert org.sent("save_anyway") == [[["A"]]]


def test_the_next_morning_the_row_that_was_saved_is_linked_again(settle: Settle, org: FakeOrg) -> None:
    settle(LINK)
    settle.next_morning()
    entry = settle(f"{LINK} | ask_reviewer")[1]
    assert (entry.action, entry.reason, entry.record_id) == (Action.SAVED_ANYWAY, "linked", lead_id(1))


@pytest.mark.parametrize("named", ["Contact__c", "Contact__r"], ids=["its id", "its key"])
def test_a_blank_of_the_row_in_the_look_up_field_is_filled(settle: Settle, org: FakeOrg, named: str) -> None:
    settle(LINK, row(1, "A", **{named: None}))
    assert org.records[lead_id(1)].values.get("Contact__r", "absent") == "absent"
    assert org.records[lead_id(1)].values["Contact__c"] == ONE


def test_a_rule_that_blocks_is_not_overridden(settle: Settle, org: FakeOrg) -> None:
    org.lookups["A"] = blocked_by(as_contact(allow_save=True), as_contact(allow_save=False))
    entry = settle(f"{LINK} | skip")[1]
    assert (entry.action, entry.reason) == (Action.SKIPPED, "rule_blocks_saving")
    assert not org.sent("save_anyway")


def test_a_refused_link_is_not_followed_by_a_save(settle: Settle, org: FakeOrg) -> None:
    org.answers["A"] = [org.lookups["A"]]
    entry = settle(f"{LINK} | save_anyway | {UPDATE}")[1]
    assert (entry.action, entry.record_id) == (Action.MATCHED_UPDATED, ONE)
    assert len(org.sent("save_anyway")) == 1


def test_a_link_whose_answer_is_lost_is_made_once(settle: Settle, org: FakeOrg) -> None:
    org.lost = {len(("look_up", "holders", "own matches", "contacts", "save"))}
    entry = settle(LINK)[1]
    assert (entry.action, entry.record_id) == (Action.SAVED_ANYWAY, lead_id(1))
    assert sum(record.values.get(KEY) == "A" for record in org.records.values()) == 1


# -- whatever a policy says ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "decision",
    [
        UpdateOther("Contact", TWO, {STAMP: "A"}, STAMP),
        UpdateOther("Contact", ONE, {STAMP: "B"}, STAMP),
        UpdateOther("Contact", ONE, {"LastName": "x"}, STAMP),
        UpdateOther("Contact", ONE, {"Unread__c": "A"}, "Unread__c"),
        UpdateOther("Lead", ONE, {STAMP: "A"}, STAMP),
        LinkRow(TWO, "Contact__c"),
        LinkRow(ONE, "OwnerId"),
        LinkRow(ONE, "Nothing__c"),
    ],
    ids=["another record", "another key", "no stamp", "unread stamp", "own sobject", "other", "to users", "no field"],
)
def test_a_policy_of_ones_own_cannot_do_what_is_not_certain(settle: Settle, org: FakeOrg, decision: Any) -> None:
    class Mine:
        name = "mine"

        def decide(self, case: Any) -> Any:
            return decision

    entry = settle(Mine())[1]  # type: ignore[arg-type]
    assert (entry.action, entry.reason) == (Action.AWAITING_REVIEW, "decision_not_allowed")
    assert not org.sent("update") and not org.sent("save_anyway")


def test_a_converted_lead_that_a_contact_matches_is_told_apart(
    sql_engine: Engine, new_load: Callable[..., Load]
) -> None:
    """The other way round: rows are contacts, and a lead matches."""
    from airflow_sf_dedup.journeys.settling.cases import Cases
    from airflow_sf_dedup.journeys.settling.others import OtherMatches, OtherSObjects
    from airflow_sf_dedup.testing.fake_org import KEY_RULE

    seven, eight = lead_id(7), lead_id(8)
    org = FakeOrg(records={seven: stored(seven, IsConverted=True), eight: stored(eight, LastName="Old", Phone="1")})
    others = OtherMatches(org, CONTACT, OtherSObjects(org.describe))
    rows = [
        Blocked(UnderWay(row(number, f"K{number}", Phone="2"), 1), blocked_by(match(record_id)))
        for number, record_id in ((1, seven), (2, eight))
    ]
    converted, live = Cases(org, CONTACT, CONTACT, KEY_RULE, others).read(rows)
    assert converted.matched[0].state is RecordState.CONVERTED
    assert live.matched[0].values == {"LastName": "Old", "Phone": "1"}
    assert not live.matched[0].is_gone
