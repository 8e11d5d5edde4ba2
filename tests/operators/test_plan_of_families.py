"""A plan of rows that name other rows of it as their parents, and of rows that would wait for a rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from airflow_sf_dedup import SalesforcePlanOperator, SalesforceUpsertOperator, duplicate_entries
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


@pytest.mark.parametrize(
    "setting", [{"mode": "create_only"}, {"field_rules": {"*": "only_blanks"}}, {"twin_fields": ["Name"]}]
)
@pytest.mark.parametrize("how", ["at once", "partial"])
def test_a_load_that_a_plan_cannot_foresee_is_refused_rather_than_planned_as_another(
    setting: Mapping[str, Any], how: str
) -> None:
    with pytest.raises(TypeError, match=f"cannot foresee a load with {next(iter(setting))}"):
        if how == "partial":
            SalesforcePlanOperator.partial(task_id="plan", **setting, **ACCOUNTS)
        SalesforcePlanOperator(task_id="plan", source=ROWS, **setting, **ACCOUNTS)
