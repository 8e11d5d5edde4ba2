from __future__ import annotations

import gzip
import json
import threading
from typing import Any

import pytest
import requests

from airflow_sf_dedup.core.record_ids import is_record_id
from airflow_sf_dedup.emulator import EmulatedOrg

from .client import Client

BY_KEY = "/sobjects/Lead/External_Id__c"
LEAD = {"LastName": "Doe", "Company": "Acme"}


@pytest.mark.parametrize(
    ("version", "created", "updated"),
    [
        ("60.0", (201, {"success": True, "errors": [], "created": True}), (200, False)),
        ("46.0", (201, {"success": True, "errors": [], "created": True}), (200, False)),
        ("45.0", (201, {"success": True, "errors": []}), (204, None)),
    ],
)
def test_an_upsert_by_key_says_what_its_version_says(
    client: Client, version: str, created: tuple[int, Any], updated: tuple[int, Any]
) -> None:
    first = client.send("PATCH", f"{BY_KEY}/a", json=LEAD, version=version)
    body = first.json()
    record_id = body.pop("id")
    assert (first.status_code, body) == created
    assert is_record_id(record_id)
    second = client.send("PATCH", f"{BY_KEY}/a", json=LEAD, version=version)
    assert (second.status_code, second.json()["created"] if second.content else None) == updated


def test_a_key_may_hold_any_characters(client: Client) -> None:
    client.send("PATCH", f"{BY_KEY}/a%2Fb%20c%3F%23%C3%A9", json=LEAD)
    assert client.query("SELECT External_Id__c FROM Lead")[0]["External_Id__c"] == "a/b c?#é"


def test_the_key_in_the_body_is_refused(client: Client) -> None:
    answer = client.send("PATCH", f"{BY_KEY}/a", json={**LEAD, "External_Id__c": "a"})
    assert answer.status_code == 400
    assert answer.json() == [
        {
            "message": "The External_Id__c field should not be specified in the sobject data.",
            "errorCode": "INVALID_FIELD",
        }
    ]


@pytest.mark.parametrize(
    ("by", "found"),
    [("A-1", True), (" A-1\t", True), ("\u00a0A-1", False), ("A-1\u2003", False)],
    ids=["same", "blanks", "no-break space", "em space"],
)
def test_blanks_around_a_key_are_trimmed_and_wider_ones_tell_keys_apart(client: Client, by: str, found: bool) -> None:
    account = client.send("PATCH", "/sobjects/Account/External_Id__c/A-1", json={"Name": "Acme"}).json()["id"]
    contact = {"LastName": "Doe", "Account": {"External_Id__c": by}}
    answer = client.send("PATCH", "/sobjects/Contact/External_Id__c/c", json=contact)
    assert answer.ok is found
    assert [row["AccountId"] for row in client.query("SELECT AccountId FROM Contact")] == [account] * found


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000+0000"),
        ("0999-12-31T23:59:59.9999Z", "0999-12-31T23:59:59.999+0000"),
        ("2026-01-02T03:04:05.678+02:00", "2026-01-02T01:04:05.678+0000"),
    ],
)
def test_a_moment_has_a_year_of_four_digits_and_milliseconds(client: Client, sent: str, kept: str) -> None:
    client.send("PATCH", f"{BY_KEY}/a", json={**LEAD, "Last_Contacted__c": sent})
    assert [row["Last_Contacted__c"] for row in client.query("SELECT Last_Contacted__c FROM Lead")] == [kept]
    assert client.query("SELECT Id FROM Lead WHERE Last_Contacted__c < 2026-06-01T00:00:00Z")


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_a_key_that_several_hold_answers_300_with_their_urls(client: Client, org: EmulatedOrg, method: str) -> None:
    ids = org.state.seed("Lead", [{**LEAD, "Loose_Key__c": "x"}] * 2)
    answer = client.send(method, "/sobjects/Lead/Loose_Key__c/x", json=LEAD if method == "PATCH" else None)
    assert answer.status_code == 300
    assert answer.json() == [f"/services/data/v60.0/sobjects/Lead/{each}" for each in ids]


