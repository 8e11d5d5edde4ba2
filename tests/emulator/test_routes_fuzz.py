"""Any request to any route: an answer that Salesforce could give, and data that agrees with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_sf_dedup.emulator import Org
from airflow_sf_dedup.emulator.http import Request, Response, read_url
from airflow_sf_dedup.emulator.records.store import make_id
from airflow_sf_dedup.emulator.server import front
from airflow_sf_dedup.emulator.server.routes import ROUTES, Route

ORG = Org.read()
TOKEN = {"authorization": f"Bearer {ORG.access_token}"}
ACCOUNT, CONTACT, CASE, LEAD = (make_id(prefix, 1) for prefix in ("001", "003", "500", "00Q"))
IDS = [
    ACCOUNT,
    ACCOUNT[:15],
    CONTACT,
    CASE,
    LEAD,
    "0015g0000000999AAA",
    "00Q",
    "",
    "012000000000000AAA",
]
WORDS = [
    *("Account", "account", "Contact", "Lead", "Case", "Task", "User", "Organization", "Nothing__c", "Invoice__c"),
    *("External_Id__c", "Id", "id", "Email", "Name", "Legacy_Number__c", "Loose_Key__c", "Contacts", "Owner", "Parent"),
    *("describe", "01g5g0000000001AAA-2000", "v60.0", "..", "%2F"),
    *("a", "a.xml", "a.json", "2026-01-01", "12", "12.5", "\u00e9\u4e2d", "\U0001f600", " ", "a'b", 'a"b', "@{r.id}"),
]
SEGMENTS = st.one_of(st.sampled_from(IDS), st.sampled_from(WORDS), st.text(max_size=6))
FIELDS = [
    *(
        "Name",
        "LastName",
        "FirstName",
        "Company",
        "Email",
        "External_Id__c",
        "Id",
        "id",
        "AccountId",
        "Account",
        "OwnerId",
    ),
    *("Subject", "Status", "Birthdate", "IsDeleted", "CreatedDate", "attributes", "records", "record"),
    *("ids", "fields", "allOrNone", "Contacts", "Description", "WhatId", "Foo"),
]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**19), 10**19),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from([*IDS, "2026-01-01", "2026-13-45", "2026-01-01T00:00:00Z", "a@b.c", "Account", "Contact", "Lead"]),
)
TYPES = st.sampled_from(["Account", "Contact", "Lead", "Case", "Task", "Nothing__c"])
ATTRIBUTES = st.fixed_dictionaries({"type": TYPES}, optional={"referenceId": st.sampled_from(["a", "b", "c", ""])})
VALUES = st.recursive(
    st.one_of(SCALARS, ATTRIBUTES),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=3),
    max_leaves=6,
)
RECORDS = st.builds(
    lambda fields, attributes: {**fields, "attributes": attributes},
    st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=4),
    ATTRIBUTES,
)
GOOD = st.sampled_from(
    [
        {"Name": "Acme"},
        {"LastName": "Doe", "Company": "Acme"},
        {"LastName": "Doe", "AccountId": ACCOUNT},
        {"Subject": "Help", "Status": "New"},
        {"records": [{"attributes": {"type": "Account"}, "Id": ACCOUNT, "Name": "New"}]},
        {"ids": [ACCOUNT], "fields": ["Name"]},
    ]
)
METHODS = ["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"]
SUBREQUESTS = st.fixed_dictionaries(
    {
        "method": st.sampled_from(METHODS),
        "url": st.builds(
            lambda tail: f"/services/data/v60.0/{tail}",
            st.sampled_from(
                [
                    *(
                        "sobjects/Account",
                        f"sobjects/Account/{ACCOUNT}",
                        "sobjects/Lead/External_Id__c/a",
                        "composite/sobjects",
                    ),
                    *(
                        "query?q=SELECT+Id+FROM+Account",
                        "sobjects/Contact/@{a.id}",
                        "composite/sobjects/Account/External_Id__c",
                        "limits",
                        "x",
                    ),
                ]
            ),
        ),
        "referenceId": st.sampled_from(["a", "b", "c", "d"]),
    },
    optional={"body": st.one_of(GOOD, RECORDS, SCALARS), "httpHeaders": st.dictionaries(st.text(max_size=4), SCALARS)},
)
CARRIERS = st.one_of(
    st.builds(lambda each: {"compositeRequest": each}, st.lists(SUBREQUESTS, max_size=3)),
    st.builds(lambda each: {"batchRequests": each}, st.lists(SUBREQUESTS, max_size=2)),
)
BODIES = st.one_of(
    GOOD,
    RECORDS,
    st.builds(lambda each: {"records": each}, st.lists(RECORDS, max_size=3)),
    CARRIERS,
    VALUES,
    st.binary(max_size=20),
)
QUERIES = st.dictionaries(
    st.sampled_from(
        [
            "q",
            "explain",
            "fields",
            "ids",
            "limit",
            "offset",
            "updateOnly",
            "allOrNone",
            "sObjects",
            "columns",
        ]
    ),
    st.one_of(
        st.sampled_from(
            ["SELECT Id FROM Account", "Name", "Name,Id,Foo", ACCOUNT, "true", "5", "99999999999999999999", "-1"]
        ),
        st.just("Account,Lead"),
        st.text(max_size=8),
    ),
    max_size=3,
)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            *(
                "accept",
                "content-type",
                "sforce-auto-assign",
            ),
            *("sforce-duplicate-rule-header", "sforce-query-options", "sforce-call-options", "x-anything"),
        ]
    ),
    st.one_of(
        st.sampled_from(
            ["application/json", "application/xml", "text/csv", "*/*;q=x", "allowSave=true", "batchSize=200"]
        ),
        st.text(max_size=8),
    ),
    max_size=3,
)


@pytest.fixture(autouse=True, scope="module")
def org() -> Iterator[None]:
    begin()
    yield
    ORG.reset()


def begin() -> None:
    ORG.reset()
    ORG.seed("Account", [{"Id": ACCOUNT, "Name": "Acme", "External_Id__c": "a"}])
    ORG.seed("Contact", [{"Id": CONTACT, "LastName": "Doe", "AccountId": ACCOUNT, "External_Id__c": "a"}])
    ORG.seed("Lead", [{"Id": LEAD, "LastName": "Doe", "Company": "Acme", "External_Id__c": "a"}])
    ORG.seed("Case", [{"Id": CASE, "Subject": "Help", "AccountId": ACCOUNT}])


def send(method: str, url: str, *, body: Any = b"", headers: dict[str, str] | None = None) -> Response:
    path, query = read_url(url)
    answer = front.answer(ORG, Request(method, path, query, {**(headers or {}), **TOKEN}, body), "http://localhost")
    answer.encoded()
    for name, value in answer.headers.items():
        f"{name}: {value}".encode("latin-1")
    return answer


def kept() -> dict[str, dict[str, Any]]:
    return {name: dict(table.records) for name, table in ORG.tables.items()}


def url_of(route: Route, segments: list[str], query: dict[str, str]) -> str:
    left = iter(segments)
    path = (quote(next(left), safe="") if part[0] == "{" else part for part in route.path)
    return f"/services/data/v60.0/{'/'.join(path)}?{urlencode(query)}"


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(ROUTES),
    st.one_of(st.none(), st.sampled_from(METHODS)),
    st.lists(SEGMENTS, min_size=4, max_size=4),
    QUERIES,
    HEADERS,
    BODIES,
)
def test_any_request_to_any_route_is_answered_and_the_data_agrees(
    route: Route, method: str | None, segments: list[str], query: dict[str, str], headers: dict[str, str], body: Any
) -> None:
    begin()
    before = kept()
    sent = method or route.method
    answer = send(sent, url_of(route, segments, query), body=body, headers=headers)
    assert answer.status < 500, answer.body
    after = kept()
    if answer.status >= 300 or sent in ("GET", "HEAD", "OPTIONS"):
        assert after == before, f"{answer.status}, but the data changed"
    elif answer.status == 201 and isinstance(answer.body, dict) and "id" in answer.body:
        assert any(answer.body["id"] in records for records in after.values())
    elif sent == "DELETE" and answer.status == 204:
        assert after != before
    check_rows(answer.body, after)


def check_rows(body: Any, after: dict[str, dict[str, Any]]) -> None:
    """Whatever a row of a collection says was saved is there."""
    for row in body if isinstance(body, list) else ():
        if isinstance(row, dict) and row.get("success") is True:
            assert any(row["id"] in records for records in after.values())


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(CARRIERS, st.sampled_from(["composite", "composite/batch"]), st.booleans())
def test_a_composite_that_is_halted_changes_nothing(body: dict[str, Any], path: str, all_or_none: bool) -> None:
    begin()
    before = kept()
    answer = send("POST", f"/services/data/v60.0/{path}", body={**body, "allOrNone": all_or_none})
    assert answer.status < 500
    if answer.status >= 400 or (isinstance(answer.body, dict) and all_failed(answer.body, all_or_none)):
        assert kept() == before


def all_failed(body: dict[str, Any], all_or_none: bool) -> bool:
    rows = body.get("compositeResponse", ())
    return all_or_none and any(each["httpStatusCode"] >= 400 for each in rows)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(["GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS"]),
    st.lists(
        st.one_of(
            st.sampled_from(
                [
                    *(
                        "services",
                        "data",
                        "oauth2",
                        "token",
                        "authorize",
                        "revoke",
                        "introspect",
                        "userinfo",
                        "id",
                        "soap",
                    ),
                    *(
                        "apexrest",
                        ".well-known",
                        "openid-configuration",
                        ORG.org_id,
                        "v60.0",
                        "v20.0",
                        "v999.0",
                        "data.json",
                    ),
                ]
            ),
            st.text(max_size=4),
        ),
        max_size=5,
    ),
    st.dictionaries(
        st.sampled_from(
            [
                *(
                    "grant_type",
                    "client_id",
                    "client_secret",
                    "code",
                    "redirect_uri",
                    "response_type",
                    "state",
                    "scope",
                ),
                *("username", "password", "assertion", "refresh_token", "token", "code_verifier", "code_challenge"),
                *("login_hint", "oauth_token", "version"),
            ]
        ),
        st.one_of(
            st.sampled_from(
                ["emulator-client", "emulator-secret", "code", "token", "refresh_token", "http://localhost/x"]
            ),
            st.sampled_from(
                ["authorization_code", "password", "device", "client_credentials", "latest", "PlatformCLI"]
            ),
            st.text(max_size=8),
        ),
        max_size=6,
    ),
    st.booleans(),
    st.sampled_from(
        [{}, {"authorization": "Basic Zm9v"}, {"authorization": "Basic \xff"}, {"authorization": "Bearer x"}]
    ),
)
def test_any_request_to_any_door_is_answered(
    method: str, path: list[str], form: dict[str, str], in_body: bool, headers: dict[str, str]
) -> None:
    text = urlencode(form, errors="replace")
    request = Request(method, tuple(path), {} if in_body else form, headers, text.encode() if in_body else b"")
    answer = front.answer(ORG, request, "http://localhost")
    answer.encoded()
    for name, value in answer.headers.items():
        f"{name}: {value}".encode("latin-1")
    assert answer.status < 500 or path[1:2] == ["soap"]
