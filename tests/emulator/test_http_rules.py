"""What HTTP itself asks: paths, methods, formats."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
import requests

from airflow_sf_dedup.emulator import EmulatedOrg

from .client import Client

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


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "application/xml; charset=UTF-8", "text/csv"])
def test_a_body_that_is_no_json_is_a_415_and_changes_nothing(client: Client, kind: str) -> None:
    answer = client.send("POST", "/sobjects/Account", data=b"Name=Acme", headers={"Content-Type": kind})
    assert answer.status_code == 415
    assert answer.json()[0]["errorCode"] == "UNSUPPORTED_MEDIA_TYPE"
    assert client.query("SELECT Id FROM Account") == []


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


@pytest.mark.parametrize(
    "accept", ["*/*", "application/json", "application/xml", "text/html, */*;q=0.8", "text/plain", ""]
)
def test_every_answer_is_json(client: Client, accept: str) -> None:
    answer = client.send("GET", "/limits", headers={"Accept": accept})
    assert answer.headers["Content-Type"] == "application/json;charset=UTF-8"
