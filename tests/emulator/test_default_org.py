"""The org that ships: what its standard rules find, and what clients ask of every org."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_sf_dedup.emulator import EmulatedOrg, Org

from .client import Client

PREFIXES = {
    "Account": "001", "Contact": "003", "Lead": "00Q", "Opportunity": "006", "Case": "500", "Task": "00T",
    "Event": "00U", "Campaign": "701", "CampaignMember": "00v", "Product2": "01t", "User": "005", "Profile": "00e",
    "UserRole": "00E", "RecordType": "012", "Organization": "00D",
}  # fmt: skip


def test_key_prefixes_are_those_of_every_org() -> None:
    assert {name: Org.read().sobject(name).key_prefix for name in PREFIXES} == PREFIXES


def test_who_am_i_and_what_may_i(client: Client) -> None:
    [user] = client.query("SELECT Id, Profile.Name, UserRole.Name, UserType FROM User WHERE Username LIKE 'loader%'")
    assert (user["Profile"]["Name"], user["UserRole"], user["UserType"]) == ("System Administrator", None, "Standard")


def test_record_types_are_records(started: Any) -> None:
    _, client = started({"extends": "default", "sobjects": {"Account": {"record_types": ["Key Account", "Other"]}}})
    described = client.send("GET", "/sobjects/Account/describe").json()["recordTypeInfos"]
    found = client.query("SELECT Id, Name, DeveloperName FROM RecordType WHERE SobjectType = 'Account'")
    assert {(each["Id"], each["DeveloperName"]) for each in found} == {
        (each["recordTypeId"], each["developerName"]) for each in described if not each["master"]
    }
    account = client.create("Account", Name="A", RecordTypeId=found[0]["Id"])
    [read] = client.query(f"SELECT RecordType.Name FROM Account WHERE Id = '{account}'")
    assert read["RecordType"]["Name"] == "Key Account"


KNOWN = {
    "Account": {
        "Name": "Nowak Optics GmbH", "BillingStreet": "12 Main Street", "BillingCity": "Graz", "BillingState": "Styria",
        "BillingPostalCode": "8010", "Phone": "+43 316 555 1234", "Website": "nowak.example",
    },
    "Contact": {
        "FirstName": "Robert", "LastName": "Nowak", "MailingStreet": "12 Main Street", "MailingCity": "Graz",
        "Phone": "+43 316 555 1234", "Title": "CEO",
    },
    "Lead": {"FirstName": "Robert", "LastName": "Nowak", "Company": "Nowak Optics", "Phone": "+43 316 555 1234"},
}  # fmt: skip

#: sObject, what is created, and whether a standard rule takes it for the known record.
CASES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("Account", {"Name": "Nowak Optics", "BillingPostalCode": "8010"}, ["Standard_Account_Duplicate_Rule"]),
    ("Account", {"Name": "Nowak Optics", "Phone": "0316 555 1234"}, ["Standard_Account_Duplicate_Rule"]),
    ("Account", {"Name": "Another", "Website": "nowak.example", "BillingStreet": "12 Main St"},
     ["Standard_Account_Duplicate_Rule"]),
    ("Account", {"Name": "Nowak Optics GmbH"}, []),
    ("Account", {"Name": "Nowak Optics", "BillingCity": "Graz"}, []),
    ("Contact", {"FirstName": "Bob", "LastName": "Nowak", "Phone": "+43 316 555 1234"},
     ["Standard_Contact_Duplicate_Rule"]),
    ("Contact", {"FirstName": "Bob", "LastName": "Nowak", "MailingStreet": "12 Main Street", "MailingCity": "Graz"},
     ["Standard_Contact_Duplicate_Rule"]),
    ("Contact", {"FirstName": "Robert", "LastName": "Nowak"}, []),
    ("Lead", {"FirstName": "Bob", "LastName": "Nowak", "Company": "Elsewhere", "Phone": "+43 316 555 1234"},
     ["Standard_Lead_Duplicate_Rule"]),
    ("Lead", {"FirstName": "Bob", "LastName": "Nowak", "Company": "Elsewhere"}, []),
]  # fmt: skip


@pytest.mark.parametrize(("sobject", "fields", "rules"), CASES)
def test_what_the_standard_rules_find(
    org: EmulatedOrg, client: Client, sobject: str, fields: dict[str, Any], rules: list[str]
) -> None:
    org.state.switch_rule("Account.Standard_Account_Duplicate_Rule", active=True)
    for name, known in KNOWN.items():
        org.seed(name, [known])
    answer = client.send("POST", f"/sobjects/{sobject}", json=fields)
    found = [error["duplicateResut"]["duplicateRule"] for error in answer.json()] if answer.status_code == 400 else []
    assert found == rules
    if rules:
        header = {"Sforce-Duplicate-Rule-Header": "allowSave=true"}
        assert client.send("POST", f"/sobjects/{sobject}", json=fields, headers=header).status_code == 201


def test_the_standard_lead_rule_looks_at_contacts_too(org: EmulatedOrg, client: Client) -> None:
    [contact] = org.seed("Contact", [KNOWN["Contact"]])
    answer = client.send("POST", "/sobjects/Lead", json={**KNOWN["Lead"], "FirstName": "Bob"})
    [error] = answer.json()
    [match] = error["duplicateResut"]["matchResults"]
    assert (match["entityType"], match["rule"]) == ("Contact", "Standard_Contact_Match_Rule_v1_1")
    assert [each["record"]["Id"] for each in match["matchRecords"]] == [contact]


@pytest.mark.parametrize(
    ("sobject", "fields", "picklist", "values"),
    [
        ("Case", {}, "Status", {"New": (False,), "Closed": (True,)}),
        ("Task", {}, "Status", {"In Progress": (False,), "Completed": (True,)}),
        (
            "Opportunity",
            {"Name": "Deal", "CloseDate": "2026-01-31"},
            "StageName",
            {"Prospecting": (False, False), "Closed Lost": (True, False), "Closed Won": (True, True)},
        ),
    ],
)
def test_what_is_closed_says_so(
    org: EmulatedOrg,
    client: Client,
    sobject: str,
    fields: dict[str, Any],
    picklist: str,
    values: dict[str, tuple[bool, ...]],
) -> None:
    flags = ["IsClosed", "IsWon"][: len(next(iter(values.values())))]
    first = next(iter(values))
    record_id = client.create(sobject, **fields, **{picklist: first})
    for value, expected in values.items():
        assert client.send("PATCH", f"/sobjects/{sobject}/{record_id}", json={picklist: value}).status_code == 204
        assert tuple(org.record(record_id)[flag] for flag in flags) == expected
        [seeded] = org.seed(sobject, [{**fields, picklist: value}])
        assert tuple(org.record(seeded)[flag] for flag in flags) == expected
    found = client.query(f"SELECT Id FROM {sobject} WHERE IsClosed = true")
    assert record_id in {each["Id"] for each in found}


@pytest.mark.parametrize(
    ("sobject", "field", "finds"),
    [
        ("User", "Username", True),
        ("User", "Email", True),
        ("Invoice__c", "Name", True),
        ("Contact", "Email", True),
        ("Account", "Name", False),
        ("User", "Alias", False),
    ],
)
def test_the_fields_that_find_records_are_those_of_the_documentation(sobject: str, field: str, finds: bool) -> None:
    assert Org.read().sobject(sobject).fields[field].id_lookup is finds
