"""The report of the duplicate rules, over loads that ran against an org."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_sf_dedup import SalesforceDuplicateRuleReportOperator, SalesforceUpsertOperator
from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.errors import SettingError
from tests.operators.conftest import TaskOnce, execute


def lead(number: int, mail: str) -> dict[str, str]:
    return {"External_Id__c": f"A-{number}", "LastName": f"Name {number}", "Company": f"Firm {number}", "Email": mail}


def loaded(org: EmulatedOrg, mails: list[str], policy: str, task: str) -> None:
    rows = [lead(number, mail) for number, mail in enumerate(mails, start=1)]
    operator = SalesforceUpsertOperator(
        task_id=task,
        records=rows,
        sobject="Lead",
        external_id_field="External_Id__c",
        on_duplicate=policy,
        max_failed=100,
    )
    execute(operator, TaskOnce(task))


def report(**settings: Any) -> Any:
    return execute(SalesforceDuplicateRuleReportOperator(task_id="report", **settings))


@pytest.fixture
def two_loads(salesforce_org: EmulatedOrg) -> EmulatedOrg:
    """Three rows that the org knows by their mails: one load updates, the next one leaves its rows to people."""
    known = [{"LastName": f"Known {n}", "Company": "Old", "Email": f"known{n}@example.com"} for n in range(3)]
    salesforce_org.seed("Lead", known)
    loaded(salesforce_org, ["known0@example.com", "known1@example.com", "new@example.com"], "update_existing", "first")
    rows = ["known2@example.com"]
    operator = SalesforceUpsertOperator(
        task_id="second",
        records=[lead(9, rows[0])],
        sobject="Lead",
        external_id_field="External_Id__c",
    )
    execute(operator, TaskOnce("second"))
    return salesforce_org


def test_rules_are_counted_over_all_loads_of_the_time(two_loads: EmulatedOrg, tmp_path: Path) -> None:
    found = report(
        salesforce_conn_id="salesforce_default",
        html_path=str(tmp_path / "rules.html"),
        csv_path=str(tmp_path / "rules.csv"),
        examples=2,
    )
    assert found["loads"] == 2
    by_mail = next(rule for rule in found["rules"] if rule["rule"] == "Lead_Email")
    assert (by_mail["blocked"], by_mail["decided"], by_mail["active"]) == (3, {"updated": 2, "waiting": 1}, True)
    assert by_mail["matching_rules"] == ["Lead_Email_Exact"]
    assert len(by_mail["examples"]) == 2
    quiet = {rule["rule"] for rule in found["rules"] if "blocked_nothing" in rule["flags"]}
    assert quiet
    assert {rule["name"] for rule in found["matching_rules"]} >= {"Lead_Email_Exact"}
    page = (tmp_path / "rules.html").read_text()
    assert "Lead_Email" in page
    assert "@example.com" not in page, "no customer's value"
    assert (tmp_path / "rules.csv").read_text("utf-8-sig").splitlines()[1].startswith("Lead,Lead_Email,")


@pytest.mark.parametrize(
    ("settings", "loads"),
    [
        pytest.param({}, 2, id="of 90 days"),
        pytest.param({"sobject": "LEAD"}, 2, id="of an sObject in any case"),
        pytest.param({"sobject": "Contact"}, 0, id="of another sObject"),
        pytest.param({"since": "2020-01-01", "until": "2020-02-01T00:00:00Z"}, 0, id="of another time"),
        pytest.param({"until": datetime.now(UTC) - timedelta(days=1)}, 0, id="before them"),
    ],
)
def test_which_loads_count(two_loads: EmulatedOrg, settings: dict[str, Any], loads: int) -> None:
    found = report(**settings)
    assert found["loads"] == loads
    assert bool(found["rules"]) is bool(loads)
    assert found["matching_rules"] is None, "no org was asked"


def test_loads_of_another_org_do_not_count(two_loads: EmulatedOrg, other_org: EmulatedOrg, lead_to: Any) -> None:
    lead_to(other_org)
    found = report(salesforce_conn_id="salesforce_default")
    assert found["loads"] == 0
    assert all(rule["blocked"] == 0 for rule in found["rules"])


def test_an_org_that_does_not_tell_its_rules_leaves_the_audits_word(
    two_loads: EmulatedOrg, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_loads.add_faults({"kind": "unavailable", "on": "GET /query", "status": 503, "retry_after": 3600})
    found = report(salesforce_conn_id="salesforce_default")
    assert found["rules"][0]["active"] is None
    assert found["matching_rules"] is None


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"since": "yesterday"}, "since='yesterday' is no time"),
        ({"until": "2026-13-01"}, "until='2026-13-01' is no time"),
        ({"since": "2026-02-01", "until": "2026-01-01"}, "is not before"),
    ],
    ids=["since", "until", "turned round"],
)
def test_a_time_that_is_none_is_told(salesforce_org: EmulatedOrg, settings: dict[str, Any], says: str) -> None:
    with pytest.raises(AirflowFailException, match=says):
        report(**settings)


@pytest.mark.parametrize("settings", [{"days": 0}, {"examples": -1}, {"days": 1.5}], ids=str)
def test_numbers_are_read_when_the_dag_is_parsed(settings: dict[str, Any]) -> None:
    with pytest.raises(SettingError):
        SalesforceDuplicateRuleReportOperator(task_id="report", **settings)
