"""Each kind of fault over a real socket, as an independent client meets it."""

from __future__ import annotations

import http.client
import json
import logging
import random
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
import requests

from airflow_sf_dedup.emulator import EmulatedOrg, Fault, OrgFileError, SettingError
from airflow_sf_dedup.emulator.bulk import async_door
from airflow_sf_dedup.emulator.call_names import LOGINS, NAMES, READS, WRITES
from airflow_sf_dedup.emulator.metadata import api as metadata_api
from airflow_sf_dedup.emulator.server.routes import ROUTES
from airflow_sf_dedup.emulator.soap.api import OPERATIONS

from .client import Client, parsed, results, soap_record, soap_upsert, text

ROOT = "/services/data/v60.0"
LEAD = {"LastName": "Doe", "Company": "Acme"}
#: Values of its own, so that no rule takes the records for duplicates.
UPSERT = f"{ROOT}/composite/sobjects/Lead/External_Id__c"


def lead(key: str, **fields: Any) -> dict[str, Any]:
    return {"LastName": f"Doe {key}", "Company": f"Acme {key}", "External_Id__c": key, **fields}


def switch_on(org: EmulatedOrg, *faults: dict[str, Any], seed: int = 0) -> None:
    answer = requests.post(f"{org.url}/_emulator/faults", json={"seed": seed, "faults": list(faults)}, timeout=5)
    assert answer.status_code == 200, answer.text


def shown(org: EmulatedOrg) -> dict[str, Any]:
    found: dict[str, Any] = requests.get(f"{org.url}/_emulator/faults", timeout=5).json()
    return found


def collection(client: Client, *keys: str, **options: Any) -> requests.Response:
    records = [{"attributes": {"type": "Lead"}, **lead(key)} for key in keys]
    return client.send("PATCH", "/composite/sobjects/Lead/External_Id__c", json={"records": records}, **options)


def subrequest(reference: str, *keys: str) -> dict[str, Any]:
    records = [{"attributes": {"type": "Lead"}, **lead(key)} for key in keys]
    return {"method": "PATCH", "url": UPSERT, "referenceId": reference, "body": {"records": records}}


def keys_in(org: EmulatedOrg) -> set[str]:
    return {each["External_Id__c"] for each in org.state.records("Lead")}


class Met(NamedTuple):
    """What a client met: a status and a body, or the exception of its library."""

    status: int | None
    body: bytes = b""
    headers: Any = None
    error: str = ""


def met(client: Client, *keys: str, timeout: float = 10) -> Met:
    """One collections upsert over a connection of its own, so that no library sends it again."""
    host = urlsplit(client.url)
    connection = http.client.HTTPConnection(host.hostname or "", host.port, timeout=timeout)
    records = [{"attributes": {"type": "Lead"}, **lead(key)} for key in keys]
    headers = {"Authorization": f"Bearer {client.token}", "Content-Type": "application/json"}
    try:
        connection.request("PATCH", UPSERT, json.dumps({"records": records}), headers)
        answer = connection.getresponse()
        return Met(answer.status, answer.read(), answer.headers)
    except (OSError, http.client.HTTPException) as error:
        return Met(None, error=type(error).__name__)
    finally:
        connection.close()


class Case(NamedTuple):
    fault: dict[str, Any]
    status: int | None
    #: Part of the body, or the name of the exception.
    says: str
    saved: bool
    counted: int


