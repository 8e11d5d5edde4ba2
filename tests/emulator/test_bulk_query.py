"""Bulk API 2.0 jobs that read."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
import requests

from airflow_sf_dedup.emulator import EmulatedOrg

from .bulk import info, set_state, wait
from .client import Client


def query(client: Client, soql: str, operation: str = "query", **asked: Any) -> requests.Response:
    return client.send("POST", "/jobs/query", json={"operation": operation, "query": soql, **asked})


def results(client: Client, job_id: str, **parameters: Any) -> requests.Response:
    return client.send("GET", f"/jobs/query/{job_id}/results", params=parameters, headers={"Accept": "text/csv"})


def done(client: Client, soql: str, operation: str = "query", **asked: Any) -> str:
    job_id: str = query(client, soql, operation, **asked).json()["id"]
    assert wait(client, job_id, "query")["state"] == "JobComplete"
    return job_id


def code(answer: requests.Response, status: int = 400) -> str:
    assert answer.status_code == status, answer.text
    found: str = answer.json()[0]["errorCode"]
    return found


def test_a_job_from_its_creation_to_its_rows(client: Client, org: EmulatedOrg) -> None:
    org.state.seed(
        "Contact",
        [
            {"LastName": "Doe", "Title": 'The "first"', "AccountId": org.state.seed("Account", [{"Name": "Acme"}])[0]},
            {"LastName": "Roe"},
        ],
    )
    made = query(client, "SELECT LastName, Title, Account.Name, CreatedDate FROM Contact ORDER BY LastName").json()
    assert (made["state"], made["object"], made["apiVersion"]) == ("UploadComplete", "Contact", 60.0)
    assert code(results(client, made["id"])) == "INVALIDJOBSTATE"
    assert info(client, made["id"], "query")["state"] in ("UploadComplete", "InProgress")
    found = wait(client, made["id"], "query")
    assert (found["state"], found["jobType"], found["numberRecordsProcessed"]) == ("JobComplete", "V2Query", 2)
    answer = results(client, made["id"])
    lines = answer.text.splitlines()
    assert lines[0] == '"LastName","Title","Account.Name","CreatedDate"'
    assert lines[1].startswith('"Doe","The ""first""","Acme","2')
    assert lines[2].startswith('"Roe","","","')
    assert lines[1].endswith('Z"')
    assert answer.headers["Sforce-Locator"] == "null"
    assert answer.headers["Sforce-NumberOfRecords"] == "2"
    assert answer.headers["Content-Type"] == "text/csv"


def test_rows_come_in_pages(client: Client, org: EmulatedOrg) -> None:
    org.state.seed("Account", [{"Name": f"n{number}"} for number in range(7)])
    job_id = done(client, "SELECT Name FROM Account ORDER BY Name", columnDelimiter="PIPE", lineEnding="CRLF")
    found: list[str] = []
    parameters: dict[str, Any] = {"maxRecords": 3}
    while parameters.get("locator") != "null":
        answer = results(client, job_id, **parameters)
        page = list(csv.DictReader(io.StringIO(answer.text, newline=""), delimiter="|"))
        assert answer.headers["Sforce-NumberOfRecords"] == str(len(page))
        found += [row["Name"] for row in page]
        parameters["locator"] = answer.headers["Sforce-Locator"]
    assert found == [f"n{number}" for number in range(7)]
    org.state.change_physics({"bulk_query_rows": 5})
    assert results(client, job_id).headers["Sforce-NumberOfRecords"] == "5"
    for wrong in ({"locator": "?"}, {"locator": "OTk5"}, {"maxRecords": "x"}, {"maxRecords": 0}):
        assert code(results(client, job_id, **wrong)) == "INVALIDVALUE"
    client.version = "61.0"
    assert results(client, job_id).status_code == 409


def test_query_all_sees_the_recycle_bin(client: Client, org: EmulatedOrg) -> None:
    (record_id,) = org.state.seed("Account", [{"Name": "A"}])
    client.send("DELETE", f"/sobjects/Account/{record_id}")
    soql = "SELECT Id, IsDeleted FROM Account"
    assert results(client, done(client, soql)).text == '"Id","IsDeleted"\n'
    assert results(client, done(client, soql, "queryAll")).text == f'"Id","IsDeleted"\n"{record_id}","true"\n'


@pytest.mark.parametrize(
    ("soql", "expected"),
    [
        ("SELECT FROM", "API_ERROR"),
        ("", "API_ERROR"),
        ("SELECT Foo FROM Account", "API_ERROR"),
        ("SELECT COUNT() FROM Account", "API_ERROR"),
        ("SELECT Id FROM Account OFFSET 3", "API_ERROR"),
        ("SELECT Id FROM Foo", "INVALIDENTITY"),
    ],
)
def test_queries_that_cannot_be_made(soql: str, expected: str, client: Client) -> None:
    assert code(query(client, soql)) == expected
    assert client.send("GET", "/jobs/query").json()["records"] == []


def test_a_job_needs_an_operation_it_has(client: Client) -> None:
    assert code(query(client, "SELECT Id FROM Account", "insert")) == "INVALIDJOB"
    assert code(query(client, "SELECT Id FROM Account", contentType="JSON")) == "INVALIDJOB"


def test_jobs_are_aborted_listed_and_deleted(client: Client, org: EmulatedOrg) -> None:
    org.state.change_physics({"bulk_queue": 30})
    job_id = query(client, "SELECT Id FROM Account").json()["id"]
    assert code(client.send("DELETE", f"/jobs/query/{job_id}")) == "INVALIDJOBSTATE"
    assert code(set_state(client, job_id, "UploadComplete", "query")) == "INVALIDJOBSTATE"
    assert set_state(client, job_id, "Aborted", "query").json()["state"] == "Aborted"
    assert code(set_state(client, job_id, "Aborted", "query")) == "INVALIDJOBSTATE"
    assert code(results(client, job_id)) == "INVALIDJOBSTATE"
    (listed,) = client.send("GET", "/jobs/query?jobType=V2Query").json()["records"]
    assert (listed["id"], listed["jobType"]) == (job_id, "V2Query")
    assert client.send("DELETE", f"/jobs/query/{job_id}").status_code == 204
    assert client.send("GET", f"/jobs/query/{job_id}").status_code == 404
    assert client.send("GET", f"/jobs/ingest/{job_id}").status_code == 404
