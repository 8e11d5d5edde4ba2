from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_sf_dedup.emulator import EmulatedOrg, Org
from airflow_sf_dedup.emulator.http import Request
from airflow_sf_dedup.emulator.query.querying import run
from airflow_sf_dedup.emulator.server import front
from airflow_sf_dedup.emulator.soql.parsing import parse

from .client import Client

LEADS: list[dict[str, Any]] = [
    {"LastName": "Adams", "Company": "Acme", "City": "Bonn", "NumberOfEmployees": 5, "External_Id__c": "E1"},
    {"LastName": "Brown", "Company": "Beta", "City": None, "NumberOfEmployees": 50, "DoNotCall": True},
    {"LastName": "clark", "Company": "100% O'Neil", "City": "Köln", "Birthdate__c": "1990-05-17"},
]


@pytest.fixture
def org(org: EmulatedOrg) -> EmulatedOrg:
    org.state.seed("Lead", LEADS)
    return org


CONDITIONS = [
    ("LastName = 'ADAMS'", ["Adams"]),
    ("lastname != 'adams'", ["Brown", "clark"]),
    ("NumberOfEmployees > 5", ["Brown"]),
    ("NumberOfEmployees >= 5 AND NumberOfEmployees <= 50", ["Adams", "Brown"]),
    ("City = null", ["Brown"]),
    ("City != NULL", ["Adams", "clark"]),
    ("DoNotCall = true", ["Brown"]),
    ("LastName LIKE 'a%'", ["Adams"]),
    ("LastName LIKE '_ro_n'", ["Brown"]),
    ("Company LIKE '100\\%%'", ["clark"]),
    ("Company = '100% O\\'Neil'", ["clark"]),
    ("LastName IN ('adams', 'CLARK')", ["Adams", "clark"]),
    ("LastName NOT IN ('adams', 'CLARK')", ["Brown"]),
    ("External_Id__c IN ('e1', 'none')", ["Adams"]),
    ("Birthdate__c = 1990-05-17", ["clark"]),
    ("Birthdate__c < 2000-01-01", ["clark"]),
    ("CreatedDate > 2020-01-01T00:00:00Z", ["Adams", "Brown", "clark"]),
    ("CreatedDate = TODAY", ["Adams", "Brown", "clark"]),
    ("CreatedDate < LAST_N_DAYS:3", []),
    ("NOT (City = 'Bonn' OR City = 'Köln')", ["Brown"]),
    ("(City = 'Bonn' OR DoNotCall = true) AND Company != 'Beta'", ["Adams"]),
    ("Owner.Username = 'LOADER@example.com'", ["Adams", "Brown", "clark"]),
]


@pytest.mark.parametrize(("condition", "found"), CONDITIONS, ids=[each[0] for each in CONDITIONS])
def test_a_condition_finds_its_records(client: Client, condition: str, found: list[str]) -> None:
    records = client.query(f"SELECT LastName FROM Lead WHERE {condition} ORDER BY Id")
    assert [record["LastName"] for record in records] == found


ORDERS = [
    ("ORDER BY LastName", ["Adams", "Brown", "clark"]),
    ("ORDER BY LastName DESC", ["clark", "Brown", "Adams"]),
    ("ORDER BY City", ["Brown", "Adams", "clark"]),
    ("ORDER BY City NULLS LAST", ["Adams", "clark", "Brown"]),
    ("ORDER BY DoNotCall DESC, LastName ASC LIMIT 2", ["Brown", "Adams"]),
    ("ORDER BY LastName LIMIT 1 OFFSET 1", ["Brown"]),
]


@pytest.mark.parametrize(("order", "found"), ORDERS, ids=[each[0] for each in ORDERS])
def test_records_come_in_the_order_asked_for(client: Client, order: str, found: list[str]) -> None:
    assert [record["LastName"] for record in client.query(f"SELECT LastName FROM Lead {order}")] == found


def test_counts(client: Client) -> None:
    answer = client.send("GET", "/query", params={"q": "SELECT COUNT() FROM Lead"}).json()
    assert answer == {"totalSize": 3, "done": True, "records": []}
    (counted,) = client.query("SELECT COUNT(Id) FROM Lead")
    assert counted == {"attributes": {"type": "AggregateResult"}, "expr0": 3}
    grouped = client.query("SELECT Status, COUNT(Id) n FROM Lead GROUP BY Status")
    assert [(row["Status"], row["n"]) for row in grouped] == [("Open - Not Contacted", 3)]


def test_fields_stands_for_all_fields(client: Client) -> None:
    (record,) = client.query("SELECT FIELDS(ALL) FROM Lead LIMIT 1")
    assert {"Id", "LastName", "External_Id__c", "CreatedDate"} <= set(record)
    (custom,) = client.query("SELECT FIELDS(CUSTOM) FROM Lead LIMIT 1")
    assert all(name.endswith("__c") for name in custom if name != "attributes")