CASES = {
    "503": Case({"kind": "unavailable"}, 503, "SERVER_UNAVAILABLE", False, 0),
    "500 html": Case({"kind": "unavailable", "status": 500, "body": "html"}, 500, "<html>", False, 0),
    "420 empty": Case({"kind": "unavailable", "status": 420, "body": "empty"}, 420, "", False, 0),
    "502": Case({"kind": "unavailable", "status": 502}, 502, "SERVER_UNAVAILABLE", False, 0),
    "504": Case({"kind": "unavailable", "status": 504}, 504, "SERVER_UNAVAILABLE", False, 0),
    "reset": Case({"kind": "reset"}, None, "ConnectionResetError", False, 0),
    "reset after commit": Case({"kind": "reset", "after_commit": True}, None, "ConnectionResetError", True, 1),
    "close": Case({"kind": "reset", "how": "close"}, None, "RemoteDisconnected", False, 0),
    "close after commit": Case(
        {"kind": "reset", "how": "close", "after_commit": True}, None, "RemoteDisconnected", True, 1
    ),
    "hang": Case({"kind": "hang", "seconds": 0.05}, None, "RemoteDisconnected", False, 0),
    "hang after commit": Case(
        {"kind": "hang", "seconds": 0.05, "after_commit": True}, None, "RemoteDisconnected", True, 1
    ),
    "slow": Case({"kind": "slow", "seconds": 0.02}, 200, '"success":true', True, 1),
    "slow after": Case({"kind": "slow", "seconds": [0.01, 0.02], "when": "after"}, 200, '"success":true', True, 1),
    "expired": Case({"kind": "expire_session"}, 401, "INVALID_SESSION_ID", False, 0),
    "daily limit": Case({"kind": "request_limit"}, 403, "TotalRequests Limit exceeded.", False, 0),
    "concurrent limit": Case(
        {"kind": "request_limit", "limit": "concurrent"}, 403, "ConcurrentPerOrgLongTxn Limit exceeded.", False, 0
    ),
    "truncated": Case({"kind": "truncate"}, 200, "[{", True, 1),
    "broken": Case({"kind": "truncate", "broken": True}, None, "IncompleteRead", True, 1),
    "dropped": Case({"kind": "drop_results", "share": 1}, 200, "[]", True, 1),
    "html": Case({"kind": "html"}, 200, "<html", False, 0),
    "html after commit": Case({"kind": "html", "after_commit": True}, 200, "<html", True, 1),
    "refused request": Case({"kind": "refuse_request"}, 400, "JSON_PARSER_ERROR", False, 1),
    "refused with a code": Case(
        {"kind": "refuse_request", "code": "EXCEEDED_ID_LIMIT", "message": "m"}, 400, "EXCEEDED_ID_LIMIT", False, 1
    ),
    "locked": Case({"kind": "refuse_rows", "share": 1}, 200, "unable to obtain exclusive access", False, 1),
    "race": Case(
        {"kind": "refuse_rows", "share": 1, "code": "DUPLICATE_VALUE"},
        200,
        "duplicate value found: External_Id__c duplicates value on record with id: 00Q",
        False,
        1,
    ),
    "cpu time": Case(
        {"kind": "refuse_rows", "share": 1, "code": "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"},
        200,
        "Apex CPU time limit exceeded",
        False,
        1,
    ),
    "other code": Case(
        {"kind": "refuse_rows", "share": 1, "code": "MY_CODE", "message": "mine"}, 200, '"message":"mine"', False, 1
    ),
    "unknown error": Case({"kind": "unknown_error"}, 500, "UNKNOWN_EXCEPTION", False, 1),
    "unknown error after commit": Case(
        {"kind": "unknown_error", "after_commit": True}, 500, "UNKNOWN_EXCEPTION", True, 1
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_what_a_fault_does_to_a_write(case: Case, client: Client, org: EmulatedOrg) -> None:
    switch_on(org, {**case.fault, "on": "write"})
    found = met(client, "a", "b")

    assert (found.status, keys_in(org)) == (case.status, {"a", "b"} if case.saved else set())
    assert case.says in (found.error or found.body.decode())
    assert org.state.stats()["api_calls"] == case.counted
    [fault] = shown(org)["faults"]
    assert (fault["fired"], fault["looked_at"]) == (1, 1)

    requests.delete(f"{org.url}/_emulator/faults", timeout=5).raise_for_status()
    assert shown(org)["faults"] == []
    org.state.sessions.reopen(client.token, org.state.default_user.user_id)
    assert met(client, "a", "b").status == 200


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("unavailable", "SERVER_UNAVAILABLE"),
        ("expire_session", "INVALID_SESSION_ID"),
        ("request_limit", "REQUEST_LIMIT_EXCEEDED"),
        ("refuse_request", "JSON_PARSER_ERROR"),
        ("unknown_error", "UNKNOWN_EXCEPTION"),
    ],
)
def test_a_refused_soap_call_gets_a_fault(kind: str, code: str, client: Client, org: EmulatedOrg) -> None:
    switch_on(org, {"kind": kind, "on": "SOAP upsert"})
    answer = client.soap(soap_upsert("Lead", "External_Id__c", soap_record("Lead", **lead("a"))))

    assert answer.status_code == (503 if kind == "unavailable" else 500)
    assert f"<faultcode>sf:{code}</faultcode>" in answer.text
    assert parsed(answer) is not None
    assert keys_in(org) == set()


