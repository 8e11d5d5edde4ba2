from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import requests

from airflow_sf_dedup.emulator import EmulatedOrg, Org
from airflow_sf_dedup.emulator.state.snapshots import restore, take

from .client import Client

ACCOUNT = {"Name": "Nowak", "External_Id__c": "A-1"}


def test_a_restored_org_is_as_it_was(org: EmulatedOrg, client: Client) -> None:
    kept, binned = client.create("Account", **ACCOUNT), client.create("Account", Name="Binned")
    client.send("DELETE", f"/sobjects/Account/{binned}")
    org.change_physics(max_rows_per_transaction=3)
    before = (org.records("Account", deleted=True), org.ledger(), org.stats(), org.calls())
    snapshot = org.snapshot()

    client.send("PATCH", f"/sobjects/Account/{kept}", json={"Name": "Other", "External_Id__c": "A-2"})
    new = client.create("Account", Name="New")
    client.send("DELETE", f"/sobjects/Account/{kept}")
    org.change_physics(max_rows_per_transaction=None)
    org.add_faults({"kind": "unavailable"})
    org.restore(snapshot)

    assert (org.records("Account", deleted=True), org.ledger(), org.stats(), org.calls()) == before
    assert org.state.physics.max_rows_per_transaction == 3
    assert client.send("GET", f"/sobjects/Account/{new}").status_code == 404
    assert client.create("Account", Name="Next") == new


def test_unique_values_and_rules_see_the_restored_records(org: EmulatedOrg, client: Client) -> None:
    org.seed("Lead", [{"LastName": "A", "Company": "C", "External_Id__c": "K", "Email": "a@x.example"}])
    snapshot = org.snapshot()
    lead = org.records("Lead")[0]["Id"]
    client.send("PATCH", f"/sobjects/Lead/{lead}", json={"External_Id__c": "moved", "Email": "moved@x.example"})
    org.restore(snapshot)

    rows = client.upsert("Lead", "External_Id__c", [{"External_Id__c": "K", "Title": "found by its key"}])
    assert [(each["id"], each["created"]) for each in rows] == [(lead, False)]
    rows = client.upsert(
        "Lead",
        "External_Id__c",
        [
            {"External_Id__c": "new", "LastName": "B", "Company": "B", "Email": "A@x.example"},
            {"External_Id__c": "moved", "LastName": "M", "Company": "M", "Email": "moved@x.example"},
        ],
    )
    assert [[error["statusCode"] for error in each["errors"]] for each in rows] == [["DUPLICATES_DETECTED"], []]


def test_records_come_back_in_their_order_after_the_bin_was_emptied(org: EmulatedOrg) -> None:
    ids = org.seed("Account", [{"Name": name} for name in "abc"])
    snapshot = org.snapshot()
    org.state.put("Account", ids[0], None)
    org.restore(snapshot)
    assert [each["Id"] for each in org.records("Account")] == ids


def test_a_snapshot_can_be_restored_again_and_after_a_reset(org: EmulatedOrg) -> None:
    org.seed("Account", [ACCOUNT])
    snapshot = org.snapshot()
    for disturb in (org.reset, lambda: org.seed("Account", [{"Name": "More"}])):
        disturb()
        org.restore(snapshot)
        assert [each["Name"] for each in org.records("Account")] == ["Nowak"]


def test_a_token_stays_valid(org: EmulatedOrg, client: Client) -> None:
    snapshot = org.snapshot()
    login = {"grant_type": "client_credentials", "client_id": "emulator-client", "client_secret": "emulator-secret"}
    token = requests.post(f"{org.url}/services/oauth2/token", data=login, timeout=5).json()["access_token"]
    org.restore(snapshot)
    assert Client(org.url, token).send("GET", "/limits").status_code == 200
    org.expire_sessions()
    org.restore(snapshot)
    assert client.send("GET", "/limits").status_code == 200


def test_a_call_in_its_commit_window_changes_nothing_any_more(started: Any) -> None:
    org, client = started({"sobjects": {"T": {"fields": {"Name": "text(80)"}}}})
    snapshot = org.snapshot()
    waiting, go_on = threading.Event(), threading.Event()

    def sleep(seconds: float) -> None:
        waiting.set()
        go_on.wait(10)

    org.state.sleep = sleep
    org.change_physics(commit_window=0.1)
    answers: list[int] = []
    call = threading.Thread(
        target=lambda: answers.append(client.send("POST", "/sobjects/T", json={"Name": "late"}).status_code)
    )
    call.start()
    assert waiting.wait(10)
    org.restore(snapshot)
    go_on.set()
    call.join(10)
    assert answers == [500]
    assert org.records("T") == []