ERRORS = [
    ("SELECT", "MALFORMED_QUERY"),
    ("SELECT Id FROM Lead WHERE", "MALFORMED_QUERY"),
    ("SELECT Id FROM Lead WHERE LastName = 'a", "MALFORMED_QUERY"),
    ("SELECT Id FROM Lead LIMIT x", "MALFORMED_QUERY"),
    ("SELECT Id, FROM Lead", "MALFORMED_QUERY"),
    ("SELECT Foo FROM Lead", "INVALID_FIELD"),
    ("SELECT Foo.Name FROM Lead", "INVALID_FIELD"),
    ("SELECT Id FROM Lead WHERE NumberOfEmployees = '5'", "INVALID_FIELD"),
    ("SELECT Id FROM Lead WHERE LastName = 5", "INVALID_FIELD"),
    ("SELECT Id FROM Nonsense", "INVALID_TYPE"),
    ("SELECT FIELDS(ALL) FROM Lead", "MALFORMED_QUERY"),
    ("", "MALFORMED_QUERY"),
]


@pytest.mark.parametrize(("soql", "code"), ERRORS, ids=[each[0] or "empty" for each in ERRORS])
def test_a_query_that_cannot_run_says_why(client: Client, soql: str, code: str) -> None:
    answer = client.send("GET", "/query", params={"q": soql})
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, code)


def test_a_long_answer_comes_in_pages(client: Client, org: EmulatedOrg) -> None:
    org.state.seed("Account", [{"Name": f"A{number}"} for number in range(4500)])
    page = client.send("GET", "/query", params={"q": "SELECT Id FROM Account"}).json()
    sizes = [len(page["records"])]
    while not page["done"]:
        page = client.session.get(f"{org.url}{page['nextRecordsUrl']}", timeout=5).json()
        sizes.append(len(page["records"]))
    assert sizes == [2000, 2000, 500]
    assert page["totalSize"] == 4500


def test_deleted_records_are_seen_by_query_all_only(client: Client) -> None:
    (lead,) = client.query("SELECT Id FROM Lead WHERE LastName = 'Adams'")
    client.send("DELETE", f"/sobjects/Lead/{lead['Id']}")
    soql = "SELECT LastName FROM Lead WHERE IsDeleted = true"
    assert client.query(soql) == []
    assert [each["LastName"] for each in client.query(soql, path="/queryAll")] == ["Adams"]


_TOKENS = (
    "SELECT FROM WHERE AND OR NOT IN LIKE ORDER BY LIMIT OFFSET null true Id LastName Lead Owner.Name COUNT ( ) , "
    "= != < > <= >= 'a' 'it\\'s' 5 -1.5 2026-01-31 2026-13-45 2026-01-31T10:00:00Z TODAY LAST_N_DAYS:5 FIELDS ALL "
    "GROUP ASC DESC NULLS LAST '\\ 1e999 * HAVING MAX SUM CALENDAR_YEAR CreatedDate toLabel FORMAT ROLLUP CUBE "
    "GROUPING TYPEOF WHEN THEN ELSE END Owner User Contact Account Contacts Tasks INCLUDES EXCLUDES Interests__c "
    "USING SCOPE mine WITH USER_MODE FOR VIEW ROWS N_YEARS_AGO:9999 NEXT_N_WEEKS:9999 12:00:00.000Z "
    "{ }"
)
_WORDS = st.sampled_from(_TOKENS.split())
_CLAUSES = st.lists(_WORDS, max_size=16).map(" ".join)
_ORG = Org.read()
_ORG.seed("Lead", LEADS)
_ORG.seed("Contact", [{"LastName": "Adams", "AccountId": _ORG.seed("Account", [{"Name": "Acme"}])[0]}])
_TEXTS = st.one_of(
    st.text(max_size=80),
    _CLAUSES,
    _CLAUSES.map("SELECT Id FROM Lead WHERE {}".format),
    _CLAUSES.map("SELECT {} FROM Lead".format),
    _CLAUSES.map("SELECT COUNT(Id) n, Status FROM Lead GROUP BY Status {}".format),
    _CLAUSES.map("SELECT Id, (SELECT Id FROM Contacts {}) FROM Account".format),
    _CLAUSES.map("SELECT Id FROM Contact WHERE AccountId IN (SELECT Id FROM Account {})".format),
)


@settings(max_examples=400, deadline=None)
@given(_TEXTS, st.sampled_from(["query", "queryAll"]), st.booleans())
def test_any_text_is_answered(text: str, resource: str, columns: bool) -> None:
    query = {"q": text} | ({"columns": "true"} if columns else {})
    headers = {"authorization": f"Bearer {_ORG.access_token}"}
    for asked in (query, {"explain": text}):
        request = Request("GET", ("services", "data", "v60.0", resource), asked, headers)
        response = front.answer(_ORG, request, "http://localhost")
        assert response.status in (200, 400)
        response.encoded()


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=20))
@example("\\%")
@example("\\_")
def test_an_escaped_text_finds_the_record_that_holds_it(text: str) -> None:
    org = Org.read()
    org.seed("Account", [{"Name": f"x{text}x"}])
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    answer = run(org, parse(f"SELECT Id FROM Account WHERE Name = 'x{escaped}x'"))
    assert answer.total == 1