def test_results_of_soap_are_dropped(client: Client, org: EmulatedOrg) -> None:
    switch_on(org, {"kind": "drop_results", "share": 0.5, "on": "SOAP upsert"}, seed=3)
    records = [soap_record("Lead", **lead(key)) for key in "abcdefgh"]
    left = results(client.soap(soap_upsert("Lead", "External_Id__c", *records)))

    assert 0 < len(left) < 8
    assert {text(each, "success") for each in left} == {"true"}
    assert keys_in(org) == set("abcdefgh")


def test_rows_of_soap_are_refused(client: Client, org: EmulatedOrg) -> None:
    switch_on(org, {"kind": "refuse_rows", "share": 0.5, "on": "write"}, seed=3)
    records = [soap_record("Lead", **lead(key)) for key in "abcdefgh"]
    found = results(client.soap(soap_upsert("Lead", "External_Id__c", *records)))

    saved = {key for key, each in zip("abcdefgh", found, strict=True) if text(each, "success") == "true"}
    assert saved == keys_in(org)
    assert 0 < len(saved) < 8


@pytest.mark.parametrize("fault", [{"kind": "drop_results"}, {"kind": "refuse_rows"}], ids=lambda each: each["kind"])
def test_a_tiny_share_is_at_least_one_row(fault: dict[str, Any], client: Client, org: EmulatedOrg) -> None:
    switch_on(org, {**fault, "share": 0.000001})
    rows = collection(client, *"abcd").json()
    saved = [row for row in rows if row["success"]]
    assert len(saved) == 3


def test_subresponses_come_in_another_order_and_their_rows_do_not(client: Client, org: EmulatedOrg) -> None:
    switch_on(org, {"kind": "reorder"})
    found = client.composite([subrequest(name, f"{name}1", f"{name}2") for name in "abcd"])

    assert [each["referenceId"] for each in found] != list("abcd")
    assert sorted(each["referenceId"] for each in found) == list("abcd")
    names = {record["Id"]: record["External_Id__c"] for record in org.state.records("Lead")}
    for each in found:
        assert [names[row["id"]] for row in each["body"]] == [f"{each['referenceId']}{place}" for place in (1, 2)]


@pytest.mark.parametrize(("of", "subresponses", "rows"), [("subresponses", 0, 0), ("rows", 2, 0)])
def test_what_is_dropped_of_a_composite(
    of: str, subresponses: int, rows: int, client: Client, org: EmulatedOrg
) -> None:
    switch_on(org, {"kind": "drop_results", "share": 1, "of": of})
    found = client.composite([subrequest("a", "1", "2"), subrequest("b", "3")])
    assert (len(found), sum(len(each["body"]) for each in found)) == (subresponses, rows)
    assert keys_in(org) == {"1", "2", "3"}


@pytest.mark.parametrize("all_or_none", [False, True])
def test_some_subrequests_are_refused_and_the_others_carried_out(
    all_or_none: bool, client: Client, org: EmulatedOrg
) -> None:
    switch_on(org, {"kind": "refuse_request", "subrequests": True, "share": 0.5, "on": "POST /composite"}, seed=1)
    found = client.composite([subrequest(name, name) for name in "abcdef"[:5]], allOrNone=all_or_none)

    refused = {each["referenceId"] for each in found if each["body"][0].get("errorCode") == "JSON_PARSER_ERROR"}
    assert [each["referenceId"] for each in found] == list("abcde")
    assert 0 < len(refused) < 5
    assert keys_in(org) == (set() if all_or_none else set("abcde") - refused)


