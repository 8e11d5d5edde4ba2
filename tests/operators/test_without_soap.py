"""An org without SOAP is loaded as any other: other calls, and the same audit."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
import requests
from airflow.sdk import DAG

from airflow_sf_dedup import salesforce_upsert
from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.testing import run_dag
from tests.acceptance.morning import known_to_the_org, leads, records, seed, stats

AuditRows = Callable[..., list[tuple[Any, ...]]]
LeadTo = Callable[[EmulatedOrg], None]
LEAD = {"sobject": "Lead", "external_id_field": "External_Id__c"}
BOTH = "update_existing | ask_reviewer"
ROWS = leads(40)

ENTRIES = """SELECT row_number, key, action, error_code, reason, record_id FROM sf_dedup_entry
    JOIN sf_dedup_load USING (load_id) WHERE dag_id = '{0}' ORDER BY 1"""
MATCHES = """SELECT row_number, position, m.record_id, m.sobject, duplicate_rule, matching_rule, engine, confidence,
    allow_save, is_deleted, m.key, field_differences,
    state, deleted_by IS NULL, deleted_at IS NULL, leads_to FROM sf_dedup_match m
    JOIN sf_dedup_load USING (load_id) WHERE dag_id = '{0}' ORDER BY 1, 2"""


def org_file(org_id: str, *, soap_api: bool) -> dict[str, Any]:
    return {"extends": "default", "organization": {"id": org_id, "soap_api": soap_api}}


@pytest.fixture
def salesforce_org_file() -> dict[str, Any]:
    return org_file("00D5g0000000003EAA", soap_api=False)


@pytest.fixture
def with_soap() -> Any:
    with EmulatedOrg.start(org_file("00D5g0000000004EAA", soap_api=True)) as org:
        yield org


def arrange(org: EmulatedOrg) -> None:
    """One of each kind of row that a rule blocks, and rows of all other kinds."""
    seed(org.url, "Lead", known_to_the_org(ROWS, 12))
    several = known_to_the_org(ROWS[12:], 1)
    seed(org.url, "Lead", [several[0], {**several[0], "LastName": "Else"}])
    seed(org.url, "Contact", [{"LastName": "Someone", "Email": ROWS[13]["Email"]}])
    [gone] = seed(org.url, "Lead", known_to_the_org(ROWS[14:], 1))
    headers = {"Authorization": f"Bearer {org.access_token}"}
    requests.delete(f"{org.url}/services/data/v62.0/sobjects/Lead/{gone}", headers=headers, timeout=60)
    seed(org.url, "Lead", [{**ROWS[15], "Email": None, "LastName": "Before"}])
    # Its update takes the e-mail address of another lead.
    seed(org.url, "Lead", [{**ROWS[16], "Email": None}, {"LastName": "B", "Company": "C", "Email": ROWS[16]["Email"]}])
    # The name and the company of a lead: a rule that only warns.
    seed(org.url, "Lead", [{**known_to_the_org(ROWS[17:], 1)[0], "Email": None}])
    seed(org.url, "Lead", [{"LastName": "X", "Company": "Y", "External_Id__c": "other", "Email": ROWS[18]["Email"]}])


def loaded(dag_id: str, rows: list[dict[str, Any]] = ROWS, **settings: Any) -> Any:
    always = {"on_duplicate": BOTH, "retries": 0, "partitions": 1, **LEAD}
    with DAG(dag_id, schedule=None) as dag:
        salesforce_upsert(source=rows, **{**always, **settings})
    return run_dag(dag)


@pytest.mark.parametrize("lookup", ["soap_upsert", "find_duplicates"])
def test_its_audit_is_row_by_row_that_of_an_org_with_soap(
    salesforce_org: EmulatedOrg, with_soap: EmulatedOrg, lead_to: LeadTo, audit_rows: AuditRows, lookup: str
) -> None:
    for org in (salesforce_org, with_soap):
        arrange(org)
    loaded("without_soap", lookup=lookup)
    lead_to(with_soap)
    loaded("with_soap", lookup="soap_upsert")

    entries = audit_rows(ENTRIES.format("without_soap"))
    assert entries == audit_rows(ENTRIES.format("with_soap"))
    assert {row[2] for row in entries} == {"created", "updated", "matched_updated", "awaiting_review"}
    found, expected = audit_rows(MATCHES.format("without_soap")), audit_rows(MATCHES.format("with_soap"))
    if lookup == "find_duplicates":
        # By predupe, which tells neither engine nor confidence.
        assert {row[6:8] for row in found} == {(None, None)}
        found, expected = ([(*row[:6], *row[8:]) for row in rows] for rows in (found, expected))
    assert found == expected
    assert _leads(salesforce_org) == _leads(with_soap)


def test_what_only_soap_undeletes_stays_deleted_and_goes_to_the_next_policy(
    salesforce_org: EmulatedOrg, audit_rows: AuditRows
) -> None:
    arrange(salesforce_org)
    assert loaded("undelete", ROWS[14:15], on_duplicate="undelete | ask_reviewer").state == "success"
    told = audit_rows("SELECT DISTINCT reason, state FROM sf_dedup_entry JOIN sf_dedup_match USING (load_id)")
    assert told == [("undelete_needs_soap", "deleted")]
    assert "SOAP undelete" not in stats(salesforce_org.url)["by_call"]


def _leads(org: EmulatedOrg) -> list[dict[str, Any]]:
    names = ("Id", "External_Id__c", "FirstName", "LastName", "Company", "Email")
    return [{name: record.get(name) for name in names} for record in records(org.url, "Lead")]


def single_upserts(org: EmulatedOrg) -> int:
    return sum(calls for name, calls in stats(org.url)["by_call"].items() if name.startswith("PATCH /sobjects"))


def settings_of(audit_rows: AuditRows, dag_id: str) -> list[Any]:
    rows = audit_rows(f"SELECT settings FROM sf_dedup_load WHERE dag_id = '{dag_id}' ORDER BY started_at")
    return [json.loads(settings) for (settings,) in rows]


def test_the_way_round_is_decided_once_a_task_said_once_and_stands_in_the_audit(
    salesforce_org: EmulatedOrg, audit_rows: AuditRows, caplog: pytest.LogCaptureFixture
) -> None:
    seed(salesforce_org.url, "Lead", known_to_the_org(ROWS, 12))
    with caplog.at_level(logging.WARNING):
        assert loaded("first", ROWS[:30]).state == "success"
    said = [record.getMessage() for record in caplog.records if "API_DISABLED_FOR_ORG" in record.getMessage()]
    assert len(said) == 1
    assert "'rest' instead of 'soap_upsert'" in said[0]
    assert "at most max_lookup_calls=5,000 in each task" in said[0]
    assert single_upserts(salesforce_org) == 12
    assert [each["lookup"] for each in settings_of(audit_rows, "first")] == ["rest"]


def test_the_next_load_predicts_what_the_way_round_costs_and_warns_before_it(
    salesforce_org: EmulatedOrg, audit_rows: AuditRows, caplog: pytest.LogCaptureFixture
) -> None:
    rows = leads(60)
    seed(salesforce_org.url, "Lead", known_to_the_org(rows[:30], 12) + known_to_the_org(rows[30:], 12))
    loaded("daily", rows[:30])
    caplog.clear()
    with caplog.at_level(logging.INFO):
        loaded("daily", rows[30:])
    assert "12 to look up what blocks" in caplog.text
    warning = re.compile("lookup='rest' costs an API call for each blocked row, at most max_lookup_calls=5,000")
    assert warning.search(caplog.text)
    [_, (predicted, made)] = audit_rows("SELECT predicted_calls, api_calls FROM sf_dedup_load ORDER BY started_at")
    # Each task finds out for itself that there is no SOAP.
    assert made == predicted + 1


def test_rows_beyond_the_most_look_ups_go_to_the_policy_and_say_so(
    salesforce_org: EmulatedOrg, audit_rows: AuditRows, caplog: pytest.LogCaptureFixture
) -> None:
    seed(salesforce_org.url, "Lead", known_to_the_org(ROWS, 12))
    with caplog.at_level(logging.WARNING):
        assert loaded("capped", ROWS[:30], max_lookup_calls=5).state == "success"
    counted = audit_rows("SELECT action, reason, count(*) FROM sf_dedup_entry GROUP BY 1, 2 ORDER BY 1, 2")
    assert counted == [
        ("awaiting_review", "not_looked_up", 7),
        ("created", None, 18),
        ("matched_updated", None, 5),
    ]
    assert caplog.text.count("max_lookup_calls=5 is used up") == 1


def test_no_look_up_at_all_asks_nobody(salesforce_org: EmulatedOrg, audit_rows: AuditRows) -> None:
    seed(salesforce_org.url, "Lead", known_to_the_org(ROWS, 12))
    loaded("none", ROWS[:30], max_lookup_calls=0, lookup="rest")
    assert single_upserts(salesforce_org) == 0
    assert audit_rows("SELECT count(*) FROM sf_dedup_entry WHERE reason = 'not_looked_up'") == [(12,)]


def test_single_look_ups_keep_within_the_budget_and_what_is_left_is_sent_when_the_run_is_cleared(
    salesforce_org: EmulatedOrg, audit_rows: AuditRows
) -> None:
    seed(salesforce_org.url, "Lead", known_to_the_org(ROWS, 12))
    assert loaded("budget", ROWS[:30], api_budget=8).state == "failed"
    assert stats(salesforce_org.url)["api_calls"] <= 8
    counted = dict(audit_rows("SELECT action, count(*) FROM sf_dedup_entry GROUP BY 1"))
    assert counted == {"created": 18, "not_sent": 12}
    codes = audit_rows("SELECT DISTINCT error_code FROM sf_dedup_entry WHERE action = 'not_sent'")
    assert codes == [("API_BUDGET",)]


@pytest.mark.parametrize("lookup", ["find_duplicates", "predupe", "rest", "soap_upsert"])
def test_each_look_up_leads_to_the_same_end_where_there_is_soap(
    with_soap: EmulatedOrg, lead_to: LeadTo, salesforce_org: EmulatedOrg, audit_rows: AuditRows, lookup: str
) -> None:
    arrange(with_soap)
    lead_to(with_soap)
    assert loaded("with_soap", lookup=lookup).state == "success"
    counted = dict(audit_rows("SELECT action, count(*) FROM sf_dedup_entry GROUP BY 1"))
    assert counted == {"created": 21, "updated": 1, "matched_updated": 13, "awaiting_review": 5}
    assert [each["lookup"] for each in settings_of(audit_rows, "with_soap")] == [lookup]
