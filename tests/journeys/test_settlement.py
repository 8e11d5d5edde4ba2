"""Blocked rows: only what is certain is touched, every row leaves with one committed entry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine

from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.core.decisions import DuplicateCase, SaveRow, SkipRow, UpdateMatch
from airflow_sf_dedup.core.entries import Action, Entry
from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.outcomes import DuplicatesFound, Failed, KeyHeldByMany, Saved, Unanswered
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.errors import CallError, OutcomeUnknownError, PermissionRefusedError, TransientCallError
from airflow_sf_dedup.journeys.sending.under_way import UnderWay
from airflow_sf_dedup.journeys.settling.blocked import Blocked
from airflow_sf_dedup.journeys.settling.settlement import Settlement
from airflow_sf_dedup.locks.base import RecordClaim
from airflow_sf_dedup.locks.record_claims import SqlRecordClaims
from airflow_sf_dedup.policies import Chain, Policy, Skip
from airflow_sf_dedup.testing.fake_org import (
    BLOCKED,
    KEY,
    KEY_FIELD,
    ORG_ID,
    FakeOrg,
    blocked_by,
    lead_id,
    match,
    row,
    stored,
)
from airflow_sf_dedup.testing.workshops import workshop

ONE, TWO, THREE = lead_id(1), lead_id(2), lead_id(3)
BOTH = "update_existing | ask_reviewer"


class Settle:
    """Settles rows of one load and shows what the audit then holds."""

    def __init__(self, engine: Engine, load: Load, org: FakeOrg) -> None:
        self.engine = engine
        self.audit, self.claims = SqlAudit(engine), SqlRecordClaims(engine)
        self.load, self.org = load, org

    def settlement(self, policy: str | Chain, **changes: Any) -> Settlement:
        return workshop(self.engine, self.load, self.org, policy=policy, **changes).settlement

    def __call__(self, policy: str | Chain, *rows: Record, **changes: Any) -> dict[int, Entry]:
        answered = self.settlement(policy, **changes).settle([Blocked(UnderWay(each, 1), BLOCKED) for each in rows])
        entries = self.entries()
        assert {entry.row_number for entry in answered} == entries.keys() == {each.row_number for each in rows}
        assert len(answered) == len(rows)
        return entries

    def entries(self) -> dict[int, Entry]:
        return {entry.row_number: entry for entry in self.audit.entries(self.load.load_id)}

    def holder_of(self, record_id: str) -> str:
        """Who has the claim, as another load sees it."""
        return self.claims.claim("another-load", ORG_ID, [RecordClaim(record_id, "probe")])[record_id]


@pytest.fixture
def org() -> FakeOrg:
    return FakeOrg()


@pytest.fixture
def settle(unclaimed: Engine, new_load: Callable[..., Load], org: FakeOrg) -> Settle:
    return Settle(unclaimed, new_load(), org)


def test_the_only_certain_match_is_updated_and_carries_the_key_from_then_on(settle: Settle, org: FakeOrg) -> None:
    org.lookups["A"] = blocked_by(match(ONE))
    org.records[ONE] = stored(ONE, LastName="Old")
    entry = settle(BOTH, row(7, "A"))[7]
    assert (entry.action, entry.record_id, entry.error_code) == (Action.MATCHED_UPDATED, ONE, "DUPLICATES_DETECTED")
    assert entry.matches[0].duplicate_rule == "Leads_by_mail"
    assert entry.matches[0].field_differences == {KEY: ["A", None], "LastName": ["Name 7", "Old"]}
    [[[update]]] = org.sent("update")
    assert update.record_id == ONE
    assert update.fields == {KEY: "A", "LastName": "Name 7"}
    assert settle.holder_of(ONE) == "a", "the record stays claimed until the claim ends"


def test_a_match_that_carries_the_key_by_now_is_certain_and_written_to(settle: Settle, org: FakeOrg) -> None:
    """A stamp of an earlier try was carried out between the row's refusal and our look."""
    org.lookups["A"] = blocked_by(match(ONE))
    org.records[ONE] = stored(ONE, Key__c="A")
    org.held["A"] = (ONE,)
    entry = settle(BOTH, row(7, "A"))[7]
    assert (entry.action, entry.record_id) == (Action.MATCHED_UPDATED, ONE)


