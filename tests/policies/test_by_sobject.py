"""A policy for each sObject that a row matches."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_sf_dedup.core.decisions import Ask, DuplicateCase, Pass, SkipRow
from airflow_sf_dedup.core.record_state import RecordState
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.policies import AskReviewer, BySobject, Skip, read_policy
from airflow_sf_dedup.policies.base import decide, named_fields
from airflow_sf_dedup.testing.contracts.policies import CERTAIN, FIRST, SECOND, PolicyContract, matched


class TestBySobject(PolicyContract):
    policy = BySobject({"Contact": "skip", "Account": AskReviewer(), "Lead": "update_existing | skip"})


@pytest.mark.parametrize(
    "spelling",
    [
        BySobject({"Contact": Skip(), "Account": AskReviewer()}),
        "by_sobject({'Contact': 'skip', 'Account': 'ask_reviewer'})",
        {"by_sobject": {"Contact": ["skip"], "Account": {"ask_reviewer": None}}},
    ],
    ids=["objects", "string", "yaml"],
)
def test_all_spellings_are_the_same(spelling: Any) -> None:
    assert repr(read_policy(spelling)) == "by_sobject({'Contact': 'skip', 'Account': 'ask_reviewer'})"
    assert read_policy(spelling) == read_policy(repr(read_policy(spelling)))


def of_sobjects(*sobjects: str, **changes: Any) -> DuplicateCase:
    ids = (FIRST, SECOND)
    found = (matched(each, sobject, **changes) for each, sobject in zip(ids, sobjects, strict=False))
    return replace(CERTAIN, matched=tuple(found))


GONE = of_sobjects("Contact", "Lead")
GONE = replace(GONE, matched=(replace(GONE.matched[0], state=RecordState.DELETED), GONE.matched[1]))


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (of_sobjects("Contact"), SkipRow()),
        (of_sobjects("CONTACT"), SkipRow()),
        (of_sobjects("Contact", "Contact"), SkipRow()),
        (of_sobjects("Contact", "Partner__c"), SkipRow()),
        (of_sobjects("Contact", "Account"), Pass("matches_of_several_sobjects")),
        (of_sobjects("Account", "Contact"), Pass("matches_of_several_sobjects")),
        (of_sobjects("Contact", "Lead"), Pass("matches_of_several_sobjects")),
        (of_sobjects("Lead"), Pass("sobject_not_named")),
        (GONE, Pass("sobject_not_named")),
        (of_sobjects("Contact", state=RecordState.DELETED), SkipRow()),
        (of_sobjects(), Pass("no_match_named")),
    ],
    ids=[
        "its sobject",
        "in another case",
        "two of one sobject",
        "two with the same policy",
        "two with different policies",
        "the same the other way round",
        "one that is not named",
        "not named",
        "only the deleted one is named",
        "none is live",
        "no match",
    ],
)
def test_several_sobjects_are_decided_only_where_all_have_one_policy(case: DuplicateCase, expected: object) -> None:
    answer = BySobject({"contact": "skip", "Account": "save_anyway | skip", "partner__c": "skip"}).decide(case)
    assert answer == expected if isinstance(answer, Pass) else answer.decision == expected


def test_a_row_of_another_sobject_goes_to_the_next_policy() -> None:
    policy = read_policy("by_sobject({'Contact': 'ask_reviewer'}) | skip")
    assert decide(policy, CERTAIN).decision == SkipRow("sobject_not_named")


def test_why_a_policy_could_not_act_says_more_than_that_another_one_was_not_meant() -> None:
    several = of_sobjects("Lead", "Lead")
    for chain in ("update_existing | skip", "by_rule({'R': 'skip'}) | update_existing | skip"):
        policy = read_policy(f"by_sobject({{'Contact': 'ask_reviewer'}}) | {chain}")
        assert decide(policy, several).decision == SkipRow("several_matches")
    inside = read_policy([{"by_sobject": {"Lead": {"by_rule": {"R": "skip"}}}}, "update_existing | skip"])
    assert decide(inside, several).decision == SkipRow("several_matches")
    assert decide(read_policy("by_sobject({'Contact': 'skip'})"), several).decision == Ask("sobject_not_named")


def test_fields_that_a_policy_inside_names_have_to_be_carried_too() -> None:
    assert named_fields(read_policy("by_sobject({'Lead': \"update_existing(fields=['City'])\"})")) == ("City",)


@pytest.mark.parametrize(
    "spelling",
    [
        "by_sobject",
        "by_sobject({})",
        "by_sobject(['Contact'])",
        "by_sobject({1: 'skip'})",
        "by_sobject({'Contact': 'skip', 'contact': 'ask_reviewer'})",
        "by_sobject({'Contact': None})",
    ],
    ids=str,
)
def test_what_cannot_be_read_is_refused_by_its_setting(spelling: Any) -> None:
    with pytest.raises(SettingError) as raised:
        read_policy(spelling)
    assert raised.value.setting == "on_duplicate"
