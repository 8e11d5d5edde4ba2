"""Rows of one file that have to do with each other, in an org over sockets: twins, and parents with their children."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_sf_dedup import salesforce_upsert
from airflow_sf_dedup.emulator import EmulatedOrg, Fault
from airflow_sf_dedup.testing import run_dag
from dags_examples.hierarchy import hierarchy

KEY = "External_Id__c"
PARENT = f"Parent.{KEY}"
ROOT = Path(__file__).parents[2]

#: One person three times, under three keys and in three spellings; and somebody else.
PERSON = [
    {KEY: "WEB-7", "LastName": "Ahlberg", "Company": "Ahlberg Works", "Email": "ann@ahlberg.example", "City": "Oslo"},
    {KEY: "CRM-1", "LastName": "Czerny", "Company": "Czerny Works", "Email": "c@czerny.example"},
    {KEY: "ERP-3", "LastName": "Ahlberg", "Company": "Ahlberg Works", "Email": "Ann@Ahlberg.example", "City": "Bergen"},
    {KEY: "FAIR-9", "LastName": "Ahlberg", "Company": "Ahlberg Works", "Email": " ann@ahlberg.example"},
]


def load(sobject: str, rows: list[Mapping[str, Any]], **settings: Any) -> Any:
    with DAG("load", schedule=None, max_active_runs=1) as dag:
        salesforce_upsert(source=rows, sobject=sobject, external_id_field=KEY, **{"retries": 0, **settings})
    return run_dag(dag)


def audited(folder: Path, columns: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(folder / "audit.db") as audit:
        return audit.execute(f"SELECT {columns} FROM sf_dedup_entry ORDER BY load_id, row_number").fetchall()


def names(org: EmulatedOrg, sobject: str = "Lead") -> list[str]:
    return sorted(record[KEY] or "" for record in org.records(sobject))


def test_without_twin_fields_every_row_for_one_person_gets_in(salesforce_org: EmulatedOrg, tmp_path: Path) -> None:
    assert load("Lead", PERSON, on_duplicate="skip", partitions=1).state == "success"
    assert names(salesforce_org) == ["CRM-1", "ERP-3", "FAIR-9", "WEB-7"]
    assert audited(tmp_path, "action, twin_group") == [("created", None)] * 4


@pytest.mark.parametrize("partitions", [1, 8])
def test_the_rules_of_the_org_see_the_first_when_its_twin_arrives(
    salesforce_org: EmulatedOrg, tmp_path: Path, partitions: int
) -> None:
    run = load("Lead", PERSON, on_duplicate="skip", partitions=partitions, twin_fields=["Email"])
    assert run.state == "success"
    assert names(salesforce_org) == ["CRM-1", "WEB-7"]
    assert audited(tmp_path, "action, twin_group") == [
        ("created", 1),
        ("created", None),
        ("skipped", 1),
        ("skipped", 1),
    ]


def test_a_twin_by_any_of_several_criteria_is_asked_about(salesforce_org: EmulatedOrg, tmp_path: Path) -> None:
    criteria = [["Phone"], ["LastName", "Company"]]
    load(
        "Lead", [{**row, "Phone": "+49 30 1"} for row in PERSON[:3]], on_duplicate="ask_reviewer", twin_fields=criteria
    )
    assert audited(tmp_path, "action, twin_group") == [("created", 1), ("created", 1), ("awaiting_review", 1)]


def test_a_twin_in_another_spelling_is_met_where_that_is_asked(salesforce_org: EmulatedOrg, tmp_path: Path) -> None:
    other = {**PERSON[2], "LastName": "Ahlbergh", "City": "Oslo"}
    load("Lead", [*PERSON[:2], other], on_duplicate="skip", twin_fields=["City", "LastName~85"])
    assert names(salesforce_org) == ["CRM-1", "WEB-7"]
    assert audited(tmp_path, "action, twin_group") == [("created", 1), ("created", None), ("skipped", 1)]


def test_the_example_loads_children_that_stand_before_their_parents(salesforce_org: EmulatedOrg) -> None:
    run = run_dag(hierarchy())

    assert run.state == "success"
    accounts = {account["Id"]: account for account in salesforce_org.records("Account")}
    parents = {each[KEY]: accounts[each["ParentId"]][KEY] for each in accounts.values() if each.get("ParentId")}
    assert parents == {"G-111": "G-11", "G-11": "G-1", "G-12": "G-1"}


def test_the_page_quotes_the_example() -> None:
    example = (ROOT / "dags_examples" / "hierarchy.py").read_text(encoding="utf-8")
    quoted = example.partition("    # [start hierarchy]\n")[2].partition("    # [end hierarchy]")[0]
    assert quoted.strip()
    assert quoted in (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")


def test_a_child_whose_parent_is_not_saved_says_so_and_is_sent_when_it_is(
    salesforce_org: EmulatedOrg, tmp_path: Path
) -> None:
    rows = [
        {KEY: "A-3", "Name": "Grandchild", PARENT: "A-2"},
        {KEY: "A-2", "Name": "Child", PARENT: "a-1"},
        {KEY: "A-1", "Name": "x" * 300},
        {KEY: "A-4", "Name": "Of nobody", PARENT: "GONE"},
        {KEY: "A-5", "Name": "Ring", PARENT: "A-6"},
        {KEY: "A-6", "Name": "Ring", PARENT: "A-5"},
    ]
    assert load("Account", rows).state == "failed"
    assert salesforce_org.records("Account") == []
    assert audited(tmp_path, "action, error_code, reason, error_message")[:3] == [
        ("failed", "INVALID_FIELD", "parent_not_saved", "its parent, row 2 of this load, is failed"),
        ("failed", "INVALID_FIELD", "parent_not_saved", "its parent, row 3 of this load, is failed"),
        ("failed", "STRING_TOO_LONG", None, audited(tmp_path, "error_message")[2][0]),
    ]
    assert audited(tmp_path, "reason")[3:] == [(None,), ("parent_not_saved",), ("parent_not_saved",)]
    assert audited(tmp_path, "error_message")[4][0].endswith("the rows are each other's ancestors")


def test_a_child_of_a_record_that_failed_only_today_is_updated(salesforce_org: EmulatedOrg, tmp_path: Path) -> None:
    salesforce_org.seed("Account", [{"Name": "Old", KEY: "A-1"}])
    rows = [{KEY: "A-2", "Name": "Child", PARENT: "A-1"}, {KEY: "A-1", "Name": "x" * 300}]
    load("Account", rows)
    assert audited(tmp_path, "action") == [("created",), ("failed",)]


def test_a_load_that_only_creates_hangs_new_children_below_parents_that_it_leaves_alone(
    salesforce_org: EmulatedOrg, tmp_path: Path
) -> None:
    [old] = salesforce_org.seed("Account", [{"Name": "Old", KEY: "A-1"}])
    rows = [{KEY: "A-2", "Name": "Child", PARENT: "A-1"}, {KEY: "A-1", "Name": "New"}]
    assert load("Account", rows, mode="create_only").state == "success"
    assert audited(tmp_path, "action, reason") == [("created", None), ("skipped", "key_exists")]
    held = {each[KEY]: (each["Name"], each.get("ParentId")) for each in salesforce_org.records("Account")}
    assert held == {"A-1": ("Old", None), "A-2": ("Child", old)}


@pytest.mark.parametrize("mode", ["create_only", "update_only"])
def test_twins_meet_the_rules_of_a_load_one_after_the_other(
    salesforce_org: EmulatedOrg, tmp_path: Path, mode: str
) -> None:
    """Also where the answers of the calls that write them are lost."""
    salesforce_org.seed("Lead", [{**PERSON[1], "City": "Rome"}])
    salesforce_org.add_faults(Fault("reset", on="POST /composite", calls=(1, 2), parameters={"after_commit": True}))
    rules = {"City": "only_blanks", "Email": "on_create_only"}
    rows = [{**row, "City": "Paris"} for row in PERSON]
    load("Lead", rows, on_duplicate="skip", partitions=1, twin_fields=["Email"], mode=mode, field_rules=rules)
    told = [action for (action,) in audited(tmp_path, "action")]
    if mode == "create_only":
        assert told == ["created", "skipped", "skipped", "skipped"]
    else:
        assert told == ["not_found", "updated", "not_found", "not_found"]
    cities = {each[KEY]: each["City"] for each in salesforce_org.records("Lead")}
    assert cities == {"CRM-1": "Rome", **({"WEB-7": "Paris"} if mode == "create_only" else {})}