def test_a_stamp_that_is_refused_after_a_lost_answer_is_told_by_its_record(settle: Settle, org: FakeOrg) -> None:
    """The lost call stamped the one record; what that set off in the org refuses the same stamp now."""
    org.lookups = {"A": blocked_by(match(ONE)), "B": blocked_by(match(TWO))}
    org.records = {ONE: stored(ONE), TWO: stored(TWO)}
    org.updates = {each: [Unanswered("cut off"), Failed("ENTITY_IS_LOCKED", "…")] for each in (ONE, TWO)}

    def update(chunks: Any, **how: Any) -> Any:
        org.records[ONE], org.held["A"] = stored(ONE, **row(1, "A").fields), (ONE,)
        return FakeOrg.update(org, chunks, **how)

    org.update = update  # type: ignore[method-assign]
    entries = settle(BOTH, row(1, "A"), row(2, "B"))
    assert (entries[1].action, entries[1].record_id) == (Action.MATCHED_UPDATED, ONE)
    assert (entries[2].action, entries[2].error_code) == (Action.FAILED, "ENTITY_IS_LOCKED")


def test_a_person_is_told_what_to_look_at_over_all_rows_that_are_settled_together(settle: Settle, org: FakeOrg) -> None:
    mail = "info@example.com"
    org.lookups = {"A": blocked_by(match(ONE)), "B": blocked_by(match(TWO), all_named=False)}
    org.records = {ONE: stored(ONE, LastName="Kuhl", Email=mail), TWO: stored(TWO, LastName="Rau", Email=mail)}
    entries = settle("ask_reviewer", row(1, "A", LastName="KUHL"), row(2, "B", LastName="Rau"))
    assert entries[1].cautions == ("shared_mailbox",)
    assert entries[2].cautions == ("shared_mailbox", "more_matches_than_named")
    assert entries[1].matches[0].field_states == {KEY: "only_in_row", "LastName": "similar", "Email": "only_in_record"}


UNCERTAIN: dict[str, tuple[DuplicatesFound, dict[str, Any], str]] = {
    "several": (
        blocked_by(match(ONE), match(TWO)),
        {"records": {ONE: stored(ONE), TWO: stored(TWO)}},
        "several_matches",
    ),
    "one of two unreadable": (blocked_by(match(ONE), match(TWO)), {"records": {ONE: stored(ONE)}}, "several_matches"),
    "another sobject": (blocked_by(match(ONE, sobject="Contact")), {}, "match_is_another_sobject"),
    "deleted": (blocked_by(match(ONE)), {"records": {ONE: stored(ONE, is_deleted=True)}}, "match_deleted"),
    "converted": (blocked_by(match(ONE)), {"records": {ONE: stored(ONE, IsConverted=True)}}, "match_converted"),
    "unreadable": (blocked_by(match(ONE)), {}, "match_unreadable"),
    "another key": (blocked_by(match(ONE)), {"records": {ONE: stored(ONE, Key__c="B")}}, "match_carries_another_key"),
    "key held": (blocked_by(match(ONE)), {"records": {ONE: stored(ONE)}, "held": {"A": (TWO,)}}, "key_already_held"),
    "none named": (blocked_by(), {}, "no_match_named"),
    "not all named": (blocked_by(match(ONE), all_named=False), {"records": {ONE: stored(ONE)}}, "match_not_named"),
    "no details": (BLOCKED, {}, "no_match_named"),
}


@pytest.mark.parametrize(("found", "state", "reason"), UNCERTAIN.values(), ids=UNCERTAIN.keys())
def test_what_is_not_certain_is_left_alone_and_a_person_is_told_why(
    settle: Settle, org: FakeOrg, found: DuplicatesFound, state: dict[str, Any], reason: str
) -> None:
    org.lookups["A"] = found
    for name, value in state.items():
        setattr(org, name, value)
    entry = settle(BOTH, row(1, "A"))[1]
    assert (entry.action, entry.reason) == (Action.AWAITING_REVIEW, reason)
    assert entry.values == row(1, "A").fields
    assert not org.sent("update")
    assert not org.sent("save_anyway")


