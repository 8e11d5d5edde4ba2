"""Records that are gone, and keys that several records hold: found, followed, told, and decided on by policies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine

from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.core.entries import Action, Entry
from airflow_sf_dedup.core.outcomes import Failed, KeyHeldByMany
from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.core.record_state import Deletion, RecordState
from airflow_sf_dedup.journeys.settling.merges import MOST_MERGES, living, read_merged
from airflow_sf_dedup.salesforce.ports import StoredRecord
from airflow_sf_dedup.testing.fake_org import BLOCKED, KEY, STAMP, FakeOrg, blocked_by, lead_id, match, row, stored
from airflow_sf_dedup.testing.workshops import workshop

ONE, TWO, THREE = lead_id(1), lead_id(2), lead_id(3)
AT, SOMEBODY = datetime(2026, 3, 1, 12, 0, tzinfo=UTC), to_18("005000000000009")
CONTACT = to_18("003000000000001")
CONVERTED_REFUSED = Failed("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
KEY_TAKEN = Failed("DUPLICATE_VALUE", f"duplicate value found: {KEY} duplicates value on record with id: {ONE}")


def merged(record_id: str, into: str, **values: Any) -> StoredRecord:
    return stored(record_id, deletion=Deletion(AT, SOMEBODY, into), **values)


@pytest.fixture
def org() -> FakeOrg:
    return FakeOrg(answers={"A": [BLOCKED]})


@pytest.fixture
def settle(unclaimed: Engine, new_load: Callable[..., Load], org: FakeOrg) -> Callable[..., Entry]:
    """Runs row A through one policy; answers its entry."""

    def settle(policy: str) -> Entry:
        load = new_load()
        workshop(unclaimed, load, org, policy=policy).upsert().run([row(1, "A")])
        [entry] = SqlAudit(unclaimed).entries(load.load_id)
        return entry

    return settle


def shown(entry: Entry) -> list[tuple[str, RecordState | None, str | None]]:
    return [(each.record_id, each.state, each.leads_to) for each in entry.matches]


# -- merged away ----------------------------------------------------------------------------------


def test_a_merged_away_match_is_followed_to_the_living_record(settle: Callable[..., Entry], org: FakeOrg) -> None:
    org.lookups["A"] = blocked_by(match(ONE))
    org.records = {ONE: merged(ONE, TWO), TWO: merged(TWO, THREE), THREE: stored(THREE)}
    entry = settle("update_existing | ask_reviewer")
    assert (entry.action, entry.reason, entry.record_id) == (Action.MATCHED_UPDATED, "followed_merge", THREE)
    assert shown(entry) == [
        (ONE, RecordState.MERGED_AWAY, TWO),
        (TWO, RecordState.MERGED_AWAY, THREE),
        (THREE, RecordState.LIVE, None),
    ]
    assert [each.duplicate_rule for each in entry.matches] == ["Leads_by_mail", None, None]


def test_a_merged_away_match_and_the_living_record_are_one(settle: Callable[..., Entry], org: FakeOrg) -> None:
    org.lookups["A"] = blocked_by(match(ONE), match(TWO))
    org.records = {ONE: merged(ONE, TWO), TWO: stored(TWO)}
    assert settle("update_existing | ask_reviewer").record_id == TWO


def test_the_living_record_of_the_keys_own_is_a_match_beside_what_rules_name(
    settle: Callable[..., Entry], org: FakeOrg
) -> None:
    org.lookups["A"], org.deleted["A"] = blocked_by(match(TWO)), (ONE,)
    org.records = {ONE: merged(ONE, THREE, Key__c="A"), TWO: stored(TWO), THREE: stored(THREE)}
    entry = settle("update_existing | ask_reviewer")
    assert (entry.action, entry.reason) == (Action.AWAITING_REVIEW, "several_matches")
    assert {each.record_id for each in entry.matches} == {ONE, TWO, THREE}


def test_a_key_that_a_merged_away_record_keeps_goes_to_the_living_one(
    settle: Callable[..., Entry], org: FakeOrg
) -> None:
    org.answers["A"], org.deleted["A"] = [KEY_TAKEN], (ONE,)
    org.records = {ONE: merged(ONE, TWO, Key__c="A"), TWO: stored(TWO)}
    entry = settle("update_existing | ask_reviewer")
    assert (entry.action, entry.reason, entry.record_id) == (Action.MATCHED_UPDATED, "followed_merge", TWO)


NOWHERE: dict[str, Mapping[str, StoredRecord]] = {
    "to one that was deleted": {ONE: merged(ONE, TWO), TWO: stored(TWO, is_deleted=True)},
    "to one that is gone for good": {ONE: merged(ONE, TWO)},
    "in a circle": {ONE: merged(ONE, TWO), TWO: merged(TWO, ONE)},
    "to itself": {ONE: merged(ONE, ONE)},
}


@pytest.mark.parametrize("records", NOWHERE.values(), ids=NOWHERE.keys())
@pytest.mark.parametrize("policy", ["update_existing | ask_reviewer", "undelete | ask_reviewer"])
def test_a_merge_that_leads_nowhere_goes_to_a_person_and_is_never_undone(
    settle: Callable[..., Entry], org: FakeOrg, records: Mapping[str, StoredRecord], policy: str
) -> None:
    org.lookups["A"], org.records = blocked_by(match(ONE)), dict(records)
    entry = settle(policy)
    assert (entry.action, entry.reason) == (Action.AWAITING_REVIEW, "match_merged_away")
    assert [each.state for each in entry.matches] == [RecordState.MERGED_AWAY]
    assert "undelete" not in org.kinds()
    assert len(org.sent("by_id")) <= MOST_MERGES + 1


def test_a_trail_is_followed_so_far_and_no_further() -> None:
    records = {lead_id(n): merged(lead_id(n), lead_id(n + 1)) for n in range(1, 40)} | {
        lead_id(40): stored(lead_id(40))
    }
    reads: list[Sequence[str]] = []

    def read(ids: Sequence[str]) -> dict[str, StoredRecord]:
        reads.append(ids)
        return {each: records[each] for each in ids if each in records}

    known = read_merged(read, [ONE])
    assert len(reads) == MOST_MERGES + 1
    assert living(ONE, known) == (ONE, ())
    assert living(lead_id(39), records)[0] == lead_id(40)


# -- told -----------------------------------------------------------------------------------------


def test_a_deleted_holder_of_the_key_is_told_beside_the_matches(settle: Callable[..., Entry], org: FakeOrg) -> None:
    """It is no match, and leaves the live one certain."""
    org.lookups["A"], org.deleted["A"] = blocked_by(match(TWO)), (ONE,)
    org.records = {ONE: stored(ONE, deletion=Deletion(AT, SOMEBODY), Key__c="A"), TWO: stored(TWO)}
    entry = settle("update_existing | ask_reviewer")
    assert (entry.action, entry.record_id) == (Action.MATCHED_UPDATED, TWO)
    told = entry.matches[1]
    assert (told.record_id, told.duplicate_rule, told.key) == (ONE, None, "A")
    assert (told.state, told.is_deleted, told.deleted_at, told.deleted_by) == (
        RecordState.DELETED,
        True,
        AT,
        SOMEBODY,
    )


@pytest.mark.parametrize("stored_key", ["a", "B"], ids=["the same in another case", "another"])
def test_a_key_that_the_match_carries_already_is_asked_about_and_both_are_shown(
    sql_engine: Engine, new_load: Callable[..., Load], org: FakeOrg, stored_key: str
) -> None:
    from dataclasses import replace

    from airflow_sf_dedup.core.keys import KeyRule
    from airflow_sf_dedup.testing.fake_org import KEY_FIELD

    org.lookups["A"], org.records[ONE] = blocked_by(match(ONE)), stored(ONE, Key__c=stored_key)
    load, rule = new_load(), KeyRule(replace(KEY_FIELD, case_sensitive=True))
    org.key_rule = rule
    made = workshop(sql_engine, load, org, policy="update_existing | undelete | ask_reviewer", key_rule=rule)
    made.upsert().run([row(1, "A")])
    [entry] = SqlAudit(sql_engine).entries(load.load_id)
    assert (entry.action, entry.reason) == (Action.AWAITING_REVIEW, "match_carries_another_key")
    assert (entry.key, entry.matches[0].key) == ("A", stored_key)
    assert (entry.matches[0].field_differences or {})[KEY] == ["A", stored_key]
    assert org.records[ONE].values[KEY] == stored_key


def test_a_key_that_is_the_rows_own_in_another_case_is_not_written_again(
    settle: Callable[..., Entry], org: FakeOrg
) -> None:
    """The field is not case-sensitive, so it is the row's record; how its key is spelled there stays."""
    org.lookups["A"], org.records[ONE], org.held["A"] = blocked_by(match(ONE)), stored(ONE, Key__c="a"), (ONE,)
    entry = settle("update_existing | ask_reviewer")
    assert (entry.action, entry.record_id) == (Action.MATCHED_UPDATED, ONE)
    assert org.records[ONE].values[KEY] == "a"


