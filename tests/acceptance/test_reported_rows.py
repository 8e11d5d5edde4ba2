"""Rows that were saved although a rule reports them, in an org over sockets."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_sf_dedup import SalesforceUpsertOperator
from airflow_sf_dedup.emulator import EmulatedOrg, Fault
from airflow_sf_dedup.testing import run_dag
from dags_examples.reported_leads import reported_leads
from tests.acceptance.test_gone_records import KEY, lead, load

RULE = {
    "sobject": "Lead",
    "action_on_insert": "allow",
    "action_on_update": "allow",
    "operations_on_insert": ["report"],
    "operations_on_update": ["report"],
    "matching": [{"rule": "Lead_Email_Exact", "fields": {"Email": "exact"}}],
}
ROWS = [lead("Ahlberg", **{KEY: "CRM-1"}), lead("Czerny", **{KEY: "CRM-2"})]


@pytest.fixture
def salesforce_org_file() -> Mapping[str, Any]:
    return {"extends": "default", "duplicate_rules": {"Lead_Email": RULE, "Standard_Lead_Duplicate_Rule": None}}


@pytest.fixture
def known(salesforce_org: EmulatedOrg) -> str:
    """The lead that the first row is."""
    [record_id] = salesforce_org.seed("Lead", [lead("Ahlberg")])
    return record_id


def reported(folder: Path, columns: str = "row_number, duplicate_rule, records, other_ids") -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder / "audit.db")) as audit:
        return audit.execute(f"SELECT {columns} FROM sf_dedup_rule_report ORDER BY load_id, row_number").fetchall()


def queries(org: EmulatedOrg) -> list[str]:
    return [call["name"] for call in org.calls() if call["name"] == "SOAP query"]


def test_the_example_names_what_was_saved_although_a_rule_reports_it(
    salesforce_org: EmulatedOrg,
    known: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = tmp_path / "leads.csv"
    lines = [f"{row[KEY]},{row['LastName']},{row['Company']},{row['Email']}" for row in ROWS]
    source.write_text("\n".join([f"{KEY},LastName,Company,Email", *lines]) + "\n", encoding="utf-8")

    assert run_dag(reported_leads(), run_conf={"leads": str(source)}).state == "success"

    assert reported(tmp_path) == [(1, "Lead_Email", 2, known)]
    created = next(each["Id"] for each in salesforce_org.records("Lead") if each.get(KEY) == "CRM-1")
    assert f"Lead_Email reports {created} with {known}" in caplog.text
    assert "saved although a duplicate rule reports them: Lead_Email (1 row)" in caplog.text


def test_without_the_setting_nothing_is_asked(salesforce_org: EmulatedOrg, known: str, tmp_path: Path) -> None:
    assert load("ask_reviewer", *ROWS) == "success"
    assert (reported(tmp_path), queries(salesforce_org)) == ([], [])


def test_the_calls_are_those_that_were_predicted_and_one_more_where_a_rule_reports_something(
    salesforce_org: EmulatedOrg, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert load("ask_reviewer", *ROWS, audit_reports=True, partitions=1) == "success"
    assert "1 to ask what rules report" in caplog.text
    assert len(queries(salesforce_org)) == 1
    again = [lead("Ahlberg", **{KEY: "CRM-3"}), lead("Dahl", **{KEY: "CRM-4"})]
    assert load("ask_reviewer", *again, audit_reports=True, partitions=1) == "success"
    assert len(queries(salesforce_org)) == 3
    assert [row[0] for row in reported(tmp_path)] == [1]


def one_task(**settings: Any) -> Any:
    with DAG("one_task", schedule=None) as dag:
        SalesforceUpsertOperator(
            task_id="upsert", records=ROWS, sobject="Lead", external_id_field=KEY, audit_reports=True, **settings
        )
    return run_dag(dag)


def test_an_org_that_does_not_say_makes_the_task_red_and_its_retry_asks_again_and_sends_nothing(
    salesforce_org: EmulatedOrg, known: str, tmp_path: Path
) -> None:
    salesforce_org.add_faults(Fault("request_limit", on="SOAP query", times=1))
    run = one_task(retries=2, retry_delay=0.1)
    [task] = run.get_task_instances()
    assert (run.state, task.try_number) == ("success", 2)
    assert reported(tmp_path) == [(1, "Lead_Email", 2, known)]
    assert len([call for call in salesforce_org.calls() if call["name"] == "POST /composite"]) == 1


def test_a_user_who_may_not_see_the_sets_has_his_rows_saved_and_is_told(
    salesforce_org: EmulatedOrg, known: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    salesforce_org.add_faults(Fault("refuse_request", on="SOAP query", parameters={"code": "INVALID_TYPE"}))
    assert one_task().state == "success"
    assert reported(tmp_path) == []
    assert "audit_reports: this user may not see duplicate record sets" in caplog.text


def test_the_page_quotes_the_example() -> None:
    root = Path(__file__).parents[2]
    example = (root / "dags_examples" / "reported_leads.py").read_text(encoding="utf-8")
    quoted = example.partition("    # [start reported]\n")[2].partition("    # [end reported]")[0]
    assert quoted.strip()
    assert quoted in (root / "docs" / "audit.md").read_text(encoding="utf-8")