@pytest.mark.parametrize(
    ("case_sensitive", "stored_key", "action"),
    [
        (False, "a", Action.MATCHED_UPDATED),
        (True, "a", Action.AWAITING_REVIEW),
        (True, "A", Action.MATCHED_UPDATED),
        (False, "", Action.MATCHED_UPDATED),
        (False, "x" * 300, Action.AWAITING_REVIEW),
    ],
    ids=["same but for case", "two keys by case", "same", "blank", "one that is no key"],
)
def test_whether_a_match_carries_another_key_is_judged_by_the_fields_own_case_rule(
    settle: Settle, org: FakeOrg, case_sensitive: bool, stored_key: str, action: Action
) -> None:
    from dataclasses import replace

    org.lookups["A"] = blocked_by(match(ONE))
    org.records[ONE] = stored(ONE, Key__c=stored_key)
    rule = KeyRule(replace(KEY_FIELD, case_sensitive=case_sensitive))
    assert settle(BOTH, row(1, "A"), key_rule=rule)[1].action is action


def test_a_deleted_match_beside_one_live_match_leaves_the_live_one_certain(settle: Settle, org: FakeOrg) -> None:
    org.lookups["A"] = blocked_by(match(ONE), match(TWO))
    org.records = {ONE: stored(ONE, is_deleted=True), TWO: stored(TWO)}
    assert settle(BOTH, row(1, "A"))[1].record_id == TWO


def test_a_record_named_by_two_rules_is_one_match(settle: Settle, org: FakeOrg) -> None:
    org.lookups["A"] = blocked_by(match(ONE), match(ONE))
    org.records[ONE] = stored(ONE)
    entry = settle(BOTH, row(1, "A"))[1]
    assert entry.action is Action.MATCHED_UPDATED
    assert len(entry.matches) == 2


def test_two_keys_that_want_one_record_of_one_load_do_not_both_get_it(settle: Settle, org: FakeOrg) -> None:
    org.lookups = {"A": blocked_by(match(ONE)), "B": blocked_by(match(ONE))}
    org.records[ONE] = stored(ONE)
    entries = settle(BOTH, row(1, "A"), row(2, "B"))
    assert [(e.action, e.reason) for e in entries.values()] == [
        (Action.MATCHED_UPDATED, None),
        (Action.AWAITING_REVIEW, "match_claimed"),
    ]
    assert len(org.sent("update")[0][0]) == 1


def test_a_record_claimed_by_another_task_goes_to_a_person(settle: Settle, org: FakeOrg) -> None:
    org.lookups["A"] = blocked_by(match(ONE))
    org.records[ONE] = stored(ONE)
    settle.claims.claim("another-load", ORG_ID, [RecordClaim(ONE, "b")])
    entry = settle("update_existing", row(1, "A"))[1]
    assert (entry.action, entry.reason) == (Action.AWAITING_REVIEW, "match_claimed")
    assert not org.sent("update")


