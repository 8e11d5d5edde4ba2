"""What hangs on the matches of rows that go to a person, in an org over sockets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_sf_dedup import salesforce_upsert
from airflow_sf_dedup.emulator import EmulatedOrg, Fault
from airflow_sf_dedup.testing import run_dag
from dags_examples.review_accounts import review_accounts
from tests.acceptance.test_gone_records import KEY, audited, matches

RULE = {
    "sobject": "Account",
    "action_on_insert": "block",
    "action_on_update": "block",
    "matching": [{"rule": "Account_Name_Exact", "fields": {"Name": "exact"}}],
}


@pytest.fixture
def salesforce_org_file() -> Mapping[str, Any]:
    return {"extends": "default", "duplicate_rules": {"Account_Name": RULE}}


@pytest.fixture
def accounts(salesforce_org: EmulatedOrg) -> list[str]:
    """The first has an open opportunity, the second a closed one and closed cases, the third open cases."""
    ids = salesforce_org.seed("Account", [{"Name": name} for name in ("Ahlberg", "Czerny", "Dahl")])
    for account, stage in zip(ids, ("Prospecting", "Closed Lost"), strict=False):
        deal = {"Name": "Deal", "StageName": stage, "CloseDate": "2026-12-01", "AccountId": account}
        salesforce_org.seed("Opportunity", [deal])
    salesforce_org.seed("Case", [{"Subject": str(n), "AccountId": ids[2]} for n in range(11)])
    salesforce_org.seed("Case", [{"Subject": "old", "Status": "Closed", "AccountId": ids[1]} for _ in range(11)])
    return list(ids)


ROWS = [{"Name": name, KEY: f"CRM-{name}"} for name in ("Ahlberg", "Czerny", "Dahl")]
COUNTED = [("open_opportunities",), (None,), ("many_children",)]


def load(policy: str = "ask_reviewer", **settings: Any) -> str:
    with DAG("load", schedule=None, max_active_runs=1) as dag:
        salesforce_upsert(
            source=ROWS,
            sobject="Account",
            external_id_field=KEY,
            on_duplicate=policy,
            retries=0,
            partitions=1,
            **settings,
        )
    return str(run_dag(dag).state)


def names(org: EmulatedOrg) -> list[str]:
    return [call["name"] for call in org.calls()]


def cautions(folder: Path) -> list[tuple[Any, ...]]:
    return [(told or None,) for (told,) in matches(folder, "cautions")]


def test_the_example_tells_what_hangs_on_accounts(
    salesforce_org: EmulatedOrg, accounts: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = tmp_path / "accounts.csv"
    source.write_text("\n".join([f"{KEY},Name", *(f"{row[KEY]},{row['Name']}" for row in ROWS)]), encoding="utf-8")
    assert run_dag(review_accounts(), run_conf={"accounts": str(source)}).state == "success"
    assert cautions(tmp_path) == COUNTED
    assert f"account {accounts[0]}: open_opportunities" in caplog.text


def test_each_relationship_costs_a_query_and_each_kind_a_describe(
    salesforce_org: EmulatedOrg, accounts: list[str], tmp_path: Path
) -> None:
    assert load() == "success"
    plain = len(names(salesforce_org))
    assert cautions(tmp_path) == [(None,)] * 3
    assert load(count_children=["opportunities", "Cases"]) == "success"
    # Accounts, opportunities and cases are described, and two queries count.
    assert len(names(salesforce_org)) - 2 * plain == 5


def test_rows_that_a_policy_settles_cost_nothing(
    salesforce_org: EmulatedOrg, accounts: list[str], tmp_path: Path
) -> None:
    assert load("skip") == "success"
    plain = len(names(salesforce_org))
    assert load("skip", count_children=["Opportunities"]) == "success"
    assert len(names(salesforce_org)) == 2 * plain


def test_a_user_who_may_not_see_children_has_his_rows_audited_and_is_told_once(
    salesforce_org: EmulatedOrg, accounts: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # Accounts are described by the first task and, with what hangs on them, by the second one.
    refused = {"code": "INVALID_TYPE"}
    salesforce_org.add_faults(
        Fault("refuse_request", on="GET /sobjects/{sobject}/describe", calls=(3,), parameters=refused)
    )
    assert load(count_children=["Opportunities"]) == "success"
    assert [action for action, *_ in audited(tmp_path)] == ["awaiting_review"] * 3
    assert cautions(tmp_path) == [(None,)] * 3
    assert caplog.text.count("count_children: this user may not count Opportunity") == 1


def test_a_relationship_that_nothing_has_is_named_and_the_others_are_counted(
    salesforce_org: EmulatedOrg, accounts: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert load(count_children=["Opportunity", "Opportunities", "Cases"]) == "success"
    assert cautions(tmp_path) == COUNTED
    assert caplog.text.count("count_children: no child relationship of Account is called 'Opportunity'") == 1


def test_the_page_quotes_the_example() -> None:
    root = Path(__file__).parents[2]
    example = (root / "dags_examples" / "review_accounts.py").read_text(encoding="utf-8")
    quoted = example.partition("    # [start review]\n")[2].partition("    # [end review]")[0]
    assert quoted.strip()
    assert quoted in (root / "docs" / "audit.md").read_text(encoding="utf-8")
