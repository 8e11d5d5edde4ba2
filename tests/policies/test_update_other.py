"""Updating the contact that a lead turns out to be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_sf_dedup.core.decisions import Ask, DuplicateCase, MatchedRecord, Pass
from airflow_sf_dedup.core.decisions import UpdateOther as Decision
from airflow_sf_dedup.core.obstacles import Obstacle
from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.core.record_state import RecordState
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.journeys.settling.deciding import decide_on, may_be_carried_out
from airflow_sf_dedup.policies import AskReviewer, ByRule, UpdateExisting, UpdateOther, read_policy
from airflow_sf_dedup.policies.base import OtherFields, decide, named_fields, other_fields, other_sobjects
from airflow_sf_dedup.testing.contracts.policies import (
    CERTAIN,
    CERTAIN_CONTACT,
    CONTACT,
    FIRST,
    SECOND,
    STAMP,
    UNCERTAIN_CONTACT,
    PolicyContract,
    matched,
)

OTHER_CONTACT = to_18("003000000000077")
FIELDS = {"LastName": "LastName", "Phone": "MobilePhone"}
POLICY = UpdateOther("Contact", FIELDS, STAMP)


class TestUpdateOther(PolicyContract):
    policy = POLICY


class TestUpdateOtherWithConfidence(PolicyContract):
    policy = UpdateOther("Contact", FIELDS, STAMP, min_confidence=99)


class TestInAChain(PolicyContract):
    policy = ByRule({"Leads_by_mail": UpdateExisting() | POLICY})


SPELLED = f"update_other(sobject='Contact', fields={FIELDS}, stamp='{STAMP}')"


@pytest.mark.parametrize(
    "spelling",
    [
        POLICY | AskReviewer(),
        f"{SPELLED} | ask_reviewer",
        [{"update_other": {"sobject": "Contact", "fields": FIELDS, "stamp": STAMP}}, "ask_reviewer"],
        {"update_other": {"sobject": "Contact", "fields": FIELDS, "stamp": STAMP}, "ask_reviewer": None},
    ],
    ids=["objects", "string", "yaml list", "yaml mapping"],
)
def test_all_spellings_are_the_same(spelling: Any) -> None:
    assert repr(read_policy(spelling)) == f"{SPELLED} | ask_reviewer"
    assert read_policy(repr(read_policy(spelling))) == POLICY | AskReviewer()


def contact(**values: Any) -> DuplicateCase:
    own_values = {"LastName": "Old", "MobilePhone": "1", STAMP: None, **values}
    return replace(CERTAIN_CONTACT, matched=(matched(CONTACT, "Contact", own_values=own_values),))


def test_the_fields_of_the_row_are_written_by_the_names_of_the_record_beside_the_stamp() -> None:
    written = {"LastName": "Example", "MobilePhone": None, STAMP: "A-1"}
    assert POLICY.decide(contact()) == Decision("Contact", CONTACT, written, STAMP)


def test_a_field_that_the_row_does_not_carry_is_left_alone() -> None:
    policy = UpdateOther("contact", {"LastName": "lastname", "Title": "Title"}, STAMP.lower())
    assert policy.decide(contact()) == Decision("Contact", CONTACT, {"LastName": "Example", STAMP: "A-1"}, STAMP)


@pytest.mark.parametrize("stamped", ["A-1", "a-1"], ids=["same", "same but for case"])
def test_a_record_that_is_stamped_is_known_whatever_its_confidence_and_keeps_its_stamp(stamped: str) -> None:
    """What an earlier morning decided is not asked again."""
    strict = UpdateOther("Contact", FIELDS, STAMP, min_confidence=99)
    assert strict.decide(contact()) == Pass("confidence_too_low")
    decision = strict.decide(contact(**{STAMP: stamped}))
    assert isinstance(decision, Decision)
    assert decision.fields[STAMP] == stamped


@pytest.mark.parametrize(("reason", "case"), UNCERTAIN_CONTACT.items(), ids=UNCERTAIN_CONTACT.keys())
def test_what_is_uncertain_passes_on_and_a_person_is_told_why(reason: str, case: DuplicateCase) -> None:
    assert POLICY.decide(case) == Pass(reason)
    assert decide(UpdateExisting() | POLICY | AskReviewer(), case).decision == Ask(reason)


def test_a_match_of_the_rows_own_sobject_is_for_update_existing() -> None:
    assert POLICY.decide(CERTAIN) == Pass("match_is_another_sobject")
    assert UpdateOther("Lead", FIELDS, STAMP).decide(CERTAIN) == Pass("match_is_another_sobject")


def converted(record_id: str = FIRST, into: str = CONTACT, *, is_read: bool = True, **values: Any) -> MatchedRecord:
    """A lead that has become a contact."""
    became = matched(into, "Contact", own_values={"LastName": "Old", "MobilePhone": "1", STAMP: None, **values})
    lead = matched(record_id, state=RecordState.CONVERTED, values={"ConvertedContactId": into})
    return replace(lead, became=became if is_read else None)


HELD = replace(
    CERTAIN_CONTACT, matched=(converted(),), obstacle=Obstacle.KEY_HELD_BY_CONVERTED, key_holders=(FIRST,), rules=()
)
MATCHED = replace(CERTAIN_CONTACT, matched=(converted(),))
UNREADABLE = matched(SECOND, state=RecordState.UNREADABLE)
GONE = matched(CONTACT, "Contact", state=RecordState.DELETED)


@pytest.mark.parametrize(
    "case",
    [
        MATCHED,
        HELD,
        replace(MATCHED, matched=(converted(), converted(SECOND))),
        replace(MATCHED, matched=(converted(), matched(SECOND, state=RecordState.DELETED))),
        replace(MATCHED, key_holders=(FIRST,)),
    ],
    ids=["matched by a rule", "holds the key", "two became one", "beside a deleted one", "holds the key as well"],
)
def test_the_contact_that_a_converted_lead_became_is_updated(case: DuplicateCase) -> None:
    written = {"LastName": "Example", "MobilePhone": None, STAMP: "A-1"}
    decided = decide_on(case, POLICY | AskReviewer()).decided
    assert decided.decision == Decision("Contact", CONTACT, written, STAMP)


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        (replace(MATCHED, matched=(converted(is_read=False),)), "match_converted"),
        (replace(HELD, matched=(converted(is_read=False),)), "key_held_by_converted"),
        (replace(MATCHED, matched=(converted(), converted(SECOND, OTHER_CONTACT))), "match_converted"),
        (replace(MATCHED, matched=(converted(), matched(SECOND))), "match_is_another_sobject"),
        (
            replace(MATCHED, matched=(converted(), matched(SECOND, state=RecordState.UNREADABLE))),
            "match_is_another_sobject",
        ),
        (replace(MATCHED, key_holders=(SECOND,)), "key_already_held"),
        (replace(HELD, key_holders=(FIRST, SECOND)), "key_held_by_converted"),
        (replace(MATCHED, all_named=False), "match_not_named"),
        (replace(MATCHED, matched=(converted(**{STAMP: "B-2"}),)), "match_carries_another_key"),
        (replace(MATCHED, matched=(replace(converted(), became=GONE),)), "match_deleted"),
        (replace(HELD, obstacle=Obstacle.KEY_HELD_BY_MANY), "key_held_by_many"),
    ],
    ids=[
        "not read",
        "holds the key, not read",
        "they became two",
        "beside a live lead",
        "beside an unreadable one",
        "another record holds the key",
        "another one holds it as well",
        "more than is named",
        "it carries another key",
        "it is deleted",
        "many hold the key",
    ],
)
def test_a_contact_that_is_not_certainly_what_a_lead_became_is_left_alone(case: DuplicateCase, reason: str) -> None:
    assert POLICY.decide(case) == Pass(reason)
    assert not may_be_carried_out(Decision("Contact", CONTACT, {STAMP: "A-1"}, STAMP), case)


def test_a_least_confidence_is_for_what_a_rule_found_and_not_for_the_rows_own_key() -> None:
    strict = UpdateOther("Contact", FIELDS, STAMP, min_confidence=99)
    assert strict.decide(MATCHED) == Pass("confidence_too_low")
    assert isinstance(strict.decide(HELD), Decision)


def test_a_stamp_that_was_not_read_is_no_blank() -> None:
    case = replace(CERTAIN_CONTACT, matched=(matched(CONTACT, "Contact", own_values={"LastName": "Old"}),))
    assert POLICY.decide(case) == Pass("match_unreadable")


def test_what_it_names_is_known_before_anything_is_sent() -> None:
    policy = read_policy(ByRule({"Leads_by_mail": POLICY}) | AskReviewer())
    assert named_fields(policy) == ("LastName", "Phone")
    assert other_fields(policy) == (OtherFields("Contact", ("LastName", "MobilePhone"), STAMP, ("LastName", "Phone")),)
    assert other_sobjects(policy) == {"contact"}


@pytest.mark.parametrize(
    "options",
    [
        {"stamp": ""},
        {"stamp": None},
        {"sobject": "Con tact"},
        {"fields": {}},
        {"fields": ["Email"]},
        {"fields": {"Email": 1}},
        {"fields": {"": "Email"}},
        {"fields": {1: "Email"}},
        {"fields": {"Email": "Email", "Work_Email__c": "email"}},
        {"fields": {"Email": STAMP}},
        {"min_confidence": 101},
    ],
    ids=str,
)
def test_an_unusable_option_is_refused_by_its_setting(options: dict[str, Any]) -> None:
    with pytest.raises(SettingError) as raised:
        UpdateOther(**{"sobject": "Contact", "fields": FIELDS, "stamp": STAMP, **options})
    assert raised.value.setting == "on_duplicate"


@pytest.mark.parametrize("lacking", ["sobject", "fields", "stamp"])
def test_without_a_stamp_a_map_and_an_sobject_it_cannot_be_read(lacking: str) -> None:
    """Without a stamp the same question would come every morning."""
    options = {"sobject": "Contact", "fields": FIELDS, "stamp": STAMP}
    del options[lacking]
    with pytest.raises(SettingError, match="update_other"):
        read_policy({"update_other": options})
