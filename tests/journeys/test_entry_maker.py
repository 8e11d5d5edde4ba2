"""What the audit keeps of a row is what the settings allow, except for rows that a person has still to see."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_sf_dedup.core.decisions import DuplicateCase, MatchedRecord
from airflow_sf_dedup.core.entries import Action, MatchEntry
from airflow_sf_dedup.core.outcomes import Failed, KeyHeldByMany, Saved, Unanswered
from airflow_sf_dedup.core.record_state import RecordState
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.errors import LimitReachedError
from airflow_sf_dedup.journeys.entry_maker import AuditValues, EntryMaker, TaskMark
from airflow_sf_dedup.journeys.values_kept import MASK
from airflow_sf_dedup.salesforce.http.answers import error_for
from airflow_sf_dedup.salesforce.wire.error_codes import rule_for
from airflow_sf_dedup.testing.fake_org import KEY, lead_id, match, row

NOW = datetime(2026, 3, 2, 6, 30, tzinfo=UTC)
ONE = lead_id(1)
MAIL = "angela@example.com"


def maker(audit_values: AuditValues = AuditValues.DUPLICATES, *masked: str) -> EntryMaker:
    return EntryMaker(TaskMark(3, 4, 2), audit_values=audit_values, masked_fields=masked, clock=lambda: NOW)


def case(**values: Any) -> DuplicateCase:
    matched = MatchedRecord((match(ONE),), state=RecordState.LIVE, values=values)
    return DuplicateCase(row(1, "A", Email=MAIL), "Lead", KEY, (matched,))


def test_an_entry_says_which_task_wrote_it_and_when() -> None:
    entry = maker().saved(row(5), Saved(ONE, True))
    assert (entry.partition, entry.map_index, entry.try_number, entry.at) == (3, 4, 2, NOW)
    assert (entry.row_number, entry.key, entry.row_hash) == (5, "key-5", row(5).row_hash)


@pytest.mark.parametrize(
    ("created", "action"),
    [(True, Action.CREATED), (False, Action.UPDATED), (None, Action.UPDATED)],
    ids=["created", "updated", "not said"],
)
def test_only_what_the_org_calls_created_is_created(created: bool | None, action: Action) -> None:
    assert maker().saved(row(1), Saved(ONE, created)).action is action


@pytest.mark.parametrize(
    ("outcome", "action", "code", "reason"),
    [
        (Failed("STRING_TOO_LONG", "too long"), Action.FAILED, "STRING_TOO_LONG", None),
        (KeyHeldByMany("several", (ONE,)), Action.FAILED, "DUPLICATE_EXTERNAL_ID", "key_held_by_many"),
        (Unanswered("cut off"), Action.UNKNOWN, "NO_ANSWER", None),
    ],
    ids=["failed", "held by many", "unanswered"],
)
def test_every_failure_has_its_code(outcome: Any, action: Action, code: str, reason: str | None) -> None:
    entry = maker().not_saved(row(1), outcome)
    assert (entry.action, entry.error_code, entry.reason) == (action, code, reason)


def test_records_that_hold_the_key_are_added_to_those_that_blocked_the_row() -> None:
    before = (MatchEntry(ONE, "Lead"),)
    entry = maker().not_saved(row(1), KeyHeldByMany("…", (lead_id(2),)), reason="other", matches=before)
    assert [m.record_id for m in entry.matches] == [ONE, lead_id(2)]
    assert entry.reason == "key_held_by_many"


def test_records_that_may_be_an_unknown_row_are_added_once_to_those_that_blocked_it() -> None:
    before = (MatchEntry(ONE, "Lead"),)
    entry = maker().not_saved(row(1), Unanswered("…", (ONE, lead_id(2))), matches=before)
    assert [match.record_id for match in entry.matches] == [ONE, lead_id(2)]


@pytest.mark.parametrize(("in_doubt", "action"), [(True, Action.UNKNOWN), (False, Action.NOT_SENT)])
def test_a_row_given_up_is_unknown_only_where_it_may_be_in_the_org(in_doubt: bool, action: Action) -> None:
    error = LimitReachedError("used up", code="REQUEST_LIMIT_EXCEEDED")
    entry = maker().given_up(row(1), error, in_doubt=in_doubt)
    assert (entry.action, entry.error_code, entry.reason) == (action, "REQUEST_LIMIT_EXCEEDED", "call_failed")


KEPT = [
    (AuditValues.NONE, Action.CREATED, False, False),
    (AuditValues.NONE, Action.SKIPPED, True, False),
    (AuditValues.DUPLICATES, Action.CREATED, False, False),
    (AuditValues.DUPLICATES, Action.SKIPPED, True, True),
    (AuditValues.ALL, Action.CREATED, False, True),
    (AuditValues.NONE, Action.AWAITING_REVIEW, True, True),
    (AuditValues.NONE, Action.HELD, False, True),
]


@pytest.mark.parametrize(("setting", "action", "has_matches", "kept"), KEPT)
def test_values_are_kept_as_the_setting_says_and_always_for_a_person(
    setting: AuditValues, action: Action, has_matches: bool, kept: bool
) -> None:
    matches = (MatchEntry(ONE, "Lead"),) if has_matches else ()
    entry = maker(setting).entry(row(1), action, matches=matches)
    assert entry.values == (row(1).fields if kept else None)


def test_masked_fields_are_masked_in_any_case_except_for_the_row_that_is_still_to_be_written() -> None:
    subject = maker(AuditValues.ALL, "EMAIL")
    assert subject.blocked(case(), Action.SKIPPED, None).values == {**case().record.fields, "Email": MASK}
    assert subject.blocked(case(), Action.AWAITING_REVIEW, None).values == case().record.fields


def test_differences_show_both_values_and_mask_both() -> None:
    stored = {"Email": "other@example.com", "LastName": "Name 1", "Phone": "1"}
    [plain] = maker().matches(case(**stored))
    assert plain.field_differences == {"Email": [MAIL, "other@example.com"]}
    [masked] = maker(AuditValues.ALL, "email").matches(case(**stored))
    assert masked.field_differences == {"Email": [MASK, MASK]}
    [nothing] = maker(AuditValues.NONE).matches(case(**stored))
    assert nothing.field_differences is None


def test_every_field_that_was_read_says_how_it_compares_without_a_value() -> None:
    stored = {"Email": MAIL.upper(), "LastName": "NAME 1", "City": "Bonn"}
    for subject in (maker(), maker(AuditValues.ALL, "email", "lastname", "city"), maker(AuditValues.NONE)):
        [match] = subject.matches(case(**stored))
        assert match.field_states == {"Email": "similar", "LastName": "similar", "City": "only_in_record"}


def test_a_field_that_the_row_does_not_carry_is_no_difference_that_would_be_written() -> None:
    [match] = maker().matches(case(Email=MAIL, City="Bonn"))
    assert match.field_differences == {}


def test_what_an_org_spells_in_another_way_does_not_differ() -> None:
    described = SObject("Lead", (Field("Email", "Email", "email"),))
    [match] = maker().matches(replace(case(Email=MAIL.upper()), described=described))
    assert (match.field_differences, match.field_states) == ({}, {"Email": "same"})


@pytest.mark.parametrize(
    ("state", "told"),
    [(RecordState.UNREADABLE, False), (RecordState.DELETED, False), (RecordState.CONVERTED, True)],
    ids=["unreadable", "deleted", "converted"],
)
def test_the_state_of_a_record_is_no_difference_of_its_fields(state: RecordState, told: bool) -> None:
    [record] = case(Email=MAIL).matched
    [match] = maker().matches(replace(case(), matched=(replace(record, state=state),)))
    assert match.field_states == ({"Email": "same"} if told else None)
    assert match.field_differences == ({} if told else None)


@pytest.mark.parametrize("action", [Action.AWAITING_REVIEW, Action.SKIPPED, Action.MATCHED_UPDATED], ids=str)
def test_only_a_person_is_told_what_to_look_at(action: Action) -> None:
    entry = maker().blocked(case(LastName="Somebody Else"), action, None)
    assert entry.cautions == (("names_disagree",) if action is Action.AWAITING_REVIEW else ())


def test_blank_and_nothing_do_not_differ() -> None:
    blank = DuplicateCase(
        row(1, Phone=None), "Lead", KEY, (MatchedRecord((match(ONE),), state=RecordState.LIVE, values={"Phone": ""}),)
    )
    assert maker().matches(blank)[0].field_differences == {}


#: Ways in which an org may quote the values of a row.
QUOTES = [
    MAIL,
    MAIL.upper(),
    f" {MAIL} ",
    MAIL.replace("@", "&#64;"),
    MAIL[:5],
    "17/05/1980",
    "1,234.50",
]


@pytest.mark.parametrize("quote", QUOTES)
@pytest.mark.parametrize(
    "subject", [maker(AuditValues.NONE), maker(AuditValues.ALL, "email")], ids=["none kept", "masked"]
)
def test_where_values_may_not_be_kept_no_word_of_salesforces_is(subject: EntryMaker, quote: str) -> None:
    record = case().record
    unlisted = "this code is not in our table"
    taken = f"duplicate value found: Email duplicates value on record with id: {ONE[:15]} ({quote})"
    outcomes = {
        Failed("SOME_CODE", f"{quote} is no address", ("Email",)): f"{unlisted}; fields: Email",
        Failed("SOME_CODE", f"{quote} is no address", (f"{quote} it is", "Account.Name")): f"{unlisted}; fields: "
        "Account.Name",
        Failed("SOME_CODE", f"{quote} is no address"): unlisted,
        Failed("DUPLICATE_VALUE", taken): f"{rule_for('DUPLICATE_VALUE', taken).reason}; fields: Email",
        Failed("DUPLICATE_VALUE", f"duplicate value found: {quote}"): rule_for("DUPLICATE_VALUE").reason,
        KeyHeldByMany(f"{quote}: more than one", (ONE, "00Q000000000002EAA")): "2 records hold the key",
        KeyHeldByMany(quote): "several records hold the key",
        Unanswered(f"X, after a call without an answer: {quote}"): "no answer tells what became of the row",
    }
    for outcome, kept in outcomes.items():
        assert subject.not_saved(record, outcome).error_message == kept


@pytest.mark.parametrize("subject", [maker(), maker(AuditValues.NONE)], ids=["kept", "none kept"])
def test_what_is_said_of_a_call_stands_at_no_other_row(subject: EntryMaker) -> None:
    error = error_for("JSON_PARSER_ERROR", f"cannot read {MAIL}", status=400)
    message = subject.given_up(row(7), error, in_doubt=False).error_message
    assert message is not None
    assert message.startswith("JSON_PARSER_ERROR: ")
    assert message.endswith("(HTTP 400)")
    assert MAIL not in message


def test_what_is_said_of_many_rows_at_once_stands_at_none_of_them_and_still_says_whether_it_passes() -> None:
    locked = f"Trigger: first error: UNABLE_TO_LOCK_ROW on {MAIL}"
    refused = Failed("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", locked, of_many=True)
    entry = maker(AuditValues.ALL).not_saved(row(7), refused)
    assert entry.error_message == rule_for(refused.code, locked).reason
    assert entry.reason == "tries_used_up"


def test_messages_may_quote_what_is_kept() -> None:
    entry = maker(AuditValues.ALL).not_saved(case().record, Failed("INVALID_EMAIL_ADDRESS", MAIL))
    assert entry.error_message == MAIL