def test_update_only_never_creates(client: Client) -> None:
    answer = client.send("PATCH", f"{BY_KEY}/a", json=LEAD, params={"updateOnly": "true"})
    assert (answer.status_code, answer.json()["errorCode"]) == (404, "NOT_FOUND")
    assert client.query("SELECT Id FROM Lead") == []


def test_a_field_that_is_no_key_is_not_found(client: Client) -> None:
    answer = client.send("PATCH", "/sobjects/Lead/Company/x", json=LEAD)
    assert answer.status_code == 404
    assert answer.json() == [
        {
            "message": "Provided external ID field does not exist or is not accessible: Company",
            "errorCode": "NOT_FOUND",
        }
    ]


def test_a_record_lives_from_create_to_the_recycle_bin(client: Client) -> None:
    record_id = client.create("Lead", **LEAD, FirstName="Jane", AnnualRevenue=5)
    shown = client.send("GET", f"/sobjects/Lead/{record_id[:15]}").json()
    assert (shown["Name"], shown["Status"], shown["AnnualRevenue"]) == ("Jane Doe", "Open - Not Contacted", 5.0)
    assert shown["attributes"] == {"type": "Lead", "url": f"/services/data/v60.0/sobjects/Lead/{record_id}"}
    assert client.send("PATCH", f"/sobjects/Lead/{record_id}", json={"FirstName": None}).status_code == 204
    assert client.send("GET", f"/sobjects/Lead/{record_id}", params={"fields": "Name"}).json()["Name"] == "Doe"
    assert client.send("DELETE", f"/sobjects/Lead/{record_id}").status_code == 204
    gone = client.send("GET", f"/sobjects/Lead/{record_id}")
    assert (gone.status_code, gone.json()[0]["errorCode"]) == (404, "ENTITY_IS_DELETED")
    (deleted,) = client.query("SELECT IsDeleted, MasterRecordId FROM Lead", path="/queryAll")
    assert (deleted["IsDeleted"], deleted["MasterRecordId"]) == (True, None)


def test_a_deleted_record_keeps_its_key_to_itself(client: Client) -> None:
    record_id = client.send("PATCH", f"{BY_KEY}/a", json=LEAD).json()["id"]
    client.send("DELETE", f"/sobjects/Lead/{record_id}")
    (error,) = client.send("PATCH", f"{BY_KEY}/a", json=LEAD).json()
    assert error == {
        "message": f"duplicate value found: External_Id__c duplicates value on record with id: {record_id[:15]}",
        "errorCode": "DUPLICATE_VALUE",
        "fields": [],
    }


@pytest.mark.parametrize(
    ("headers", "owner"),
    [({}, "queue@example.com"), ({"Sforce-Auto-Assign": "FALSE"}, "loader@example.com")],
    ids=["by default", "switched off"],
)
def test_assignment_rules_run_unless_switched_off(client: Client, headers: dict[str, str], owner: str) -> None:
    record_id = client.send("PATCH", f"{BY_KEY}/a", json=LEAD, headers=headers).json()["id"]
    (lead,) = client.query(f"SELECT Owner.Username FROM Lead WHERE Id = '{record_id}'")
    assert lead["Owner"]["Username"] == owner


def test_an_update_by_rest_changes_the_owner_too(client: Client, org: EmulatedOrg) -> None:
    (record_id,) = org.state.seed("Lead", [LEAD])
    client.send("PATCH", f"/sobjects/Lead/{record_id}", json={"City": "Bonn"})
    assert org.state.records("Lead")[0]["OwnerId"] != org.state.default_user.user_id


def test_describe_tells_what_a_client_needs_to_know(client: Client) -> None:
    described = client.send("GET", "/sobjects/lead/describe/").json()
    fields = {field["name"]: field for field in described["fields"]}
    assert (described["keyPrefix"], described["mergeable"]) == ("00Q", True)
    key = fields["External_Id__c"]
    assert (key["externalId"], key["unique"], key["caseSensitive"], key["idLookup"]) == (True, True, False, True)
    assert fields["Legacy_Number__c"]["type"] == "double"
    assert fields["LastName"]["nillable"] is False
    assert fields["CreatedDate"]["createable"] is False
    assert fields["OwnerId"]["referenceTo"] == ["User"]
    assert fields["Status"]["picklistValues"][0]["defaultValue"] is True
    listed = client.send("GET", "/sobjects").json()["sobjects"]
    assert {"Lead", "Contact", "Invoice__c"} <= {each["name"] for each in listed}


