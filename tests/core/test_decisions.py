"""When is a match certain?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_sf_dedup.core.decisions import (
    DuplicateCase,
    MatchedRecord,
    certain_match,
    deleted_match,
    uncertainty,
    why_not_undeleted,
)
from airflow_sf_dedup.core.obstacles import Obstacle
from airflow_sf_dedup.core.outcomes import Match
from airflow_sf_dedup.core.record_state import Deletion, RecordState
from airflow_sf_dedup.core.records import Record

FIRST, SECOND = "00Q000000000001AAA", "00Q000000000002AAA"
CASE = DuplicateCase(Record(1, "A", {"Key__c": "A"}, "0"), "Lead", "Key__c", ())


LIVE, DELETED, MERGED, CONVERTED, UNREADABLE = (
    RecordState.LIVE,
    RecordState.DELETED,
    RecordState.MERGED_AWAY,
    RecordState.CONVERTED,
    RecordState.UNREADABLE,
)


def matched(record_id: str = FIRST, sobject: str = "Lead", state: RecordState = LIVE, **facts: Any) -> MatchedRecord:
    return MatchedRecord((Match(record_id, sobject),), state=state, **{"values": {"Key__c": None}, **facts})


def test_the_only_live_readable_match_of_the_same_sobject_is_certain() -> None:
    assert certain_match(replace(CASE, matched=(matched(),))) == matched()


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ((), "no_match_named"),
        ((matched(), matched(SECOND)), "several_matches"),
        ((matched(), matched(SECOND, state=UNREADABLE)), "several_matches"),
        ((matched(), matched(SECOND, sobject="Contact")), "several_matches"),
        ((matched(sobject="Contact"),), "match_is_another_sobject"),
        ((matched(state=UNREADABLE),), "match_unreadable"),
        ((matched(carries_another_key=True),), "match_carries_another_key"),
        ((matched(state=DELETED),), "match_deleted"),
        ((matched(state=CONVERTED),), "match_converted"),
        ((matched(state=MERGED),), "match_merged_away"),
        ((matched(state=MERGED), matched(SECOND, state=DELETED)), "match_deleted"),
        ((matched(state=CONVERTED), matched(SECOND, state=DELETED)), "match_converted"),
        ((matched(state=DELETED), matched(SECOND, carries_another_key=True)), "match_carries_another_key"),
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


@pytest.mark.parametrize("gone", [DELETED, MERGED, CONVERTED], ids=["deleted", "merged away", "converted"])
def test_one_live_match_beside_gone_ones_is_certain(gone: RecordState) -> None:
    assert certain_match(replace(CASE, matched=(matched(SECOND, state=gone), matched()))) == matched()


def test_the_sobject_is_compared_in_any_case() -> None:
    assert certain_match(replace(CASE, matched=(matched(sobject="LEAD"),))) is not None


def test_a_record_has_the_best_confidence_that_a_rule_gives_it() -> None:
    matches = (Match(FIRST, "Lead", confidence=60.0), Match(FIRST, "Lead"), Match(FIRST, "Lead", confidence=90.0))
    assert MatchedRecord(matches).confidence == 90.0
    assert MatchedRecord(matches[1:2]).confidence is None


@pytest.mark.parametrize("obstacle", [each for each in Obstacle if each.is_key])
def test_where_the_key_is_the_obstacle_no_holder_is_certain(obstacle: Obstacle) -> None:
    state = DELETED if obstacle is Obstacle.KEY_HELD_IN_RECYCLE_BIN else LIVE
    case = replace(CASE, obstacle=obstacle, matched=(matched(state=state), matched(SECOND, state=state)))
    assert uncertainty(case) == obstacle.value


def test_a_key_whose_holder_was_merged_away_goes_to_the_living_record() -> None:
    living = matched(merges=((FIRST, SECOND),))
    case = replace(CASE, obstacle=Obstacle.KEY_HELD_IN_RECYCLE_BIN, matched=(living,))
    found = certain_match(case)
    assert found is not None
    assert found.record_id == SECOND


#: What keeps a record in the recycle bin, by the reason that is given.
NOT_UNDELETED: dict[str, tuple[dict[str, Any], str]] = {
    "a live match": ({"matched": (matched(),)}, "match_not_deleted"),
    "a live match beside it": ({"matched": (matched(state=DELETED), matched(SECOND))}, "match_not_deleted"),
    "one that nobody can read": (
        {"matched": (matched(state=DELETED), matched(SECOND, state=UNREADABLE))},
        "match_not_deleted",
    ),
    "a converted lead": ({"matched": (matched(state=DELETED), matched(SECOND, state=CONVERTED))}, "match_converted"),
    "merged away": ({"matched": (matched(state=MERGED),)}, "match_merged_away"),
    "a merged-away one beside it": (
        {"matched": (matched(state=DELETED), matched(SECOND, state=MERGED))},
        "match_merged_away",
    ),
    "two": ({"matched": (matched(state=DELETED), matched(SECOND, state=DELETED))}, "several_matches"),
    "another holds the key": (
        {"matched": (matched(state=DELETED),), "gone_holders": (matched(SECOND, state=DELETED),)},
        "several_matches",
    ),
    "the key is held": ({"matched": (matched(state=DELETED),), "key_holders": (SECOND,)}, "key_already_held"),
    "another key": ({"matched": (matched(state=DELETED, carries_another_key=True),)}, "match_carries_another_key"),
    "its key was not read": ({"matched": (matched(state=DELETED, values={}),)}, "match_unreadable"),
    "another sobject": ({"matched": (matched(sobject="Contact", state=DELETED),)}, "match_is_another_sobject"),
    "none named": ({"gone_holders": (matched(state=DELETED),)}, "no_match_named"),
    "not all named": ({"matched": (matched(state=DELETED),), "all_named": False}, "match_not_named"),
    "many hold the key": (
        {"matched": (matched(state=DELETED),), "obstacle": Obstacle.KEY_HELD_BY_MANY},
        "key_held_by_many",
    ),
    "a converted lead holds the key": (
        {"matched": (matched(state=CONVERTED),), "obstacle": Obstacle.KEY_HELD_BY_CONVERTED},
        "key_held_by_converted",
    ),
}


@pytest.mark.parametrize(("facts", "reason"), NOT_UNDELETED.values(), ids=NOT_UNDELETED.keys())
def test_nothing_leaves_the_recycle_bin_that_is_not_the_only_one(facts: dict[str, Any], reason: str) -> None:
    case = replace(CASE, **facts)
    assert why_not_undeleted(case) == reason
    assert deleted_match(case) is None


@pytest.mark.parametrize("obstacle", [Obstacle.DUPLICATE_RULE, Obstacle.KEY_HELD_IN_RECYCLE_BIN])
def test_the_only_deleted_record_that_a_row_meets_may_leave_the_recycle_bin(obstacle: Obstacle) -> None:
    case = replace(CASE, obstacle=obstacle, matched=(matched(state=DELETED),))
    assert deleted_match(case) == matched(state=DELETED)


def test_a_record_leads_to_what_it_has_become() -> None:
    contact = "003000000000001AAA"
    assert matched(state=CONVERTED, values={"ConvertedContactId": contact}).leads_to == contact
    assert matched(state=MERGED, deletion=Deletion(merged_into=SECOND)).leads_to == SECOND
    assert matched().leads_to is None
