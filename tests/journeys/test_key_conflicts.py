"""A unique value that is taken: the key's holder is written to, and nothing is ever created from here."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from airflow_sf_dedup.core.field_rules import FieldRules
from airflow_sf_dedup.core.outcomes import DuplicatesFound, Failed, KeyHeldByMany, Outcome, Saved, Unanswered
from airflow_sf_dedup.errors import OutcomeUnknownError, PermissionRefusedError
from airflow_sf_dedup.journeys.key_conflicts import Conflict, KeyConflicts, needs_re_read
from airflow_sf_dedup.journeys.sending.known import HoldersMet, Question, WriteRules
from airflow_sf_dedup.journeys.sending.senders import Senders
from airflow_sf_dedup.journeys.sending.under_way import Answered
from airflow_sf_dedup.testing.fake_org import BLOCKED, KEY, KEY_RULE, FakeOrg, lead_id, row
from tests.journeys.rows_under_way import with_outcome

#: A load that may write everything to the holder of a key.
EVERYTHING = HoldersMet(Question(FakeOrg(), "Lead", WriteRules(FieldRules(KEY))))
RACE = Failed("DUPLICATE_VALUE", f"duplicate value found: {KEY} duplicates value on record with id: {lead_id(9)}")
MASKED = Failed("DUPLICATE_VALUE", "duplicate value found: <unknown> duplicates value on record with id: <unknown>")


def conflicts(org: FakeOrg, slept: list[float] | None = None) -> KeyConflicts:
    waits = [] if slept is None else slept
    return KeyConflicts(KEY_RULE, org, org, Senders(sleep=waits.append), EVERYTHING)


def lost(number: int, outcome: Outcome = MASKED, attempts: int = 1) -> Answered[object]:
    return with_outcome(row(number), outcome, attempts)


def settle(org: FakeOrg, *rows: Answered[object]) -> dict[int, Conflict]:
    found = [each for batch in conflicts(org).settle(rows) for each in batch]  # type: ignore[arg-type]
    assert len(found) == len(rows)
    return {each.answered.row.row_number: each for each in found}


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (RACE, True),
        (MASKED, True),
        (Failed("DUPLICATE_VALUE", "valor duplicado encontrado"), True),
        (Failed("DUPLICATE_VALUE", "duplicate value found: Email__c duplicates value on record with id: x"), True),
        (Failed("DUPLICATE_VALUE", "Duplicate external id specified: A"), False),
        (Failed("STRING_TOO_LONG", "…"), False),
        (Saved(lead_id(1), True), False),
    ],
)
def test_what_a_re_read_has_to_tell(outcome: Outcome, expected: bool) -> None:
    assert needs_re_read(with_outcome(row(1), outcome), KEY) is expected


TAKEN = "duplicate value found: Email__c duplicates value on record with id: "


@pytest.mark.parametrize(
    ("named", "since", "written"),
    [
        (lead_id(9), None, True),
        (lead_id(9)[:15], None, True),
        (lead_id(8), None, False),
        ("<unknown>", None, False),
        ("<unknown>", datetime(2026, 3, 2, tzinfo=UTC), True),
    ],
    ids=["its key's holder", "by 15 characters", "another record", "masked", "masked, and an answer was lost"],
)
def test_another_unique_value_may_stand_for_a_race_for_the_key(
    named: str, since: datetime | None, written: bool
) -> None:
    org = FakeOrg(held={"key-1": (lead_id(9),)})
    taken = Failed("DUPLICATE_VALUE", TAKEN + named)
    found = settle(org, with_outcome(row(1), taken, since=since))[1]
    if written:
        assert found.answered.outcome == Saved(lead_id(9), None if since else False)
        assert found.reason == "written_to_key_holder"
    else:
        assert (found.answered.outcome, found.reason, org.kinds()) == (taken, None, ["holders"])


def test_a_row_whose_key_one_record_holds_is_written_to_it_by_id() -> None:
    org = FakeOrg(held={"key-1": (lead_id(9),)})
    found = settle(org, lost(1))[1]
    assert found.answered.outcome == Saved(lead_id(9), False)
    assert (found.answered.sent.attempts, found.reason) == (2, "written_to_key_holder")
    assert org.kinds() == ["holders", "update"]
    [[[update]]] = org.sent("update")
    assert (update.record_id, update.fields) == (lead_id(9), row(1).fields)


def test_a_row_whose_key_several_hold_fails_and_names_them() -> None:
    org = FakeOrg(held={"key-1": (lead_id(8), lead_id(9))})
    found = settle(org, lost(1))[1]
    assert isinstance(found.answered.outcome, KeyHeldByMany)
    assert found.answered.outcome.record_ids == (lead_id(8), lead_id(9))
    assert org.kinds() == ["holders"]


def test_a_row_whose_value_is_taken_although_its_key_is_its_own_meets_another_unique_field() -> None:
    org = FakeOrg(held={"key-1": (lead_id(9),)}, updates={lead_id(9): [MASKED]})
    found = settle(org, lost(1))[1]
    assert (found.answered.outcome, found.reason) == (MASKED, "other_unique_field")


def test_a_holder_in_the_recycle_bin_is_named() -> None:
    org = FakeOrg(deleted={"key-1": (lead_id(7),)})
    found = settle(org, lost(1), lost(2))
    assert (found[1].reason, found[1].holders, found[1].deleted) == ("key_held_in_recycle_bin", (lead_id(7),), True)
    assert (found[2].reason, found[2].holders, found[2].deleted) == ("holder_not_visible", (), False)
    assert org.kinds() == ["holders", "deleted_holders"]


def test_a_row_in_doubt_whose_keys_holder_nobody_can_see_may_be_that_holder() -> None:
    lost_before = with_outcome(row(1), MASKED, since=datetime(2026, 3, 2, tzinfo=UTC))
    found = settle(FakeOrg(), lost_before)[1]
    assert (type(found.answered.outcome), found.reason) == (Unanswered, "holder_not_visible")


def test_an_update_that_a_duplicate_rule_refuses_is_handed_on() -> None:
    org = FakeOrg(held={"key-1": (lead_id(9),)}, updates={lead_id(9): [BLOCKED]})
    assert isinstance(settle(org, lost(1))[1].answered.outcome, DuplicatesFound)


def test_a_row_that_was_not_retried_yet_waits_two_seconds_before_it_is_re_read() -> None:
    for attempts, waits in ((1, 1), (4, 0)):
        slept: list[float] = []
        list(conflicts(FakeOrg(), slept).settle([lost(1, attempts=attempts)]))  # type: ignore[list-item]
        assert len(slept) == waits
        assert all(seconds >= 2 for seconds in slept)


def test_when_a_call_fails_for_good_the_rows_are_left() -> None:
    org = FakeOrg(errors={1: PermissionRefusedError("no")})
    subject = conflicts(org)
    with pytest.raises(PermissionRefusedError):
        list(subject.settle([lost(1), lost(2)]))  # type: ignore[list-item]
    assert [(each.row.row_number, each.in_doubt) for each in subject.left()] == [(1, False), (2, False)]


def test_a_row_in_an_update_without_answer_is_in_doubt() -> None:
    org = FakeOrg(held={"key-1": (lead_id(8),), "key-2": (lead_id(9),)})
    org.errors[2] = OutcomeUnknownError("gone", code="CONNECTION_BROKEN")
    subject = conflicts(org)
    with pytest.raises(OutcomeUnknownError):
        list(subject.settle([lost(1), lost(2)]))  # type: ignore[list-item]
    assert [each.in_doubt for each in subject.left()] == [True, True]


def test_a_row_in_doubt_that_its_keys_holder_takes_does_not_say_whether_it_was_created() -> None:
    org = FakeOrg(held={"key-1": (lead_id(9),)})
    before = with_outcome(row(1), Unanswered("…"), 0, 0.0, datetime(2026, 3, 2, tzinfo=UTC))
    found = [each for batch in conflicts(org).write_to_holders([before], org.held) for each in batch]
    assert [each.answered.outcome for each in found] == [Saved(lead_id(9), None)]
