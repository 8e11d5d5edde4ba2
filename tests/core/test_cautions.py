"""What a person who decides about a match is told to look at."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_sf_dedup.core.cautions import Caution, cautions, with_shared_mailboxes
from airflow_sf_dedup.core.decisions import DuplicateCase, MatchedRecord
from airflow_sf_dedup.core.ordering import order_of
from airflow_sf_dedup.core.record_state import RecordState
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.testing.fake_org import KEY, lead_id, match, row

LEAD = SObject("Lead", (Field("Work_Mail__c", "Mail", "email"), Field("OwnerId", "Owner", "reference")))
OWNER, OTHER = "005000000000001AAA", "005000000000002AAA"


def case(*records: dict[str, Any], order: Any = None, **fields: Any) -> DuplicateCase:
    """A row of Anna Kuhl with a match for each record."""
    record = row(1, "A", **{"FirstName": "Anna", "LastName": "Kuhl", **fields})
    record = replace(record, order=None if order is None else order_of(order))
    matched = tuple(
        MatchedRecord((match(lead_id(number)),), state=RecordState.LIVE, values=values)
        for number, values in enumerate(records, 1)
    )
    return DuplicateCase(record, "Lead", KEY, matched, described=LEAD)


def told(of: DuplicateCase, *others: DuplicateCase) -> set[str]:
    """What is said of the first match, where other rows are settled together with it."""
    first = with_shared_mailboxes([of, *others])[0]
    return {str(each) for each in cautions(first, first.matched[0])}


ANNA, BERT = {"FirstName": "Anna", "LastName": "Kuhl"}, {"FirstName": "Bert", "LastName": "Rau"}
INFO = "info@example.com"


def test_nothing_is_said_of_a_match_that_is_what_it_seems() -> None:
    assert told(case({**ANNA, "Email": INFO, "OwnerId": OWNER}, Email=INFO)) == set()
    assert told(case({})) == set()


@pytest.mark.parametrize(
    ("children", "expected"),
    [
        ({"Opportunity": 1}, {Caution.OPEN_OPPORTUNITIES}),
        ({"Opportunity": 0, "Case": 10}, set()),
        ({"Case": 6, "Task": 5}, {Caution.MANY_CHILDREN}),
    ],
    ids=["one opportunity", "ten others", "eleven over all"],
)
def test_what_hangs_on_a_match_is_said(children: dict[str, int], expected: set[Caution]) -> None:
    of = case(ANNA)
    assert told(replace(of, children={of.matched[0].record_id: children})) == expected
    assert told(replace(of, children={lead_id(9): children})) == set()


def test_names_that_cannot_be_one_persons_are_said() -> None:
    assert told(case(BERT)) == {Caution.NAMES_DISAGREE}
    assert told(case({"FirstName": "Kuhl", "LastName": "Anna"})) == set()


@pytest.mark.parametrize("address", [INFO, INFO.upper(), f" {INFO} "])
@pytest.mark.parametrize("name", ["Email", "Work_Mail__c"])
def test_a_mailbox_that_people_of_other_names_hold_is_shared(name: str, address: str) -> None:
    anna, bert = {**ANNA, name: INFO}, {**BERT, name: address}
    assert told(case(anna, bert)) == {Caution.SHARED_MAILBOX}, "among the matches"
    assert told(case(anna), case({}, **bert)) == {Caution.SHARED_MAILBOX}, "by another row"
    assert told(case(anna), case(bert)) == {Caution.SHARED_MAILBOX}, "by the match of another row"
    assert told(case(bert, **{name: INFO})) == {Caution.SHARED_MAILBOX, Caution.NAMES_DISAGREE}, "by the row itself"
    assert told(case(anna, {**ANNA, name: address}), case({}, **anna)) == set(), "all are one person"
    assert told(case(anna, {**BERT, name: "bert@example.com"})) == set(), "each has a mailbox"
    assert told(case({**ANNA, name: None}, {**BERT, name: ""})) == set(), "none has one"


@pytest.mark.parametrize(
    ("order", "written", "is_newer"),
    [
        ("2026-03-02T06:30:00Z", "2026-03-02T06:30:01.000+0000", True),
        ("2026-03-02T06:30:00Z", "2026-03-02T06:30:00.000+0000", False),
        ("2026-03-02T06:30:00Z", "2026-03-02T07:00:00.000+0100", False),
        ("2026-03-02", "2026-03-02T00:00:01.000+0000", True),
        (17, "2026-03-02T06:30:00.000+0000", False),
        (None, "2026-03-02T06:30:00.000+0000", False),
        ("2026-03-02T06:30:00Z", None, False),
        ("2026-03-02T06:30:00Z", "lately", False),
    ],
    ids=["later", "as old", "earlier in another zone", "a date", "a counter", "no order", "not read", "no time"],
)
def test_a_match_that_was_written_after_the_rows_state_is_newer(order: Any, written: Any, is_newer: bool) -> None:
    assert told(case({"LastModifiedDate": written}, order=order)) == ({Caution.MATCH_IS_NEWER} if is_newer else set())


@pytest.mark.parametrize(
    ("wanted", "has", "is_another"),
    [(OWNER, OTHER, True), (OWNER[:15], OWNER, False), (None, OTHER, False), (OWNER, None, False)],
    ids=["another", "the same in 15 characters", "the row names none", "not read"],
)
def test_another_owner_than_the_row_names_is_said(wanted: Any, has: Any, is_another: bool) -> None:
    assert told(case({"OwnerId": has}, OwnerId=wanted)) == ({Caution.ANOTHER_OWNER} if is_another else set())


def test_records_that_a_rule_found_and_did_not_name_are_said() -> None:
    assert told(replace(case(ANNA), all_named=False)) == {Caution.MORE_MATCHES_THAN_NAMED}
