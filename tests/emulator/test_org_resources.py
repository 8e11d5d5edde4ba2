"""What an org says about itself, beside its records."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

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
        if name not in ("jobs", "metadata", "tooling"):
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


def test_a_query_for_view_makes_records_recent(client: Client) -> None:
    ids = [client.create("Account", Name=name) for name in ("a", "b", "c")]
    client.query("SELECT Id, Name FROM Account ORDER BY Name LIMIT 2 FOR VIEW")
    assert [(each["Id"], each["Name"]) for each in client.send("GET", "/recent").json()] == [
        (ids[0], "a"),
        (ids[1], "b"),
    ]
    assert len(client.send("GET", "/recent?limit=1").json()) == 1
    items = client.send("GET", "/sobjects/Account").json()["recentItems"]
    assert [each["Id"] for each in items] == ids[:2]
    assert client.send("GET", "/sobjects/Contact").json()["recentItems"] == []


def test_tabs_and_theme_name_every_sobject(client: Client, org: EmulatedOrg) -> None:
    tabs = client.send("GET", "/tabs").json()
    account = next(each for each in tabs if each["sobjectName"] == "Account")
    assert (account["label"], account["name"], account["url"]) == ("Accounts", "standard-Account", f"{org.url}/001/o")
    assert {each["name"] for each in client.send("GET", "/theme").json()["themeItems"]} >= {"Account", "Invoice__c"}
    assert client.send("GET", "/appMenu/AppSwitcher").json() == {"appMenuItems": []}
    assert client.send("GET", "/appMenu/Nothing").status_code == 404


def test_child_relationships_are_described_by_name(client: Client) -> None:
    found = client.send("GET", "/sobjects/Account/describe").json()["childRelationships"]
    names = {(each["childSObject"], each["field"]): each["relationshipName"] for each in found}
    assert names["Contact", "AccountId"] == "Contacts"
    assert names["Account", "ParentId"] == "ChildAccounts"
    assert names["Invoice__c", "Account__c"] == "Invoices__r"


# --- what changed -----------------------------------------------------------------------------------------


def around_now() -> dict[str, str]:
    now = datetime.now(UTC)
    return {"start": (now - timedelta(minutes=5)).isoformat(), "end": (now + timedelta(minutes=5)).isoformat()}


def test_updated_and_deleted_records_are_told_apart(client: Client) -> None:
    kept, gone = client.create("Account", Name="kept"), client.create("Account", Name="gone")
    client.send("DELETE", f"/sobjects/Account/{gone}")
    assert client.send("GET", "/sobjects/Account/updated", params=around_now()).json()["ids"] == [kept]
    answer = client.send("GET", "/sobjects/Account/deleted", params=around_now()).json()
    assert [each["id"] for each in answer["deletedRecords"]] == [gone]
    assert set(answer) == {"deletedRecords", "earliestDateAvailable", "latestDateCovered"}


def test_a_plus_that_was_not_encoded_is_read_as_one(client: Client) -> None:
    kept = client.create("Account", Name="kept")
    query = "&".join(f"{name}={value}" for name, value in around_now().items())
    assert client.send("GET", f"/sobjects/Account/updated?{query}").json()["ids"] == [kept]


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"end": ""}, "MISSING_ARGUMENT"),
        ({"start": "yesterday"}, "INVALID_REPLICATION_DATE"),
        ({"start": "2013-05-05T00:00:00Z"}, "INVALID_REPLICATION_DATE"),
        ({"end": "2013-05-05T00:00:00Z"}, "INVALID_REPLICATION_DATE"),
    ],
)
def test_a_span_of_time_that_cannot_be_is_refused(client: Client, changed: dict[str, str], code: str) -> None:
    answer = client.send("GET", "/sobjects/Account/updated", params={**around_now(), **changed})
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, code)


# --- layouts ----------------------------------------------------------------------------------------------


def test_a_layout_shows_every_field(client: Client) -> None:
    answer = client.send("GET", "/sobjects/Account/describe/layouts").json()
    (layout,) = answer["layouts"]
    shown = {
        component["value"]
        for section in layout["detailLayoutSections"]
        for row in section["layoutRows"]
        for item in row["layoutItems"]
        for component in item["layoutComponents"]
    }
    fields = {each["name"] for each in client.send("GET", "/sobjects/Account/describe").json()["fields"]}
    assert shown == fields - {"Id"}
    (mapping, *_) = answer["recordTypeMappings"]
    of_type = client.send("GET", mapping["urls"]["layout"].removeprefix("/services/data/v60.0"))
    assert of_type.json() == layout


def test_a_compact_layout_is_as_the_org_file_says(client: Client) -> None:
    answer = client.send("GET", "/sobjects/Account/describe/compactLayouts").json()
    (layout,) = answer["compactLayouts"]
    assert [each["label"] for each in layout["fieldItems"]][:2] == ["Account Name", "Phone"]
    assert client.send("GET", "/compactLayouts?q=Account,Lead").json()["Account"] == layout
    assert client.send("GET", "/compactLayouts").status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        "/sobjects/Nothing__c/describe/layouts",
        "/sobjects/Account/describe/layouts/0125g0000000999AAA",
        "/sobjects/Account/describe/namedLayouts/Nothing",
        "/sobjects/Nothing__c/listviews",
        "/sobjects/Account/listviews/00B5g0000000999AAA",
        "/sobjects/Nothing__c/quickActions",
        "/quickActions/Nothing",
        "/sobjects/Nothing__c/updated",
    ],
)
def test_what_is_not_there_is_a_404(client: Client, path: str) -> None:
    assert client.send("GET", path).status_code == 404


def test_an_org_without_approval_processes_has_none_to_apply(client: Client) -> None:
    record_id = client.create("Account", Name="Acme")
    assert client.send("GET", "/process/rules").json() == {"rules": {}}
    assert client.send("POST", "/process/rules", json={"contextIds": [record_id]}).json()["success"] is True
    submitted = {"requests": [{"actionType": "Submit", "contextId": record_id}]}
    answer = client.send("POST", "/process/approvals", json=submitted)
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, "NO_APPLICABLE_PROCESS")
    assert client.send("GET", "/sobjects/Account/describe/approvalLayouts").json() == {"approvalLayouts": []}


def test_a_list_view_lists_all_records(client: Client) -> None:
    for name in ("b", "a"):
        client.create("Account", Name=name)
    (view,) = client.send("GET", "/sobjects/Account/listviews").json()["listviews"]
    path = view["url"].removeprefix("/services/data/v60.0")
    described = client.send("GET", f"{path}/describe").json()
    results = client.send("GET", f"{path}/results").json()
    names = [
        cell["value"] for row in results["records"] for cell in row["columns"] if cell["fieldNameOrPath"] == "Name"
    ]
    assert names == ["a", "b"]
    assert [each["Name"] for each in client.query(described["query"])] == names
    plan = client.send("GET", f"/query?explain={view['id']}").json()["plans"][0]
    assert (plan["sobjectType"], plan["cardinality"]) == ("Account", 2)


# --- quick actions ----------------------------------------------------------------------------------------


def test_a_quick_action_creates_a_record_for_the_record_it_is_executed_on(client: Client) -> None:
    account = client.create("Account", Name="Acme")
    names = [each["name"] for each in client.send("GET", "/sobjects/Account/quickActions").json()]
    assert "LogACall" in names
    described = client.send("GET", "/quickActions/LogACall/describe").json()
    assert described["targetSobjectType"] == "Task"
    assert client.send("GET", f"/quickActions/LogACall/defaultValues/{account}").json()["WhatId"] == account
    body = {"contextId": account, "record": {"Subject": "Call"}}
    answer = client.send("POST", "/sobjects/Account/quickActions/LogACall", json=body)
    assert answer.status_code == 201
    task = client.send("GET", f"/sobjects/Task/{answer.json()['id']}").json()
    assert (task["Subject"], task["WhatId"], task["Status"]) == ("Call", account, "Completed")


@pytest.mark.parametrize(
    ("body", "status"),
    [({"record": {"Foo": 1}}, 400), ({"contextId": "0015g0000000999AAA"}, 404), ({"record": 5}, 400), ([], 400)],
)
def test_a_quick_action_that_is_refused_creates_nothing(client: Client, body: Any, status: int) -> None:
    assert client.send("POST", "/quickActions/LogACall", json=body).status_code == status
    assert client.query("SELECT Id FROM Task") == []


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
