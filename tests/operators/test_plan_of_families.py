"""A plan of rows that name other rows of it as their parents, and of rows that would wait for a rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from airflow_sf_dedup import SalesforcePlanOperator, SalesforceUpsertOperator, duplicate_entries, plan_differences
from airflow_sf_dedup.core.entries import Action
from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.hooks.stores import open_audit
from tests.operators.conftest import TaskOnce, execute

KEY, PARENT = "External_Id__c", "Parent.External_Id__c"
ACCOUNTS: Mapping[str, Any] = {"sobject": "Account", "external_id_field": KEY}

#: One name, one account.
RULE = {"sobject": "Account", "matching": [{"rule": "Account_Name_Exact", "fields": {"Name": "exact"}}]}

ROWS = [
    {KEY: "A-4", "Name": "Great-grandchild", PARENT: "A-3"},
    {KEY: "A-3", "Name": "Grandchild", PARENT: "A-2"},
    {KEY: "A-2", "Name": "Child", PARENT: "a-1"},
    {KEY: "A-1", "Name": "Taken"},
    {KEY: "B-2", "Name": "Child of one that is there", PARENT: "B-1"},
    {KEY: "B-1", "Name": "Taken"},
    {KEY: "C-1", "Name": "Root"},
    {KEY: "C-2", "Name": "Taken, too", PARENT: "C-1"},
    {KEY: "C-3", "Name": "Child", PARENT: "C-1"},
]


@pytest.fixture
def salesforce_org_file() -> Mapping[str, Any]:
    return {"extends": "default", "duplicate_rules": {"Account_Name": RULE}}


def plan(rows: Any, **settings: Any) -> dict[str, Any]:
    return execute(SalesforcePlanOperator(task_id="plan", source=rows, **settings), TaskOnce("plan"))  # type: ignore[no-any-return]


def told(document: dict[str, Any]) -> dict[int, tuple[str, str | None, str | None]]:
    return {
        each.row_number: (str(each.action), each.reason, each.error_message) for each in duplicate_entries(document)
    }


@pytest.mark.parametrize("policy", ["skip", "ask_reviewer", "update_existing | skip"])
def test_children_of_a_row_that_would_not_be_saved_are_planned_as_they_are_loaded(
    salesforce_org: EmulatedOrg, policy: str
) -> None:
    salesforce_org.seed("Account", [{"Name": "Taken"}, {"Name": "Taken, too"}, {"Name": "There", KEY: "B-1"}])
    planned = told(plan(ROWS, on_duplicate=policy, **ACCOUNTS))
    upsert = SalesforceUpsertOperator(
        task_id="load", records=ROWS, on_duplicate=policy, max_failed=9, masked_fields=["Name"], **ACCOUNTS
    )
    assert planned == told(execute(upsert, TaskOnce("load")))


def test_the_budget_of_a_plan_knows_that_children_are_looked_at_after_their_parents(
    salesforce_org: EmulatedOrg, caplog: pytest.LogCaptureFixture
) -> None:
    salesforce_org.seed("Account", [{"Name": "Old", KEY: row[KEY]} for row in ROWS])
    with caplog.at_level("INFO"):
        made = plan(ROWS, on_duplicate="skip", **ACCOUNTS)["api_calls"]
    most = int(caplog.text.partition("of 9 rows; up to ")[2].partition(" ")[0])
    assert made <= most


def test_a_plan_says_that_a_row_would_wait_for_a_rule_and_nothing_waits(salesforce_org: EmulatedOrg) -> None:
    salesforce_org.seed("Account", [{"Name": "Taken"}])
    salesforce_org.state.switch_rule("Account_Name", active=False, stale_for=600)
    planned = plan(ROWS[2:4], on_duplicate="retry_stale_rule(after='1h') | skip", **ACCOUNTS)
    assert [each[:2] for _, each in sorted(told(planned).items())] == [
        ("not_sent", "parent_not_saved"),
        ("not_sent", "rule_inactive"),
    ]
    assert open_audit(None).rule_waits(planned["plan_id"], 0) == {}


@pytest.mark.parametrize("mode", ["update_only", "create_only"])
def test_a_child_that_is_not_sent_misses_no_parent(salesforce_org: EmulatedOrg, mode: str) -> None:
    salesforce_org.seed("Account", [{"Name": "Taken"}, {"Name": "Old", KEY: "A-3"}, {"Name": "There", KEY: "B-2"}])
    planned = told(plan(ROWS, on_duplicate="skip", mode=mode, **ACCOUNTS))
    upsert = SalesforceUpsertOperator(
        task_id="load", records=ROWS, on_duplicate="skip", mode=mode, max_failed=9, masked_fields=["Name"], **ACCOUNTS
    )
    assert planned == told(execute(upsert, TaskOnce("load")))


#: Two and two may be one account each; of the second pair a rule of the org says so, and the org has one of them.
TWINS = [
    {KEY: "T-1", "Name": "Alpha", "Phone": "1"},
    {KEY: "T-2", "Name": "Alpha", "Phone": "2"},
    {KEY: "T-3", "Name": "Beta", "Phone": "3"},
    {KEY: "T-4", "Name": "beta", "Phone": "4"},
    {KEY: "T-5", "Name": "Gamma", "Phone": "5"},
    {KEY: "T-6", "Name": "Delta", "Phone": "5"},
    {KEY: "T-7", "Name": "Epsilon", "Phone": "7"},
]
TWIN_FIELDS = [["Name"], ["Phone"]]


def load(rows: Any, **settings: Any) -> dict[str, Any]:
    upsert = SalesforceUpsertOperator(task_id="load", records=rows, max_failed=9, **settings)
    return execute(upsert, TaskOnce("load"))  # type: ignore[no-any-return]


@pytest.mark.parametrize("strict", [False, True], ids=["said", "strict"])
@pytest.mark.parametrize("policy", ["update_existing | ask_reviewer", "update_existing | save_anyway | skip"])
def test_a_plan_names_the_rows_that_may_meet_a_twin_and_is_right_about_all_others(
    salesforce_org: EmulatedOrg, policy: str, strict: bool, caplog: pytest.LogCaptureFixture
) -> None:
    salesforce_org.seed("Account", [{"Name": "Beta"}])
    how = {"on_duplicate": policy, "twin_fields": TWIN_FIELDS, **ACCOUNTS}

    with caplog.at_level("INFO"):
        planned = plan(TWINS, **how)

    foreseen = {row: each[:2] for row, each in told(planned).items()}
    assert {row for row, (_, reason) in foreseen.items() if reason == "may_meet_twin"} >= {2, 6}
    assert planned["may_meet_twin"] >= 2
    assert f"{planned['may_meet_twin']} rows may meet a twin of the load, which no look-up can tell" in caplog.text
    assert [each.twin_group for each in duplicate_entries(planned)] == [1, 1, 3, 3, 5, 5, None]

    loaded = load(TWINS, plan=planned, strict=strict, **how)

    assert loaded["plan"]["same_rows"]
    assert f"of the plan, {planned['may_meet_twin']} rows might meet a twin" in caplog.text
    differing = list(plan_differences(loaded))
    assert [each.row_number for each in differing if each.planned_reason != "may_meet_twin"] == []
    assert 2 in [each.row_number for each in differing]
    if strict:
        # What would be done about the twin was not planned: nothing that writes is.
        assert {each.became for each in differing} <= {Action.AWAITING_REVIEW, Action.SKIPPED}
        assert len(salesforce_org.records("Account", Name="Alpha")) == 1


def test_twins_that_are_in_the_org_already_meet_nothing_new(salesforce_org: EmulatedOrg) -> None:
    salesforce_org.seed("Account", TWINS)
    planned = plan(TWINS, on_duplicate="skip", twin_fields=TWIN_FIELDS, **ACCOUNTS)
    assert planned["actions"] == {"updated": 7}
    assert planned["may_meet_twin"] == 0


def test_a_plan_without_the_twins_of_its_load_is_another_one(salesforce_org: EmulatedOrg) -> None:
    spelt = [plan(TWINS, twin_fields=each, **ACCOUNTS)["digest"] for each in (None, TWIN_FIELDS, [["name"], ["phone"]])]
    assert spelt[0] != spelt[1] == spelt[2]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"mode": "update_only"},
        {"mode": "create_only"},
        {"field_rules": {"*": "only_blanks"}},
        {"twin_fields": TWIN_FIELDS},
    ],
    ids=lambda each: next(iter(each), "plain"),
)
def test_a_plan_costs_no_more_than_it_says_and_counts_the_reads_of_its_load(
    salesforce_org: EmulatedOrg, settings: Mapping[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    salesforce_org.seed("Account", [{"Name": "Beta"}, {"Name": "Old", KEY: "T-5"}])
    how = {"on_duplicate": "skip", **settings, **ACCOUNTS}
    with caplog.at_level("INFO"):
        planned = plan(TWINS, partitions=1, **how)
    most = int(caplog.text.partition("of 7 rows; up to ")[2].partition(" ")[0])
    assert planned["api_calls"] <= most
    assert load(TWINS, **how)["api_calls"] <= planned["predicted_calls"] or "twin_fields" in settings
