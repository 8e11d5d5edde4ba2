"""What a delete takes along, what undelete brings back, and what is gone for good."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.emulator.results import Refused, Saved
from airflow_sf_dedup.emulator.saving.deleting import hard_delete

from .client import Client, results, text

PARENT = {"key_prefix": "a10", "fields": {"Name": "text(80)"}}
DETAIL = {"key_prefix": "a11", "fields": {"Name": "auto_number name", "Parent__c": "master_detail(Parent__c)"}}
GRANDCHILD = {"key_prefix": "a12", "fields": {"Detail__c": "master_detail(Detail__c)"}}
LOOKUP = {"key_prefix": "a13", "fields": {"Parent__c": "reference(Parent__c)", "Detail__c": "reference(Detail__c)"}}
GUARD = {"key_prefix": "a14", "fields": {"Name": "text(80) name", "Detail__c": "reference(Detail__c) restrict"}}
SOBJECTS = {
    "Parent__c": PARENT,
    "Detail__c": DETAIL,
    "Grandchild__c": GRANDCHILD,
    "Lookup__c": LOOKUP,
    "Guard__c": GUARD,
}


@pytest.fixture
def family(started: Any) -> tuple[EmulatedOrg, Client, dict[str, str]]:
    org, client = started({"sobjects": SOBJECTS})
    (parent,) = org.state.seed("Parent__c", [{"Name": "P"}])
    (detail,) = org.state.seed("Detail__c", [{"Parent__c": parent}])
    (grandchild,) = org.state.seed("Grandchild__c", [{"Detail__c": detail}])
    (lookup,) = org.state.seed("Lookup__c", [{"Parent__c": parent, "Detail__c": detail}])
    return org, client, {"parent": parent, "detail": detail, "grandchild": grandchild, "lookup": lookup}


def call(client: Client, operation: str, *ids: str, headers: str = "") -> list[str | None]:
    """The code of each row; None for a success."""
    given = "".join(f"<urn:ids>{each}</urn:ids>" for each in ids)
    rows = results(client.soap(f"<urn:{operation}>{given}</urn:{operation}>", headers))
    return [None if text(row, "success") == "true" else text(row, "errors", "statusCode") for row in rows]


def alive(org: EmulatedOrg) -> set[str]:
    return {record["Id"] for name in SOBJECTS for record in org.state.records(name)}


def test_details_go_with_their_master_and_lookups_are_cleared(family: Any) -> None:
    org, client, ids = family
    assert call(client, "delete", ids["parent"]) == [None]
    assert alive(org) == {ids["lookup"]}
    (lookup,) = client.query("SELECT Parent__c, Detail__c FROM Lookup__c")
    assert (lookup["Parent__c"], lookup["Detail__c"]) == (None, None)


def test_undelete_brings_back_what_was_deleted_with_it(family: Any) -> None:
    org, client, ids = family
    before = alive(org)
    call(client, "delete", ids["parent"])
    assert call(client, "undelete", ids["detail"]) == ["UNDELETE_FAILED"]
    assert call(client, "undelete", ids["parent"]) == [None]
    assert alive(org) == before
    (lookup,) = client.query("SELECT Parent__c, Detail__c FROM Lookup__c")
    assert (lookup["Parent__c"], lookup["Detail__c"]) == (ids["parent"], ids["detail"])


def test_what_was_deleted_before_stays_deleted(family: Any) -> None:
    org, client, ids = family
    call(client, "delete", ids["grandchild"])
    call(client, "delete", ids["parent"])
    call(client, "undelete", ids["parent"])
    assert alive(org) == {ids["parent"], ids["detail"], ids["lookup"]}
    assert call(client, "undelete", ids["grandchild"]) == [None]


def test_a_detail_does_not_come_back_without_its_master(family: Any) -> None:
    _, client, ids = family
    call(client, "delete", ids["detail"])
    call(client, "delete", ids["parent"])
    assert call(client, "undelete", ids["detail"]) == ["UNDELETE_FAILED"]
    assert call(client, "undelete", ids["parent"], ids["detail"]) == [None, None]


def test_a_record_that_holds_another_keeps_it_from_being_deleted(family: Any) -> None:
    org, client, ids = family
    (guard,) = org.state.seed("Guard__c", [{"Name": "G-1", "Detail__c": ids["detail"]}])
    before = alive(org)
    (row,) = results(client.soap(f"<urn:delete><urn:ids>{ids['parent']}</urn:ids></urn:delete>"))
    assert text(row, "errors", "statusCode") == "DELETE_FAILED"
    assert "G-1" in str(text(row, "errors", "message"))
    assert alive(org) == before
    assert call(client, "delete", guard, ids["parent"]) == [None, None]


def test_all_or_none_takes_a_cascade_back(family: Any) -> None:
    org, client, ids = family
    before = alive(org)
    header = "<urn:AllOrNoneHeader><urn:allOrNone>true</urn:allOrNone></urn:AllOrNoneHeader>"
    assert call(client, "delete", ids["parent"], "x", headers=header) == [
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
        "MALFORMED_ID",
    ]
    assert alive(org) == before
    (lookup,) = client.query("SELECT Parent__c FROM Lookup__c")
    assert lookup["Parent__c"] == ids["parent"]


def test_an_emptied_record_is_gone_with_what_it_took_along(family: Any) -> None:
    org, client, ids = family
    call(client, "delete", ids["parent"])
    assert call(client, "emptyRecycleBin", ids["detail"]) == ["INVALID_ID_FIELD"]
    assert call(client, "emptyRecycleBin", ids["parent"]) == [None]
    assert call(client, "emptyRecycleBin", ids["parent"]) == ["INVALID_ID_FIELD"]
    assert call(client, "undelete", ids["parent"]) == ["UNDELETE_FAILED"]
    for name in ("Parent__c", "Detail__c", "Grandchild__c"):
        assert client.query(f"SELECT Id FROM {name}", path="/queryAll") == []
    assert org.state.records("Lookup__c")


def test_a_hard_delete_leaves_nothing_in_the_bin(family: Any) -> None:
    org, client, ids = family
    user = org.state.default_user.user_id
    results_ = hard_delete(org.state, [ids["parent"], ids["parent"]], user_id=user)
    assert [type(each) for each in results_] == [Saved, Refused]
    assert call(client, "undelete", ids["parent"]) == ["UNDELETE_FAILED"]
    assert client.query("SELECT Id FROM Detail__c", path="/queryAll") == []


def test_a_live_record_is_not_emptied(client: Client) -> None:
    record_id = client.create("Account", Name="Acme")
    assert call(client, "emptyRecycleBin", record_id, "nonsense") == ["INVALID_ID_FIELD", "MALFORMED_ID"]
    assert len(client.query("SELECT Id FROM Account")) == 1


def test_an_emptied_record_frees_its_unique_values(client: Client) -> None:
    fields = {"Name": "Acme", "External_Id__c": "a"}
    record_id = client.create("Account", **fields)
    call(client, "delete", record_id)
    (held,) = client.upsert("Account", "External_Id__c", [fields])
    call(client, "emptyRecycleBin", record_id)
    (row,) = client.upsert("Account", "External_Id__c", [fields])
    assert (held["errors"][0]["statusCode"], row["success"]) == ("DUPLICATE_VALUE", True)
    assert row["id"] != record_id


def test_numbers_are_not_given_twice(client: Client) -> None:
    first, second = (client.create("Invoice__c", Paid__c=False) for _ in range(2))
    call(client, "delete", first)
    call(client, "emptyRecycleBin", first)
    third = client.create("Invoice__c", Paid__c=True)
    found = {each["Id"]: each["Name"] for each in client.query("SELECT Id, Name FROM Invoice__c")}
    assert len(found) == 2
    assert found[second] != found[third]


def test_an_account_goes_with_its_contacts_but_not_from_its_cases(client: Client, org: EmulatedOrg) -> None:
    account, busy = (client.create("Account", Name=name) for name in ("Acme", "Busy"))
    client.create("Contact", LastName="Doe", AccountId=account)
    client.create("Case", Subject="x", AccountId=busy)
    refused = client.send("DELETE", f"/sobjects/Account/{busy}")
    assert (refused.status_code, refused.json()[0]["errorCode"]) == (400, "DELETE_FAILED")
    assert client.send("DELETE", f"/sobjects/Account/{account}").status_code == 204
    assert client.query("SELECT Id FROM Contact") == []
    assert len(org.state.records("Contact", deleted=True)) == 1


def test_describe_says_what_is_deleted_with_what(client: Client) -> None:
    children = client.send("GET", "/sobjects/Account/describe").json()["childRelationships"]
    found = {
        (each["childSObject"], each["field"]): (each["cascadeDelete"], each["restrictedDelete"]) for each in children
    }
    assert found["Contact", "AccountId"] == (True, False)
    assert found["Case", "AccountId"] == (False, True)
    assert found["Invoice__c", "Account__c"] == (False, False)
