"""What each policy claims, and that all keep the promises of every policy."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from airflow_sf_dedup.core.decisions import Ask, Fail, Pass, SaveRow, SkipRow, UndeleteMatch, UpdateMatch
from airflow_sf_dedup.core.obstacles import Obstacle
from airflow_sf_dedup.core.outcomes import Match
from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.core.record_state import Deletion
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.policies import (
    AskReviewer,
    Chain,
    Policy,
    SaveAnyway,
    Skip,
    Undelete,
    UpdateExisting,
    read_policy,
)
from airflow_sf_dedup.policies.base import decide
from airflow_sf_dedup.testing.contracts.policies import (
    CERTAIN,
    DELETED_BY,
    FIRST,
    KEY,
    READ_AT,
    SECOND,
    UNCERTAIN,
    PolicyContract,
    deleted,
    matched,
)


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


class TestUndelete(PolicyContract):
    policy = Undelete()


class TestUndeleteWithLimits(PolicyContract):
    policy = Undelete(deleted_within="12h", deleted_by=(DELETED_BY[:15],))


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
    unclaimed = decide(Chain((UpdateExisting(),)), case).decision
    assert unclaimed == (Fail() if case.obstacle.is_key else Ask(reason)), "a held key is red unless a policy claims it"


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


# -- undelete ---------------------------------------------------------------------------------------

DELETED = UNCERTAIN["match_deleted"]
OTHER_USER = to_18("005000000000008")


@pytest.mark.parametrize("name", ["match_deleted", "key_held_in_recycle_bin"])
def test_undelete_takes_the_one_deleted_record_and_writes_what_an_update_would(name: str) -> None:
    decision = Undelete().decide(UNCERTAIN[name])
    assert decision == UndeleteMatch(FIRST, UpdateExisting().decide(CERTAIN).fields)
    assert {"OwnerId", "RecordTypeId"}.isdisjoint(decision.fields)


def ago(**span: float) -> Deletion:
    return Deletion(READ_AT - timedelta(**span), DELETED_BY)


LIMITS: dict[str, tuple[Undelete, Deletion | None, str | None]] = {
    "just within": (Undelete("7d"), ago(days=7), None),
    "too long ago": (Undelete("7d"), ago(days=7, seconds=1), "deleted_too_long_ago"),
    "within hours": (Undelete("12h"), ago(hours=13), "deleted_too_long_ago"),
    "nobody says when": (Undelete(), Deletion(None, DELETED_BY), "deletion_untold"),
    "nothing is said": (Undelete(), None, "deletion_untold"),
    "by the user": (Undelete(deleted_by=DELETED_BY), ago(days=1), None),
    "by one of them": (Undelete(deleted_by=[OTHER_USER, DELETED_BY]), ago(days=1), None),  # type: ignore[arg-type]
    "by another user": (Undelete(deleted_by=OTHER_USER), ago(days=1), "deleted_by_another_user"),
    "nobody says by whom": (Undelete(deleted_by=OTHER_USER), Deletion(READ_AT, None), "deletion_untold"),
}


@pytest.mark.parametrize(("policy", "deletion", "why"), LIMITS.values(), ids=LIMITS.keys())
def test_what_is_not_known_of_a_deletion_does_not_pass_a_limit(
    policy: Undelete, deletion: Deletion | None, why: str | None
) -> None:
    decision = policy.decide(replace(DELETED, matched=(deleted(deletion=deletion),)))
    assert decision == Pass(why) if why else isinstance(decision, UndeleteMatch)


def test_without_the_time_of_the_reading_nothing_is_undeleted() -> None:
    assert Undelete().decide(replace(DELETED, read_at=None)) == Pass("deletion_untold")


@pytest.mark.parametrize(
    "options",
    [
        {"deleted_within": ""},
        {"deleted_within": "0d"},
        {"deleted_within": "soon"},
        {"deleted_within": 30},
        {"deleted_within": "999999d"},
        {"deleted_by": ""},
        {"deleted_by": []},
        {"deleted_by": "me"},
        {"deleted_by": FIRST},
        {"deleted_by": [DELETED_BY, 5]},
        {"deleted_by": None},
    ],
    ids=str,
)
def test_a_limit_that_means_nothing_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match="undelete: deleted_"):
        Undelete(**options)


def test_a_record_that_an_earlier_try_has_undeleted_is_updated() -> None:
    assert Undelete().decide(replace(CERTAIN, matched=(matched(is_claimed=True),))) == (
        UpdateExisting().decide(CERTAIN)
    )
    assert Undelete().decide(CERTAIN) == Pass("match_not_deleted")


def test_no_other_policy_undeletes() -> None:
    for policy in (UpdateExisting(), SaveAnyway(), Skip(), AskReviewer()):
        for case in UNCERTAIN.values():
            assert not isinstance(policy.decide(case), UndeleteMatch)


@pytest.mark.parametrize(
    "spelling",
    ["by_rule({'Other': 'skip'})", "by_confidence({50: 'skip'})", "by_sobject({'Contact': 'skip'})", "save_anyway"],
)
@pytest.mark.parametrize("obstacle", [each for each in Obstacle if each.is_key], ids=str)
def test_who_is_asked_about_a_held_key_is_told_so_whatever_stands_before(spelling: str, obstacle: Obstacle) -> None:
    """No rule was asked, so that none is named and no confidence is said."""
    nameless = replace(matched(), matches=(Match(FIRST, "Lead"),))
    case = replace(CERTAIN, obstacle=obstacle, matched=(nameless, matched(SECOND)))
    assert decide(read_policy(f"{spelling} | ask_reviewer"), case).decision == Ask(obstacle.value)
    assert decide(read_policy(spelling), case).decision == Fail()
