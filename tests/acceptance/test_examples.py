"""The example Dags: importable without a connection, and each runs."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag

from airflow_sf_dedup import SALESFORCE_RETRY_POLICY, duplicate_entries
from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.testing import run_dag
from airflow_sf_dedup.testing.airflow_runs import ensure_metadata_database
from dags_examples.by_case import by_case
from dags_examples.keep_to_plan import keep_to_plan
from dags_examples.leads_and_contacts import leads_and_contacts
from dags_examples.parents_first import parents_first
from dags_examples.plan_first import plan_first
from dags_examples.rule_report import rule_report
from dags_examples.small_records import small_records
from dags_examples.upsert_leads import upsert_leads

EXAMPLES = Path(__file__).parents[2] / "dags_examples"


def lead(number: int, **fields: str) -> dict[str, str]:
    names = ["Ahlberg", "Bertrand", "Czerny", "Dominguez", "Eriksson", "Fournier"]
    name = names[number]
    address = f"{name.lower()}@{name.lower()}-works.example"
    return {"LastName": name, "Company": f"{name} Works", "Email": address, **fields}


def write_ndjson(file: Path, rows: list[dict[str, str]]) -> str:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(file)


@pytest.fixture
def bag(monkeypatch: pytest.MonkeyPatch) -> DagBag:
    for name in [name for name in os.environ if name.startswith("AIRFLOW_CONN_")]:
        monkeypatch.delenv(name)
    return DagBag(str(EXAMPLES))


def test_airflow_finds_the_dags_and_nothing_else(bag: DagBag) -> None:
    assert bag.import_errors == {}
    assert set(bag.dags) == {
        "quickstart",
        "upsert_leads",
        "small_records",
        "parents_first",
        "hierarchy",
        "rule_report",
        "mirror_in_org",
        "duplicate_lists",
        "revert_load",
        "by_case",
        "undelete_leads",
        "undo_load",
        "fill_blanks",
        "enrich_leads",
        "leads_and_contacts",
        "migration",
        "stale_rules",
        "reported_leads",
        "review_accounts",
        "plan_first",
        "keep_to_plan",
        "leads_without_ids",
    }


def test_every_task_that_talks_to_the_org_is_retried_as_its_error_says(bag: DagBag) -> None:
    ours = [task for dag in bag.dags.values() for task in dag.tasks if task.task_type.startswith("Salesforce")]
    assert len(ours) == 65
    assert {(task.task_id, task.retry_policy) for task in ours} == {
        (task.task_id, SALESFORCE_RETRY_POLICY) for task in ours
    }


def test_the_command_that_clears_a_load_finds_its_upsert_tasks_and_what_follows_and_no_more(bag: DagBag) -> None:
    """As ``airflow tasks clear`` looks for tasks."""
    from airflow.serialization.serialized_objects import DagSerialization

    page = (EXAMPLES.parent / "docs" / "rerun.md").read_text(encoding="utf-8")
    [(dag_id, asked)] = re.findall(r"airflow tasks clear (\w+) --task-regex '(.+)' --downstream", page)
    dag = DagSerialization.from_dict(DagSerialization.to_dict(bag.dags[dag_id]))
    found = set(dag.partial_subset(task_ids=asked, include_downstream=True, include_upstream=False).task_ids)
    every = set(dag.task_ids)
    assert {"salesforce_upsert.upsert", "salesforce_upsert.audit"} <= found
    assert every - found == {"salesforce_upsert.partition"}


def test_rows_that_wait_are_in_the_report(salesforce_org: EmulatedOrg, tmp_path: Path) -> None:
    org = salesforce_org.state
    [same] = org.seed("Lead", [lead(0)])
    twice = org.seed("Lead", [lead(1), lead(1)])
    [contact] = org.seed("Contact", [{"LastName": "Czerny", "Email": lead(2)["Email"]}])
    source = write_ndjson(tmp_path / "leads.ndjson", [lead(n, External_Id__c=f"CRM-{n}") for n in range(5)])
    report = tmp_path / "report.csv"

    run = run_dag(upsert_leads(), run_conf={"leads": source, "report": str(report)})

    assert run.state == "success"
    with report.open(encoding="utf-8") as lines:
        waiting = {(row["row"], row["matched_record"], row["reason"]) for row in csv.DictReader(lines)}
    assert waiting == {
        ("2", twice[0], "several_matches"),
        ("2", twice[1], "several_matches"),
        ("3", contact, "match_is_another_sobject"),
    }
    assert {record["Id"]: record.get("External_Id__c") for record in org.records("Lead")}[same] == "CRM-0"


def test_each_kind_of_duplicate_goes_its_own_way(salesforce_org: EmulatedOrg, tmp_path: Path) -> None:
    org = salesforce_org.state
    [same] = org.seed("Lead", [lead(0)])
    org.seed("Lead", [lead(1), lead(1)])
    org.seed("Contact", [{"LastName": "Czerny", "Email": lead(2)["Email"]}])
    [both] = org.seed("Lead", [lead(3)])
    org.seed("Contact", [{"LastName": "Dominguez", "Email": lead(3)["Email"]}])
    source = write_ndjson(tmp_path / "leads.ndjson", [lead(n, External_Id__c=f"CRM-{n}") for n in range(5)])

    run = run_dag(by_case(), run_conf={"leads": source})

    assert run.state == "success"
    [audit] = [ti.xcom_pull(task_ids="salesforce_upsert.audit") for ti in run.get_task_instances()][:1]
    became = {entry.row_number: (str(entry.action), entry.reason) for entry in duplicate_entries(audit)}
    assert became == {
        1: ("matched_updated", None),
        2: ("skipped", "several_matches"),
        3: ("skipped", "by_policy"),
        4: ("skipped", "matches_of_several_sobjects"),
        5: ("created", None),
    }
    keys = {record["Id"]: record.get("External_Id__c") for record in org.records("Lead")}
    assert (keys[same], keys[both]) == ("CRM-0", None)


def test_a_file_is_planned_and_nothing_is_written(salesforce_org: EmulatedOrg, tmp_path: Path) -> None:
    salesforce_org.seed("Lead", [lead(0)])
    source = write_ndjson(tmp_path / "leads.ndjson", [lead(n, External_Id__c=f"CRM-{n}") for n in range(3)])
    before = salesforce_org.records("Lead")

    run = run_dag(plan_first(), run_conf={"leads": source})

    assert run.state == "success"
    [planned] = [ti.xcom_pull(task_ids="plan") for ti in run.get_task_instances()]
    assert planned["actions"] == {"created": 2, "matched_updated": 1}
    assert salesforce_org.records("Lead") == before


def test_a_file_is_planned_and_loaded_as_it_was_planned(salesforce_org: EmulatedOrg, tmp_path: Path) -> None:
    salesforce_org.seed("Lead", [lead(0)])
    source = write_ndjson(tmp_path / "leads.ndjson", [lead(n, External_Id__c=f"CRM-{n}") for n in range(3)])

    run = run_dag(keep_to_plan(), run_conf={"leads": source})

    assert run.state == "success"
    [document] = {
        json.dumps(ti.xcom_pull(task_ids="salesforce_upsert.audit")["plan"]) for ti in run.get_task_instances()
    }
    assert (json.loads(document)["as_planned"], json.loads(document)["otherwise"]) == (3, 0)
    assert len(salesforce_org.records("Lead")) == 3


def test_no_report_is_written_when_nothing_waits(salesforce_org: EmulatedOrg, tmp_path: Path) -> None:
    source = write_ndjson(tmp_path / "leads.ndjson", [lead(n, External_Id__c=f"CRM-{n}") for n in range(3)])
    report = tmp_path / "report.csv"

    run = run_dag(upsert_leads(), run_conf={"leads": source, "report": str(report)})

    states = {ti.task_id: str(ti.state) for ti in run.get_task_instances()}
    assert (states["write_report"], states["nothing_to_decide"]) == ("skipped", "success")
    assert not report.exists()


def test_an_empty_file_is_a_green_load(salesforce_org: EmulatedOrg, tmp_path: Path) -> None:
    source = tmp_path / "leads.csv"
    source.write_text("External_Id__c,LastName,Company\n", encoding="utf-8")

    run = run_dag(upsert_leads(), run_conf={"leads": str(source), "report": str(tmp_path / "report.csv")})

    assert run.state == "success"


def test_records_of_a_task_are_loaded_in_one(salesforce_org: EmulatedOrg) -> None:
    run = run_dag(small_records())

    assert run.state == "success"
    assert {record["LastName"] for record in salesforce_org.state.records("Lead")} == {"Nowak", "Weiß"}


def test_contacts_find_the_accounts_that_were_loaded_before_them(salesforce_org: EmulatedOrg) -> None:
    run = run_dag(parents_first())

    assert run.state == "success"
    names = {account["Id"]: account["Name"] for account in salesforce_org.records("Account")}
    found = {contact["LastName"]: names[contact["AccountId"]] for contact in salesforce_org.records("Contact")}
    assert found == {"Nowak": "Nowak Optics", "Zając": "Nowak Optics", "Weiß": "Weiß & Söhne GmbH"}


def test_a_field_for_links_and_stamps_that_the_org_lacks_is_told_before_anything_is_sent(
    salesforce_org: EmulatedOrg,
) -> None:
    run = run_dag(leads_and_contacts())

    assert run.state == "failed"
    assert not salesforce_org.state.records("Lead")


def test_the_duplicate_rules_are_reported_as_a_page(salesforce_org: EmulatedOrg, tmp_path: Path) -> None:
    salesforce_org.seed("Lead", [{"LastName": "Ahlberg", "Company": "Old", "Email": lead(0)["Email"]}])
    source = write_ndjson(tmp_path / "leads.ndjson", [lead(0, External_Id__c="CRM-0")])
    run_dag(upsert_leads(), run_conf={"leads": source, "report": str(tmp_path / "report.csv")})

    run = run_dag(rule_report(), run_conf={"page": str(tmp_path / "rules.html")})

    assert run.state == "success"
    assert "1 updated (100 %)" in (tmp_path / "rules.html").read_text(encoding="utf-8")


def test_an_example_runs_from_the_command_line(salesforce_org: EmulatedOrg, tmp_path: Path) -> None:
    ensure_metadata_database()
    settings: dict[str, Any] = {**os.environ, "AIRFLOW__CORE__DAGS_FOLDER": str(EXAMPLES)}
    command = [sys.executable, "-m", "airflow", "dags", "test", "quickstart"]

    done = subprocess.run(command, env=settings, cwd=tmp_path, capture_output=True, text=True)

    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    with (EXAMPLES / "data" / "leads.csv").open(encoding="utf-8") as lines:
        keys = {row["External_Id__c"] for row in csv.DictReader(lines)}
    assert {record["External_Id__c"] for record in salesforce_org.state.records("Lead")} == keys
