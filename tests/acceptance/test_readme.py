"""README and docs run: their Python is executed, their YAML read, their SQL asked, their links followed."""

from __future__ import annotations

import importlib.util
import inspect
import json
import re
import shutil
import sqlite3
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest
import yaml
from airflow.sdk import DAG

from airflow_sf_dedup import salesforce_upsert
from airflow_sf_dedup.core import decisions, other_matches
from airflow_sf_dedup.core.entries import Action
from airflow_sf_dedup.core.outcomes import NO_MATCH_NAMED, NOT_LOOKED_UP
from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.policies import link, read_policy
from airflow_sf_dedup.testing import run_dag
from dags_examples.demo.report import ABOUT_THE_RUN
from tests import docs_links

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "dags_examples"
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = ["sources.md", "policies.md", "operators.md", "testing.md", "emulator.md", "rerun.md", "costs.md", "rules.md"]

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(text: str, language: str) -> list[str]:
    return [code for kind, code in _BLOCK.findall(text) if kind == language]


def between(text: str, begin: str, end: str) -> str:
    return text.split(begin, 1)[1].split(end, 1)[0].strip()


def quickstart_of_readme() -> str:
    return blocks(between(README, "<!-- start quickstart -->", "<!-- end quickstart -->"), "python")[0]


def loaded(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"loaded_{file.stem}", file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def quickstart(tmp_path: Path) -> Any:
    """The README's Dag, from the README's text."""
    (tmp_path / "quickstart.py").write_text(quickstart_of_readme(), encoding="utf-8")
    shutil.copytree(EXAMPLES / "data", tmp_path / "data")
    return loaded(tmp_path / "quickstart.py").quickstart()


def ask(audit: Path, sql: str) -> list[Any]:
    with sqlite3.connect(audit) as connection:
        return connection.execute(sql).fetchall()


def test_the_readme_quotes_the_example_word_for_word() -> None:
    example = (EXAMPLES / "quickstart.py").read_text(encoding="utf-8")

    assert quickstart_of_readme().strip() == between(example, "# [start quickstart]", "# [end quickstart]")


def test_the_policies_quote_the_example_word_for_word() -> None:
    example = (EXAMPLES / "leads_and_contacts.py").read_text(encoding="utf-8")
    quoted = [dedent(block).strip() for block in blocks(page_text("policies.md"), "py")]

    marks = ("# [start leads_and_contacts]", "# [end leads_and_contacts]")
    assert dedent("    " + between(example, *marks)).strip() in quoted


def test_the_dag_of_the_readme_has_about_fifteen_lines() -> None:
    assert len([line for line in quickstart_of_readme().splitlines() if line.strip()]) <= 15


def test_the_dag_and_the_sql_of_the_readme_run(salesforce_org: EmulatedOrg, tmp_path: Path, quickstart: DAG) -> None:
    known = {"LastName": "Lindqvist", "Company": "Lindqvist Bygg", "Email": "maria@lindqvist-bygg.example"}
    [record_id] = salesforce_org.state.seed("Lead", [known])

    assert run_dag(quickstart).state == "success"

    what_became, which_records = blocks(README, "sql")
    assert ask(tmp_path / "audit.db", what_became) == [
        ("created", None, None, 7),
        ("matched_updated", None, "DUPLICATES_DETECTED", 1),
    ]
    matches = ask(tmp_path / "audit.db", which_records)
    assert {row[:5] for row in matches} == {(1, "CRM-1001", "matched_updated", record_id, "Lead")}
    assert "Lead_Email" in {row[5] for row in matches}


def test_the_test_of_the_readme_passes(salesforce_org: EmulatedOrg) -> None:
    run_tests_in(blocks(README, "python")[-1:], salesforce_org)


def test_the_json_of_the_readme_is_what_the_demo_says() -> None:
    [shown] = (json.loads(block) for block in blocks(README, "json"))

    actions = {name: rows for name, rows in shown.items() if name not in ABOUT_THE_RUN}
    assert set(actions) <= {action.value for action in Action}
    assert sum(actions.values()) == shown["rows"]
    assert all(f"`{name}`" in README for name in ABOUT_THE_RUN)


@pytest.mark.parametrize("page", PAGES)
def test_the_python_of_a_page_runs(
    page: str, salesforce_org: EmulatedOrg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    names = run_tests_in(blocks(page_text(page), "python"), salesforce_org)

    for dag in [value for value in names.values() if isinstance(value, DAG)]:
        assert run_dag(dag).state == "success"


def test_the_policies_in_yaml_are_policies() -> None:
    read = [read_policy(yaml.safe_load(block)["on_duplicate"]) for block in blocks(page_text("policies.md"), "yaml")]

    by_rule = {"Leads_by_mail": "update_existing | skip", "Leads_by_phone": "skip"}
    assert read[:2] == [read_policy("update_existing(min_confidence=90) | ask_reviewer")] * 2
    to_contacts = {"sobject": "Contact", "fields": {"Email": "Email", "City": "MailingCity"}, "stamp": "Lead_Key__c"}
    per_field = {"Phone": "newest", "Description": "longest", "Rating": "keep", "*": "fill_blanks"}
    assert read[2:] == [
        read_policy(f"update_existing(fields={per_field}) | ask_reviewer"),
        read_policy([{"update_other": to_contacts}, "ask_reviewer"]),
        read_policy("link(field='Contact__c') | ask_reviewer"),
        read_policy("retry_stale_rule(times=2, after='10m') | ask_reviewer"),
        read_policy(f"by_rule({by_rule}) | ask_reviewer"),
        read_policy("by_confidence({95: 'update_existing', 80: 'ask_reviewer'}) | skip"),
        read_policy("by_sobject({'Contact': 'skip', 'Account': 'ask_reviewer'}) | update_existing | ask_reviewer"),
    ]


def test_every_chain_of_the_table_is_a_policy() -> None:
    chains = re.findall(r"^\| `([^`]+)` \|", page_text("policies.md").split("## Usual chains")[1], re.MULTILINE)

    assert len(chains) == 8
    for chain in chains:
        read_policy(chain.replace("\\|", "|"))


def test_every_reason_for_not_acting_is_explained() -> None:
    source = "".join(map(inspect.getsource, (decisions, other_matches, link)))
    of_other_kinds = {"rule_blocks_saving", "rule_inactive"}
    found = set(re.findall(r'"((?:match|several|key|no_match|row|rule)_[a-z_]+)"', source)) - of_other_kinds
    reasons = found | {NO_MATCH_NAMED, NOT_LOOKED_UP}

    assert len(reasons) >= 10
    assert [reason for reason in sorted(reasons) if f"| `{reason}` |" not in page_text("policies.md")] == []


def test_a_task_from_yaml_loads_its_records(salesforce_org: EmulatedOrg) -> None:
    [block] = blocks(page_text("operators.md"), "yaml")
    settings = yaml.safe_load(block)
    module, _, name = settings.pop("operator").rpartition(".")
    with DAG("from_yaml", schedule=None) as dag:
        getattr(importlib.import_module(module), name)(**settings)

    assert run_dag(dag).state == "success"
    assert [lead["LastName"] for lead in salesforce_org.state.records("Lead")] == ["Nowak"]


def test_the_documented_xcom_has_the_names_of_the_real_one(salesforce_org: EmulatedOrg) -> None:
    [block] = blocks(page_text("operators.md"), "json")
    shown = json.loads(block)
    salesforce_org.state.seed("Contact", [{"LastName": "Kuhl", "Email": "kuhl@jockel.example"}])
    lead = {"External_Id__c": "A-1", "LastName": "Kuhl", "Company": "Jockel", "Email": "kuhl@jockel.example"}
    with DAG("xcom", schedule=None) as dag:
        salesforce_upsert(source=[lead], sobject="Lead", external_id_field="External_Id__c")

    audit = run_dag(dag).get_task_instance("salesforce_upsert.audit")

    document = audit.xcom_pull(task_ids="salesforce_upsert.audit", key="duplicate_audit")
    assert set(document) == set(shown)
    for name in ("reasons", "sample"):
        assert set(document[name][0]) == set(shown[name][0])
    assert set(document["audit"]) == set(shown["audit"])


def test_the_sql_about_failed_rows_finds_them(salesforce_org: EmulatedOrg, tmp_path: Path) -> None:
    [sql] = blocks(page_text("rerun.md"), "sql")
    rows = [{"External_Id__c": "A-1", "LastName": "Nowak", "Company": None}]
    with DAG("upsert_leads", schedule=None) as dag:
        salesforce_upsert(source=rows, sobject="Lead", external_id_field="External_Id__c", retries=0)

    assert run_dag(dag).state == "failed"

    [(row_number, key, action, *_)] = ask(tmp_path / "audit.db", sql)
    assert (row_number, key, action) == (1, "A-1", "failed")


def test_every_link_leads_somewhere() -> None:
    assert [sentence for page in docs_links.pages() for sentence in docs_links.broken_links(page)] == []


@pytest.mark.parametrize(
    ("link", "complaint"),
    [
        ("[a](other.md)", None),
        ("[a](other.md#two-words)", None),
        ("[a](https://example.org/gone)", None),
        ("[a](#here)", None),
        ("[a](missing.md)", "no such file"),
        ("[a](other.md#three)", "no such heading"),
        ("[a](../outside.md)", "no such file"),
    ],
    ids=["file", "heading", "elsewhere", "own heading", "missing file", "missing heading", "outside"],
)
def test_a_link_that_leads_nowhere_is_named(tmp_path: Path, link: str, complaint: str | None) -> None:
    (tmp_path / "other.md").write_text("# Two `words`\n", encoding="utf-8")
    (tmp_path / "page.md").write_text(f"# Here\n\n{link}\n\n```\n[not](a-link.md)\n```\n", encoding="utf-8")

    found = list(docs_links.broken_links(tmp_path / "page.md", tmp_path))

    assert [complaint in sentence for sentence in found] == ([True] if complaint else [])


def page_text(page: str) -> str:
    return (ROOT / "docs" / page).read_text(encoding="utf-8")


def run_tests_in(code: list[str], org: EmulatedOrg) -> dict[str, Any]:
    """Execute blocks one after the other, as a reader would, and run the tests they define."""
    names: dict[str, Any] = {"__name__": "docs"}
    for block in code:
        exec(compile(block, "<docs>", "exec"), names)
    for name, value in list(names.items()):
        if name.startswith("test_"):
            value(org)
    return names
