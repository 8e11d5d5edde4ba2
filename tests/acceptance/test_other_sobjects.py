"""Leads that the org knows as contacts, by the example Dag."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_sf_dedup import UpdateOther, salesforce_upsert
from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.testing import run_dag
from dags_examples.leads_and_contacts import leads_and_contacts
from tests.emulator.client import Client, results, text

ORG: dict[str, Any] = {
    "extends": "default",
    "sobjects": {
        "Contact": {"fields": {"Lead_Key__c": "text(255) external_id unique case_insensitive"}},
        "Lead": {"fields": {"Contact__c": "reference(Contact)"}},
    },
}


@pytest.fixture
def salesforce_org_file() -> dict[str, Any]:
    return ORG


def lead(number: int, **fields: str) -> dict[str, str]:
    first, last = [("Ada", "Lovelace"), ("Grace", "Hopper")][number - 1]
    known = {"FirstName": first, "LastName": last, "Company": f"{last} Works", "Email": f"{last.lower()}@works.example"}
    return {"External_Id__c": f"CRM-{number}", "City": "London", **known, **fields}


def load(folder: Path, rows: list[dict[str, str]]) -> dict[str, Any]:
    source = folder / "leads.ndjson"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    run = run_dag(leads_and_contacts(), run_conf={"leads": str(source)})
    assert run.state == "success"
    [audit] = [ti for ti in run.get_task_instances() if ti.task_id.endswith("audit")]
    found: dict[str, Any] = audit.xcom_pull(task_ids=audit.task_id, key="duplicate_audit")
    return found


def test_a_lead_that_is_a_contact_updates_it_every_morning_and_is_never_made_a_lead(
    salesforce_org: EmulatedOrg, tmp_path: Path
) -> None:
    org = salesforce_org.state
    [contact] = org.seed("Contact", [{"LastName": "Lovelace", "Email": lead(1)["Email"]}])

    first = load(tmp_path, [lead(1), lead(2)])
    second = load(tmp_path, [lead(1, City="Paris"), lead(2)])

    assert (first["actions"], second["actions"]) == (
        {"created": 1, "matched_updated": 1},
        {"updated": 1, "matched_updated": 1},
    )
    [known] = org.records("Contact")
    assert (known["Id"], known["Lead_Key__c"], known["MailingCity"]) == (contact, "CRM-1", "Paris")
    assert [record["External_Id__c"] for record in org.records("Lead")] == ["CRM-2"]


def test_where_a_rule_only_warns_the_lead_points_to_the_contact(salesforce_org: EmulatedOrg, tmp_path: Path) -> None:
    org = salesforce_org.state
    org.switch_rule("Lead.Lead_Matches_Contact", active=False)
    [contact] = org.seed("Contact", [{"FirstName": "Ada", "LastName": "Lovelace", "Email": lead(1)["Email"]}])

    first = load(tmp_path, [lead(1)])
    second = load(tmp_path, [lead(1, City="Paris")])

    assert first["actions"] == {"saved_anyway": 1}
    assert second["actions"] == {"updated": 1}
    [saved] = org.records("Lead")
    assert (saved["Contact__c"], saved["City"]) == (contact, "Paris")


def test_the_contact_that_a_lead_was_converted_into_gets_the_rows_that_still_come_for_it(
    salesforce_org: EmulatedOrg, tmp_path: Path
) -> None:
    """Its key is the lead's for ever; the row reaches the contact, morning after morning."""
    org, client = salesforce_org.state, Client(salesforce_org.url, salesforce_org.access_token)
    [converted] = org.seed("Lead", [lead(1)])
    options = "<urn:doNotCreateOpportunity>true</urn:doNotCreateOpportunity>"
    body = f"<urn:convertedStatus>Closed - Converted</urn:convertedStatus>{options}<urn:leadId>{converted}</urn:leadId>"
    [result] = results(client.soap(f"<urn:convertLead><urn:leadConverts>{body}</urn:leadConverts></urn:convertLead>"))

    mornings = [load(tmp_path, [lead(1, City=city)]) for city in ("Paris", "Rome")]

    assert [each["actions"] for each in mornings] == [{"matched_updated": 1}] * 2
    assert mornings[0]["reasons"][0]["reason"] == "followed_conversion"
    [contact] = org.records("Contact")
    assert contact["Id"] == text(result, "contactId")
    assert (contact["Lead_Key__c"], contact["MailingCity"]) == ("CRM-1", "Rome")
    assert [each["Id"] for each in org.records("Lead")] == [converted]


@pytest.mark.parametrize("mode", ["upsert", "update_only"])
def test_what_rules_let_a_converted_lead_keep_its_contact_gets_all_the_same(
    salesforce_org: EmulatedOrg, tmp_path: Path, mode: str
) -> None:
    """Rules for fields are about the record that holds the key, and nobody writes to that any more."""
    org, client = salesforce_org.state, Client(salesforce_org.url, salesforce_org.access_token)
    [converted] = org.seed("Lead", [lead(1, Phone="1", Title="Countess")])
    options = "<urn:doNotCreateOpportunity>true</urn:doNotCreateOpportunity>"
    body = f"<urn:convertedStatus>Closed - Converted</urn:convertedStatus>{options}<urn:leadId>{converted}</urn:leadId>"
    client.soap(f"<urn:convertLead><urn:leadConverts>{body}</urn:leadConverts></urn:convertLead>")
    fields = {"City": "MailingCity", "Phone": "Phone", "Title": "Title"}
    with DAG("by_rules", schedule=None) as dag:
        salesforce_upsert(
            source=[lead(1, City="Paris", Phone="2", Title="Programmer")],
            sobject="Lead",
            external_id_field="External_Id__c",
            mode=mode,
            field_rules={"City": "on_create_only", "Phone": "only_blanks", "Title": "never"},
            on_duplicate=UpdateOther("Contact", fields=fields, stamp="Lead_Key__c"),
            retries=0,
        )

    assert run_dag(dag).state == "success"

    [contact] = org.records("Contact")
    assert (contact["MailingCity"], contact["Phone"], contact["Title"]) == ("Paris", "2", "Countess")
    with sqlite3.connect(tmp_path / "audit.db") as audit:
        told = audit.execute("SELECT action, reason, record_id, error_fields FROM sf_dedup_entry").fetchall()
    assert told == [("matched_updated", "followed_conversion", contact["Id"], None)]


def test_a_contact_that_carries_another_key_is_left_alone(salesforce_org: EmulatedOrg, tmp_path: Path) -> None:
    org = salesforce_org.state
    org.seed("Contact", [{"LastName": "Lovelace", "Email": lead(1)["Email"], "Lead_Key__c": "CRM-9"}])

    assert load(tmp_path, [lead(1)])["actions"] == {"awaiting_review": 1}

    [known] = org.records("Contact")
    assert (known["LastName"], known["Lead_Key__c"], known.get("MailingCity")) == ("Lovelace", "CRM-9", None)
