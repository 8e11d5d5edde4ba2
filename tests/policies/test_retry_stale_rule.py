"""Wait for rules that are switched off, a bounded number of times, and for no other row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from airflow_sf_dedup.core.decisions import Ask, DuplicateCase, Pass, WaitForRule
from airflow_sf_dedup.core.obstacles import Obstacle
from airflow_sf_dedup.core.outcomes import Match
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.journeys.settling.deciding import decide_on, may_be_carried_out
from airflow_sf_dedup.policies import Chain, RetryStaleRule, read_policy
from airflow_sf_dedup.policies.base import needs_rule_states
from airflow_sf_dedup.testing.contracts.policies import CERTAIN, FIRST, SECOND, PolicyContract, matched

MAIL, PHONE = "Leads_by_mail", "Leads_by_phone"
OFF = {MAIL.lower(): False, PHONE.lower(): True}
ALL_OFF = {MAIL.lower(): False, PHONE.lower(): False}
WAIT = WaitForRule(timedelta(minutes=5), 3)


class TestRetryStaleRule(PolicyContract):
    policy = RetryStaleRule()


class TestRetryStaleRuleWithOptions(PolicyContract):
    policy = RetryStaleRule(times=1, after="90s")


def refused_by(
    *rules: str | None, states: Mapping[str, bool] | None = OFF, told: tuple[str | None, ...] = (), waits: int = 0
) -> DuplicateCase:
    """A row with one match a rule; ``told`` are rules that refused it, whether or not they name a record."""
    found = tuple(
        matched(matches=(Match(each, "Lead", rule),)) for each, rule in zip((FIRST, SECOND), rules, strict=False)
    )
    return replace(CERTAIN, matched=found, rules=told, rule_states=states, rule_waits=waits)


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (refused_by(MAIL), WAIT),
        (refused_by(MAIL.upper()), WAIT),
        (refused_by(MAIL, PHONE, states=ALL_OFF), WAIT),
        (refused_by(told=(MAIL,)), WAIT),
        (refused_by(MAIL, waits=2), WAIT),
        (refused_by(states=ALL_OFF), WAIT),
        (refused_by(MAIL, None, states=ALL_OFF), WAIT),
        (refused_by(MAIL, waits=3), Pass("rule_still_enforced")),
        (refused_by(MAIL, PHONE), Pass("rule_active")),
        (refused_by(MAIL, told=(PHONE,)), Pass("rule_active")),
        (refused_by(MAIL, None), Pass("rule_active")),
        (refused_by("A_rule_that_the_org_does_not_name"), Pass("rule_active")),
        (refused_by(), Pass("rule_active")),
        (refused_by(states={}), Pass("rule_active")),
        (refused_by(MAIL, states=None), Pass("rule_states_unknown")),
        (
            replace(refused_by(MAIL), obstacle=Obstacle.KEY_HELD_BY_MANY),
            Pass("key_held_by_many"),
        ),
    ],
    ids=[
        "switched off",
        "in another case",
        "both switched off",
        "named without a record",
        "once more",
        "untold, and none is active",
        "one untold, and none is active",
        "often enough",
        "one of them is active",
        "an active one names no record",
        "one untold, and one is active",
        "not known",
        "untold, and one is active",
        "the org states no rule",
        "nobody may know",
        "who holds the key",
    ],
)
def test_a_row_waits_only_for_rules_that_the_org_calls_inactive(case: DuplicateCase, expected: Any) -> None:
    assert RetryStaleRule().decide(case) == expected


def test_what_follows_decides_once_the_tries_are_used_up_and_says_why() -> None:
    policy = read_policy("retry_stale_rule(times=2) | ask_reviewer")
    decided = [decide_on(refused_by(MAIL, waits=waits), policy).decided.decision for waits in range(4)]
    again = WaitForRule(timedelta(minutes=5), 2)
    assert decided == [again, again, Ask("rule_still_enforced"), Ask("rule_still_enforced")]


def test_why_a_later_policy_could_not_act_is_told_before_that_a_rule_is_active() -> None:
    case = refused_by(MAIL, PHONE)
    decided = decide_on(case, read_policy("retry_stale_rule | update_existing | ask_reviewer")).decided
    assert decided.decision == Ask("several_matches")


@pytest.mark.parametrize(
    "spelling",
    [
        "retry_stale_rule(times=2, after='90s') | skip",
        [{"retry_stale_rule": {"times": 2, "after": "90s"}}, "skip"],
        {"retry_stale_rule": {"times": 2, "after": "90s"}, "skip": None},
        RetryStaleRule(2, "90s") | read_policy("skip"),
    ],
    ids=["string", "list", "mapping", "objects"],
)
def test_every_spelling_is_the_same(spelling: Any) -> None:
    assert read_policy(spelling) == Chain((RetryStaleRule(2, "90s"), *read_policy("skip").policies))


@pytest.mark.parametrize(
    "options",
    [
        {"times": 0},
        {"times": 21},
        {"times": True},
        {"times": 1.5},
        {"times": "3"},
        {"after": "5"},
        {"after": "0m"},
        {"after": "2d"},
        {"after": "25h"},
        {"after": 300},
        {"after": "soon"},
        {"after": "-5m"},
    ],
    ids=str,
)
def test_a_number_or_span_that_cannot_be_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match=f"retry_stale_rule: {next(iter(options))}="):
        RetryStaleRule(**options)


@pytest.mark.parametrize(
    ("spelling", "asks"),
    [
        ("retry_stale_rule | skip", True),
        ("by_rule({'Leads_by_mail': 'retry_stale_rule | skip'}) | ask_reviewer", True),
        ("update_existing | save_anyway(rules=['Leads_by_mail']) | ask_reviewer", False),
    ],
)
def test_rules_are_asked_for_only_where_it_is_named(spelling: str, asks: bool) -> None:
    assert needs_rule_states(read_policy(spelling)) is asks


@pytest.mark.parametrize(
    ("case", "may"),
    [(refused_by(MAIL), True), (refused_by(PHONE), False), (refused_by(MAIL, waits=3), False)],
    ids=["switched off", "active", "often enough"],
)
def test_no_policy_of_anybody_waits_for_an_active_rule_or_for_ever(case: DuplicateCase, may: bool) -> None:
    assert may_be_carried_out(WAIT, case) is may