def test_refused_subrequests_among_collated_ones(client: Client, org: EmulatedOrg) -> None:
    switch_on(org, {"kind": "refuse_request", "subrequests": True, "share": 0.4}, seed=5)
    url = f"{ROOT}/sobjects/Lead/External_Id__c"
    singles = [
        {"method": "PATCH", "url": f"{url}/{key}", "referenceId": key, "body": {**LEAD, "LastName": key}}
        for key in "abcdef"
    ]
    found = client.composite(singles)
    assert [each["referenceId"] for each in found] == list("abcdef")
    assert {each["referenceId"] for each in found if each["httpStatusCode"] == 201} == keys_in(org)
    assert 0 < len(keys_in(org)) < 6


def test_a_single_record_is_refused_as_a_row(client: Client, org: EmulatedOrg) -> None:
    switch_on(org, {"kind": "refuse_rows", "on": "write"})
    answer = client.send("PATCH", "/sobjects/Lead/External_Id__c/a", json=LEAD)
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "UNABLE_TO_LOCK_ROW")
    assert org.state.records("Lead") == []


def test_deletes_are_refused_as_rows(client: Client, org: EmulatedOrg) -> None:
    ids = org.state.seed("Lead", [lead("a"), lead("b")])
    switch_on(org, {"kind": "refuse_rows", "share": 1})
    answer = client.send("DELETE", "/composite/sobjects", params={"ids": ",".join(ids)})
    assert [row["errors"][0]["statusCode"] for row in answer.json()] == ["UNABLE_TO_LOCK_ROW"] * 2
    assert ids[0] in answer.json()[0]["errors"][0]["message"]
    assert len(org.state.records("Lead")) == 2


def test_all_or_none_takes_back_what_a_fault_spared(client: Client, org: EmulatedOrg) -> None:
    switch_on(org, {"kind": "refuse_rows", "share": 0.3}, seed=1)
    rows = client.upsert("Lead", "External_Id__c", [lead(key) for key in "abcdef"], all_or_none=True)
    codes = {row["errors"][0]["statusCode"] for row in rows}
    assert codes == {"UNABLE_TO_LOCK_ROW", "ALL_OR_NONE_OPERATION_ROLLED_BACK"}
    assert org.state.records("Lead") == []


@pytest.mark.parametrize("fault", [{"kind": "unavailable"}, {"kind": "request_limit"}], ids=lambda each: each["kind"])
def test_how_long_to_wait_is_said_where_it_was_asked_for(
    fault: dict[str, Any], client: Client, org: EmulatedOrg
) -> None:
    switch_on(org, {**fault, "retry_after": 7, "calls": [1]}, {**fault, "calls": [2]})
    assert collection(client, "a").headers["Retry-After"] == "7"
    assert "Retry-After" not in collection(client, "a").headers


# --- which calls ------------------------------------------------------------------------------------------


def outcomes(client: Client, count: int) -> list[bool]:
    return [collection(client, "a").status_code == 503 for _ in range(count)]


def test_the_same_seed_draws_the_same_calls_whatever_else_is_on(client: Client, org: EmulatedOrg) -> None:
    fault = {"kind": "unavailable", "on": "write", "rate": 0.4}
    switch_on(org, fault, seed=7)
    first = outcomes(client, 20)
    switch_on(org, fault, {"kind": "refuse_rows", "rate": 0.5}, {"kind": "slow", "seconds": 0, "rate": 0.5}, seed=7)
    assert outcomes(client, 20) == first
    switch_on(org, fault, seed=8)
    assert outcomes(client, 20) != first
    assert 0 < sum(first) < 20