# -- the key is the obstacle ----------------------------------------------------------------------


def held_by_many(org: FakeOrg) -> None:
    org.answers["A"] = [KeyHeldByMany("more than one record found", (ONE, TWO))]
    org.held["A"], org.records = (ONE, TWO), {each: stored(each, Key__c="A") for each in (ONE, TWO)}


def held_by_converted(org: FakeOrg) -> None:
    org.answers["A"], org.held["A"] = [CONVERTED_REFUSED], (ONE,)
    org.records[ONE] = stored(ONE, Key__c="A", IsConverted=True, ConvertedContactId=CONTACT)


def held_in_bin(org: FakeOrg) -> None:
    org.answers["A"], org.deleted["A"] = [KEY_TAKEN], (ONE,)
    org.records[ONE] = stored(ONE, deletion=Deletion(AT, SOMEBODY), Key__c="A")


OBSTACLES: dict[str, tuple[Callable[[FakeOrg], None], str, list[tuple[str, RecordState | None, str | None]]]] = {
    "key_held_by_many": (
        held_by_many,
        "DUPLICATE_EXTERNAL_ID",
        [(ONE, RecordState.LIVE, None), (TWO, RecordState.LIVE, None)],
    ),
    "key_held_by_converted": (
        held_by_converted,
        "CANNOT_UPDATE_CONVERTED_LEAD",
        [(ONE, RecordState.CONVERTED, CONTACT)],
    ),
    "key_held_in_recycle_bin": (held_in_bin, "DUPLICATE_VALUE", [(ONE, RecordState.DELETED, None)]),
}

