from __future__ import annotations

from typing import Any

import pytest

from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.emulator.soap.searching import search_result

from .client import Client


@pytest.fixture
def org(org: EmulatedOrg) -> EmulatedOrg:
    org.state.seed("Account", [{"Name": "Acme Rockets"}, {"Name": "Acme", "Description": "Makes rockets in New York"}])
    org.state.seed(
        "Contact",
        [
            {"FirstName": "Wile", "LastName": "Coyote", "Email": "wile@acme.com", "Phone": "(415) 555-1234"},
            {"FirstName": "Road", "LastName": "Runner", "Title": "Not at Acme"},
        ],
    )
    return org


def found(client: Client, sosl: str) -> list[str]:
    answer = client.send("GET", "/search", params={"q": sosl})
    assert answer.status_code == 200, answer.text
    return [record["Name"] for record in answer.json()["searchRecords"]]


_ACCOUNT = "RETURNING Account(Name)"
_CONTACT = "RETURNING Contact(Name)"
SEARCHES = [
    (f"FIND {{acme}} {_ACCOUNT}", ["Acme Rockets", "Acme"]),
    (f"FIND {{ACME}} IN ALL FIELDS {_ACCOUNT}", ["Acme Rockets", "Acme"]),
    (f"FIND {{acm}} {_ACCOUNT}", []),
    (f"FIND {{acm*}} {_ACCOUNT}", ["Acme Rockets", "Acme"]),
    (f"FIND {{ac?e}} {_ACCOUNT}", ["Acme Rockets", "Acme"]),
    (f"FIND {{acme rockets}} {_ACCOUNT}", ["Acme Rockets", "Acme"]),
    (f"FIND {{acme AND rockets}} IN NAME FIELDS {_ACCOUNT}", ["Acme Rockets"]),
    (f'FIND {{"new york"}} {_ACCOUNT}', ["Acme"]),
    (f'FIND {{"york new"}} {_ACCOUNT}', []),
    (f"FIND {{acme AND NOT york}} {_ACCOUNT}", ["Acme Rockets"]),
    (f"FIND {{york OR nothing}} {_ACCOUNT}", ["Acme"]),
    (f"FIND {{(york OR nothing) AND acme}} {_ACCOUNT}", ["Acme"]),
    (f"FIND {{acme}} IN NAME FIELDS {_CONTACT}", []),
    (f"FIND {{acme}} IN EMAIL FIELDS {_CONTACT}", ["Wile Coyote"]),
    (f"FIND {{wile@acme.com}} {_CONTACT}", ["Wile Coyote"]),
    (f"FIND {{4155551234}} IN PHONE FIELDS {_CONTACT}", ["Wile Coyote"]),
    (f"FIND {{555-1234}} IN PHONE FIELDS {_CONTACT}", ["Wile Coyote"]),
    (f"FIND {{acme}} {_ACCOUNT}, Contact(Name) LIMIT 3", ["Acme Rockets", "Acme", "Wile Coyote"]),
    ("FIND {acme} RETURNING Account(Name WHERE Name LIKE '%rockets' ORDER BY Name LIMIT 5)", ["Acme Rockets"]),
    ("FIND {acme} RETURNING Account(Name ORDER BY Name ASC LIMIT 1) WITH SPELL_CORRECTION = false", ["Acme"]),
]


@pytest.mark.parametrize(("sosl", "names"), SEARCHES, ids=[each[0] for each in SEARCHES])
def test_a_search_finds_its_records(client: Client, sosl: str, names: list[str]) -> None:
    assert found(client, sosl) == names


def test_without_fields_ids_are_shown(client: Client) -> None:
    records = client.send("GET", "/search", params={"q": "FIND {acme}"}).json()["searchRecords"]
    assert [record["attributes"]["type"] for record in records] == ["Account", "Account", "Contact", "Contact"]
    assert all(set(record) == {"attributes", "Id"} for record in records)


ERRORS = [
    ("FIND acme", "MALFORMED_SEARCH", "No search term found. The search term must be enclosed in braces."),
    ("FIND {a}", "INVALID_SEARCH", "search term must be longer than one character: a"),
    ("FIND {**}", "INVALID_SEARCH", "search term must be longer than one character: **"),
    ("FIND {acme} IN SOME FIELDS", "MALFORMED_SEARCH", "unexpected token: 'SOME'"),
    ("FIND {acme} RETURNING Nothing__c", "INVALID_TYPE", "for the appropriate names."),
    ("FIND {acme} RETURNING Account(Foo)", "INVALID_FIELD", "for the appropriate names."),
    ("FIND {acme} RETURNING Account(Name", "MALFORMED_SEARCH", "unexpected token: '<EOF>'"),
    ("", "MALFORMED_SEARCH", "A search string has to be specified"),
]


@pytest.mark.parametrize(("sosl", "code", "end"), ERRORS, ids=[each[0] or "empty" for each in ERRORS])
def test_a_search_that_cannot_run_says_why(client: Client, sosl: str, code: str, end: str) -> None:
    answer = client.send("GET", "/search", params={"q": sosl})
    assert answer.status_code == 400
    assert answer.json()[0]["errorCode"] == code
    assert answer.json()[0]["message"].endswith(end)


QUERIES = [
    ("q=acme&sobject=Account&Account.fields=id,name&Account.limit=1", ["Acme Rockets"]),
    ("q=acme&sobject=Account&sobject=Contact&fields=name", ["Acme Rockets", "Acme", "Wile Coyote", "Road Runner"]),
    ("q=acme&in=EMAIL&sobject=Contact&fields=name&defaultLimit=5", ["Wile Coyote"]),
    ("q=acme&sobject=Account&fields=name&Account.where=Name='Acme'&Account.orderBy=Name", ["Acme"]),
    ("q=a%7Dc+me&sobject=Account&fields=name", []),
]


@pytest.mark.parametrize(("query", "names"), QUERIES, ids=[each[0] for each in QUERIES])
def test_a_search_by_parameters(client: Client, query: str, names: list[str]) -> None:
    answer = client.send("GET", f"/parameterizedSearch/?{query}")
    assert answer.status_code == 200, answer.text
    assert [record["Name"] for record in answer.json()["searchRecords"]] == names


def test_a_search_by_a_body(client: Client) -> None:
    body: dict[str, Any] = {
        "q": "acme",
        "in": "NAME",
        "fields": ["Id", "Name"],
        "sobjects": [
            {"name": "Account", "orderBy": [{"field": "Name", "direction": "ASC", "nulls": "LAST"}], "limit": 1}
        ],
        "overallLimit": 10,
    }
    answer = client.send("POST", "/parameterizedSearch", json=body)
    assert [record["Name"] for record in answer.json()["searchRecords"]] == ["Acme"]
    for wrong in ({}, {"q": 5}, {"q": "acme", "sobjects": [{}]}, {"q": "acme", "overallLimit": "many"}):
        assert client.send("POST", "/parameterizedSearch", json=wrong).status_code == 400


def test_what_a_search_finds_as_xml(org: EmulatedOrg) -> None:
    xml, rows = search_result(org.state, "FIND {coyote} RETURNING Contact(LastName)", user_id="")
    assert rows == 1
    assert "<searchRecords><record " in xml
    assert "<sf:LastName>Coyote</sf:LastName></record></searchRecords>" in xml
