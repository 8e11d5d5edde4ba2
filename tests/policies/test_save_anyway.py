"""Save anyway past the rules that are named, and only past those."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from airflow_sf_dedup.core.decisions import DuplicateCase, Pass, SaveRow
from airflow_sf_dedup.core.outcomes import Match
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.policies import SaveAnyway, read_policy
from airflow_sf_dedup.policies.base import named_rules, needs_fresh_rules
from airflow_sf_dedup.testing.contracts.policies import CERTAIN, FIRST, SECOND, PolicyContract, matched

MAIL, PHONE = "Leads_by_mail", "Leads_by_phone"


class TestSaveAnywayPastNamedRules(PolicyContract):
    policy = SaveAnyway(rules=[MAIL])


def refused_by(*rules: str | None, told: tuple[str | None, ...] = (), allow_save: bool = True) -> DuplicateCase:
    """A row with one match a rule; ``told`` are rules that refused it, whether or not they name a record."""
    ids = (FIRST, SECOND)
    found = tuple(matched(matches=(Match(each, "Lead", rule),)) for each, rule in zip(ids, rules, strict=False))
    return replace(CERTAIN, matched=found, rules=told, allow_save=allow_save)


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (refused_by(MAIL), SaveRow(frozenset({MAIL.lower()}))),
        (refused_by(MAIL.upper(), MAIL), SaveRow(frozenset({MAIL.lower()}))),
        (refused_by(MAIL, PHONE), Pass("other_rule_refuses")),
        (refused_by(PHONE), Pass("other_rule_refuses")),
        (refused_by(MAIL, None), Pass("other_rule_refuses")),
        (refused_by(MAIL, told=(MAIL, PHONE)), Pass("other_rule_refuses")),
        (refused_by(MAIL, told=(MAIL, None)), Pass("other_rule_refuses")),
        (refused_by(), Pass("other_rule_refuses")),
        (refused_by(MAIL, allow_save=False), Pass("rule_blocks_saving")),
    ],
    ids=[
        "it alone",
        "in any case",
        "another one too",
        "another one",
        "one without a name",
        "another one that names no record",
        "one without name and record",
        "nobody says which",
        "it blocks",
    ],
)
def test_a_row_is_saved_only_where_no_other_rule_refused_it(case: DuplicateCase, expected: object) -> None:
    assert SaveAnyway(rules=[f" {MAIL} "]).decide(case) == expected


def test_all_spellings_are_the_same() -> None:
    spelled = read_policy("save_anyway(rules=['Leads_by_mail'])")
    assert spelled == read_policy({"save_anyway": {"rules": ["Leads_by_mail"]}}) == read_policy(SaveAnyway([MAIL]))
    assert read_policy(repr(spelled)) == spelled


@pytest.mark.parametrize("rules", ["Leads_by_mail", [], [1], [None], {}, 5, [" "]], ids=str)
def test_rules_that_are_no_list_of_names_are_refused_by_their_setting(rules: Any) -> None:
    with pytest.raises(SettingError) as raised:
        SaveAnyway(rules=rules)
    assert raised.value.setting == "on_duplicate"


def test_the_rules_that_policies_name_are_found_through_combinators() -> None:
    inside = {"by_rule": {"R": {"save_anyway": {"rules": ["Q", "R"]}}}}
    policy = read_policy([{"by_confidence": {90: inside}}, "save_anyway | skip"])
    assert named_rules(policy) == ("R", "Q")
    assert needs_fresh_rules(policy)
    assert not needs_fresh_rules(read_policy("by_rule({'R': 'skip'}) | save_anyway"))