def test_calls_are_counted_from_one_and_times_ends_it(client: Client, org: EmulatedOrg) -> None:
    switch_on(org, {"kind": "unavailable", "calls": [2, 4, 5], "times": 2})
    assert outcomes(client, 6) == [False, True, False, True, False, False]
    [fault] = shown(org)["faults"]
    assert (fault["looked_at"], fault["fired"]) == (6, 2)


READ_ONLY = {"method": "GET", "url": f"{ROOT}/query?q=SELECT+Id+FROM+Lead", "referenceId": "r"}
DOORS: list[tuple[str, str, Any, str]] = [
    ("GET", f"{ROOT}/limits", None, "read"),
    ("GET", f"{ROOT}/query?q=SELECT+Id+FROM+Lead", None, "read"),
    ("POST", f"{ROOT}/composite/sobjects/Lead", {"ids": [], "fields": ["Id"]}, "read"),
    ("POST", f"{ROOT}/composite", {"compositeRequest": [READ_ONLY]}, "read"),
    ("POST", f"{ROOT}/composite", {"compositeRequest": [READ_ONLY, subrequest("w", "a")]}, "write"),
    ("POST", f"{ROOT}/composite/batch", {"batchRequests": [{"method": "GET", "url": "v60.0/limits"}]}, "read"),
    (
        "POST",
        f"{ROOT}/composite/batch",
        {"batchRequests": [{"method": "DELETE", "url": "v60.0/sobjects/Lead/00Q5g0000000001EAA"}]},
        "write",
    ),
    ("POST", f"{ROOT}/sobjects/Lead", {}, "write"),
    ("DELETE", f"{ROOT}/sobjects/Lead/00Q5g0000000001EAA", None, "write"),
    ("PATCH", f"{ROOT}/composite/sobjects", {"records": []}, "write"),
    ("POST", "/services/oauth2/token", None, "login"),
    ("GET", "/services/data", None, "read"),
    ("GET", "/services/oauth2/userinfo", None, "read"),
]


@pytest.mark.parametrize("group", ["read", "write", "login", "any"])
@pytest.mark.parametrize(("method", "path", "body", "kind"), DOORS, ids=[f"{d[0]} {d[1]} {d[3]}" for d in DOORS])
def test_what_a_call_is_is_read_from_the_call(
    group: str, method: str, path: str, body: Any, kind: str, client: Client, org: EmulatedOrg
) -> None:
    switch_on(org, {"kind": "unavailable", "on": group})
    answer = client.session.request(method, org.url + path, json=body, timeout=5)
    assert (answer.status_code == 503) is (group in (kind, "any"))


@pytest.mark.parametrize(
    ("body", "kind"),
    [("<urn:create/>", "write"), ("<urn:query/>", "read"), ("<urn:login/>", "login"), ("<urn:nonsense/>", "read")],
)
def test_what_a_soap_call_is(body: str, kind: str, client: Client, org: EmulatedOrg) -> None:
    switch_on(org, {"kind": "unavailable", "on": kind})
    assert client.soap(body).status_code == 503
    switch_on(org, {"kind": "unavailable", "on": [each for each in ("read", "write", "login") if each != kind]})
    assert client.soap(body).status_code != 503


def test_a_fault_by_name_meets_only_calls_of_that_name(client: Client, org: EmulatedOrg) -> None:
    switch_on(org, {"kind": "unavailable", "on": ["POST /composite", "SOAP query"]})
    assert collection(client, "a").status_code == 200
    assert client.send("POST", "/composite", json={}).status_code == 503


def test_every_call_that_is_answered_is_named() -> None:
    answered = {route.name for route in (*ROUTES, *async_door.ROUTES)} | {f"SOAP {name}" for name in OPERATIONS}
    answered |= {f"Metadata {name}" for name in metadata_api.OPERATIONS}
    assert answered == NAMES - LOGINS
    assert not WRITES & READS


def test_the_emulators_own_doors_know_no_faults(org: EmulatedOrg) -> None:
    switch_on(org, {"kind": "reset"})
    assert requests.get(f"{org.url}/_emulator/stats", timeout=5).status_code == 200
    requests.post(f"{org.url}/_emulator/reset", timeout=5).raise_for_status()
    assert shown(org) == {"seed": 0, "faults": []}


