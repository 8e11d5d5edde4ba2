"""Clients that other people wrote."""

from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from airflow.providers.salesforce.hooks.salesforce import SalesforceHook
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import (
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceMoreThanOneRecord,
    SalesforceResourceNotFound,
)

from airflow_sf_dedup.emulator import EmulatedOrg

LEAD = {"LastName": "Doe", "Company": "Acme"}


@pytest.fixture
def tls(started: Any) -> EmulatedOrg:
    org, _ = started(tls=True)
    emulator: EmulatedOrg = org
    return emulator


@pytest.fixture
def salesforce(tls: EmulatedOrg) -> Any:
    session = requests.Session()
    session.verify = tls.ca_file
    # REQUESTS_CA_BUNDLE would take precedence.
    session.trust_env = False
    return Salesforce(instance_url=tls.url, session_id=tls.access_token, session=session)


def test_simple_salesforce_writes_and_reads(salesforce: Any) -> None:
    created = salesforce.Lead.create(LEAD)
    assert created["success"] is True
    assert salesforce.Lead.upsert("External_Id__c/a-b", LEAD) == 201
    assert salesforce.Lead.upsert("External_Id__c/a-b", {"City": "Bonn"}) == 200
    assert salesforce.Lead.update(created["id"], {"City": "Köln"}) == 204
    assert salesforce.Lead.get(created["id"])["City"] == "Köln"
    assert salesforce.Lead.get_by_custom_id("External_Id__c", "a-b")["City"] == "Bonn"
    found = salesforce.query_all("SELECT Id, City, Owner.Name FROM Lead ORDER BY City")
    assert [record["City"] for record in found["records"]] == ["Bonn", "Köln"]
    assert salesforce.Lead.delete(created["id"]) == 204
    assert salesforce.query("SELECT COUNT() FROM Lead")["totalSize"] == 1
    assert {field["name"] for field in salesforce.Lead.describe()["fields"]} >= {"Id", "External_Id__c"}
    assert salesforce.limits()["DailyApiRequests"]["Max"] == 100000
    body = {"records": [{"attributes": {"type": "Lead"}, "External_Id__c": "b", **LEAD, "LastName": "Roe"}]}
    (row,) = salesforce.restful("composite/sobjects/Lead/External_Id__c", method="PATCH", json=body)
    assert row["created"] is True


def test_simple_salesforce_raises_its_own_errors(salesforce: Any, tls: EmulatedOrg) -> None:
    tls.state.seed("Lead", [{**LEAD, "Loose_Key__c": "x"}] * 2)
    with pytest.raises(SalesforceMoreThanOneRecord):
        salesforce.Lead.upsert("Loose_Key__c/x", LEAD)
    with pytest.raises(SalesforceMalformedRequest):
        salesforce.Lead.create({"LastName": "Doe"})
    with pytest.raises(SalesforceResourceNotFound):
        salesforce.Lead.get("00Q000000000999AAA")
    tls.state.expire_sessions()
    with pytest.raises(SalesforceExpiredSession):
        salesforce.restful("limits")


def test_simple_salesforce_sends_the_duplicate_header(salesforce: Any, tls: EmulatedOrg) -> None:
    tls.state.seed("Lead", [{**LEAD, "FirstName": "Jane"}])
    with pytest.raises(SalesforceMalformedRequest) as refused:
        salesforce.Lead.create({**LEAD, "FirstName": "Jane"})
    assert "DUPLICATES_DETECTED" in str(refused.value)
    saved = salesforce.Lead.create(
        {**LEAD, "FirstName": "Jane"}, headers={"Sforce-Duplicate-Rule-Header": "allowSave=true"}
    )
    assert saved["success"] is True


def test_simple_salesforce_walks_through_pages(tls: EmulatedOrg, salesforce: Any) -> None:
    tls.state.seed("Account", [{"Name": f"it's {number}"} for number in range(2450)])
    soql = "SELECT Id, Owner.Name FROM Account WHERE Name LIKE 'it\\'s %' ORDER BY Id"
    found = list(salesforce.query_all_iter(soql))
    assert len(found) == 2450
    assert found[-1]["Owner"]["Name"] == "Data Loader"
    assert salesforce.query("SELECT COUNT() FROM Account", include_deleted=True)["totalSize"] == 2450


def test_simple_salesforce_describes(salesforce: Any) -> None:
    assert salesforce.describe()["maxBatchSize"] == 200
    assert salesforce.Account.metadata()["objectDescribe"]["name"] == "Account"
    assert salesforce.Account.describe()["keyPrefix"] == "001"
    assert salesforce.restful("limits")
    assert salesforce.api_usage["api-usage"].total == 100000


def test_simple_salesforce_works_with_a_token_of_client_credentials(tls: EmulatedOrg) -> None:
    answer = requests.post(
        f"{tls.url}/services/oauth2/token",
        data={"grant_type": "client_credentials", "client_id": "emulator-client", "client_secret": "emulator-secret"},
        verify=tls.ca_file,
        timeout=5,
    ).json()
    session = requests.Session()
    session.verify, session.trust_env = tls.ca_file, False
    client = Salesforce(instance_url=answer["instance_url"], session_id=answer["access_token"], session=session)
    assert client.query("SELECT Id FROM Organization")["records"][0]["Id"] == tls.org_id


# --- Airflow's own hook -----------------------------------------------------------------------------------


@pytest.fixture
def hook(tls: EmulatedOrg, monkeypatch: pytest.MonkeyPatch) -> Any:
    extra = {"instance_url": tls.url}
    monkeypatch.setenv("AIRFLOW_CONN_SALESFORCE_DEFAULT", json.dumps({"conn_type": "salesforce", "extra": extra}))
    session = requests.Session()
    session.verify, session.trust_env = tls.ca_file, False
    return SalesforceHook(session_id=tls.access_token, session=session)


def test_airflows_hook_connects_and_queries(hook: Any, tls: EmulatedOrg) -> None:
    tls.state.seed("Account", [{"Name": "Acme"}, {"Name": "Umbrella"}])
    assert hook.test_connection() == (True, "Connection successfully tested")
    found = hook.make_query("SELECT Id, Name FROM Account ORDER BY Name", include_deleted=True)
    assert [each["Name"] for each in found["records"]] == ["Acme", "Umbrella"]
    assert "External_Id__c" in hook.get_available_fields("Account")
    assert hook.describe_object("Account")["keyPrefix"] == "001"
    objects = hook.get_object_from_salesforce("Account", ["Id", "Name"])
    assert [each["Name"] for each in objects["records"]] == ["Acme", "Umbrella"]
