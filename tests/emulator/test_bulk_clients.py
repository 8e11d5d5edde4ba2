"""The Bulk APIs as clients use them that other people wrote: simple-salesforce and Airflow's own operator."""

from __future__ import annotations

import functools
import json
from typing import Any

import pytest
import requests
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceMalformedRequest, SalesforceOperationError

from airflow_sf_dedup.emulator import EmulatedOrg


@pytest.fixture
def tls(started: Any) -> EmulatedOrg:
    org, _ = started(tls=True)
    emulator: EmulatedOrg = org
    return emulator


@pytest.fixture
def trusting(tls: EmulatedOrg) -> requests.Session:
    session = requests.Session()
    session.verify = tls.ca_file
    # REQUESTS_CA_BUNDLE would take precedence.
    session.trust_env = False
    return session


@pytest.fixture
def salesforce(tls: EmulatedOrg, trusting: requests.Session) -> Any:
    return Salesforce(instance_url=tls.url, session_id=tls.access_token, session=trusting)


def test_bulk2_of_simple_salesforce(salesforce: Any, tls: EmulatedOrg) -> None:
    api = salesforce.bulk2.Account
    rows = [{"Name": f"n{number}", "External_Id__c": f"k{number}"} for number in range(3)] + [{"External_Id__c": "k9"}]
    (done,) = api.upsert(records=rows, external_id_field="External_Id__c", wait=0.1)
    assert (done["numberRecordsProcessed"], done["numberRecordsFailed"]) == (4, 1)
    assert "n1" in api.get_successful_records(done["job_id"])
    assert "REQUIRED_FIELD_MISSING" in api.get_failed_records(done["job_id"])
    everything = api.get_all_ingest_records(done["job_id"])
    assert [len(everything[name]) for name in ("successfulRecords", "failedRecords", "unprocessedRecords")] == [3, 1, 0]
    (page,) = api.query("SELECT Name FROM Account ORDER BY Name", wait=0.1)
    assert page == '"Name"\n"n0"\n"n1"\n"n2"\n'
    ids = [{"Id": record["Id"]} for record in tls.state.records("Account")]
    assert api.delete(records=ids, wait=0.1)[0]["numberRecordsProcessed"] == 3
    assert tls.state.records("Account") == []
    with pytest.raises(SalesforceOperationError, match="Field name not found : Foo"):
        api.insert(records=[{"Foo": "1"}], wait=0.1)


def test_bulk_of_simple_salesforce(salesforce: Any, tls: EmulatedOrg) -> None:
    tls.state.change_physics({"bulk_unseen": 0, "bulk_queue": 0})
    api = salesforce.bulk.Account
    saved, refused = api.insert([{"Name": "Acme"}, {"Phone": "1"}])
    assert (saved["success"], saved["created"]) == (True, True)
    assert refused["errors"][0]["statusCode"] == "REQUIRED_FIELD_MISSING"
    assert [row["Name"] for row in api.query("SELECT Name FROM Account")] == ["Acme"]
    (detailed,) = api.update([{"Id": saved["id"], "Name": "Beta"}], include_detailed_results=True)
    assert (detailed["success"], detailed["Name"]) == (True, "Beta")
    assert api.delete([{"Id": saved["id"]}])[0]["success"] is True
    with pytest.raises(SalesforceMalformedRequest, match="Records not processed"):
        api.insert([{"Foo": "1"}])


@pytest.fixture
def operator(tls: EmulatedOrg, trusting: requests.Session, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Airflow's operator, whose hook has a session instead of a password."""
    from airflow.providers.salesforce.hooks.salesforce import SalesforceHook
    from airflow.providers.salesforce.operators import bulk

    connection = {"conn_type": "salesforce", "extra": {"instance_url": tls.url, "version": "60.0"}}
    monkeypatch.setenv("AIRFLOW_CONN_SALESFORCE_DEFAULT", json.dumps(connection))
    with_session = functools.partial(SalesforceHook, session_id=tls.access_token, session=trusting)
    monkeypatch.setattr(bulk, "SalesforceHook", with_session)
    tls.state.change_physics({"bulk_unseen": 0, "bulk_queue": 0})
    return functools.partial(bulk.SalesforceBulkOperator, task_id="load", bulk_retry_delay=0)


def test_airflows_operator_inserts_and_upserts(operator: Any, tls: EmulatedOrg) -> None:
    rows = [{"LastName": f"n{number}", "External_Id__c": f"k{number}"} for number in range(3)]
    inserted = operator(operation="insert", object_name="Contact", payload=rows).execute({})
    assert [row["created"] for row in inserted] == [True] * 3
    rows = [{"LastName": "x", "External_Id__c": "k0"}, {"LastName": "y", "External_Id__c": "k7"}]
    upserted = operator(
        operation="upsert", object_name="Contact", payload=rows, external_id_field="External_Id__c", use_serial=True
    ).execute({})
    assert [(row["success"], row["created"]) for row in upserted] == [(True, False), (True, True)]
    assert len(tls.state.records("Contact")) == 4


def test_airflows_operator_returns_rows_that_were_refused(operator: Any, tls: EmulatedOrg) -> None:
    tls.state.seed("Lead", [{"FirstName": "Jane", "LastName": "Doe", "Company": "Acme"}])
    rows = [{"FirstName": "Jane", "LastName": "Doe", "Company": "Acme"}, {"LastName": "Roe"}]
    refused = operator(operation="insert", object_name="Lead", payload=rows).execute({})
    assert [row["errors"][0]["statusCode"] for row in refused] == ["DUPLICATES_DETECTED", "REQUIRED_FIELD_MISSING"]
    assert len(tls.state.records("Lead")) == 1


def test_airflows_operator_sends_locked_rows_again(operator: Any, tls: EmulatedOrg) -> None:
    fault = {"kind": "refuse_rows", "on": "POST /async/job/{job}/batch", "share": 1, "times": 1}
    tls.state.faults.replace([fault])
    task = operator(
        operation="insert", object_name="Account", payload=[{"Name": "Acme"}, {"Name": "Beta"}], max_retries=1
    )
    assert [row["success"] for row in task.execute({})] == [True, True]
    assert len(tls.state.records("Account")) == 2
