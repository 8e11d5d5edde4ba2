"""When is a match certain?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_sf_dedup.core.decisions import DuplicateCase, MatchedRecord, certain_match, uncertainty
from airflow_sf_dedup.core.outcomes import Match
from airflow_sf_dedup.core.records import Record

FIRST, SECOND = "00Q000000000001AAA", "00Q000000000002AAA"
CASE = DuplicateCase(Record(1, "A", {"Key__c": "A"}, "0"), "Lead", "Key__c", ())


def matched(record_id: str = FIRST, sobject: str = "Lead", **facts: bool) -> MatchedRecord:
    return replace(MatchedRecord((Match(record_id, sobject),), readable=True, is_deleted=False), **facts)


def test_the_only_live_readable_match_of_the_same_sobject_is_certain() -> None:
    assert certain_match(replace(CASE, matched=(matched(),))) == matched()


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ((), "no_match_named"),
        ((matched(), matched(SECOND)), "several_matches"),
        ((matched(), matched(SECOND, readable=False)), "several_matches"),
        ((matched(), matched(SECOND, sobject="Contact")), "several_matches"),
        ((matched(sobject="Contact"),), "match_is_another_sobject"),
        ((matched(readable=False),), "match_unreadable"),
        ((matched(carries_another_key=True),), "match_carries_another_key"),
        ((matched(is_deleted=True),), "match_deleted"),
        ((matched(is_converted=True),), "match_converted"),
        ((matched(is_converted=True), matched(SECOND, is_deleted=True)), "match_converted"),
        ((matched(is_deleted=True), matched(SECOND, carries_another_key=True)), "match_carries_another_key"),
    ],
)
def test_anything_else_is_uncertain(records: tuple[MatchedRecord, ...], reason: str) -> None:
    case = replace(CASE, matched=records)
    assert uncertainty(case) == reason
    assert certain_match(case) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"key_holders": (SECOND,)}, "key_already_held"), ({"all_named": False}, "match_not_named")],
)
def test_a_single_match_is_not_certain_beside_what_else_is_known(change: dict[str, object], reason: str) -> None:
    assert uncertainty(replace(CASE, matched=(matched(),), **change)) == reason


@pytest.mark.parametrize("gone", [{"is_deleted": True}, {"is_converted": True}], ids=["deleted", "converted"])
def test_one_live_match_beside_gone_ones_is_certain(gone: dict[str, bool]) -> None:
    assert certain_match(replace(CASE, matched=(matched(SECOND, **gone), matched()))) == matched()


def test_the_sobject_is_compared_in_any_case() -> None:
    assert certain_match(replace(CASE, matched=(matched(sobject="LEAD"),))) is not None


def test_a_record_has_the_best_confidence_that_a_rule_gives_it() -> None:
    matches = (Match(FIRST, "Lead", confidence=60.0), Match(FIRST, "Lead"), Match(FIRST, "Lead", confidence=90.0))
    assert MatchedRecord(matches).confidence == 90.0
    assert MatchedRecord(matches[1:2]).confidence is None
