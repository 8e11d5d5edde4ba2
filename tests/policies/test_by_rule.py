"""A policy for each duplicate rule."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_sf_dedup.core.decisions import Ask, Pass, SkipRow, UpdateMatch
from airflow_sf_dedup.core.outcomes import Match
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.policies import AskReviewer, ByRule, Skip, UpdateExisting, read_policy
from airflow_sf_dedup.policies.base import decide, named_fields
from airflow_sf_dedup.testing.contracts.policies import CERTAIN, FIRST, PolicyContract, matched

BY_MAIL = replace(CERTAIN, matched=(matched(matches=(Match(FIRST, "Lead", "Leads_by_mail"),)),))
BY_BOTH = replace(
    CERTAIN,
    matched=(matched(matches=(Match(FIRST, "Lead", "Leads_by_phone"), Match(FIRST, "Lead", "Leads_by_mail"))),),
)


class TestByRule(PolicyContract):
    policy = ByRule({"Leads_by_mail": "update_existing | skip", "Leads_by_phone": AskReviewer()})


@pytest.mark.parametrize(
    "spelling",
    [
        ByRule({"Leads_by_mail": UpdateExisting() | Skip()}),
        "by_rule({'Leads_by_mail': 'update_existing | skip'})",
        {"by_rule": {"Leads_by_mail": ["update_existing", "skip"]}},
        [{"by_rule": {"Leads_by_mail": {"update_existing": None, "skip": None}}}],
    ],
    ids=["objects", "string", "yaml mapping", "yaml list"],
)
def test_all_spellings_are_the_same(spelling: Any) -> None:
    assert repr(read_policy(spelling)) == "by_rule({'Leads_by_mail': 'update_existing | skip'})"
    assert read_policy(spelling) == read_policy(repr(read_policy(spelling)))


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (BY_MAIL, SkipRow()),
        (BY_BOTH, SkipRow()),
        (replace(CERTAIN, matched=(), rules=("Leads_by_mail",)), SkipRow()),
        (replace(CERTAIN, matched=()), Pass("rule_not_named")),
    ],
    ids=["its rule", "several rules", "one that names no record", "no rule that is named"],
)
def test_the_rule_that_is_named_first_decides_whom_to_ask(case: Any, expected: object) -> None:
    policy = ByRule({"LEADS_BY_MAIL": "skip", "Leads_by_phone": "ask_reviewer"})
    answer = policy.decide(case)
    assert answer == expected if isinstance(answer, Pass) else answer.decision == expected


def test_a_refused_decision_goes_on_inside_the_combinator() -> None:
    policy = read_policy("by_rule({'Leads_by_mail': 'update_existing | skip'}) | ask_reviewer")
    first = decide(policy, BY_MAIL)
    assert isinstance(first.decision, UpdateMatch)
    second = decide(policy, BY_MAIL.without(first, "settle_refused_by_rule"))
    assert second.decision == SkipRow("settle_refused_by_rule")
    third = decide(policy, BY_MAIL.without(first, "settle_refused_by_rule").without(second, "x"))
    assert third.decision == Ask("x")


def test_a_row_that_no_named_rule_refused_goes_to_the_next_policy() -> None:
    policy = read_policy("by_rule({'Another': 'save_anyway'}) | skip")
    assert decide(policy, BY_MAIL).decision == SkipRow("rule_not_named")


def test_fields_that_a_policy_inside_names_have_to_be_carried_too() -> None:
    policy = read_policy([{"by_rule": {"R": "update_existing(fields=['City']) | skip"}}, UpdateExisting(("Phone",))])
    assert named_fields(policy) == ("City", "Phone")


@pytest.mark.parametrize(
    "spelling",
    [
        "by_rule",
        "by_rule()",
        "by_rule({})",
        "by_rule(['R'])",
        "by_rule({'R': 'merge'})",
        "by_rule({'R': None})",
        "by_rule({1: 'skip'})",
        "by_rule({' ': 'skip'})",
        "by_rule({'R': 'skip', 'r': 'ask_reviewer'})",
        "by_rule({'R': 'skip'}, {'Q': 'skip'})",
        "by_rule({'R': 'skip'}, x=1)",
        {"by_rule": None},
        {"by_rule": "skip"},
    ],
    ids=str,
)
def test_what_cannot_be_read_is_refused_by_its_setting(spelling: Any) -> None:
    with pytest.raises(SettingError) as raised:
        read_policy(spelling)
    assert raised.value.setting == "on_duplicate"
