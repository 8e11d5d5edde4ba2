"""Compound addresses are shown by every door, and written by none."""

from __future__ import annotations

import pytest

from airflow_sf_dedup.emulator import EmulatedOrg
from tests.emulator.client import Client, soap_record

ADDRESS = {
    "city": "Bonn",
    "country": None,
    "geocodeAccuracy": None,
    "latitude": None,
    "longitude": None,
    "postalCode": "53111",
    "state": None,
    "street": "Markt 1",
}


@pytest.fixture
def contact(org: EmulatedOrg) -> str:
    row = {"LastName": "Nowak", "MailingStreet": "Markt 1", "MailingCity": "Bonn", "MailingPostalCode": "53111"}
    [record_id] = org.seed("Contact", [row])
    return record_id


def test_a_record_shows_it(client: Client, contact: str) -> None:
    record = client.send("GET", f"/sobjects/Contact/{contact}").json()
    assert record["MailingAddress"] == ADDRESS
    assert record["OtherAddress"] is None
    assert client.send("GET", f"/sobjects/Contact/{contact}?fields=mailingaddress").json()["MailingAddress"] == ADDRESS


def test_a_query_shows_it(client: Client, contact: str) -> None:
    [record] = client.query("SELECT MailingAddress, Account.BillingAddress FROM Contact")
    assert record["MailingAddress"] == ADDRESS
    assert record["Account"] is None


def test_soap_shows_its_parts(client: Client, contact: str) -> None:
    query = "<urn:query><urn:queryString>SELECT MailingAddress FROM Contact</urn:queryString></urn:query>"
    text = client.soap(query).text
    assert '<sf:MailingAddress xsi:type="sf:address"><sf:city>Bonn</sf:city>' in text
    assert "<sf:postalCode>53111</sf:postalCode>" in text


def test_its_parts_name_it(client: Client) -> None:
    fields = {each["name"]: each for each in client.send("GET", "/sobjects/Lead/describe").json()["fields"]}
    assert fields["City"]["compoundFieldName"] == "Address"
    assert fields["FirstName"]["compoundFieldName"] == "Name"
    address = fields["Address"]
    assert (address["type"], address["soapType"], address["createable"]) == ("address", "urn:address", False)


def test_nobody_writes_it(client: Client, contact: str, org: EmulatedOrg) -> None:
    path = f"/sobjects/Contact/{contact}"
    answer = client.send("PATCH", path, json={"MailingAddress": {"city": "Köln"}})
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "INVALID_FIELD_FOR_INSERT_UPDATE")
    soap = client.soap(f"<urn:update>{soap_record('Contact', Id=contact, MailingAddress='Köln')}</urn:update>")
    assert "INVALID_FIELD_FOR_INSERT_UPDATE" in soap.text
    assert org.record(contact)["MailingCity"] == "Bonn"


@pytest.mark.parametrize("soql", ["WHERE MailingAddress = 'x'", "ORDER BY MailingAddress", "GROUP BY MailingAddress"])
def test_nobody_asks_for_records_by_it(client: Client, soql: str) -> None:
    what = "COUNT(Id)" if soql.startswith("GROUP") else "Id"
    answer = client.send("GET", "/query", params={"q": f"SELECT {what} FROM Contact {soql}"})
    assert answer.status_code == 400


def test_bulk_queries_have_no_compound_fields(client: Client) -> None:
    body = {"operation": "query", "query": "SELECT MailingAddress FROM Contact"}
    answer = client.send("POST", "/jobs/query", json=body)
    assert answer.status_code == 400
    assert "Selecting compound data not supported in Bulk Query" in answer.text


def test_what_a_query_answered_can_be_put_into_an_org(client: Client, contact: str, org: EmulatedOrg) -> None:
    found = client.query("SELECT LastName, MailingCity, MailingAddress FROM Contact")
    [other] = org.seed("Contact", found)
    assert org.record(other)["MailingCity"] == "Bonn"
    assert "MailingAddress" not in org.record(other)