CHOICES = {
    "ask_reviewer": Action.AWAITING_REVIEW,
    "update_existing | ask_reviewer": Action.AWAITING_REVIEW,
    "skip": Action.SKIPPED,
    "save_anyway | skip": Action.SKIPPED,
    "update_existing": Action.FAILED,
    "save_anyway | update_existing": Action.FAILED,
    "by_rule({'Leads_by_mail': 'skip'})": Action.FAILED,
}


@pytest.mark.parametrize(("policy", "action"), CHOICES.items())
@pytest.mark.parametrize("reason", OBSTACLES)
def test_who_holds_the_key_is_a_case_for_policies_and_red_where_none_claims_it(
    settle: Callable[..., Entry], org: FakeOrg, reason: str, policy: str, action: Action
) -> None:
    arrange, code, matches = OBSTACLES[reason]
    arrange(org)
    entry = settle(policy)
    assert (entry.action, entry.error_code) == (action, code)
    assert entry.reason == (reason if "by_rule" not in policy or action is Action.FAILED else entry.reason)
    assert shown(entry) == matches
    assert {each.duplicate_rule for each in entry.matches} == {None}, "no rule names them"
    assert entry.values == row(1, "A").fields
    assert not org.sent("update")
    assert not org.sent("save_anyway")


UPDATE_CONTACT = f"update_other(sobject='Contact', fields={{'LastName': 'LastName'}}, stamp='{STAMP}')"


def contact(**values: Any) -> StoredRecord:
    return StoredRecord(CONTACT, {"Id": CONTACT, STAMP: None, "LastName": "Old", **values})


def matches_converted(org: FakeOrg) -> None:
    org.lookups["A"] = blocked_by(match(ONE))
    org.records[ONE] = stored(ONE, IsConverted=True, ConvertedContactId=CONTACT[:15])