def test_the_log_of_calls_names_what_happened(client: Client, org: EmulatedOrg) -> None:
    switch_on(org, {"kind": "reset", "calls": [1]}, {"kind": "slow", "seconds": 0, "calls": [2]})
    met(client, "a")
    met(client, "a")
    calls = requests.get(f"{org.url}/_emulator/calls", timeout=5).json()
    assert [(each["number"], each["status"], each["faults"]) for each in calls] == [
        (1, 0, ["reset"]),
        (2, 200, ["slow"]),
    ]


# --- settings ---------------------------------------------------------------------------------------------

BAD = [
    ({"faults": [{"kind": "nonsense"}]}, "faults[0].kind", "refuse_rows"),
    ({"faults": [{"on": "any"}]}, "faults[0].kind", "is required"),
    ({"faults": [{"kind": "reset"}, {"kind": "reset", "rate": 3}]}, "faults[1].rate", "0 to 1"),
    ({"faults": [{"kind": "reset", "on": "POST /nonsense"}]}, "faults[0].on", "POST /composite"),
    ({"faults": [{"kind": "reset", "on": [5]}]}, "faults[0].on", "write"),
    ({"faults": [{"kind": "reset", "calls": 3}]}, "faults[0].calls", "list"),
    ({"faults": [{"kind": "reset", "calls": [0]}]}, "faults[0].calls", "1 or more"),
    ({"faults": [{"kind": "reset", "calls": [1], "rate": 0.5}]}, "faults[0].calls", "either"),
    ({"faults": [{"kind": "reset", "times": -1}]}, "faults[0].times", "0 or more"),
    ({"faults": [{"kind": "reset", "colour": "red"}]}, "faults[0].colour", "after_commit"),
    ({"faults": [{"kind": "reset", "after_commit": "yes"}]}, "faults[0].after_commit", "true or false"),
    ({"faults": [{"kind": "unavailable", "status": 418}]}, "faults[0].status", "503"),
    ({"faults": [{"kind": "unavailable", "body": "xml"}]}, "faults[0].body", "html"),
    ({"faults": [{"kind": "slow", "seconds": [3, 1]}]}, "faults[0].seconds", "[from, to]"),
    ({"faults": [{"kind": "truncate", "fraction": 2}]}, "faults[0].fraction", "from 0 to 1"),
    ({"faults": ["reset"]}, "faults[0]", "mapping"),
    ({"faults": "reset"}, "faults", "list"),
    ({"seed": "x", "faults": []}, "seed", "whole number"),
    ({"fault": []}, "fault", "seed, faults"),
    ("nonsense", "faults", "mapping"),
]


@pytest.mark.parametrize(("body", "setting", "choices"), BAD, ids=[f"{each[1]} {each[2]}" for each in BAD])
def test_a_bad_setting_is_named_with_its_choices_and_changes_nothing(
    body: Any, setting: str, choices: str, org: EmulatedOrg
) -> None:
    switch_on(org, {"kind": "reorder"}, seed=5)
    before = shown(org)
    answer = requests.post(f"{org.url}/_emulator/faults", json=body, timeout=5)
    assert answer.status_code == 400
    [error] = answer.json()
    assert error["errorCode"] == "INVALID_SETTING"
    assert error["message"].startswith(setting)
    assert choices in error["message"]
    assert shown(org) == before


def test_what_is_shown_can_be_switched_on_again(org: EmulatedOrg) -> None:
    switch_on(org, {"kind": "slow", "seconds": [1, 2], "on": ["write", "SOAP query"], "rate": 0.5, "times": 3}, seed=9)
    first = shown(org)
    for fault in first["faults"]:
        del fault["fired"], fault["looked_at"]
    switch_on(org, *first["faults"], seed=first["seed"])
    again = shown(org)
    assert again["seed"] == 9
    assert again["faults"][0].items() >= first["faults"][0].items()


