"""What is null in a query: the empty text is, a boolean is not, and a missing parent's fields are."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_sf_dedup.emulator import EmulatedOrg

from .client import Client


@pytest.fixture
def people(org: EmulatedOrg, client: Client) -> Client:
    (account,) = org.seed("Account", [{"Name": "Acme"}])
    org.seed(
        "Contact",
        [
            {"LastName": "Adams", "Email": "a@acme.example", "AccountId": account, "Birthdate": "1990-05-17"},
            {"LastName": "Brown", "Email": "b@acme.example", "DoNotCall": True},
            {"LastName": "Clark"},
        ],
    )
    return client


FOUND = {
    "Email = ''": ["Clark"],
    "Email != ''": ["Adams", "Brown"],
    "Email = null": ["Clark"],
    "Email > ''": ["Adams", "Brown"],
    "Email IN ('', 'A@acme.example')": ["Adams", "Clark"],
    "Email NOT IN ('', 'A@acme.example')": ["Brown"],
    "Email NOT IN ('a@acme.example')": ["Brown", "Clark"],
    "Email != 'a@acme.example'": ["Brown", "Clark"],
    "Email LIKE '%'": ["Adams", "Brown"],
    "(NOT Email LIKE 'a%')": ["Brown", "Clark"],
    "AccountId = ''": ["Brown", "Clark"],
    "AccountId != ''": ["Adams"],
    "Account.Name = null": ["Brown", "Clark"],
    "Account.Name = ''": ["Brown", "Clark"],
    "Account.Name != 'Beta'": ["Adams", "Brown", "Clark"],
    "AccountId NOT IN (SELECT Id FROM Account)": ["Brown", "Clark"],
    "DoNotCall = null": ["Adams", "Clark"],
    "DoNotCall != null": ["Brown"],
    "Account.IsDeleted = false": ["Adams", "Brown", "Clark"],
    "Account.IsDeleted = true": [],
    "Birthdate != 1990-05-17": ["Brown", "Clark"],
    "Birthdate < 2000-01-01": ["Adams"],
    "Id = ''": [],
    "Id != ''": ["Adams", "Brown", "Clark"],
}


@pytest.mark.parametrize(("condition", "found"), FOUND.items(), ids=FOUND)
def test_what_is_null(people: Client, condition: str, found: list[str]) -> None:
    records = people.query(f"SELECT LastName FROM Contact WHERE {condition} ORDER BY LastName")
    assert [each["LastName"] for each in records] == found


def test_nulls_come_first_in_both_directions(people: Client) -> None:
    def order(way: str) -> list[Any]:
        return [each["Email"] for each in people.query(f"SELECT Email FROM Contact ORDER BY Email {way}")]

    assert order("") == [None, "a@acme.example", "b@acme.example"]
    assert order("DESC") == [None, "b@acme.example", "a@acme.example"]
    assert order("DESC NULLS LAST") == ["b@acme.example", "a@acme.example", None]


def test_count_of_a_field_leaves_nulls_out(people: Client) -> None:
    (row,) = people.query("SELECT COUNT(Id) every, COUNT(Email), COUNT_DISTINCT(AccountId) FROM Contact")
    assert [row["every"], row["expr0"], row["expr1"]] == [3, 2, 1]


MULTI = {
    "Colours__c = ''": ["none"],
    "Colours__c = 'Blue'": ["one"],
    "Colours__c != 'Blue'": ["none", "two"],
    "Colours__c INCLUDES ('Blue')": ["one", "two"],
    "Colours__c INCLUDES ('Blue;Red', 'Green')": ["two"],
    "Colours__c EXCLUDES ('Red')": ["none", "one"],
}


@pytest.mark.parametrize(("condition", "found"), MULTI.items(), ids=MULTI)
def test_multi_select_picklists(started: Any, condition: str, found: list[str]) -> None:
    fields = {"Name": "text", "Colours__c": "multipicklist(Blue, Red, Green)"}
    org, client = started({"sobjects": {"Car__c": {"fields": fields}}})
    cars = [{"Name": "none"}, {"Name": "one", "Colours__c": "Blue"}, {"Name": "two", "Colours__c": "Blue;Red"}]
    org.seed("Car__c", cars)

    records = client.query(f"SELECT Name FROM Car__c WHERE {condition} ORDER BY Name")
    assert [each["Name"] for each in records] == found


@pytest.mark.parametrize("follow", [True, False])
def test_ids_after_the_empty_text(started: Any, follow: bool) -> None:
    org, client = started(
        {"sobjects": {"Account": {"fields": {"Name": "text"}}}, "quirks": {"ids_follow_empty_text": follow}}
    )
    org.seed("Account", [{"Name": "Acme"}])

    answer = client.send("GET", "/query", params={"q": "SELECT Name FROM Account WHERE Id > '' ORDER BY Id"})

    if follow:
        assert answer.json()["totalSize"] == 1
    else:
        assert answer.json()[0]["errorCode"] == "INVALID_QUERY_FILTER_OPERATOR"


REFERENCES = {
    "AccountId = '{0}'": ["c0", "c1"],
    "AccountId IN ('{0}', '{1}') AND LastName != 'c0'": ["c1", "c2"],
    "AccountId = '{2}'": [],
    "AccountId IN (SELECT Id FROM Account WHERE Name = 'A1')": ["c2"],
    "AccountId = '{0}' OR LastName = 'c3'": ["c0", "c1", "c3"],
}


@pytest.mark.parametrize(("condition", "found"), REFERENCES.items(), ids=REFERENCES)
def test_records_are_found_by_what_they_point_at(
    org: EmulatedOrg, client: Client, condition: str, found: list[str]
) -> None:
    accounts = org.seed("Account", [{"Name": f"A{number}"} for number in range(3)])
    contacts = [{"LastName": f"c{at}", "AccountId": accounts[owner]} for at, owner in enumerate((0, 0, 1))]
    org.seed("Contact", [*contacts, *({"LastName": f"c{at}"} for at in range(3, 9))])
    query = f"SELECT LastName FROM Contact WHERE {condition.format(*accounts)} ORDER BY LastName"
    assert [each["LastName"] for each in client.query(query)] == found


def test_what_a_record_points_at_may_change(org: EmulatedOrg, client: Client) -> None:
    old, new = org.seed("Account", [{"Name": "old"}, {"Name": "new"}])
    org.seed("Contact", [{"LastName": f"other {at}"} for at in range(9)])
    contact = client.create("Contact", LastName="Adams", AccountId=old)

    def of(account: str) -> list[str]:
        return [each["Id"] for each in client.query(f"SELECT Id FROM Contact WHERE AccountId = '{account}'")]

    assert (of(old), of(new)) == ([contact], [])
    before = org.snapshot()
    client.send("PATCH", f"/sobjects/Contact/{contact}", json={"AccountId": new})
    assert (of(old), of(new)) == ([], [contact])
    client.send("DELETE", f"/sobjects/Contact/{contact}")
    assert of(new) == []
    deleted = client.query(f"SELECT Id FROM Contact WHERE AccountId = '{new}'", path="/queryAll")
    assert [each["Id"] for each in deleted] == [contact]
    org.restore(before)
    assert (of(old), of(new)) == ([contact], [])


def test_the_plan_names_the_index_of_a_reference(org: EmulatedOrg, client: Client) -> None:
    (account,) = org.seed("Account", [{"Name": "A"}])
    org.seed("Contact", [{"LastName": f"other {at}"} for at in range(9)])
    explain = f"SELECT Id FROM Contact WHERE AccountId = '{account}'"

    (plan,) = client.send("GET", "/query", params={"explain": explain}).json()["plans"]

    assert (plan["leadingOperationType"], plan["fields"]) == ("Index", ["AccountId"])