@pytest.mark.parametrize(
    ("refusal", "reason"),
    [
        (blocked_by(match(TWO)), "settle_refused_by_rule"),
        (Failed("ENTITY_IS_DELETED", "entity is deleted"), "match_deleted"),
        (Failed("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id"), "match_deleted"),
        (Failed("DUPLICATE_VALUE", f"duplicate value found: {KEY} duplicates value on record"), "key_already_held"),
        (Failed("DUPLICATE_VALUE", "duplicate value found: <unknown> duplicates value on record"), "key_already_held"),
    ],
    ids=["by a rule", "deleted since", "gone since", "key taken since", "masked, and no other value is unique"],
)
@pytest.mark.parametrize(
    ("policy", "action"),
    [
        ("update_existing | skip", Action.SKIPPED),
        ("update_existing | ask_reviewer", Action.AWAITING_REVIEW),
        ("update_existing | save_anyway", Action.AWAITING_REVIEW),
        ("update_existing | save_anyway | skip", Action.SKIPPED),
        ("update_existing", Action.AWAITING_REVIEW),
    ],
)
def test_a_refused_update_goes_to_the_next_policy_but_never_to_a_create(
    settle: Settle, org: FakeOrg, refusal: Any, reason: str, policy: str, action: Action
) -> None:
    org.lookups["A"] = blocked_by(match(ONE, allow_save=True))
    org.records[ONE] = stored(ONE)
    org.updates[ONE] = [refusal]
    entry = settle(policy, row(1, "A"))[1]
    assert entry.action is action
    assert entry.reason == reason
    assert len(org.sent("update")) == 1
    assert not org.sent("save_anyway")
    assert settle.holder_of(ONE) == "probe", "a record that was not written is free again"


@pytest.mark.parametrize("policy", ["save_anyway | save_anyway", "save_anyway | update_existing | save_anyway"])
def test_a_refused_save_is_not_tried_again(settle: Settle, org: FakeOrg, policy: str) -> None:
    org.lookups["A"] = blocked_by(match(ONE, allow_save=True))
    org.answers["A"] = [blocked_by(match(ONE, allow_save=True))]
    entry = settle(policy, row(1, "A"))[1]
    assert entry.action is Action.AWAITING_REVIEW
    assert len(org.sent("save_anyway")) == 1


@pytest.mark.parametrize(
    "failure",
    [
        Failed("FIELD_CUSTOM_VALIDATION_EXCEPTION", "no"),
        Failed("DUPLICATE_VALUE", "duplicate value found: Tax_Id__c duplicates value on record with id: x"),
        Failed("DUPLICATE_VALUE", "duplicate value found: <unknown> duplicates value on record with id: <unknown>"),
        Failed("DUPLICATE_VALUE", "valor duplicado encontrado: Tax_Id__c duplica o valor no registro com id: x"),
        Failed("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", ("OwnerId",)),
    ],
    ids=["validation", "another unique field", "masked", "another language", "bad reference"],
)
def test_an_update_that_fails_for_the_rows_own_values_is_a_failed_row(
    settle: Settle, org: FakeOrg, failure: Failed
) -> None:
    org.lookups["A"] = blocked_by(match(ONE))
    org.records[ONE] = stored(ONE)
    org.updates[ONE] = [failure]
    sent = row(1, "A", Tax_Id__c="12")
    entry = settle("update_existing | skip", sent)[1]
    assert (entry.action, entry.error_code, entry.reason) == (
        Action.FAILED,
        failure.code,
        "matched_updated_failed",
    )
    assert [m.record_id for m in entry.matches] == [ONE]
    assert entry.values == sent.fields, "values of duplicates are kept, also of failed ones"
    assert settle.holder_of(ONE) == "probe"


def test_an_update_without_answer_is_unknown_and_keeps_its_claim(settle: Settle, org: FakeOrg) -> None:
    org.lookups["A"] = blocked_by(match(ONE))
    org.records[ONE] = stored(ONE)
    org.updates[ONE] = [Unanswered("cut off")]
    assert settle(BOTH, row(1, "A"))[1].action is Action.UNKNOWN
    assert settle.holder_of(ONE) == "a"


@pytest.mark.parametrize(
    ("rules_allow", "action"),
    [((True,), Action.SAVED_ANYWAY), ((True, False), Action.SKIPPED), ((False,), Action.SKIPPED), ((), Action.SKIPPED)],
    ids=["alert", "alert and block", "block", "no match named"],
)
def test_a_row_is_saved_anyway_only_where_every_rule_allows_it(
    settle: Settle, org: FakeOrg, rules_allow: Sequence[bool], action: Action
) -> None:
    org.lookups["A"] = blocked_by(*(match(lead_id(n), allow_save=a) for n, a in enumerate(rules_allow, 1)))
    assert settle("save_anyway | skip", row(9, "A"))[9].action is action
    assert bool(org.sent("save_anyway")) is (action is Action.SAVED_ANYWAY)


