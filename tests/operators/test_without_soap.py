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
    allow_save, is_deleted, m.key, field_differences FROM sf_dedup_match m
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
    with DAG(dag_id, schedule=None) as dag:
        salesforce_upsert(source=rows, on_duplicate=BOTH, retries=0, **{"partitions": 1, **LEAD, **settings})
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


def _leads(org: EmulatedOrg) -> list[dict[str, Any]]:
    names = ("Id", "External_Id__c", "FirstName", "LastName", "Company", "Email")
    return [{name: record.get(name) for name in names} for record in records(org.url, "Lead")]
