"""``/_emulator/``: what a test, or a person with a browser, asks of the emulator itself."""

from __future__ import annotations

import re
from typing import Any

import pytest
import requests

from airflow_sf_dedup.emulator import EmulatedOrg

from .client import Client

LEADS = [
    {"LastName": "Nowak", "Company": "Nowak", "NumberOfEmployees": 5, "DoNotCall": True},
    {"LastName": "nowak", "Company": "Other", "NumberOfEmployees": 7},
    {"LastName": "Kuhl", "Company": "Kuhl", "Email": "kuhl@x.example"},
]


def get(org: EmulatedOrg, path: str = "", **options: Any) -> requests.Response:
    return requests.get(f"{org.url}/_emulator{path}", timeout=5, **options)


def test_the_list_of_endpoints_is_complete_and_each_answers(org: EmulatedOrg) -> None:
    endpoints = get(org).json()["endpoints"]
    for endpoint in endpoints:
        method, path = endpoint.split(" ")
        if method == "GET" and "{" not in path:
            assert requests.get(org.url + path, timeout=5).status_code == 200, endpoint
    assert "POST /_emulator/reset" in endpoints


@pytest.mark.parametrize(
    ("query", "companies"),
    [
        ("", ["Nowak", "Other", "Kuhl"]),
        ("?LastName=NOWAK", ["Nowak", "Other"]),
        ("?lastname=nowak&DoNotCall=true", ["Nowak"]),
        ("?NumberOfEmployees=7", ["Other"]),
        ("?Email=", ["Nowak", "Other"]),
        ("?limit=1", ["Nowak"]),
        ("?limit=0", []),
    ],
)
def test_records_are_filtered_by_fields(org: EmulatedOrg, query: str, companies: list[str]) -> None:
    org.seed("Lead", LEADS)
    assert [each["Company"] for each in get(org, f"/records/Lead{query}").json()] == companies


def test_records_are_filtered_in_python_too(org: EmulatedOrg) -> None:
    org.seed("Lead", LEADS)
    assert [each["Company"] for each in org.records("Lead", LastName="nowak", NumberOfEmployees=7)] == ["Other"]
    assert [each["Company"] for each in org.records("Lead", Email=None, DoNotCall=False)] == ["Other"]


def test_one_record_by_either_id_also_from_the_bin(org: EmulatedOrg, client: Client) -> None:
    [record_id] = org.seed("Account", [{"Name": "Nowak"}])
    client.send("DELETE", f"/sobjects/Account/{record_id}")
    for each in (record_id, record_id[:15]):
        assert get(org, f"/records/account/{each}").json()["Name"] == "Nowak"
    assert get(org, f"/records/Lead/{record_id}").status_code == 404
    assert get(org, "/records/Account/nonsense").status_code == 404


REFUSED = [
    ("GET", "/records/Led", 400, "INVALID_TYPE"),
    ("GET", "/records/Lead?Emial=x", 400, "did you mean 'Email'?"),
    ("GET", "/records/Lead?limit=many", 400, "limit: 'many' should be a whole number"),
    ("GET", f"/records/Lead?limit={'9' * 5000}", 400, "should be a whole number"),
    ("GET", "/ledger?after=x", 400, "after: 'x' should be a whole number"),
    ("GET", "/nothing", 404, "NOT_FOUND"),
    ("GET", "/records", 404, "NOT_FOUND"),
    ("PUT", "/records/Lead", 405, "Allowed are GET,POST"),
    ("GET", "/reset", 405, "Allowed are POST"),
]


@pytest.mark.parametrize(
    ("method", "path", "status", "complaint"), REFUSED, ids=[f"{r[0]} {r[1][:30]}" for r in REFUSED]
)
def test_what_there_is_not_is_refused(org: EmulatedOrg, method: str, path: str, status: int, complaint: str) -> None:
    answer = requests.request(method, f"{org.url}/_emulator{path}", timeout=5)
    assert answer.status_code == status
    assert complaint in answer.text


def test_a_call_says_who_made_it_and_what_became_of_its_rows(org: EmulatedOrg, client: Client) -> None:
    org.seed("Lead", LEADS)
    rows = [
        {"External_Id__c": "a", "LastName": "A", "Company": "A"},
        {"External_Id__c": "b", "LastName": "B", "Company": "B", "Email": "kuhl@x.example"},
        {"External_Id__c": "c", "LastName": "C"},
    ]
    client.upsert("Lead", "External_Id__c", rows)
    client.query("SELECT Id FROM Lead")
    [write, read] = get(org, "/calls?last=2").json()
    assert write["outcomes"] == {"created": 1, "DUPLICATES_DETECTED": 1, "REQUIRED_FIELD_MISSING": 1}
    assert (write["name"], write["user"]) == ("PATCH /composite/sobjects/{sobject}/{field}", "loader@example.com")
    assert (read["name"], read["outcomes"], read["rows"]) == ("GET /query", {}, 4)
    assert get(org, "/calls?last=0").json() == []
    assert org.calls(1) == [read]


def test_faults_are_added_to_those_that_are_on(org: EmulatedOrg) -> None:
    org.add_faults({"kind": "slow", "seconds": 0})
    org.add_faults({"kind": "unavailable", "calls": [99]}, seed=7)
    shown = get(org, "/faults").json()
    assert (shown["seed"], [each["kind"] for each in shown["faults"]]) == (7, ["slow", "unavailable"])
    org.clear_faults()
    assert get(org, "/faults").json()["faults"] == []


# --- the page ------------------------------------------------------------------------------------------------


def test_the_page_shows_records_calls_and_rules(org: EmulatedOrg, client: Client) -> None:
    org.seed("Lead", LEADS)
    client.query("SELECT Id FROM Lead")
    org.add_faults({"kind": "slow", "seconds": 0})
    answer = requests.get(org.url, headers={"Accept": "text/html,*/*"}, timeout=5)
    assert answer.headers["content-type"] == "text/html; charset=UTF-8"
    text = re.sub(r"<[^>]+>", " ", answer.text)
    for shown in ("Emulated Org", "Lead", "Standard_Account_Duplicate_Rule", "GET /services/data/v60.0/query"):
        assert shown in text
    assert "Faults are on: slow" in text
    assert client.token not in answer.text


def test_what_callers_send_is_text_on_the_page(org: EmulatedOrg) -> None:
    requests.get(f"{org.url}/services/data/v60.0/<script>alert(1)</script>", timeout=5)
    page = get(org, headers={"Accept": "text/html"}).text
    assert "<script" not in page


def test_the_root_is_nothing_for_a_program(org: EmulatedOrg) -> None:
    assert requests.get(org.url, timeout=5).status_code == 404