def refused(*rules: str, allow_save: bool = True) -> DuplicatesFound:
    """By these rules, each of which names the same record."""
    named = (replace(match(ONE, allow_save=allow_save), duplicate_rule=rule) for rule in rules)
    return replace(blocked_by(*named), rules=rules)


ONLY_MAIL = "save_anyway(rules=['LEADS_BY_MAIL']) | skip"


@pytest.mark.parametrize(
    ("at_first", "now", "action", "reason"),
    [
        (BLOCKED, refused("Leads_by_mail"), Action.SAVED_ANYWAY, None),
        (BLOCKED, refused("Leads_by_mail", "Leads_by_phone"), Action.SKIPPED, "other_rule_refuses"),
        (
            BLOCKED,
            replace(refused("Leads_by_mail"), rules=("Leads_by_mail", None)),
            Action.SKIPPED,
            "other_rule_refuses",
        ),
        (refused("Leads_by_mail"), refused("Leads_by_mail"), Action.SAVED_ANYWAY, None),
        (refused("Leads_by_mail"), refused("Leads_by_mail", "New"), Action.SKIPPED, "other_rule_refuses"),
        (refused("Leads_by_mail"), refused("Leads_by_mail", allow_save=False), Action.SKIPPED, "rule_blocks_saving"),
        (refused("Leads_by_mail", "Gone"), refused("Leads_by_mail"), Action.SAVED_ANYWAY, None),
        (refused("Leads_by_mail"), Saved(TWO, True), Action.CREATED, "resolved_on_lookup"),
    ],
    ids=[
        "it alone",
        "another one too",
        "another one without a name",
        "still it alone",
        "another one since then",
        "it blocks since then",
        "another one no longer",
        "none any more",
    ],
)
def test_only_named_rules_are_overridden_and_they_are_looked_up_before_the_save(
    settle: Settle, org: FakeOrg, at_first: DuplicatesFound, now: Any, action: Action, reason: str | None
) -> None:
    org.lookups["A"] = now
    settle.settlement(ONLY_MAIL).settle([Blocked(UnderWay(row(9, "A"), 1), at_first)])
    entry = settle.entries()[9]
    assert (entry.action, entry.reason) == (action, reason)
    assert org.kinds().count("look_up") == 1
    assert bool(org.sent("save_anyway")) is (action is Action.SAVED_ANYWAY)


def test_what_a_refusal_named_at_once_is_not_asked_again_for_other_policies(settle: Settle, org: FakeOrg) -> None:
    found = refused("Leads_by_mail")
    settle.settlement("save_anyway").settle([Blocked(UnderWay(row(9, "A"), 1), found)])
    assert settle.entries()[9].action is Action.SAVED_ANYWAY
    assert not org.sent("look_up")


class _SavesPastOne:
    name = "saves_past_one"

    def decide(self, case: DuplicateCase) -> SaveRow:
        return SaveRow(frozenset({"leads_by_mail"}))


def test_a_policy_of_ones_own_saves_past_no_other_rule_than_it_names(settle: Settle, org: FakeOrg) -> None:
    org.lookups = {"A": refused("Leads_by_mail"), "B": refused("Leads_by_mail", "Leads_by_phone")}
    entries = settle(Chain((_SavesPastOne(),)), row(1, "A"), row(2, "B"))
    assert [entries[number].action for number in (1, 2)] == [Action.SAVED_ANYWAY, Action.AWAITING_REVIEW]


def test_a_save_that_meets_many_holders_of_the_key_fails_and_names_them(settle: Settle, org: FakeOrg) -> None:
    org.lookups["A"] = blocked_by(match(ONE, allow_save=True))
    org.answers["A"] = [KeyHeldByMany("more than one record found", (TWO, THREE))]
    entry = settle("save_anyway", row(1, "A"))[1]
    assert (entry.action, entry.error_code, entry.reason) == (
        Action.FAILED,
        "DUPLICATE_EXTERNAL_ID",
        "key_held_by_many",
    )
    assert [m.record_id for m in entry.matches] == [ONE, TWO, THREE]


