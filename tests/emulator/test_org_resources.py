"""What an org says about itself, beside its records."""

from __future__ import annotations

import pytest

from airflow_sf_dedup.emulator import EmulatedOrg

from . import bulk
from .client import Client


def test_every_resource_that_is_listed_is_there(client: Client, org: EmulatedOrg) -> None:
    found = client.send("GET", "").json()
    identity = found.pop("identity")
    assert identity == f"{org.url}/id/{org.org_id}/{org.state.default_user.user_id}"
    for name, path in found.items():
        assert path == f"/services/data/v60.0/{name}"
        if name not in ("jobs", "metadata"):
            assert client.send("GET", f"/{name}").status_code != 404, name


def test_limits_count_the_calls(client: Client) -> None:
    before = client.send("GET", "/limits").json()["DailyApiRequests"]
    after = client.send("GET", "/limits").json()
    assert after["DailyApiRequests"] == {"Max": before["Max"], "Remaining": before["Remaining"] - 1}
    assert {"DataStorageMB", "FileStorageMB", "DailyBulkV2QueryJobs", "DailyAsyncApexExecutions"} <= set(after)


def test_records_are_counted(client: Client) -> None:
    client.create("Account", Name="Acme")
    answer = client.send("GET", "/limits/recordCount?sObjects=Account,Lead,Nothing__c").json()
    assert answer == {"sObjects": [{"count": 1, "name": "Account"}, {"count": 0, "name": "Lead"}]}


def test_child_relationships_are_described_by_name(client: Client) -> None:
    found = client.send("GET", "/sobjects/Account/describe").json()["childRelationships"]
    names = {(each["childSObject"], each["field"]): each["relationshipName"] for each in found}
    assert names["Contact", "AccountId"] == "Contacts"
    assert names["Account", "ParentId"] == "ChildAccounts"
    assert names["Invoice__c", "Account__c"] == "Invoices__r"


# --- relationships ----------------------------------------------------------------------------------------


@pytest.fixture
def family(client: Client) -> tuple[str, str]:
    account = client.create("Account", Name="Acme")
    return account, client.create("Contact", LastName="Doe", AccountId=account)


def test_a_parent_is_reached_from_its_child(client: Client, family: tuple[str, str]) -> None:
    account, contact = family
    path = f"/sobjects/Contact/{contact}/Account"
    shown = client.send("GET", f"{path}?fields=Name").json()
    assert (shown["Name"], shown["Id"], set(shown)) == ("Acme", account, {"attributes", "Name", "Id"})
    assert client.send("PATCH", path, json={"Phone": "1"}).status_code == 204
    assert client.send("GET", f"/sobjects/Account/{account}").json()["Phone"] == "1"
    assert client.send("DELETE", path).status_code == 204
    assert client.send("GET", f"/sobjects/Account/{account}").status_code == 404


def test_children_are_reached_from_their_parent(client: Client, family: tuple[str, str]) -> None:
    account, contact = family
    found = client.send("GET", f"/sobjects/Account/{account}/Contacts?fields=LastName").json()
    assert (found["totalSize"], found["done"]) == (1, True)
    assert found["records"][0]["LastName"] == "Doe"
    assert client.send("GET", f"/sobjects/Account/{account}/contacts").json()["records"][0]["Id"] == contact
    assert client.send("PATCH", f"/sobjects/Account/{account}/Contacts", json={}).status_code == 405


def test_a_relationship_that_leads_nowhere_is_a_404(client: Client, family: tuple[str, str]) -> None:
    account, contact = family
    for path in (
        f"Account/{account}/Nothing",
        f"Account/{account}/Parent",
        f"Contact/{contact[:15]}/Nothing__r",
        "Contact/0035g0000000999AAA/Account",
    ):
        assert client.send("GET", f"/sobjects/{path}").status_code == 404


def test_bulk_jobs_use_up_their_limits(client: Client) -> None:
    def left(name: str) -> int:
        limit = client.send("GET", "/limits").json()[name]
        assert sorted(limit) == ["Max", "Remaining"]
        return int(limit["Max"] - limit["Remaining"])

    assert (left("DailyBulkApiBatches"), left("DailyBulkV2QueryJobs")) == (0, 0)
    bulk.load(client, "Name\nAcme\n")
    query = {"operation": "query", "query": "SELECT Id FROM Account"}
    assert client.send("POST", "/jobs/query", json=query).status_code == 200
    assert (left("DailyBulkApiBatches"), left("DailyBulkV2QueryJobs")) == (1, 1)
