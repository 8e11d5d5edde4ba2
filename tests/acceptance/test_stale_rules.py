"""A rule that was switched off and still refuses rows, in an org over sockets, through Airflow's own rescheduling."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_sf_dedup import SalesforceUpsertOperator, salesforce_upsert
from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.testing import run_dag
from dags_examples.stale_rules import stale_rules
from tests.acceptance.test_gone_records import KEY, audited, lead

LEAD = {"sobject": "Lead", "external_id_field": KEY}
ROWS = [lead("Ahlberg", **{KEY: "CRM-1"}), lead("Czerny", **{KEY: "CRM-2"})]
POLICY = "retry_stale_rule(times=2, after='1s') | ask_reviewer"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow comes back at once."""
    monkeypatch.setattr("airflow_sf_dedup.operators.rescheduling.SHORTEST_WAIT", 0.2)
    monkeypatch.setattr("airflow_sf_dedup.operators.rescheduling.SPREAD", 0.1)


@pytest.fixture
def stale(salesforce_org: EmulatedOrg) -> EmulatedOrg:
    """An org that holds the first of the leads, and whose rule is switched off without its saves having heard of it."""
    salesforce_org.seed("Lead", [lead("Ahlberg")])
    salesforce_org.state.switch_rule("Lead_Email", active=False, stale_for=600)
    return salesforce_org


def asked(folder: Path, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder / "audit.db")) as audit:
        try:
            return audit.execute(statement).fetchall()
        except sqlite3.OperationalError:
            return []


def heard_of_it_once_a_row_waits(org: EmulatedOrg, folder: Path) -> Callable[[], None]:
    """From then on the org's saves run the rule no longer."""

    def watch() -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if asked(folder, "SELECT 1 FROM sf_dedup_entry WHERE reason = 'rule_inactive'"):
                break
            time.sleep(0.05)
        org.state.switch_rule("Lead_Email", active=False)

    watcher = threading.Thread(target=watch)
    watcher.start()
    return watcher.join


def group(folder: Path) -> Any:
    source = folder / "leads.csv"
    lines = [f"{row[KEY]},{row['LastName']},{row['Company']},{row['Email']}" for row in ROWS]
    source.write_text("\n".join([f"{KEY},LastName,Company,Email", *lines]) + "\n", encoding="utf-8")
    return run_dag(stale_rules(), run_conf={"leads": str(source), "after": "1s"})


def one_task(folder: Path) -> Any:
    with DAG("one_task", schedule=None) as dag:
        SalesforceUpsertOperator(task_id="upsert", records=ROWS, on_duplicate=POLICY, **LEAD)
    return run_dag(dag)


def mapped_over_rows(folder: Path) -> Any:
    with DAG("mapped", schedule=None) as dag:
        SalesforceUpsertOperator.partial(task_id="upsert", on_duplicate=POLICY, **LEAD).expand(records=[ROWS])
    return run_dag(dag)


@pytest.mark.parametrize("load", [group, one_task, mapped_over_rows])
def test_rows_wait_without_a_worker_until_the_org_has_heard_that_the_rule_is_off(
    stale: EmulatedOrg, tmp_path: Path, capsys: pytest.CaptureFixture[str], load: Callable[[Path], Any]
) -> None:
    join = heard_of_it_once_a_row_waits(stale, tmp_path)
    run = load(tmp_path)
    join()

    assert run.state == "success"
    assert {ti.try_number for ti in run.get_task_instances()} == {1}, "a reschedule is no retry"
    assert {(action, reason) for action, reason, _ in audited(tmp_path)} == {("created", None)}
    assert sorted(each.get(KEY) or "" for each in stale.records("Lead")) == ["", "CRM-1", "CRM-2"]
    [(row_number, times)] = asked(tmp_path, "SELECT row_number, times FROM sf_dedup_rule_wait")
    assert (row_number, times) in [(1, 1), (1, 2)]
    assert "1 row was refused by duplicate rules that are switched off" in capsys.readouterr().out


def test_after_the_last_try_what_follows_decides_and_the_audit_says_how_long_the_row_waited(
    stale: EmulatedOrg, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with DAG("in_vain", schedule=None) as dag:
        salesforce_upsert(source=ROWS, on_duplicate=POLICY, partitions=1, retries=0, **LEAD)

    assert run_dag(dag).state == "success"

    assert [(action, reason) for action, reason, _ in audited(tmp_path)] == [
        ("awaiting_review", "rule_still_enforced"),
        ("created", None),
    ]
    assert "1 row waited for duplicate rules that were switched off: at most 2 times, over " in caplog.text
    assert len([call for call in stale.calls() if call["name"] == "GET /query"]) == 3, "once a settlement"


def test_a_rule_that_is_on_is_not_waited_for(salesforce_org: EmulatedOrg, tmp_path: Path) -> None:
    salesforce_org.seed("Lead", [lead("Ahlberg")])
    assert one_task(tmp_path).state == "success"
    assert [(action, reason) for action, reason, _ in audited(tmp_path)] == [
        ("awaiting_review", "rule_active"),
        ("created", None),
    ]
    assert asked(tmp_path, "SELECT * FROM sf_dedup_rule_wait") == []


def test_the_page_quotes_the_example() -> None:
    root = Path(__file__).parents[2]
    example = (root / "dags_examples" / "stale_rules.py").read_text(encoding="utf-8")
    quoted = example.partition("    # [start stale]\n")[2].partition("    # [end stale]")[0]
    assert quoted.strip()
    assert quoted in (root / "docs" / "policies.md").read_text(encoding="utf-8")