def test_calls_are_counted_as_salesforce_counts_them(client: Client, org: EmulatedOrg) -> None:
    requests.get(f"{org.url}/services/data", timeout=5)
    client.session.get(f"{org.url}/services/oauth2/userinfo", timeout=5)
    answer = client.send("GET", "/limits")
    assert answer.headers["Sforce-Limit-Info"] == "api-usage=1/100000"
    client.upsert("Lead", "External_Id__c", [{**LEAD, "External_Id__c": "a"}])
    stats = requests.get(f"{org.url}/_emulator/stats", timeout=5).json()
    assert stats["api_calls"] == 2
    assert stats["by_call"]["PATCH /composite/sobjects/{sobject}/{field}"] == 1


@pytest.mark.parametrize("token", ["nonsense", ""])
def test_a_call_without_a_session_is_refused(org: EmulatedOrg, token: str) -> None:
    answer = requests.get(
        f"{org.url}/services/data/v60.0/limits", headers={"Authorization": f"Bearer {token}"}, timeout=5
    )
    assert answer.status_code == 401
    assert answer.json() == [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]


def test_sessions_can_be_expired(client: Client, org: EmulatedOrg) -> None:
    requests.post(f"{org.url}/_emulator/expire_sessions", timeout=5)
    assert client.send("GET", "/limits").status_code == 401
    requests.post(f"{org.url}/_emulator/reset", timeout=5)
    assert client.send("GET", "/limits").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nonsense", 404),
        ("GET", "/sobjects/Nonsense/describe", 404),
        ("PUT", "/sobjects/Lead", 405),
        ("GET", "/sobjects/Lead/00Q000000000000AAA", 404),
    ],
)
def test_what_is_not_there_is_an_error_in_salesforce_shape(client: Client, method: str, path: str, status: int) -> None:
    answer = client.send(method, path)
    assert answer.status_code == status
    assert set(answer.json()[0]) == {"message", "errorCode"}


def test_doubled_slashes_are_tolerated(client: Client) -> None:
    assert client.send("GET", "//limits//").status_code == 200


def test_a_gzipped_body_is_read(client: Client) -> None:
    body = gzip.compress(json.dumps(LEAD).encode())
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    assert client.send("POST", "/sobjects/Lead", data=body, headers=headers).status_code == 201


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"LastName": NaN}', b"\xff"])
def test_a_body_that_is_no_json_object_is_a_parser_error(client: Client, body: bytes) -> None:
    answer = client.send("POST", "/sobjects/Lead", data=body)
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "JSON_PARSER_ERROR")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", '[{"LastName": "A", "Company": "B"}]'),
        ("application/x-ndjson", '{"LastName": "A", "Company": "B"}\n'),
        ("text/csv", "LastName,Company\nA,B\n"),
    ],
)
def test_records_can_be_seeded_and_looked_at(org: EmulatedOrg, kind: str, body: str) -> None:
    url = f"{org.url}/_emulator/records/Lead"
    ids = requests.post(url, data=body, headers={"Content-Type": kind}, timeout=5).json()
    (record,) = requests.get(url, timeout=5).json()
    assert (record["Id"], record["LastName"], record["Company"]) == (ids[0], "A", "B")


def test_two_connections_that_upsert_one_new_key_leave_one_record(client: Client, org: EmulatedOrg) -> None:
    answers: list[int] = []

    def upsert() -> None:
        own = Client(org.url, org.access_token)
        for number in range(20):
            answers.append(own.send("PATCH", f"{BY_KEY}/k{number}", json={"LastName": "A", "Company": "B"}).status_code)

    threads = [threading.Thread(target=upsert) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(answers) <= {200, 201, 400}
    assert len(org.state.records("Lead")) <= 20
    keys = [record["External_Id__c"] for record in org.state.records("Lead")]
    assert len(keys) == len(set(keys))