def test_faults_from_python(client: Client, org: EmulatedOrg) -> None:
    org.state.faults.replace([Fault("unavailable", on="write", calls=(1,), parameters={"status": 500})], seed=3)
    assert collection(client, "a").status_code == 500
    assert collection(client, "a").status_code == 200
    with pytest.raises(SettingError, match="kind"):
        Fault("nonsense")
    org.state.faults.clear()
    assert not org.state.faults


def test_faults_of_the_org_file_are_on_from_the_start_and_after_a_reset(started: Any) -> None:
    org, client = started({"faults": {"seed": 3, "faults": [{"kind": "unavailable", "calls": [1]}]}})
    for _ in range(2):
        assert [client.send("GET", "/limits").status_code for _ in range(2)] == [503, 200]
        org.state.faults.clear()
        org.state.reset()


def test_a_bad_fault_in_an_org_file_is_named() -> None:
    with pytest.raises(OrgFileError, match=r"^faults\[0\]\.rate: 5 should be a number from 0 to 1"):
        EmulatedOrg.start({"faults": [{"kind": "reset", "rate": 5}]})


# --- hanging ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after_commit", [False, True])
def test_a_hundred_calls_that_hang_keep_nobody_from_working(
    after_commit: bool, client: Client, org: EmulatedOrg
) -> None:
    calls = list(range(1, 101))
    switch_on(org, {"kind": "hang", "seconds": 600, "after_commit": after_commit, "calls": calls})
    host = urlsplit(org.url)
    body = json.dumps({"records": []})
    head = f"PATCH {UPSERT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {client.token}\r\nContent-Length: {len(body)}"
    hanging = []
    for _ in calls:
        opened = socket.create_connection((host.hostname, host.port), timeout=10)
        opened.sendall(f"{head}\r\n\r\n{body}".encode())
        hanging.append(opened)
    while shown(org)["faults"][0]["looked_at"] < 100:
        time.sleep(0.01)
    assert collection(client, "a").status_code == 200
    for opened in hanging:
        opened.close()


def test_a_client_that_gives_up_finds_its_rows_saved(client: Client, org: EmulatedOrg) -> None:
    switch_on(org, {"kind": "hang", "seconds": 60, "after_commit": True})
    assert met(client, "a", timeout=0.3).error == "TimeoutError"
    assert keys_in(org) == {"a"}


def test_connections_are_reset_over_tls_too(started: Any) -> None:
    org, client = started(None, tls=True)
    client.session.trust_env = False
    client.session.verify = org.ca_file
    org.state.faults.replace([{"kind": "reset", "after_commit": True, "calls": [1]}])
    with pytest.raises(requests.ConnectionError):
        collection(client, "a")
    assert keys_in(org) == {"a"}
    assert collection(client, "a").json()[0]["created"] is False


# --- all together -----------------------------------------------------------------------------------------


def random_faults(draw: random.Random) -> list[dict[str, Any]]:
    """Any three of them, with any parameters that do not take long."""
    kinds: dict[str, list[dict[str, Any]]] = {
        "unavailable": [{"status": 500}, {"body": "html"}, {"retry_after": 1}],
        "reset": [{}, {"after_commit": True}, {"how": "close"}],
        "hang": [{"seconds": 0.01}, {"seconds": 0.01, "after_commit": True}],
        "slow": [{"seconds": [0, 0.01]}, {"seconds": 0.01, "when": "after"}],
        "expire_session": [{}],
        "request_limit": [{}, {"limit": "concurrent"}],
        "truncate": [{}, {"broken": True}, {"fraction": 0}],
        "drop_results": [{}, {"of": "rows"}],
        "reorder": [{}],
        "html": [{}, {"after_commit": True}],
        "refuse_request": [{}, {"subrequests": True}],
        "refuse_rows": [{}, {"code": "DUPLICATE_VALUE", "share": 0.2}],
        "unknown_error": [{}, {"after_commit": True}],
    }
    chosen = draw.sample(sorted(kinds), 3)
    return [{"kind": kind, "rate": 0.4, **draw.choice(kinds[kind])} for kind in chosen]


