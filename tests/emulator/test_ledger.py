"""What the org wrote down by itself about the rows of its callers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from airflow_sf_dedup.emulator import EmulatedOrg

from .client import Client, results, soap_record, soap_upsert

ROOT = "/services/data/v60.0"


def lead(key: str, **fields: Any) -> dict[str, Any]:
    return {"LastName": f"Doe {key}", "Company": f"Acme {key}", "External_Id__c": key, **fields}


def ledger(org: EmulatedOrg, after: Any = 0) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = requests.get(f"{org.url}/_emulator/ledger", params={"after": after}, timeout=5).json()
    return found


def shortly(entries: list[dict[str, Any]]) -> list[tuple[str, str | None, str | None]]:
    return [(each["verb"], each["values"].get("External_Id__c"), each["error"]) for each in entries]


def test_a_created_an_updated_and_a_refused_row(client: Client, org: EmulatedOrg) -> None:
    [known] = org.state.seed("Lead", [lead("known", City="Ulm")])
    client.upsert(
        "Lead",
        "External_Id__c",
        [lead("new"), {"External_Id__c": "known", "City": "Bonn"}, {"External_Id__c": "bad"}],
        headers={"Sforce-Auto-Assign": "FALSE"},
    )
    entries = {each["values"]["External_Id__c"]: each for each in ledger(org)}

    created = entries["new"]
    assert (created["verb"], created["sobject"], created["before"], created["error"]) == ("created", "Lead", {}, None)
    assert created["values"].items() >= lead("new").items()
    assert created["record_id"] in {each["Id"] for each in org.state.records("Lead")}
    updated = entries["known"]
    assert (updated["verb"], updated["record_id"]) == ("updated", known)
    assert updated["values"] == {"External_Id__c": "known", "City": "Bonn"}
    assert updated["before"] == {"External_Id__c": "known", "City": "Ulm"}
    refused = entries["bad"]
    assert (refused["verb"], refused["record_id"], refused["error"]) == ("refused", None, "REQUIRED_FIELD_MISSING")
    assert refused["values"] == {"External_Id__c": "bad"}


def test_entries_are_numbered_timed_and_name_their_call(client: Client, org: EmulatedOrg) -> None:
    client.query("SELECT Id FROM Lead")
    client.upsert("Lead", "External_Id__c", [lead("a"), lead("b")])
    client.upsert("Lead", "External_Id__c", [lead("a")])
    entries = ledger(org)

    assert [each["seq"] for each in entries] == [1, 2, 3]
    assert ledger(org, after=2) == entries[2:]
    calls = {each["number"]: each for each in requests.get(f"{org.url}/_emulator/calls", timeout=5).json()}
    assert [each["call"] for each in entries] == [2, 2, 3]
    assert {calls[each["call"]]["method"] for each in entries} == {"PATCH"}
    assert all(abs(datetime.fromisoformat(each["at"]) - datetime.now(UTC)) < timedelta(minutes=5) for each in entries)


def test_deleted_and_undeleted_rows(client: Client, org: EmulatedOrg) -> None:
    [record_id] = org.state.seed("Lead", [lead("a")])
    client.send("DELETE", f"/sobjects/Lead/{record_id}")
    results(client.soap(f"<urn:undelete><urn:ids>{record_id}</urn:ids></urn:undelete>"))
    client.send("DELETE", "/composite/sobjects", params={"ids": "00Q5g00000ZZZZZEAA,nonsense"})

    entries = [(each["verb"], each["record_id"], each["error"]) for each in ledger(org)]
    assert entries == [
        ("deleted", record_id, None),
        ("undeleted", record_id, None),
        ("refused", None, "MALFORMED_ID"),
        ("refused", None, "MALFORMED_ID"),
    ]


def test_every_door_writes_into_it(client: Client, org: EmulatedOrg) -> None:
    client.create("Lead", **lead("single"))
    client.soap(soap_upsert("Lead", "External_Id__c", soap_record("Lead", **lead("soap"))))
    client.composite(
        [
            {
                "method": "PATCH",
                "url": f"{ROOT}/sobjects/Lead/External_Id__c/{key}",
                "referenceId": key,
                "body": {"LastName": key, "Company": key},
            }
            for key in ("inner", "collated")
        ]
    )
    body = {"records": [{"attributes": {"type": "Lead"}, **lead("collection")}]}
    client.send("POST", "/composite/sobjects", json=body)
    assert shortly(ledger(org)) == [
        ("created", key, None) for key in ("single", "soap", "inner", "collated", "collection")
    ]


def test_rolled_back_rows_are_not_saved_rows(client: Client, org: EmulatedOrg) -> None:
    client.upsert("Lead", "External_Id__c", [lead("a"), {"External_Id__c": "bad"}], all_or_none=True)
    assert sorted(shortly(ledger(org)), key=str) == [
        ("refused", "a", "ALL_OR_NONE_OPERATION_ROLLED_BACK"),
        ("refused", "bad", "REQUIRED_FIELD_MISSING"),
    ]
    assert {each["record_id"] for each in ledger(org)} == {None}


@pytest.mark.parametrize("window", [0, 0.01])
def test_a_halted_composite_saved_nothing(window: float, client: Client, org: EmulatedOrg) -> None:
    org.state.change_physics({"commit_window": window})
    subrequests = [
        {"method": "POST", "url": f"{ROOT}/sobjects/Lead", "referenceId": key, "body": body}
        for key, body in (("good", lead("good")), ("bad", {"External_Id__c": "bad"}))
    ]
    client.composite(subrequests, allOrNone=True, collateSubrequests=False)
    assert shortly(ledger(org)) == [
        ("refused", "good", "PROCESSING_HALTED"),
        ("refused", "bad", "REQUIRED_FIELD_MISSING"),
    ]


def test_what_a_caller_was_not_told_is_in_it(client: Client, org: EmulatedOrg) -> None:
    org.state.faults.replace([{"kind": "reset", "after_commit": True, "calls": [1]}])
    with pytest.raises(requests.ConnectionError):
        client.upsert("Lead", "External_Id__c", [lead("a")])
    assert shortly(ledger(org)) == [("created", "a", None)]


def test_rows_that_a_fault_refuses_are_in_it(client: Client, org: EmulatedOrg) -> None:
    org.state.faults.replace([{"kind": "refuse_rows", "share": 1, "code": "DUPLICATE_VALUE"}])
    client.upsert("Lead", "External_Id__c", [lead("a")])
    assert shortly(ledger(org)) == [("refused", "a", "DUPLICATE_VALUE")]


def test_seeds_and_the_orgs_own_records_are_not_rows_of_a_call(client: Client, org: EmulatedOrg) -> None:
    org.state.seed("Lead", [lead("a")])
    assert ledger(org) == []


def test_a_reset_empties_it(client: Client, org: EmulatedOrg) -> None:
    client.upsert("Lead", "External_Id__c", [lead("a")])
    requests.post(f"{org.url}/_emulator/reset", timeout=5).raise_for_status()
    assert ledger(org) == []
    client.upsert("Lead", "External_Id__c", [lead("a")])
    assert [(each["seq"], each["call"]) for each in ledger(org)] == [(1, 1)]


def test_a_seq_that_is_none_is_refused(org: EmulatedOrg) -> None:
    answer = requests.get(f"{org.url}/_emulator/ledger", params={"after": "x"}, timeout=5)
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "INVALID_SETTING")


def test_who_made_a_record_and_when_can_be_asked_in_every_way(client: Client, org: EmulatedOrg) -> None:
    client.upsert("Lead", "External_Id__c", [lead("a")])
    [record] = org.state.records("Lead")
    made = {name: record[name] for name in ("CreatedDate", "CreatedById")}
    described = {each["name"] for each in client.send("GET", "/sobjects/Lead/describe").json()["fields"]}
    [queried] = client.query("SELECT CreatedDate, CreatedById FROM Lead")
    answer = client.send(
        "POST", "/composite/sobjects/Lead", json={"ids": [record["Id"]], "fields": ["CreatedDate", "CreatedById"]}
    )
    assert described >= made.keys()
    assert made["CreatedById"] == org.state.default_user.user_id
    assert queried.items() >= made.items()
    assert answer.json()[0].items() >= made.items()
    assert datetime.strptime(answer.headers["Date"], "%a, %d %b %Y %H:%M:%S %Z")
