"""Duplicate rules off around a load, as a Dag meets them, over an emulated org."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowFailException, AirflowRescheduleException

from airflow_sf_dedup import (
    SalesforceDuplicateRulesOffOperator,
    SalesforceDuplicateRulesOnOperator,
    SalesforcePlanOperator,
    SalesforceUpsertOperator,
    duplicate_rules_off,
)
from airflow_sf_dedup.audit.__main__ import main
from airflow_sf_dedup.database.engine import engine_for
from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.errors import CallError, LoadFailedError, SettingError
from airflow_sf_dedup.locks.base import RecordClaim
from airflow_sf_dedup.locks.record_claims import SqlRecordClaims
from airflow_sf_dedup.operators import rules_in_effect
from airflow_sf_dedup.testing import run_dag
from airflow_sf_dedup.testing.fixtures import airflow_settings
from tests.operators.conftest import TaskOnce, execute

OFF: dict[str, Any] = {"sobject": "Lead", "rules": ["Lead_Email"]}
KEY_FIELD = "text(40) external_id unique"
SANDBOX = {"extends": "default", "organization": {"sandbox": True}, "physics": {"stale_rules": 0}}


@pytest.fixture
def salesforce_org_file() -> dict[str, Any]:
    return SANDBOX


def rules_on(org: EmulatedOrg) -> set[str]:
    return {rule["DeveloperName"] for rule in org.records("DuplicateRule") if rule["IsActive"]}


def off(run_id: str = "manual", **settings: Any) -> Any:
    operator = SalesforceDuplicateRulesOffOperator(task_id="off", **{**OFF, **settings})
    return execute(operator, TaskOnce("off", run_id=run_id))


def on(run_id: str = "manual", **settings: Any) -> Any:
    operator = SalesforceDuplicateRulesOnOperator(task_id="on", off_task_id="off", **settings)
    return execute(operator, TaskOnce("on", run_id=run_id))


def blocked_lead(org: EmulatedOrg) -> dict[str, str]:
    """A row that the rule by e-mail refuses."""
    org.seed("Lead", [{"LastName": "Known", "Company": "Old", "Email": "one@example.com"}])
    return {"External_Id__c": "A-1", "LastName": "New", "Company": "Firm", "Email": "one@example.com"}


def load(row: dict[str, str]) -> Any:
    operator = SalesforceUpsertOperator(
        task_id="load", records=[row], sobject="Lead", external_id_field="External_Id__c", on_duplicate="skip"
    )
    return execute(operator, TaskOnce("load", run_id="later"))


def lease_ends(folder: Path) -> None:
    """The time passes."""
    with sqlite3.connect(folder / "audit.db") as connection:
        connection.execute("UPDATE sf_dedup_rule_switch SET expires_at = '2026-01-01 00:00:00.000000+00:00'")


def states(run: Any) -> dict[str, str]:
    return {ti.task_id: str(ti.state) for ti in run.get_task_instances()}


def test_a_rule_is_off_between_the_two_tasks(salesforce_org: EmulatedOrg) -> None:
    before = rules_on(salesforce_org)
    taken = off()
    assert taken == {
        "org_id": "00D5g0000000001EAA",
        "sobject": "Lead",
        "rules": ["Lead_Email"],
        "holder": "by_hand.off, run manual",
    }
    assert before - rules_on(salesforce_org) == {"Lead_Email"}
    assert on() == {"on": ["Lead.Lead_Email"], "kept_off": []}
    assert rules_on(salesforce_org) == before


def test_names_are_spelled_as_the_org_does(salesforce_org: EmulatedOrg) -> None:
    assert off(sobject="lead", rules=["lead_EMAIL"])["rules"] == ["Lead_Email"]
    on()
    assert "Lead_Email" in rules_on(salesforce_org)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        pytest.param({"rules": ["Lead_Mail"]}, r"Lead_Mail \(nearest: Lead_Email\); it has: Lead_Email, ", id="name"),
        pytest.param({"rules": []}, "expected a list of the rules", id="none named"),
        pytest.param({"rules": "all"}, "expected a list of the rules", id="all"),
        pytest.param({"rules": ["Lead_Email'--"]}, "no API name", id="no name"),
        pytest.param({"sobject": "Leed"}, "has no 'Leed'", id="sobject"),
        pytest.param({"rules_conn_id": "nowhere"}, "isn't defined", id="connection"),
    ],
)
def test_what_does_not_fit_is_told_and_nothing_is_switched(
    salesforce_org: EmulatedOrg, settings: dict[str, Any], says: str
) -> None:
    before = rules_on(salesforce_org)
    with pytest.raises(AirflowFailException, match=says):
        off(**settings)
    assert rules_on(salesforce_org) == before


@pytest.mark.parametrize(
    "settings",
    [
        {"allow_production": "yes"},
        {"max_hours_off": 0},
        {"max_hours_off": "12"},
        {"effective_timeout": -1},
        {"settle_seconds": float("nan")},
    ],
    ids=str,
)
def test_a_setting_that_protects_nothing_is_refused_when_the_dag_is_parsed(settings: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match=next(iter(settings))):
        SalesforceDuplicateRulesOffOperator(task_id="off", **OFF, **settings)


class TestInProduction:
    @pytest.fixture
    def salesforce_org_file(self) -> dict[str, Any]:
        return {**SANDBOX, "organization": {"sandbox": False}}

    def test_it_is_refused_unless_told(self, salesforce_org: EmulatedOrg) -> None:
        before = rules_on(salesforce_org)
        with pytest.raises(AirflowFailException, match="does not say that it is a sandbox"):
            off()
        assert rules_on(salesforce_org) == before
        off(allow_production=True)
        assert "Lead_Email" not in rules_on(salesforce_org)
        on()
        assert rules_on(salesforce_org) == before


def test_an_org_that_does_not_tell_counts_as_production(salesforce_org: EmulatedOrg) -> None:
    salesforce_org.add_faults({"kind": "refuse_request", "on": "GET /query", "times": 1})
    with pytest.raises((AirflowFailException, CallError)):
        off()
    assert "Lead_Email" in rules_on(salesforce_org)


def test_connections_to_two_orgs_are_refused(
    salesforce_org: EmulatedOrg, other_org: EmulatedOrg, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    connection = airflow_settings(other_org.url, other_org.access_token, tmp_path)["AIRFLOW_CONN_SALESFORCE_DEFAULT"]
    monkeypatch.setenv("AIRFLOW_CONN_SALESFORCE_RULES", connection)
    with pytest.raises(AirflowFailException, match="rules_conn_id: salesforce_rules leads to org 00D5g0000000002EAA"):
        off(rules_conn_id="salesforce_rules")


# --- runs, retries and others -----------------------------------------------------------------------------


def dag_with(act: Callable[[], None], **settings: Any) -> DAG:
    with DAG("migrating", schedule=None) as dag:
        rules = duplicate_rules_off(**{**OFF, "retries": 0, **settings})

        @task(retries=0)
        def work() -> None:
            act()

        @task
        def after() -> None:
            pass

        with rules:
            work()
        rules >> after()
    return dag


def test_the_rules_are_off_for_what_is_in_the_block_and_on_for_what_comes_after(salesforce_org: EmulatedOrg) -> None:
    before, meanwhile = rules_on(salesforce_org), list[set[str]]()
    run = run_dag(dag_with(lambda: meanwhile.append(rules_on(salesforce_org))))
    assert run.state == "success"
    assert meanwhile == [before - {"Lead_Email"}]
    assert rules_on(salesforce_org) == before


@pytest.mark.parametrize("ends", ["failed", "skipped"])
def test_the_rules_are_on_again_whatever_became_of_the_load(salesforce_org: EmulatedOrg, ends: str) -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    def act() -> None:
        raise RuntimeError if ends == "failed" else AirflowSkipException

    before = rules_on(salesforce_org)
    run = run_dag(dag_with(act))
    assert states(run)["work"] == ends
    assert states(run)["duplicate_rules_on"] == "success"
    assert rules_on(salesforce_org) == before


#: As where the user of ``rules_conn_id`` may not customize the application.
FORBIDDEN: dict[str, Any] = {"kind": "refuse_request", "code": "INSUFFICIENT_ACCESS", "status": 500}


@pytest.mark.parametrize("call", ["Metadata readMetadata", "Metadata updateMetadata"])
def test_a_user_who_may_not_customize_the_application_switches_nothing(salesforce_org: EmulatedOrg, call: str) -> None:
    before = rules_on(salesforce_org)
    salesforce_org.add_faults({**FORBIDDEN, "on": call, "times": 1})
    with pytest.raises(AirflowFailException, match="INSUFFICIENT_ACCESS"):
        off()
    assert rules_on(salesforce_org) == before
    assert on() == {"on": [], "kept_off": []}


def test_a_teardown_that_fails_makes_the_run_red_and_a_later_load_mends_it(
    salesforce_org: EmulatedOrg, tmp_path: Path
) -> None:
    def act() -> None:
        salesforce_org.add_faults({**FORBIDDEN, "on": "Metadata readMetadata"})

    run = run_dag(dag_with(act))
    assert (states(run)["duplicate_rules_on"], run.state) == ("failed", "failed")
    assert "Lead_Email" not in rules_on(salesforce_org)
    salesforce_org.state.faults.replace(())
    lease_ends(tmp_path)
    load(blocked_lead(salesforce_org))
    assert "Lead_Email" in rules_on(salesforce_org)


class TestInAnOrgWithAsManyActiveRulesAsItMayHave:
    """The Metadata API saves each rule by itself: of two, one may be refused."""

    @pytest.fixture
    def salesforce_org_file(self) -> dict[str, Any]:
        fields = ["FirstName", "LastName", "Company", "City", "Phone", "Email"]
        rules = {
            f"By_{field}": {
                "sobject": "Lead",
                "active": field != "Email",
                "matching": [{"rule": f"Same_{field}", "fields": {field: "exact"}}],
            }
            for field in fields
        }
        sobjects = {"Lead": {"fields": {**dict.fromkeys(fields, "text(80)"), "External_Id__c": KEY_FIELD}}}
        own = {name: value for name, value in SANDBOX.items() if name != "extends"}
        return {**own, "sobjects": sobjects, "duplicate_rules": rules}

    def test_a_rule_for_which_there_is_no_room_any_more_stays_off_until_there_is(
        self, salesforce_org: EmulatedOrg, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        off(rules=["By_City", "By_Phone"])
        salesforce_org.state.switch_rule("By_Email", active=True)
        with pytest.raises(CallError, match=r"Lead\.By_Phone was not switched on: You can have at most 5 active"):
            on()
        assert rules_on(salesforce_org) == {"By_FirstName", "By_LastName", "By_Company", "By_Email", "By_City"}
        lease_ends(tmp_path)
        row = {"External_Id__c": "A-1", "LastName": "New"}
        load(row)
        assert "the duplicate rule Lead.By_Phone is OFF" in caplog.text
        salesforce_org.state.switch_rule("By_Email", active=False)
        load({**row, "External_Id__c": "A-2"})
        assert "By_Phone" in rules_on(salesforce_org)


def test_a_setup_that_fails_leaves_the_rules_as_they_were(
    salesforce_org: EmulatedOrg, monkeypatch: pytest.MonkeyPatch
) -> None:
    salesforce_org.state.change_physics({"stale_rules": 60})
    monkeypatch.setattr(rules_in_effect, "IN_PROCESS", 0.1)
    before = rules_on(salesforce_org)
    with pytest.raises(LoadFailedError, match=r"calls still meet Lead\.Lead_Email, after effective_timeout=0\.05 s"):
        off(effective_timeout=0.05)
    assert rules_on(salesforce_org) == before
    assert on() == {"on": [], "kept_off": []}


def test_a_task_that_waits_for_the_rules_gives_its_slot_back_and_switches_nothing_again(
    salesforce_org: EmulatedOrg, monkeypatch: pytest.MonkeyPatch
) -> None:
    salesforce_org.state.change_physics({"stale_rules": 60})
    monkeypatch.setattr(rules_in_effect, "IN_PROCESS", 0)
    with pytest.raises(AirflowRescheduleException):
        off()
    before = salesforce_org.state.stats()["api_calls"]
    salesforce_org.state.change_physics({"stale_rules": 0})
    salesforce_org.state.rules.change(salesforce_org.state.rules.book)
    off()
    # The org, the sObject, the names, the statement, and three probes.
    assert salesforce_org.state.stats()["api_calls"] - before == 7
    monkeypatch.undo()


def test_two_runs_at_once_leave_the_rule_off_until_both_are_done(salesforce_org: EmulatedOrg) -> None:
    off("one")
    off("two")
    assert on("one") == {"on": [], "kept_off": ["Lead.Lead_Email"]}
    assert "Lead_Email" not in rules_on(salesforce_org)
    assert on("two") == {"on": ["Lead.Lead_Email"], "kept_off": []}
    assert "Lead_Email" in rules_on(salesforce_org)


def test_a_task_whose_turn_it_is_not_comes_again(salesforce_org: EmulatedOrg, tmp_path: Path) -> None:
    off("one")
    lock = SqlRecordClaims(engine_for(f"sqlite:///{tmp_path / 'audit.db'}"), timedelta(minutes=1))
    lock.claim("other", "00D5g0000000001EAA", [RecordClaim("DuplicateRules:Lead", "other")])
    with pytest.raises(AirflowRescheduleException):
        on("one")
    lock.release("other", "00D5g0000000001EAA", ["DuplicateRules:Lead"])
    on("one")
    assert "Lead_Email" in rules_on(salesforce_org)


def test_both_tasks_may_run_again(salesforce_org: EmulatedOrg) -> None:
    off()
    off()
    assert on()["on"] == ["Lead.Lead_Email"]
    assert on() == {"on": [], "kept_off": []}
    off()
    assert "Lead_Email" not in rules_on(salesforce_org)
    on()


def test_a_rule_that_an_administrator_changed_is_not_overruled(salesforce_org: EmulatedOrg) -> None:
    off(rules=["Lead_Email", "Standard_Lead_Duplicate_Rule"])
    salesforce_org.state.rules.change_rule("Lead_Email", {"alert_text": "Look twice"})
    with pytest.raises(
        AirflowFailException, match=r"Lead\.Lead_Email was switched off by this run, and somebody changed"
    ):
        on()
    assert "Lead_Email" not in rules_on(salesforce_org)
    assert "Standard_Lead_Duplicate_Rule" in rules_on(salesforce_org)


# --- what is left behind ----------------------------------------------------------------------------------


def test_a_later_load_switches_on_what_an_earlier_one_left_off(
    salesforce_org: EmulatedOrg, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    row = blocked_lead(salesforce_org)
    off()
    lease_ends(tmp_path)
    with caplog.at_level(logging.WARNING):
        load(row)
    assert "Lead_Email" in rules_on(salesforce_org)
    assert "on again: Lead.Lead_Email (of by_hand.off, run manual)" in caplog.text
    assert len(salesforce_org.records("Lead")) == 1, "the row met the rule"


def test_a_plan_switches_nothing_on(salesforce_org: EmulatedOrg, tmp_path: Path) -> None:
    row = blocked_lead(salesforce_org)
    off()
    lease_ends(tmp_path)
    plan = SalesforcePlanOperator(
        task_id="plan", source=[row], sobject="Lead", external_id_field="External_Id__c", on_duplicate="skip"
    )
    execute(plan, TaskOnce("plan", run_id="later"))
    assert "Lead_Email" not in rules_on(salesforce_org)


def test_a_load_within_the_lease_meets_no_rule(salesforce_org: EmulatedOrg) -> None:
    row = blocked_lead(salesforce_org)
    off()
    load(row)
    assert len(salesforce_org.records("Lead")) == 2


def test_a_later_load_without_the_connection_says_so_and_goes_on(
    salesforce_org: EmulatedOrg, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_SALESFORCE_RULES", os.environ["AIRFLOW_CONN_SALESFORCE_DEFAULT"])
    off(rules_conn_id="salesforce_rules")
    lease_ends(tmp_path)
    monkeypatch.delenv("AIRFLOW_CONN_SALESFORCE_RULES")
    row = blocked_lead(salesforce_org)
    with caplog.at_level(logging.WARNING):
        load(row)
    assert "the duplicate rule Lead.Lead_Email is OFF" in caplog.text
    assert "audit rules --restore` where the connection salesforce_rules is known" in caplog.text
    assert len(salesforce_org.records("Lead")) == 2


def command(*arguments: str, folder: Path) -> int:
    return main(["rules", "--url", f"sqlite:///{folder / 'audit.db'}", *arguments])


def test_a_command_shows_and_restores_what_is_off(
    salesforce_org: EmulatedOrg, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
    off()
    assert command(folder=tmp_path) == 0
    assert "Lead.Lead_Email in 00D5g0000000001EAA: off since" in capsys.readouterr().out
    assert command("--restore", folder=tmp_path) == 0
    assert "Nothing is to be put back." in capsys.readouterr().out
    assert command("--restore", "--now", folder=tmp_path) == 0
    assert "Lead.Lead_Email: on again" in capsys.readouterr().out
    assert "Lead_Email" in rules_on(salesforce_org)
    command(folder=tmp_path)
    assert capsys.readouterr().out == "No duplicate rule is off for a load.\n"


def test_a_command_restores_after_the_lease_and_by_another_connection(
    salesforce_org: EmulatedOrg, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
    monkeypatch.setenv("AIRFLOW_CONN_SALESFORCE_RULES", os.environ["AIRFLOW_CONN_SALESFORCE_DEFAULT"])
    off(rules_conn_id="salesforce_rules")
    monkeypatch.delenv("AIRFLOW_CONN_SALESFORCE_RULES")
    lease_ends(tmp_path)
    assert command("--restore", folder=tmp_path) == 2
    assert "isn't defined" in capsys.readouterr().out
    assert command("--restore", "--salesforce-conn-id", "salesforce_default", folder=tmp_path) == 0
    assert "Lead_Email" in rules_on(salesforce_org)


def test_a_command_forgets_a_rule_that_is_to_stay_off(
    salesforce_org: EmulatedOrg, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    off()
    salesforce_org.state.rules.change_rule("Lead_Email", {"alert_text": "Look twice"})
    with pytest.raises(AirflowFailException):
        on()
    capsys.readouterr()
    assert command("--forget", folder=tmp_path) == 0
    assert capsys.readouterr().out == "1 forgotten.\n"
    assert on() == {"on": [], "kept_off": []}
    assert "Lead_Email" not in rules_on(salesforce_org)
