"""Approval processes of an org file: a record goes from one approver to the next."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_sf_dedup.emulator.definition.org_file import read_org
from airflow_sf_dedup.emulator.errors import OrgFileError

from .client import Client

ORG: dict[str, Any] = {
    "users": [{"username": "seller@example.com"}, {"username": "boss@example.com"}],
    "sobjects": {"Account": {"key_prefix": "001", "fields": {"Name": "text(80) required name"}}},
    "approval_processes": {
        "Big_Deals": {"sobject": "Account", "approvers": ["boss@example.com", "seller@example.com"]},
    },
}


@pytest.fixture
def client(started: Any) -> Client:
    _, client = started(ORG)
    found: Client = client
    return found


@pytest.fixture
def account(client: Client) -> str:
    return client.create("Account", Name="Acme")


def act(client: Client, *requests: tuple[str, str]) -> Any:
    body = {"requests": [{"actionType": action, "contextId": context_id} for action, context_id in requests]}
    return client.send("POST", "/process/approvals", json=body)


def result(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    (found,) = answer.json()
    row: dict[str, Any] = found
    return row


def test_a_record_is_approved_by_one_after_another(client: Client, account: str) -> None:
    first = result(act(client, ("Submit", account)))
    assert (first["success"], first["entityId"], first["instanceStatus"]) == (True, account, "Pending")
    second = result(act(client, ("Approve", first["newWorkitemIds"][0])))
    assert (second["instanceStatus"], second["instanceId"]) == ("Pending", first["instanceId"])
    assert second["actorIds"] != first["actorIds"]
    last = result(act(client, ("Approve", second["newWorkitemIds"][0])))
    assert (last["instanceStatus"], last["newWorkitemIds"], last["actorIds"]) == ("Approved", [], None)


def test_who_rejects_ends_the_process(client: Client, account: str) -> None:
    submitted = result(act(client, ("Submit", account)))
    assert result(act(client, ("Reject", submitted["newWorkitemIds"][0])))["instanceStatus"] == "Rejected"
    assert result(act(client, ("Submit", account)))["instanceStatus"] == "Pending"


def test_processes_are_listed_by_sobject(client: Client) -> None:
    (listed,) = client.send("GET", "/process/approvals").json()["approvals"]["Account"]
    assert (listed["name"], listed["object"], listed["sortOrder"]) == ("Big Deals", "Account", 1)


def test_a_record_is_in_one_process_at_a_time(client: Client, account: str) -> None:
    act(client, ("Submit", account))
    answer = act(client, ("Submit", account))
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "ALREADY_IN_PROCESS")


def test_one_request_that_fails_takes_the_others_back(client: Client, account: str) -> None:
    answer = act(client, ("Submit", account), ("Approve", "04i5g0000000999AAA"))
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "INVALID_CROSS_REFERENCE_KEY")
    assert result(act(client, ("Submit", account)))["instanceStatus"] == "Pending"


@pytest.mark.parametrize(
    ("changed", "setting"),
    [
        ({"sobject": "Nothing"}, "approval_processes.Big_Deals.sobject"),
        ({"approvers": []}, "approval_processes.Big_Deals.approvers"),
        ({"approvers": ["nobody@example.com"]}, "approval_processes.Big_Deals.approvers"),
        ({"steps": 2}, "approval_processes.Big_Deals.steps"),
    ],
)
def test_an_org_file_names_what_cannot_be_used(changed: dict[str, Any], setting: str) -> None:
    process = {**ORG["approval_processes"]["Big_Deals"], **changed}
    with pytest.raises(OrgFileError) as refused:
        read_org({**ORG, "approval_processes": {"Big_Deals": process}})
    assert refused.value.setting == setting
