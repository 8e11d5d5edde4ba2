"""A duplicate rule that a policy names is one that the org has, or somebody is told."""

from __future__ import annotations

import pytest

from airflow_sf_dedup.errors import PreflightError
from airflow_sf_dedup.journeys.rule_names import check_rule_names
from airflow_sf_dedup.policies import read_policy
from airflow_sf_dedup.testing.fake_org import FakeOrg

RULES = {"Leads_by_mail": True, "Leads_by_phone": False}


@pytest.mark.parametrize(
    "policy",
    [
        "save_anyway(rules=['leads_BY_mail']) | skip",
        "by_rule({'Leads_by_phone': 'skip', 'Leads_by_mail': 'ask_reviewer'})",
    ],
)
def test_rules_that_the_org_has_are_in_order_in_any_case_and_switched_off(policy: str) -> None:
    assert check_rule_names(read_policy(policy), "Lead", FakeOrg(rules=RULES)) is None


@pytest.mark.parametrize(
    "policy",
    [
        "skip | save_anyway(rules=['Leads_by_mail', 'Leads_by_mial'])",
        "by_rule({'Leads_by_mial': 'skip'})",
        "by_sobject({'Lead': \"by_rule({'Leads_by_mial': 'skip'})\"})",
    ],
    ids=["save_anyway", "by_rule", "inside another combinator"],
)
def test_a_rule_that_the_org_has_not_is_refused_with_the_nearest(policy: str) -> None:
    with pytest.raises(
        PreflightError, match=r"Leads_by_mial \(nearest: Leads_by_mail.*it has: .*Leads_by_phone"
    ) as raised:
        check_rule_names(read_policy(policy), "Lead", FakeOrg(rules=RULES))
    assert raised.value.setting == "on_duplicate"


def test_an_org_without_rules_says_so() -> None:
    with pytest.raises(PreflightError, match="it has: none"):
        check_rule_names(read_policy("by_rule({'R': 'skip'})"), "Lead", FakeOrg(rules={}))


def test_where_nobody_may_know_a_warning_names_the_permission() -> None:
    told = check_rule_names(read_policy("by_rule({'R': 'skip'})"), "Lead", FakeOrg(rules=None))
    assert told is not None
    assert "View Setup and Configuration" in told


def test_a_policy_that_names_no_rule_costs_no_call() -> None:
    org = FakeOrg()
    assert check_rule_names(read_policy("by_confidence({90: 'save_anyway'}) | skip"), "Lead", org) is None
    assert org.calls == []
