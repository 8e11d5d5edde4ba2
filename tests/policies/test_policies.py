"""What each policy claims, and that all keep the promises of every policy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_sf_dedup.core.decisions import Ask, Pass, SaveRow, SkipRow, UpdateMatch
from airflow_sf_dedup.core.outcomes import Match
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.policies import AskReviewer, Chain, Policy, SaveAnyway, Skip, UpdateExisting
from airflow_sf_dedup.policies.base import decide
from airflow_sf_dedup.testing.contracts.policies import CERTAIN, FIRST, KEY, UNCERTAIN, PolicyContract, matched


class TestUpdateExisting(PolicyContract):
    policy = UpdateExisting()


class TestUpdateExistingWithOptions(PolicyContract):
    policy = UpdateExisting(fields=("OwnerId", "LastName"), min_confidence=90)


class TestFillBlanks(PolicyContract):
    policy = UpdateExisting(fields="fill_blanks")


class TestSaveAnyway(PolicyContract):
    policy = SaveAnyway()


class TestSkip(PolicyContract):
    policy = Skip()


class TestAskReviewer(PolicyContract):
    policy = AskReviewer()


def written(policy: UpdateExisting, case: Any = CERTAIN) -> set[str]:
    decision = policy.decide(case)
    assert isinstance(decision, UpdateMatch)
    return set(decision.fields)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("all", {"LastName", "Phone"}),
        ("fill_blanks", set()),
        (["OwnerId"], {"OwnerId"}),
        (["ownerid", "recordtypeid"], {"OwnerId", "RecordTypeId"}),
        (["Nothing__c"], set()),
    ],
    ids=["all", "fill_blanks", "the owner", "in other case", "of no use"],
)
def test_which_fields_are_written_beside_the_key(fields: Any, expected: set[str]) -> None:
    assert written(UpdateExisting(fields=fields)) == {KEY, *expected}


def with_fields(**fields: Any) -> Any:
    record = replace(CERTAIN.record, fields={KEY: "A-1", **fields})
    return replace(CERTAIN, record=record)


@pytest.mark.parametrize("parent", ["Owner", "RecordType"])
def test_a_record_is_not_moved_by_naming_its_new_owner_or_type_as_a_parent(parent: str) -> None:
    case = with_fields(**{parent: {"External_Id__c": "x"}})
    assert written(UpdateExisting(), case) == {KEY}
    assert written(UpdateExisting(fields=[f"{parent}.External_Id__c"]), case) == {KEY, parent}


@pytest.mark.parametrize(
    ("stored", "value", "is_written"),
    [
        ({"Phone": None}, "1", True),
        ({"Phone": ""}, "1", True),
        ({"Phone": "2"}, "1", False),
        ({"Phone": 0}, "1", False),
        ({"Phone": False}, True, False),
        ({"Phone": None}, None, False),
        ({"Phone": None}, "", False),
        ({}, "1", False),
    ],
    ids=["null", "blank", "filled", "zero", "false", "nothing to fill in", "blank to fill in", "not read"],
)
def test_only_a_field_that_was_read_as_blank_is_filled(stored: dict[str, Any], value: Any, is_written: bool) -> None:
    case = replace(with_fields(Phone=value), matched=(matched(values=stored),))
    assert ("Phone" in written(UpdateExisting(fields="fill_blanks"), case)) is is_written


@pytest.mark.parametrize(
    ("confidences", "claims"),
    [((95.0,), True), ((90,), True), ((89.9,), False), ((None,), False), ((50.0, 95.0), True)],
    ids=["above", "equal", "below", "not said", "the best of two rules"],
)
def test_a_match_below_the_least_confidence_passes_on(confidences: tuple[Any, ...], claims: bool) -> None:
    rules = tuple(Match(FIRST, "Lead", confidence=confidence) for confidence in confidences)
    decision = UpdateExisting(min_confidence=90).decide(replace(CERTAIN, matched=(matched(matches=rules),)))
    assert decision == Pass("confidence_too_low") if not claims else isinstance(decision, UpdateMatch)


@pytest.mark.parametrize(
    "options",
    [
        {"fields": "some"},
        {"fields": []},
        {"fields": [1]},
        {"fields": 5},
        {"fields": None},
        {"min_confidence": -1},
        {"min_confidence": 101},
        {"min_confidence": True},
        {"min_confidence": "90"},
        {"min_confidence": float("nan")},
    ],
    ids=str,
)
def test_an_unusable_option_is_refused_by_its_setting(options: dict[str, Any]) -> None:
    with pytest.raises(SettingError) as raised:
        UpdateExisting(**options)
    assert raised.value.setting == "on_duplicate"


def test_a_set_of_fields_is_spelled_the_same_in_every_process() -> None:
    assert repr(UpdateExisting(fields={"B", "A", "C"})) == "update_existing(fields=['A', 'B', 'C'])"  # type: ignore[arg-type]


@pytest.mark.parametrize(("reason", "case"), UNCERTAIN.items(), ids=UNCERTAIN.keys())
def test_a_reviewer_is_told_why_nothing_was_done(reason: str, case: Any) -> None:
    assert AskReviewer().decide(case) == Ask(reason)
    assert decide(UpdateExisting() | AskReviewer(), case).decision == Ask(reason)
    assert decide(Chain((UpdateExisting(),)), case).decision == Ask(reason)


def test_the_first_policy_that_claims_a_case_decides_it() -> None:
    chain = UpdateExisting() | SaveAnyway() | Skip()
    assert isinstance(decide(chain, CERTAIN).decision, UpdateMatch)
    uncertain = UNCERTAIN["several_matches"]
    assert decide(chain, replace(uncertain, allow_save=True)).decision == SaveRow()
    assert decide(chain, uncertain).decision == SkipRow("several_matches")


def test_a_refused_decision_goes_on_behind_the_policy_that_made_it() -> None:
    chain = UpdateExisting() | AskReviewer()
    behind = CERTAIN.without(decide(chain, CERTAIN), "settle_refused_by_rule")
    asked = decide(chain, behind)
    assert asked.decision == Ask("settle_refused_by_rule")
    assert decide(chain, behind.without(asked, "x")).decision == Ask("x")


def test_a_policy_of_ones_own_needs_no_base_class() -> None:
    class Mine:
        name = "mine"

        def decide(self, case: Any) -> Ask:
            return Ask("mine")

    assert isinstance(Mine(), Policy)
    assert decide(Chain((Mine(),)), CERTAIN).decision == Ask("mine")
