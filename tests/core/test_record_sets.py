"""Which records stand together, and in which set."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_sf_dedup.core.entries import Action, Entry, MatchEntry
from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.core.record_sets import RecordSet, Together, placed, together
from airflow_sf_dedup.core.record_state import RecordState

ONE, TWO, THREE = (to_18(f"00Q00000000000{each}") for each in "123")
CONTACT = to_18("003000000000001")


def match(record_id: str, sobject: str = "Lead", *, rule: str | None = "R", **more: Any) -> MatchEntry:
    return MatchEntry(record_id, sobject, duplicate_rule=rule, **{"state": RecordState.LIVE, **more})


def entry(*matches: MatchEntry, record_id: str | None = None) -> Entry:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return Entry(1, Action.SAVED_ANYWAY, at, record_id=record_id, matches=matches)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (entry(match(TWO), record_id=ONE), Together((ONE, TWO), "R")),
        (entry(match(ONE), match(TWO)), Together((ONE, TWO), "R")),
        (entry(match(ONE, rule=None), match(TWO, rule="S")), Together((ONE, TWO), "S")),
        (entry(match(ONE, rule=None), match(TWO, rule=None)), Together((ONE, TWO), None)),
        (entry(match(ONE, "lead"), match(TWO, "LEAD")), Together((ONE, TWO), "R")),
        (entry(match(ONE, state=None), match(TWO)), Together((ONE, TWO), "R")),
        (entry(match(ONE), match(TWO), record_id=CONTACT), Together((ONE, TWO), "R")),
        (entry(match(ONE), match(ONE, rule="S"), record_id=ONE), None),
        (entry(match(CONTACT, "Contact"), record_id=ONE), None),
        (entry(match(ONE), match(CONTACT, "Contact")), None),
        (entry(match(ONE), match(TWO, state=RecordState.DELETED)), None),
        (entry(match(ONE), match(TWO, state=RecordState.MERGED_AWAY)), None),
        (entry(match(TWO, state=RecordState.CONVERTED), record_id=ONE), None),
        (entry(record_id=ONE), None),
    ],
    ids=[
        "saved beside its match",
        "several matches",
        "the first rule that is named",
        "holders of a key",
        "names in any case",
        "a match that could not be read",
        "written to another sObject",
        "its only match was written",
        "another sObject",
        "one of another sObject",
        "deleted",
        "merged away",
        "converted",
        "no match",
    ],
)
def test_two_live_records_of_the_sobject_stand_together(found: Entry, expected: Together | None) -> None:
    assert together(found, "Lead") == expected


def a_set(name: str, *record_ids: str, rule: str | None = "0Bm", **more: Any) -> RecordSet:
    return RecordSet(name, rule, set(record_ids), **more)


@pytest.mark.parametrize(
    ("standing", "added"),
    [
        ([], {None: [ONE, TWO]}),
        ([a_set("A", ONE, TWO)], {}),
        ([a_set("A", ONE, TWO, THREE, rule="other")], {}),
        ([a_set("A", ONE, TWO, rule=None, is_closed=True)], {}),
        ([a_set("A", ONE)], {"A": [TWO]}),
        ([a_set("B", TWO), a_set("A", ONE)], {"A": [TWO]}),
        ([a_set("A", ONE, rule="other")], {None: [ONE, TWO]}),
        ([a_set("A", ONE, is_closed=True)], {None: [ONE, TWO]}),
    ],
    ids=["none", "both there", "by another rule", "by a job", "one there", "the oldest", "of another rule", "a job's"],
)
def test_records_go_into_the_oldest_set_of_their_rule_or_into_a_new_one(
    standing: list[RecordSet], added: dict[str | None, list[str]]
) -> None:
    found = placed([(Together((ONE, TWO), "R"), "0Bm")], standing)
    assert {each.set_id: each.added for each in found.sets} == added
    assert found.before == (not added)


pairs = st.lists(st.tuples(st.lists(st.integers(0, 9), min_size=2, max_size=4, unique=True), st.sampled_from("RS")))


@given(pairs)
def test_afterwards_all_stand_together_and_to_place_them_again_changes_nothing(told: Any) -> None:
    wanted = [(Together(tuple(map(str, ids)), rule), rule) for ids, rule in told]
    found = placed(wanted, [])
    for each, _ in wanted:
        assert any(made.record_ids.issuperset(each.record_ids) for made in found.sets)
    for made in found.sets:
        assert sorted(made.added) == sorted(made.record_ids)
    standing = [RecordSet(f"{place}", made.rule_id, made.record_ids) for place, made in enumerate(found.sets)]
    again = placed(wanted, standing)
    assert (again.sets, again.before) == ([], len(wanted))