@pytest.mark.parametrize(
    ("outcome", "action", "reason"),
    [
        (Saved(ONE, True), Action.CREATED, "resolved_on_lookup"),
        (Saved(ONE, False), Action.UPDATED, "resolved_on_lookup"),
        (Failed("REQUIRED_FIELD_MISSING", "Company"), Action.FAILED, None),
        (Unanswered("cut off"), Action.UNKNOWN, None),
    ],
    ids=["created", "updated", "failed", "unanswered"],
)
def test_a_row_that_the_look_up_settles_is_remembered_as_what_it_became(
    settle: Settle, org: FakeOrg, outcome: Any, action: Action, reason: str | None
) -> None:
    org.lookups = {"A": outcome, "B": blocked_by(match(TWO))}
    entry = settle("skip", row(1, "A"), row(2, "B"))[1]
    assert (entry.action, entry.reason) == (action, reason)


def test_rows_whose_matches_the_write_named_are_not_looked_up(settle: Settle, org: FakeOrg) -> None:
    org.records[ONE] = stored(ONE)
    settle.settlement(BOTH).settle([Blocked(UnderWay(row(1, "A"), 1), blocked_by(match(ONE)))])
    assert org.kinds() == ["holders", "by_id", "update"]


def test_two_hundred_blocked_rows_cost_four_calls(settle: Settle) -> None:
    org = settle.org = FakeOrg(rows_per_chunk=200, chunks_per_call=5, rows_per_call=200)
    rows = [row(number) for number in range(1, 201)]
    org.lookups = {each.key: blocked_by(match(lead_id(each.row_number))) for each in rows}
    org.records = {lead_id(number): stored(lead_id(number)) for number in range(1, 201)}
    entries = settle(BOTH, *rows)
    assert {entry.action for entry in entries.values()} == {Action.MATCHED_UPDATED}
    assert org.kinds() == ["look_up", "holders", "by_id", "update"]


OWNED = {"OwnerId": "005000000000001AAA", "Phone": "1"}


@pytest.mark.parametrize(
    ("policy", "written"),
    [
        ("update_existing", {KEY, "LastName", "Phone"}),
        ('update_existing(fields="fill_blanks")', {KEY, "Phone"}),
        ('update_existing(fields=["OwnerId"])', {KEY, "OwnerId"}),
        ('update_existing(fields=["Other__c"])', {KEY}),
    ],
)
def test_only_the_chosen_fields_and_the_key_are_written(
    settle: Settle, org: FakeOrg, policy: str, written: set[str]
) -> None:
    org.lookups["A"] = blocked_by(match(ONE))
    org.records[ONE] = stored(ONE, LastName="Old", Phone=None, OwnerId="005000000000009AAA")
    settle(policy, row(1, "A", **OWNED))
    assert org.sent("update")[0][0][0].fields.keys() == written


class Rash:
    """A user's policy that claims what it must not."""

    name = "rash"

    def __init__(self, decision: Any) -> None:
        self.decision = decision

    def decide(self, case: DuplicateCase) -> Any:
        return self.decision


@pytest.mark.parametrize("decision", [UpdateMatch(TWO, {KEY: "A"}), SaveRow()], ids=["update", "save"])
def test_a_users_policy_cannot_make_us_touch_what_is_not_certain(
    settle: Settle, org: FakeOrg, decision: UpdateMatch | SaveRow
) -> None:
    org.lookups["A"] = blocked_by(match(ONE), match(TWO))
    org.records = {ONE: stored(ONE), TWO: stored(TWO)}
    entry = settle(Chain((Rash(decision),)), row(1, "A"))[1]
    assert (entry.action, entry.reason) == (Action.AWAITING_REVIEW, "decision_not_allowed")


