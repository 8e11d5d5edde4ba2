"""A policy for each range of match confidence."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from airflow_sf_dedup.core.decisions import Ask, DuplicateCase, Pass, SkipRow, UpdateMatch
from airflow_sf_dedup.core.outcomes import Match
from airflow_sf_dedup.core.record_state import RecordState
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.policies import AskReviewer, ByConfidence, Chain, Skip, UpdateExisting, read_policy
from airflow_sf_dedup.policies.base import decide, named_fields
from airflow_sf_dedup.testing.contracts.policies import CERTAIN, FIRST, SECOND, PolicyContract, matched


class TestByConfidence(PolicyContract):
    policy = ByConfidence({95: "update_existing | skip", 80.5: AskReviewer()})


@pytest.mark.parametrize(
    "spelling",
    [
        ByConfidence({80: AskReviewer(), 95: UpdateExisting() | Skip()}),
        "by_confidence({95: 'update_existing | skip', 80: 'ask_reviewer'})",
        "by_confidence({'80.0': 'ask_reviewer', '95': 'update_existing | skip'})",
        {"by_confidence": {95.0: ["update_existing", "skip"], 80: "ask_reviewer"}},
        [{"by_confidence": json.loads('{"95": ["update_existing", "skip"], "80": {"ask_reviewer": null}}')}],
    ],
    ids=["objects", "string", "quoted", "yaml mapping", "json"],
)
def test_all_spellings_are_the_same(spelling: Any) -> None:
    assert repr(read_policy(spelling)) == "by_confidence({95: 'update_existing | skip', 80: 'ask_reviewer'})"
    assert read_policy(spelling) == read_policy(repr(read_policy(spelling)))


def with_confidence(*records: tuple[float | None, ...], **changes: Any) -> DuplicateCase:
    """A case of one matched record each, with the confidences that rules give it."""
    ids = (FIRST, SECOND)
    found = (
        matched(matches=tuple(Match(record_id, "Lead", "R", confidence=each) for each in confidences), **changes)
        for record_id, confidences in zip(ids, records, strict=False)
    )
    return replace(CERTAIN, matched=tuple(found))


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (with_confidence((100.0,)), SkipRow()),
        (with_confidence((95.0,)), SkipRow()),
        (with_confidence((94.9,)), Ask()),
        (with_confidence((80,)), Ask()),
        (with_confidence((79.99,)), Pass("confidence_too_low")),
        (with_confidence((60.0, 96.0)), SkipRow()),
        (with_confidence((60.0,), (96.0,)), SkipRow()),
        (with_confidence((None, 85.0)), Ask()),
        (with_confidence((None,)), Pass("confidence_not_said")),
        (with_confidence((99.0,), state=RecordState.DELETED), SkipRow()),
        (replace(CERTAIN, matched=()), Pass("no_match_named")),
    ],
    ids=[
        "above",
        "equal",
        "between",
        "equal to the lower",
        "below all",
        "the best of two rules",
        "the best of two records",
        "one of two says it",
        "nobody says it",
        "none is live",
        "no match",
    ],
)
def test_the_best_confidence_decides_whom_to_ask(case: DuplicateCase, expected: object) -> None:
    answer = ByConfidence({80: Chain((_Asks(),)), 95: "skip"}).decide(case)
    assert answer == expected if isinstance(answer, Pass) else answer.decision == expected


class _Asks:
    name = "asks"

    def decide(self, case: DuplicateCase) -> Ask:
        return Ask()


def test_a_deleted_match_makes_no_live_one_more_certain() -> None:
    case = with_confidence((70.0,), (99.0,))
    live, deleted = case.matched
    case = replace(case, matched=(live, replace(deleted, state=RecordState.DELETED)))
    assert ByConfidence({95: "update_existing"}).decide(case) == Pass("confidence_too_low")


def test_a_refused_decision_goes_on_inside_the_combinator() -> None:
    policy = read_policy("by_confidence({90: 'update_existing | skip'}) | ask_reviewer")
    first = decide(policy, CERTAIN)
    assert isinstance(first.decision, UpdateMatch)
    second = decide(policy, CERTAIN.without(first, "settle_refused_by_rule"))
    assert second.decision == SkipRow("settle_refused_by_rule")


def test_fields_that_a_policy_inside_names_have_to_be_carried_too() -> None:
    policy = read_policy({"by_sobject": {"Lead": {"by_confidence": {90: {"update_existing": {"fields": ["City"]}}}}}})
    assert named_fields(policy) == ("City",)


@pytest.mark.parametrize(
    "spelling",
    [
        "by_confidence",
        "by_confidence({})",
        "by_confidence(95)",
        "by_confidence({'high': 'skip'})",
        "by_confidence({True: 'skip'})",
        "by_confidence({None: 'skip'})",
        "by_confidence({101: 'skip'})",
        "by_confidence({-1: 'skip'})",
        "by_confidence({'nan': 'skip'})",
        "by_confidence({'': 'skip'})",
        "by_confidence({95: 'skip', '95.0': 'ask_reviewer'})",
        "by_confidence({95: 'merge'})",
        {"by_confidence": [95, "skip"]},
    ],
    ids=str,
)
def test_what_cannot_be_read_is_refused_by_its_setting(spelling: Any) -> None:
    with pytest.raises(SettingError) as raised:
        read_policy(spelling)
    assert raised.value.setting == "on_duplicate"