@pytest.mark.parametrize("arrange", [held_by_converted, matches_converted])
def test_the_contact_that_a_lead_became_is_updated_and_stamped_and_again_the_next_morning(
    settle: Callable[..., Entry], org: FakeOrg, arrange: Callable[[FakeOrg], None]
) -> None:
    arrange(org)
    org.records[CONTACT] = contact()
    for stamped in (None, "a"):
        org.records[CONTACT] = contact(**{STAMP: stamped})
        entry = settle(f"update_existing | {UPDATE_CONTACT} | ask_reviewer")
        assert (entry.action, entry.reason, entry.record_id) == (
            Action.MATCHED_UPDATED,
            "followed_conversion",
            CONTACT,
        )
        told = [(each.record_id, each.sobject, each.state, each.leads_to) for each in entry.matches]
        assert told == [
            (ONE, "Lead", RecordState.CONVERTED, org.records[ONE].values["ConvertedContactId"]),
            (CONTACT, "Contact", RecordState.LIVE, None),
        ]
        assert entry.matches[1].duplicate_rule is None, "what a rule did is counted by its names"
        [[update]] = org.sent("update")[-1]
        assert (update.record_id, update.fields) == (CONTACT, {"LastName": "Name 1", STAMP: stamped or "A"})
    assert [ids for kind, ids in org.calls if kind == "by_id"] == [[[ONE]], [[CONTACT]]] * 2


@pytest.mark.parametrize("policy", ["update_existing | ask_reviewer", "skip"])
def test_what_a_lead_became_is_read_only_where_a_policy_writes_to_contacts(
    settle: Callable[..., Entry], org: FakeOrg, policy: str
) -> None:
    held_by_converted(org)
    settle(policy)
    assert org.kinds().count("by_id") == 1


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [(Failed("ENTITY_IS_DELETED", "gone"), "match_deleted"), (BLOCKED, "settle_refused_by_rule")],
    ids=["it is gone", "a rule of contacts"],
)
def test_a_contact_that_cannot_be_updated_leaves_the_row_to_the_next_policy(
    settle: Callable[..., Entry], org: FakeOrg, refusal: Any, reason: str
) -> None:
    held_by_converted(org)
    org.records[CONTACT], org.updates[CONTACT] = contact(), [refusal]
    entry = settle(f"{UPDATE_CONTACT} | skip")
    assert (entry.action, entry.reason) == (Action.SKIPPED, reason)


def test_two_keys_whose_leads_became_one_contact_do_not_both_write_to_it(
    sql_engine: Engine, new_load: Callable[..., Load], settle: Callable[..., Entry], org: FakeOrg
) -> None:
    held_by_converted(org)
    org.answers["B"], org.held["B"], org.records[CONTACT] = [CONVERTED_REFUSED], (TWO,), contact()
    org.records[TWO] = stored(TWO, Key__c="B", IsConverted=True, ConvertedContactId=CONTACT)
    load = new_load()
    workshop(sql_engine, load, org, policy=f"{UPDATE_CONTACT} | skip").upsert().run([row(1, "A"), row(2, "B")])
    told = [(each.action, each.reason) for each in SqlAudit(sql_engine).entries(load.load_id)]
    assert told == [(Action.MATCHED_UPDATED, "followed_conversion"), (Action.AWAITING_REVIEW, "match_claimed")]


def test_holders_that_the_refusal_does_not_name_are_read(settle: Callable[..., Entry], org: FakeOrg) -> None:
    held_by_many(org)
    org.answers["A"] = [KeyHeldByMany("more than one record found")]
    assert [each.record_id for each in settle("ask_reviewer").matches] == [ONE, TWO]


def test_a_match_that_is_converted_before_its_update_goes_to_the_next_policy(
    settle: Callable[..., Entry], org: FakeOrg
) -> None:
    org.lookups["A"], org.records[ONE], org.updates[ONE] = blocked_by(match(ONE)), stored(ONE), [CONVERTED_REFUSED]
    entry = settle("update_existing | skip")
    assert (entry.action, entry.reason) == (Action.SKIPPED, "match_converted")


@pytest.mark.parametrize("reason", OBSTACLES)
def test_a_policy_that_wants_to_know_every_rule_looks_up_none_for_a_held_key(
    settle: Callable[..., Entry], org: FakeOrg, reason: str
) -> None:
    """A look-up that writes would only be refused as the row was."""
    OBSTACLES[reason][0](org)
    entry = settle("save_anyway(rules=['Leads_by_mail']) | ask_reviewer")
    assert (entry.action, entry.reason) == (Action.AWAITING_REVIEW, reason)
    assert "look_up" not in org.kinds()