@pytest.mark.parametrize("answer", [None, "skip", SkipRow, True], ids=["nothing", "a word", "a class", "a flag"])
@pytest.mark.parametrize(
    ("behind", "expected"), [((), Action.AWAITING_REVIEW), ((Skip(),), Action.SKIPPED)], ids=["alone", "before another"]
)
def test_a_users_policy_that_answers_no_decision_passes_and_the_row_says_so(
    settle: Settle, org: FakeOrg, answer: Any, behind: tuple[Policy, ...], expected: Action
) -> None:
    org.lookups["A"] = blocked_by(match(ONE))
    org.records = {ONE: stored(ONE)}
    entry = settle(Chain((Rash(answer), *behind)), row(1, "A"))[1]
    assert (entry.action, entry.reason) == (expected, "policy_decides_nothing")


DOWN = TransientCallError("no connection", code="CONNECT_FAILED")
SILENT = OutcomeUnknownError("no answer", code="CONNECTION_BROKEN")
FORBIDDEN = PermissionRefusedError("no", code="INSUFFICIENT_ACCESS", status=403)


@pytest.mark.parametrize(
    ("error", "lost"), [(DOWN, Action.NOT_SENT), (SILENT, Action.UNKNOWN), (FORBIDDEN, Action.NOT_SENT)]
)
@pytest.mark.parametrize(
    ("number", "call", "in_call"),
    [(1, "look_up", {1, 2, 3, 4}), (3, "holders", set()), (4, "by_id", set()), (5, "update", {1, 2}), (6, "save", {3})],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_every_row_has_an_entry_when_a_call_fails_for_good(
    settle: Settle, org: FakeOrg, error: CallError, lost: Action, number: int, call: str, in_call: set[int]
) -> None:
    keys = ["A", "B", "C", "D", "E"]
    rows = [row(n, key) for n, key in enumerate(keys, 1)]
    org.lookups = {
        "A": blocked_by(match(ONE)),
        "B": blocked_by(match(TWO)),
        "C": blocked_by(match(lead_id(8)), match(lead_id(9))),
        "D": blocked_by(match(lead_id(8))),
        "E": Saved(THREE, True),
    }
    org.lookups["C"] = DuplicatesFound("…", org.lookups["C"].matches, allow_save=True)
    org.records = {ONE: stored(ONE), TWO: stored(TWO)}
    org.errors = {number: error}
    with pytest.raises(type(error)):
        settle("update_existing | save_anyway | skip", *rows)
    entries = settle.entries()
    assert len(entries) == len(rows)
    done = {
        "look_up": {},
        "holders": {5: Action.CREATED},
        "by_id": {5: Action.CREATED},
        "update": {5: Action.CREATED, 4: Action.SKIPPED},
        "save": {5: Action.CREATED, 4: Action.SKIPPED, 1: Action.MATCHED_UPDATED, 2: Action.MATCHED_UPDATED},
    }[call]
    for number, entry in entries.items():
        expected = done.get(number) or (lost if number in in_call else Action.NOT_SENT)
        assert entry.action is expected, (number, entry)
        assert entry.action not in (Action.NOT_SENT, Action.UNKNOWN) or entry.error_code == error.code


def test_claims_on_records_that_were_not_written_are_given_up_when_a_call_fails(settle: Settle, org: FakeOrg) -> None:
    org.rows_per_chunk, org.chunks_per_call = 1, 1
    org.lookups = {"A": blocked_by(match(ONE)), "B": blocked_by(match(TWO)), "C": blocked_by(match(THREE))}
    org.records = {record_id: stored(record_id) for record_id in (ONE, TWO, THREE)}
    org.errors = {5: SILENT}
    with pytest.raises(OutcomeUnknownError):
        settle(BOTH, row(1, "A"), row(2, "B"), row(3, "C"))
    assert [entry.action for entry in settle.entries().values()] == [
        Action.MATCHED_UPDATED,
        Action.UNKNOWN,
        Action.NOT_SENT,
    ]
    assert [settle.holder_of(record_id) for record_id in (ONE, TWO, THREE)] == ["a", "b", "probe"]
