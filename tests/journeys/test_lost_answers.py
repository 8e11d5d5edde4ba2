"""A lost answer leaves open whether a row was created; the record's own dates tell."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from airflow_sf_dedup.core.outcomes import DuplicatesFound, Failed, KeyHeldByMany, Outcome, Saved, Unanswered
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.errors import TransientCallError
from airflow_sf_dedup.journeys.lost_answers import ReRead
from airflow_sf_dedup.journeys.sending.under_way import Answered
from airflow_sf_dedup.salesforce.ports import Origin, StoredRecord
from airflow_sf_dedup.testing.fake_org import KEY, LEAD, FakeOrg, lead_id, row
from tests.journeys.rows_under_way import with_outcome

SENT = datetime(2026, 3, 2, 6, 30, 15, 400_000, tzinfo=UTC)
ME, SOMEBODY = "005000000000001AAA", "005000000000002AAA"


def doubted(number: int, created: bool | None = None) -> Answered[object]:
    return with_outcome(row(number), Saved(lead_id(number), created), 2, 3.0, SENT)


def resolved(org: FakeOrg, *answered: Answered[object], user_id: str | None = ME) -> list[bool | None]:
    answers = ReRead(org, LEAD, KEY, lambda: user_id).resolved(answered)  # type: ignore[arg-type]
    return [each.outcome.created for each in answers if isinstance(each.outcome, Saved)]


@pytest.mark.parametrize(
    ("created_at", "created_by", "expected"),
    [
        (SENT.replace(microsecond=0), ME, True),
        (SENT + timedelta(seconds=3), ME, True),
        (SENT - timedelta(seconds=1), ME, False),
        (SENT - timedelta(days=300), ME, False),
        (SENT + timedelta(seconds=3), SOMEBODY, False),
        (SENT + timedelta(seconds=3), None, True),
    ],
    ids=["in the same second", "after", "before", "long before", "by another user", "by nobody knows whom"],
)
def test_created_is_what_this_user_created_since_the_row_was_sent(
    created_at: datetime, created_by: str | None, expected: bool
) -> None:
    org = FakeOrg(created={lead_id(1): Origin(created_at, created_by)})
    assert resolved(org, doubted(1)) == [expected]


def test_one_read_tells_of_all_rows_and_of_none_that_is_not_in_doubt() -> None:
    org = FakeOrg(created={lead_id(n): Origin(SENT, ME) for n in (1, 2, 3)})
    assert resolved(org, doubted(1), doubted(2, created=False), doubted(3)) == [True, False, True]
    assert org.calls == [("origins", [[lead_id(1), lead_id(3)]])]


def test_nothing_is_read_when_nothing_is_in_doubt() -> None:
    org = FakeOrg()
    ReRead(org, LEAD, KEY).resolved(
        [with_outcome(row(1), Saved(lead_id(1), True)), with_outcome(row(2), Failed("X", "…"))]
    )
    assert org.calls == []


def test_what_cannot_be_read_stays_open() -> None:
    assert resolved(FakeOrg(), doubted(1)) == [None]
    assert resolved(FakeOrg(errors={1: TransientCallError("no connection")}), doubted(1)) == [None]


def test_a_refused_row_whose_key_cannot_be_re_read_is_unknown_and_the_others_stay_as_they_are() -> None:
    org = FakeOrg(errors={1: TransientCallError("no connection")})
    sure, doubted_one = with_outcome(row(1), Failed("X", "…")), with_outcome(row(2), Failed("X", "…"), since=SENT)
    first, second = ReRead(org, LEAD, KEY).resolved([sure, doubted_one])
    assert first is sure
    assert isinstance(second.outcome, Unanswered)


def test_who_does_not_know_its_own_user_takes_every_creation_for_its_own() -> None:
    org = FakeOrg(created={lead_id(1): Origin(SENT, SOMEBODY)})
    assert resolved(org, doubted(1), user_id=None) == [True]


def test_what_an_earlier_row_of_the_task_wrote_was_not_created_by_a_later_one() -> None:
    org = FakeOrg(created={lead_id(1): Origin(SENT, ME)})
    origins = ReRead(org, LEAD, KEY, lambda: ME, keys_repeat=True)
    origins.resolved([with_outcome(row(1), Saved(lead_id(1), True))])
    [answered] = origins.resolved([doubted(1)])  # type: ignore[list-item]
    assert answered.outcome == Saved(lead_id(1), False)


@pytest.mark.parametrize(("stored_value", "saved"), [(1_234_567, True), (1_234_568, False)])
def test_numbers_that_differ_in_their_last_digit_are_not_what_a_lost_call_wrote(stored_value: int, saved: bool) -> None:
    org = FakeOrg(held={"key-1": (lead_id(1),)}, created={lead_id(1): Origin(SENT, ME, SENT, ME)})
    record = row(1, NumberOfEmployees=1_234_567)
    org.records[lead_id(1)] = StoredRecord(lead_id(1), {**record.fields, "NumberOfEmployees": stored_value})
    refused = with_outcome(record, Failed("ENTITY_IS_LOCKED", "…"), 2, 3.0, SENT)
    [answered] = ReRead(org, LEAD, KEY, lambda: ME).resolved([refused])
    assert isinstance(answered.outcome, Saved) is saved


@pytest.mark.parametrize(
    ("created_by", "modified_by", "expected"),
    [(ME, SOMEBODY, Saved), (SOMEBODY, ME, Saved), (SOMEBODY, SOMEBODY, Unanswered)],
    ids=["created it, and somebody wrote it then", "wrote it last", "neither, as far as can be seen"],
)
def test_a_row_that_is_refused_now_was_saved_where_its_record_tells_so(
    created_by: str, modified_by: str, expected: type
) -> None:
    refused = with_outcome(row(1), Failed("ENTITY_IS_LOCKED", "…"), 2, 3.0, SENT)
    later = SENT + timedelta(seconds=9)
    org = FakeOrg(
        held={"key-1": (lead_id(1),)},
        records={lead_id(1): StoredRecord(lead_id(1), dict(row(1).fields))},
        created={lead_id(1): Origin(later, created_by, later, modified_by)},
    )
    [answered] = ReRead(org, LEAD, KEY, lambda: ME).resolved([refused])  # type: ignore[list-item]
    assert isinstance(answered.outcome, expected)


LATER = SENT + timedelta(seconds=9)
OURS = (dict(row(1).fields), Origin(LATER, ME, LATER, ME))
THEIRS = ({**row(1).fields, "LastName": "Somebody else's"}, Origin(LATER, SOMEBODY, LATER, SOMEBODY))
TWIN = (dict(row(1).fields), Origin(LATER, SOMEBODY, LATER, SOMEBODY))
OLD = (dict(row(1).fields), Origin(SENT - timedelta(days=1), ME, SENT - timedelta(days=1), ME))
UNREADABLE = (None, None)


@pytest.mark.parametrize(
    ("holders", "expected"),
    [
        ([OURS, THEIRS], Saved(lead_id(1), True)),
        ([THEIRS, OURS], Saved(lead_id(2), True)),
        ([OURS, TWIN], Saved(lead_id(1), True)),
        ([OURS, UNREADABLE], Saved(lead_id(1), True)),
        ([OURS, OURS], (lead_id(1), lead_id(2))),
        ([TWIN, THEIRS], (lead_id(1),)),
        ([UNREADABLE, OLD], (lead_id(1),)),
        ([THEIRS, OLD], None),
        ([OLD, OLD], None),
    ],
    ids=[
        "ours and theirs",
        "theirs and ours",
        "ours, and one like it by somebody else",
        "ours and one that cannot be read",
        "two of ours",
        "one like it by somebody else",
        "one that cannot be read",
        "none of ours",
        "none written since",
    ],
)
@pytest.mark.parametrize(
    "refusal",
    [KeyHeldByMany("2 records", (lead_id(1), lead_id(2))), Failed("ENTITY_IS_LOCKED", "…"), DuplicatesFound("…")],
    ids=["held by many", "locked", "blocked"],
)
def test_a_refusal_now_is_no_proof_that_a_lost_call_did_nothing(
    refusal: Outcome,
    holders: list[tuple[dict[str, object] | None, Origin | None]],
    expected: Saved | tuple[str, ...] | None,
) -> None:
    ids = [lead_id(number) for number in (1, 2)]
    org = FakeOrg(held={"key-1": tuple(ids)})
    for record_id, (values, origin) in zip(ids, holders, strict=True):
        if values is not None and origin is not None:
            org.records[record_id], org.created[record_id] = StoredRecord(record_id, values), origin
    refused = with_outcome(row(1), refusal, 2, 3.0, SENT)
    [answered] = ReRead(org, LEAD, KEY, lambda: ME).resolved([refused])
    if isinstance(expected, tuple):
        assert isinstance(answered.outcome, Unanswered)
        assert answered.outcome.record_ids == expected
    else:
        assert answered.outcome == (expected or refusal)


BEFORE, MUCH_LATER = SENT - timedelta(days=1), LATER + timedelta(seconds=2)


@pytest.mark.parametrize(
    ("origin", "values", "expected"),
    [
        (Origin(LATER, ME, LATER, SOMEBODY), {}, True),
        (Origin(BEFORE, ME, LATER, SOMEBODY), {}, True),
        (Origin(BEFORE, SOMEBODY, LATER, ME), {}, True),
        (Origin(LATER, SOMEBODY, MUCH_LATER, SOMEBODY), {}, True),
        (Origin(LATER, SOMEBODY, LATER, SOMEBODY), {"City": "Bonn"}, True),
        (Origin(LATER, ME, LATER, ME), {"City": "Bonn"}, True),
        (Origin(LATER, SOMEBODY, LATER, SOMEBODY), {}, False),
        (Origin(LATER, ME, LATER, ME), {"City": "Ulm"}, False),
        (Origin(BEFORE, ME, BEFORE, SOMEBODY), {"City": "Bonn"}, False),
        (None, {"City": "Bonn"}, True),
        (None, {}, False),
    ],
    ids=[
        "created by this user, written by somebody",
        "there before, written by somebody",
        "there before, written by this user",
        "theirs, written twice",
        "theirs, with a value of the row",
        "created by this user, with a value of the row",
        "theirs",
        "created by this user, with other values",
        "not since",
        "without dates, with a value of the row",
        "without dates",
    ],
)
@pytest.mark.parametrize("refusal", [KeyHeldByMany("…", (lead_id(1),)), Failed("X", "…"), DuplicatesFound("…")])
def test_a_record_that_holds_other_values_by_now_may_have_been_the_rows_before(
    refusal: Outcome, origin: Origin | None, values: dict[str, object], expected: bool
) -> None:
    """What a policy decides about goes by what the org holds now."""
    record = row(1, City="Bonn")
    other = StoredRecord(lead_id(1), {KEY: "key-1", "LastName": "Another", "City": None, **values})
    org = FakeOrg(held={"key-1": (lead_id(1),)}, records={lead_id(1): other})
    if origin is not None:
        org.created[lead_id(1)] = origin
    [answered] = ReRead(org, LEAD, KEY, lambda: ME).resolved([with_outcome(record, refusal, 2, 3.0, SENT)])
    if expected and not isinstance(refusal, DuplicatesFound):
        assert isinstance(answered.outcome, Unanswered)
        assert answered.outcome.record_ids == (lead_id(1),)
    else:
        assert answered.outcome is refusal


def test_a_record_that_another_row_of_the_task_wrote_last_does_not_hold_the_refused_row() -> None:
    record = StoredRecord(lead_id(1), {**row(1).fields, "LastName": "An earlier row's"})
    origin = Origin(BEFORE, SOMEBODY, LATER, ME)
    org = FakeOrg(held={"key-1": (lead_id(1),)}, records={lead_id(1): record}, created={lead_id(1): origin})
    subject = ReRead(org, LEAD, KEY, lambda: ME, keys_repeat=True)
    subject.resolved([with_outcome(row(9, "key-1"), Saved(lead_id(1), False))])
    refused = with_outcome(row(1), Failed("X", "…"), 2, 3.0, SENT)
    assert subject.resolved([refused]) == [refused]


READING = SObject(
    "Lead", (*LEAD.fields, Field("At__c", "At", "datetime"), Field("Amount__c", "Amount", "currency", scale=2))
)
FROM_THE_ORG = {"At__c": "2026-03-02T10:00:00.000+0000", "Amount__c": 10.13, "LastName": "Kuhl", "City": None}
HELD_BEFORE, CREATED_SINCE = Origin(BEFORE, ME, LATER, ME), Origin(LATER, ME, LATER, ME)


@pytest.mark.parametrize("refusal", [KeyHeldByMany("…", (lead_id(1),)), Failed("X", "…"), DuplicatesFound("…")])
@pytest.mark.parametrize(
    ("values", "origin", "expected"),
    [
        ({"At__c": "2026-03-02T10:00:00.000Z"}, CREATED_SINCE, Saved),
        ({"At__c": "2026-03-02T10:00:00.000Z"}, HELD_BEFORE, Saved),
        ({"Amount__c": 10.126}, HELD_BEFORE, Saved),
        ({"LastName": "KUHL"}, CREATED_SINCE, Saved),
        ({"LastName": "KUHL"}, HELD_BEFORE, Unanswered),
        ({"LastName": "Kuhl", "Account": {"Key__c": "P-2"}}, CREATED_SINCE, Saved),
        ({"LastName": "Kuhl", "Account": {"Key__c": "P-2"}}, HELD_BEFORE, Unanswered),
        ({"Account": {"Key__c": "P-2"}}, CREATED_SINCE, Unanswered),
        ({"Account": {"Key__c": "P-2"}}, HELD_BEFORE, Unanswered),
        ({"LastName": "Kuhl", "Hidden__c": "x"}, HELD_BEFORE, Unanswered),
        ({"City": None}, HELD_BEFORE, Saved),
        ({}, HELD_BEFORE, Saved),
    ],
    ids=[
        "a moment, created",
        "a moment, updated",
        "an amount that was rounded",
        "another case, created",
        "another case, updated",
        "a parent by its key, created",
        "a parent by its key, updated",
        "nothing but a parent by its key, created",
        "nothing but a parent by its key, updated",
        "a field that cannot be read",
        "a field that was cleared",
        "nothing but the key",
    ],
)
def test_values_are_compared_as_the_org_writes_them_and_what_cannot_be_compared_is_no_proof(
    refusal: Outcome, values: dict[str, object], origin: Origin, expected: type
) -> None:
    record = replace(row(1), fields={KEY: "key-1", **values})
    stored = StoredRecord(lead_id(1), {KEY: "key-1", **FROM_THE_ORG})
    org = FakeOrg(held={"key-1": (lead_id(1),)}, records={lead_id(1): stored}, created={lead_id(1): origin})
    [answered] = ReRead(org, READING, KEY, lambda: ME).resolved([with_outcome(record, refusal, 2, 3.0, SENT)])
    assert type(answered.outcome) is expected


@pytest.mark.parametrize("field", [KEY, "Email__c"])
def test_a_unique_value_that_is_taken_now_is_no_proof_either_once_its_conflict_is_settled(field: str) -> None:
    taken = Failed("DUPLICATE_VALUE", f"duplicate value found: {field} duplicates value on record with id: 003x")
    record = StoredRecord(lead_id(1), dict(row(1).fields))
    org = FakeOrg(held={"key-1": (lead_id(1),)}, records={lead_id(1): record}, created={lead_id(1): OURS[1]})
    subject, refused = ReRead(org, LEAD, KEY, lambda: ME), with_outcome(row(1), taken, 2, 3.0, SENT)
    assert [each.outcome for each in subject.resolved([refused])] == [taken], "it has a re-read to come"
    assert [each.outcome for each in subject.resolved_at_last([refused])] == [Saved(lead_id(1), True)]


@pytest.mark.parametrize(
    ("stamped", "refusal", "expected"),
    [
        ([lead_id(1)], Failed("ENTITY_IS_LOCKED", "…"), Unanswered),
        ([], Failed("ENTITY_IS_LOCKED", "…"), Failed),
        ([lead_id(1)], DuplicatesFound("…"), DuplicatesFound),
    ],
    ids=["claimed", "not claimed", "claimed, and a policy decides anew"],
)
def test_a_claimed_match_that_holds_other_values_may_have_been_stamped_with_some_and_is_no_proof(
    stamped: list[str], refusal: Outcome, expected: type
) -> None:
    other = StoredRecord(lead_id(1), {**row(1).fields, "LastName": "As it was"})
    org = FakeOrg(held={"key-1": (lead_id(1),)}, records={lead_id(1): other}, created={lead_id(1): OURS[1]})
    refused = with_outcome(row(1), refusal, 2, 3.0, SENT)
    [answered] = ReRead(org, LEAD, KEY, lambda: ME, stamped=stamped).resolved([refused])
    assert isinstance(answered.outcome, expected)