def any_call(client: Client, draw: random.Random) -> bytes:
    """The body of the answer to some call; empty if there is none."""
    keys = list(dict.fromkeys(str(draw.randrange(30)) for _ in range(3)))
    together = draw.random() < 0.5
    path = f"/sobjects/Lead/External_Id__c/{keys[0]}"
    try:
        match draw.randrange(7):
            case 0:
                records = [{"attributes": {"type": "Lead"}, **lead(key)} for key in keys]
                body: dict[str, Any] = {"records": records, "allOrNone": together}
                answer = client.send("PATCH", "/composite/sobjects/Lead/External_Id__c", json=body)
            case 1:
                body = {"compositeRequest": [subrequest(f"r{key}", key) for key in keys], "allOrNone": together}
                answer = client.send("POST", "/composite", json=body)
            case 2:
                singles = [{**subrequest(f"s{key}", key), "url": UPSERT} for key in keys]
                removal = {"method": "DELETE", "url": f"{ROOT}{path}", "referenceId": "gone"}
                body = {"compositeRequest": [removal, *singles], "allOrNone": together}
                answer = client.send("POST", "/composite", json=body)
            case 3:
                answer = client.soap(soap_upsert("Lead", "External_Id__c", soap_record("Lead", **lead(keys[0]))))
            case 4:
                answer = client.send("DELETE", path)
            case 5:
                answer = client.send("GET", "/query", params={"q": "SELECT Id, External_Id__c FROM Lead"})
            case _:
                answer = client.send("PATCH", path, json=LEAD)
    except requests.RequestException:
        return b""
    return answer.content


@pytest.fixture
def unharmed(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No exception of the emulator's own, neither in a thread of work nor in the server's loop."""
    servers = logging.getLogger("uvicorn.error")
    servers.addHandler(caplog.handler)
    yield
    servers.removeHandler(caplog.handler)
    assert [record.getMessage() for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []


@pytest.mark.usefixtures("unharmed")
@pytest.mark.parametrize("seed", range(12))
def test_no_mixture_breaks_the_emulator_or_loses_a_row_from_the_ledger(
    seed: int, client: Client, org: EmulatedOrg
) -> None:
    draw = random.Random(seed)
    switch_on(org, *random_faults(draw), seed=seed)
    org.state.change_physics({"commit_window": draw.choice([0, 0.005]), "lock_wait": draw.choice([0, 5])})

    def work(worker: int) -> None:
        own, mine = Client(org.url, org.access_token), random.Random(seed * 10 + worker)
        for _ in range(10):
            assert b"An unexpected error occurred: " not in any_call(own, mine)
            org.state.sessions.reopen(org.access_token, org.state.default_user.user_id)

    workers = [threading.Thread(target=work, args=(worker,)) for worker in range(3)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    org.state.faults.clear()
    while org.state.accounting.in_progress:
        time.sleep(0.001)

    told: dict[str, dict[str, Any]] = {}
    for entry in requests.get(f"{org.url}/_emulator/ledger", timeout=5).json():
        if entry["verb"] != "refused":
            told.setdefault(entry["record_id"], {}).update(entry["values"])
    held = {record["Id"]: record for record in org.state.records("Lead", deleted=True)}
    assert told.keys() == held.keys()
    for record_id, values in told.items():
        assert {name: held[record_id].get(name) for name in values} == values
    keys = [record["External_Id__c"] for record in held.values()]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(
    "fault", [{"kind": "unavailable", "status": 502}, {"kind": "reset"}], ids=["unavailable", "reset"]
)
def test_a_call_that_has_ended_for_its_caller_may_be_carried_out_later(
    org: EmulatedOrg, client: Client, fault: dict[str, Any]
) -> None:
    switch_on(org, {**fault, "later": 0.3, "on": "write", "times": 1})
    answer = met(client, "A")
    assert answer.status in (502, None)
    assert keys_in(org) == set()
    until = time.monotonic() + 30
    while keys_in(org) != {"A"}:
        assert time.monotonic() < until, "it was never carried out"
        time.sleep(0.02)