def test_reset_and_restore_put_only_what_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand records stay where they are; the cost is that of the three that changed."""
    org = Org.read({"sobjects": {"T": {"fields": {"Name": "text(80) external_id"}}}, "records": {"T": _named(10_000)}})
    table, puts = org.table("T"), []
    put: Callable[..., Any] = table.put
    monkeypatch.setattr(table, "put", lambda *arguments: puts.append(arguments) or put(*arguments))
    snapshot = take(org)
    for go_back in (org.reset, lambda: restore(org, snapshot)):
        org.seed("T", _named(3))
        puts.clear()
        go_back()
        assert len(puts) == 3


def _named(count: int) -> list[dict[str, Any]]:
    return [{"Name": f"n{number}"} for number in range(count)]


# --- over HTTP -----------------------------------------------------------------------------------------------


def control(org: EmulatedOrg, method: str, path: str, **options: Any) -> requests.Response:
    return requests.request(method, f"{org.url}/_emulator/{path}", timeout=10, **options)


def test_snapshots_over_http(org: EmulatedOrg) -> None:
    org.seed("Account", [ACCOUNT])
    taken = control(org, "POST", "snapshots/before")
    assert (taken.status_code, taken.json()["records"]["Account"]) == (201, 1)
    for method in ("POST", "PUT"):
        org.seed("Account", [{"Name": "More"}])
        assert control(org, method, "snapshots/before/restore").status_code == 200
        assert [each["Name"] for each in org.records("Account")] == ["Nowak"]
    assert list(control(org, "GET", "snapshots").json()) == ["before"]
    org.reset()
    assert control(org, "DELETE", "snapshots/before").status_code == 204
    missing = control(org, "POST", "snapshots/before/restore")
    assert (missing.status_code, missing.json()[0]["errorCode"]) == (404, "NOT_FOUND")


def test_a_snapshot_travels_as_a_file(org: EmulatedOrg, started: Any) -> None:
    ids = org.seed("Account", [ACCOUNT, {"Name": "Second", "NumberOfEmployees": 5}])
    control(org, "POST", "snapshots/mine")
    file = control(org, "GET", "snapshots/mine").content
    control(org, "DELETE", "snapshots/mine")
    other, client = started()
    assert control(other, "PUT", "snapshots/theirs", data=file).status_code == 201
    control(other, "POST", "snapshots/theirs/restore")
    assert other.records("Account") == org.records("Account")
    assert client.upsert("Account", "External_Id__c", [{"External_Id__c": "a-1", "Site": "x"}])[0]["id"] == ids[0]


BAD = [
    ([], "records: should be a mapping"),
    ({"records": []}, "records: should be a mapping"),
    ({"records": {"Acount": []}}, "records.Acount: the org has no such sobject; did you mean 'Account'?"),
    ({"records": {"Account": {}}}, "records.Account: should be a list"),
    ({"records": {"Account": [7]}}, "records.Account[0]: should be a mapping"),
    ({"records": {"Account": [{"Id": "x"}]}}, "records.Account[0].Id: "),
    ({"records": {"Account": [{"Id": "0035g0000000001AAA"}]}}, "records.Account[0].Id: should be an id"),
    ({"records": {"Account": [{"Name": "no id"}]}}, "records.Account[0].Id: should be an id"),
    ({"records": {"Account": [{"NumberOfEmployees": "x"}]}}, "records.Account[0]: Cannot deserialize instance of int"),
    ({"last_numbers": {"Account": -1}}, "last_numbers.Account: -1 should be a whole number"),
    ({"last_numbers": {"Account": 62**10}}, "should be a whole number"),
    ({"records": {"Account": [{"Nmae": "x"}]}}, "records.Account[0].Nmae: no such field; did you mean 'Name'?"),
    ({"records": {"Account": [{"Name": ["x"]}]}}, "records.Account[0]: Cannot deserialize instance of string"),
]


@pytest.mark.parametrize(("body", "complaint"), BAD, ids=[each[1][:40] for each in BAD])
def test_what_is_no_snapshot_is_refused(org: EmulatedOrg, body: Any, complaint: str) -> None:
    answer = control(org, "PUT", "snapshots/x", json=body)
    assert answer.status_code == 400
    assert complaint in answer.json()[0]["message"]
