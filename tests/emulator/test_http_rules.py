"""What HTTP itself asks: paths, methods, formats, conditions."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
import requests
from defusedxml.ElementTree import fromstring

from airflow_sf_dedup.emulator import EmulatedOrg

from .client import Client, local

ACME = {"Name": "Acme"}


def get(org: EmulatedOrg, path: str, **options: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {org.access_token}", **options.pop("headers", {})}
    return requests.request(options.pop("method", "GET"), org.url + path, headers=headers, timeout=10, **options)


PATHS = [
    "/services/data/v60.0/sobjects/Account/describe",
    "//services//data/v60.0//sobjects/Account/describe/",
    "/services/data/v60.0/SObjects/account/Describe",
    "/services/data/v60.0/sobjects/Account/describe.json",
]


@pytest.mark.parametrize("path", PATHS, ids=["plain", "slashes", "case", "json ending"])
def test_a_path_may_be_spelled_in_several_ways(org: EmulatedOrg, path: str) -> None:
    assert get(org, path).json()["name"] == "Account"


def test_a_patch_may_come_as_a_post(client: Client) -> None:
    record_id = client.create("Account", **ACME)
    answer = client.send("POST", f"/sobjects/Account/{record_id}?_HttpMethod=PATCH", json={"Phone": "1"})
    assert answer.status_code == 204
    assert client.send("GET", f"/sobjects/Account/{record_id}").json()["Phone"] == "1"


def test_only_a_post_can_stand_for_another_method(client: Client) -> None:
    record_id = client.create("Account", **ACME)
    assert client.send("GET", f"/sobjects/Account/{record_id}?_HttpMethod=DELETE").status_code == 200
    assert client.send("GET", f"/sobjects/Account/{record_id}").status_code == 200


def test_head_has_the_headers_of_get_and_no_body(client: Client) -> None:
    answer = client.send("HEAD", "/limits")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Sforce-Limit-Info"].startswith("api-usage=")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/sobjects/Account/0015g0000000001AAA", "HEAD,GET,PATCH,DELETE"),
        ("POST", "/sobjects/Account/0015g0000000001AAA", "HEAD,GET,PATCH,DELETE"),
        ("PATCH", "/sobjects/Account", "HEAD,GET,POST"),
        ("GET", "/composite/sobjects/Account/External_Id__c", "PATCH"),
    ],
)
def test_a_method_that_a_resource_does_not_know_is_a_405(client: Client, method: str, path: str, allowed: str) -> None:
    answer = client.send(method, path, json={})
    message = f"HTTP Method '{method}' not allowed. Allowed are {allowed}"
    assert answer.status_code == 405
    assert answer.json() == [{"message": message, "errorCode": "METHOD_NOT_ALLOWED"}]
    assert answer.headers["Allow"] == allowed


def test_a_body_that_is_no_json_is_a_415_and_changes_nothing(client: Client) -> None:
    answer = client.send("POST", "/sobjects/Account", data={"Name": "Acme"})
    assert answer.status_code == 415
    assert answer.json()[0]["errorCode"] == "UNSUPPORTED_MEDIA_TYPE"
    assert client.query("SELECT Id FROM Account") == []


SENDS_XML = {"Content-Type": "application/xml; charset=UTF-8"}
XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


def in_xml(client: Client, method: str, path: str, body: str, **headers: str) -> requests.Response:
    return client.send(
        method, path, data=f'<?xml version="1.0" encoding="UTF-8"?>{body}'.encode(), headers=SENDS_XML | headers
    )


def test_a_record_may_be_created_in_xml(client: Client) -> None:
    body = "<Lead><LastName>Müller</LastName><Company>A &amp; B</Company><NumberOfEmployees>5</NumberOfEmployees>"
    answer = in_xml(client, "POST", "/sobjects/Lead", f"{body}<DoNotCall>true</DoNotCall></Lead>")

    assert answer.status_code == 201
    assert answer.headers["Content-Type"] == "application/xml;charset=UTF-8"
    assert fromstring(answer.content).findtext("success") == "true"
    lead = client.send("GET", f"/sobjects/Lead/{fromstring(answer.content).findtext('id')}").json()
    assert (lead["LastName"], lead["Company"]) == ("Müller", "A & B")
    assert (lead["NumberOfEmployees"], lead["DoNotCall"]) == (5, True)


def test_a_record_may_be_updated_and_cleared_in_xml(client: Client) -> None:
    record_id = client.create("Account", **ACME, Phone="1", Website="acme.example", Fax="2")
    body = f'<root {XSI}><Phone>7</Phone><Website xsi:nil="true"/><Fax></Fax></root>'
    assert in_xml(client, "PATCH", f"/sobjects/Account/{record_id}", body).status_code == 204
    account = client.send("GET", f"/sobjects/Account/{record_id}").json()
    assert [account[name] for name in ("Name", "Phone", "Website", "Fax")] == ["Acme", "7", None, None]


def test_a_record_may_be_upserted_in_xml_and_point_at_another_by_its_key(client: Client) -> None:
    account = client.create("Account", **ACME, External_Id__c="A1")
    body = "<root><LastName>Doe</LastName><Account><External_Id__c>A1</External_Id__c></Account></root>"
    for status in (201, 200):
        answer = in_xml(client, "PATCH", "/sobjects/Contact/External_Id__c/C1", body)
        assert (answer.status_code, fromstring(answer.content).findtext("created")) == (
            status,
            str(status == 201).lower(),
        )
    (contact,) = client.query("SELECT AccountId FROM Contact")
    assert contact["AccountId"] == account


def test_who_sends_xml_and_wants_json_gets_json(client: Client) -> None:
    answer = in_xml(client, "POST", "/sobjects/Account", "<root><Name>A</Name></root>", Accept="application/json")
    assert answer.json()["success"] is True


REFUSED_XML = {
    "no xml": ("<Account><Name>Acme</Account>", "XML_PARSER_ERROR"),
    "an entity": ('<!DOCTYPE a [<!ENTITY n "x">]><Account><Name>&n;</Name></Account>', "XML_PARSER_ERROR"),
    "no number": ("<Account><NumberOfEmployees>many</NumberOfEmployees></Account>", "XML_PARSER_ERROR"),
    "no such field": ("<Account><Nmae>Acme</Nmae></Account>", "INVALID_FIELD"),
    "no name": ("<Account><Phone>1</Phone></Account>", "REQUIRED_FIELD_MISSING"),
}


@pytest.mark.parametrize(("body", "code"), REFUSED_XML.values(), ids=REFUSED_XML)
def test_xml_is_refused_in_xml(client: Client, body: str, code: str) -> None:
    answer = client.send("POST", "/sobjects/Account", data=body.encode(), headers=SENDS_XML)
    assert answer.status_code == 400
    assert fromstring(answer.content).findtext("Error/errorCode") == code
    assert client.query("SELECT Id FROM Account") == []


def test_collections_are_json_only(client: Client) -> None:
    answer = in_xml(client, "POST", "/composite/sobjects", "<records/>", Accept="application/json")
    assert answer.status_code == 415


def test_bodies_and_answers_may_be_compressed(client: Client) -> None:
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    sent = client.send("POST", "/sobjects/Account", data=gzip.compress(json.dumps(ACME).encode()), headers=headers)
    assert sent.status_code == 201
    described = client.send("GET", "/sobjects/Account/describe", headers={"Accept-Encoding": "gzip"})
    assert described.headers["Content-Encoding"] == "gzip"
    assert described.json()["name"] == "Account"


@pytest.mark.parametrize("version", ["v1.0", "v99.0", "v60", "60.0", "vX"])
def test_a_version_that_there_is_not_is_a_404(org: EmulatedOrg, version: str) -> None:
    answer = get(org, f"/services/data/{version}/limits")
    assert answer.status_code == 404
    assert answer.json() == [{"message": "The requested resource does not exist", "errorCode": "NOT_FOUND"}]


def test_the_versions_are_for_everybody_and_cost_nothing(org: EmulatedOrg) -> None:
    answer = requests.get(f"{org.url}/services/data/", timeout=5)
    assert {"label": "Spring '24", "url": "/services/data/v60.0", "version": "60.0"} in answer.json()
    assert "Sforce-Limit-Info" not in answer.headers
    assert org.state.stats()["api_calls"] == 0


def test_a_session_that_is_over_is_a_401(org: EmulatedOrg) -> None:
    answer = get(org, "/services/data/v60.0/limits", headers={"Authorization": "Bearer nonsense"})
    assert answer.status_code == 401
    assert answer.json() == [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]
    assert answer.headers["WWW-Authenticate"] == "Token"


# --- XML --------------------------------------------------------------------------------------------------


XML = [
    ("/limits", {"Accept": "application/xml"}, "LimitsSnapshot"),
    ("/query.xml?q=SELECT+Name+FROM+Account", {}, "QueryResult"),
    ("/sobjects/Nothing__c", {"Accept": "application/xml"}, "Errors"),
    ("/sobjects/Account/describe.xml", {"Accept": "application/json"}, "Account"),
    ("", {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}, "Resources"),
]


@pytest.mark.parametrize(("path", "headers", "root"), XML, ids=[each[0] for each in XML])
def test_xml_for_whoever_likes_it_best(client: Client, path: str, headers: dict[str, str], root: str) -> None:
    answer = client.send("GET", path, headers=headers)
    assert answer.headers["Content-Type"] == "application/xml;charset=UTF-8"
    assert local(fromstring(answer.content)) == root


def test_a_record_in_xml_carries_its_type_and_its_values(client: Client) -> None:
    record_id = client.create("Account", Name="A & <B>")
    answer = client.send(
        "GET", f"/sobjects/Account/{record_id}?fields=Name,Phone", headers={"Accept": "application/xml"}
    )
    root = fromstring(answer.content)
    assert (local(root), root.attrib["type"]) == ("Account", "Account")
    assert root.findtext("Name") == "A & <B>"
    assert root.find("Phone").attrib == {"{http://www.w3.org/2001/XMLSchema-instance}nil": "true"}


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/json, application/xml", "text/plain", ""])
def test_json_for_everybody_else(client: Client, accept: str) -> None:
    answer = client.send("GET", "/limits", headers={"Accept": accept})
    assert answer.headers["Content-Type"] == "application/json;charset=UTF-8"


# --- conditions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/sobjects", "/sobjects/Account/describe", "/sobjects/Account/describe/layouts"])
def test_who_has_a_description_is_not_sent_it_again(client: Client, path: str) -> None:
    first = client.send("GET", path)
    by_tag = client.send("GET", path, headers={"If-None-Match": first.headers["ETag"]})
    by_time = client.send("GET", path, headers={"If-Modified-Since": first.headers["Last-Modified"]})
    assert [(each.status_code, each.content) for each in (by_tag, by_time)] == [(304, b"")] * 2
    earlier = client.send("GET", path, headers={"If-Modified-Since": "Wed, 3 Jul 2013 19:43:31 GMT"})
    assert earlier.json() == first.json()


def test_a_record_that_did_not_change_is_not_sent_again(client: Client) -> None:
    record_id = client.create("Account", **ACME)
    path = f"/sobjects/Account/{record_id}"
    shown = client.send("GET", path)
    assert client.send("GET", path, headers={"If-Modified-Since": shown.headers["Last-Modified"]}).status_code == 304


@pytest.mark.parametrize(("method", "body"), [("PATCH", {"Phone": "1"}), ("DELETE", None)], ids=["update", "delete"])
def test_a_record_changed_meanwhile_is_left_alone(client: Client, method: str, body: Any) -> None:
    record_id = client.create("Account", **ACME)
    headers = {"If-Unmodified-Since": "Wed, 3 Jul 2013 19:43:31 GMT"}
    answer = client.send(method, f"/sobjects/Account/{record_id}", json=body, headers=headers)
    assert answer.status_code == 412
    assert client.send("GET", f"/sobjects/Account/{record_id}").json()["Phone"] is None


def test_a_date_that_is_none_is_no_condition(client: Client) -> None:
    record_id = client.create("Account", **ACME)
    headers = {"If-Unmodified-Since": "yesterday", "If-Modified-Since": "yesterday"}
    assert client.send("GET", f"/sobjects/Account/{record_id}", headers=headers).status_code == 200


def test_an_account_has_an_etag_that_changes_with_it(client: Client) -> None:
    path = f"/sobjects/Account/{client.create('Account', **ACME)}"
    tag = client.send("GET", path).headers["ETag"]
    assert client.send("GET", path, headers={"If-None-Match": f'"other", {tag}'}).status_code == 304
    assert client.send("GET", path, headers={"If-Match": tag}).status_code == 200
    assert client.send("PATCH", path, json={"Name": "Beta"}, headers={"If-None-Match": tag}).status_code == 412
    assert client.send("PATCH", path, json={"Name": "Beta"}, headers={"If-Match": tag}).status_code == 204
    late = client.send("PATCH", path, json={"Name": "Gamma"}, headers={"If-Match": tag})
    assert (late.status_code, late.json()[0]["errorCode"]) == (412, "PRECONDITION_FAILED")
    assert client.send("GET", path, headers={"If-None-Match": tag}).json()["Name"] == "Beta"


def test_other_records_have_no_etag(client: Client) -> None:
    path = f"/sobjects/Contact/{client.create('Contact', LastName='Doe')}"
    assert "ETag" not in client.send("GET", path).headers
    assert client.send("PATCH", path, json={"LastName": "Roe"}, headers={"If-Match": '"x"'}).status_code == 204
