"""Queries over several sobjects, and the shape of their answers."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_sf_dedup.emulator import EmulatedOrg

from .client import Client, local, names, parsed, text

ORG: dict[str, Any] = {
    "sobjects": {
        "Account": {
            "key_prefix": "001",
            "fields": {
                "Name": "text(80) name",
                "Industry": "picklist(Energy|Banking)",
                "AnnualRevenue": "currency(16,2)",
                "ParentId": "reference(Account)",
            },
        },
        "Contact": {
            "key_prefix": "003",
            "name_parts": ["FirstName", "LastName"],
            "fields": {
                "FirstName": "text(40)",
                "LastName": "text(80) required",
                "Email": "email",
                "AccountId": "reference(Account)",
                "ReportsToId": "reference(Contact) relationship(ReportsTo)",
                "Interests__c": "multipicklist(Sales|Service|Marketing)",
                "Key__c": "text(20) unique external_id case_sensitive",
            },
        },
        "Case": {"key_prefix": "500", "fields": {"Subject": "text(80) name", "AccountId": "reference(Account)"}},
        "Task": {
            "key_prefix": "00T",
            "fields": {
                "Subject": "text(80) name",
                "WhoId": "reference(Contact|Lead)",
                "WhatId": "reference(Account|Case)",
            },
        },
        "Lead": {"key_prefix": "00Q", "fields": {"Name": "text(80) name", "Company": "text(80)"}},
        "Invoice__c": {
            "label": "Invoice",
            "fields": {
                "Name": "text(20) name",
                "Amount__c": "currency(16,2)",
                "Due__c": "date",
                "Account__c": "reference(Account)",
                "Payer__c": "reference(Account)",
                "Approver__c": "reference(Contact) children(Approved_Invoices)",
            },
        },
    }
}


@pytest.fixture
def world(started: Any) -> tuple[EmulatedOrg, Client]:
    org, client = started(ORG)
    state = org.state
    acme, beta, gamma = state.seed(
        "Account",
        [
            {"Name": "Acme", "Industry": "Energy", "AnnualRevenue": 100},
            {"Name": "Beta", "Industry": "Banking", "AnnualRevenue": 50},
            {"Name": "Gamma"},
        ],
    )
    state.seed("Account", [{"Name": "Acme East", "ParentId": acme}])
    ann, _, cy = state.seed(
        "Contact",
        [
            {
                "FirstName": "Ann",
                "LastName": "Adams",
                "AccountId": acme,
                "Interests__c": "Sales;Service",
                "Key__c": "Ab",
            },
            {"LastName": "Brown", "AccountId": acme, "Interests__c": "Marketing", "Key__c": "ab"},
            {"LastName": "Clark", "AccountId": beta},
        ],
    )
    state.seed("Lead", [{"Name": "Lea", "Company": "Leads Inc"}])
    state.seed("Task", [{"Subject": "Call", "WhoId": ann, "WhatId": acme}, {"Subject": "Think"}])
    state.seed(
        "Invoice__c",
        [
            {"Name": "I-1", "Amount__c": 10, "Due__c": "2026-01-31", "Account__c": acme, "Approver__c": cy},
            {"Name": "I-2", "Amount__c": 2.5, "Due__c": "2026-03-01", "Account__c": acme, "Payer__c": gamma},
            {"Name": "I-3", "Amount__c": 4, "Due__c": "2025-12-31", "Account__c": beta},
        ],
    )
    return org, client


def test_children_are_nested_and_none_is_null(world: Any) -> None:
    _, client = world
    acme, gamma = client.query(
        "SELECT Name, (SELECT LastName, Account.Name FROM Contacts WHERE LastName != 'x' ORDER BY LastName DESC "
        "LIMIT 1), "
        "(SELECT Id FROM Invoices__r) FROM Account WHERE Name IN ('Acme', 'Gamma') ORDER BY Name"
    )
    assert list(acme) == ["attributes", "Name", "Contacts", "Invoices__r"]
    (brown,) = acme["Contacts"]["records"]
    assert (acme["Contacts"]["totalSize"], acme["Contacts"]["done"]) == (1, True)
    assert brown["attributes"]["type"] == "Contact"
    assert (brown["LastName"], brown["Account"]["Name"]) == ("Brown", "Acme")
    assert acme["Invoices__r"]["totalSize"] == 2
    assert (gamma["Contacts"], gamma["Invoices__r"]) == (None, None)


def test_children_of_children(world: Any) -> None:
    _, client = world
    (acme,) = client.query(
        "SELECT Name, (SELECT Name, (SELECT Name FROM ChildAccounts) FROM ChildAccounts) FROM Account "
        "WHERE Name = 'Acme'"
    )
    assert [child["Name"] for child in acme["ChildAccounts"]["records"]] == ["Acme East"]
    assert acme["ChildAccounts"]["records"][0]["ChildAccounts"] is None


def test_children_over_soap(world: Any) -> None:
    _, client = world
    soql = "SELECT Id, (SELECT LastName FROM Contacts ORDER BY LastName) FROM Account WHERE Name IN ('Acme', 'Gamma')"
    answer = parsed(client.soap(f"<urn:query><urn:queryString>{soql}</urn:queryString></urn:query>"))
    acme, gamma = (each for each in answer.iter() if local(each) == "records" and "001" in str(text(each, "Id")))
    contacts = next(each for each in acme if local(each) == "Contacts")
    assert names(contacts) == ["done", "queryLocator", "records", "records", "size"]
    assert (text(contacts, "done"), text(contacts, "records", "LastName")) == ("true", "Adams")
    (nothing,) = (each for each in gamma if local(each) == "Contacts")
    assert list(nothing.attrib.values()) == ["true"]


def test_describe_names_the_children(world: Any) -> None:
    _, client = world
    found = client.send("GET", "/sobjects/Account/describe").json()["childRelationships"]
    names = {(each["childSObject"], each["field"]): each["relationshipName"] for each in found}
    assert names == {
        ("Account", "ParentId"): "ChildAccounts",
        ("Contact", "AccountId"): "Contacts",
        ("Case", "AccountId"): "Cases",
        ("Task", "WhatId"): "Tasks",
        ("Invoice__c", "Account__c"): "Invoices__r",
        ("Invoice__c", "Payer__c"): "Invoices1__r",
    } | {key: name for key, name in names.items() if key[0] == "DuplicateRecordItem"}
    found = client.send("GET", "/sobjects/Contact/describe").json()["childRelationships"]
    assert {"Approved_Invoices__r", None} <= {each["relationshipName"] for each in found}


WHERES = [
    ("Contact", "AccountId IN (SELECT Id FROM Account WHERE Industry = 'Energy')", ["Adams", "Brown"]),
    ("Contact", "AccountId NOT IN (SELECT Id FROM Account WHERE Industry = 'Energy')", ["Clark"]),
    ("Contact", "AccountId IN (SELECT Account__c FROM Invoice__c WHERE Amount__c < 5) AND LastName != 'x'", None),
    ("Contact", "Id IN (SELECT Approver__c FROM Invoice__c)", ["Clark"]),
    ("Contact", "Account.Industry = 'Banking'", ["Clark"]),
    ("Contact", "Account.Owner.Name LIKE 'user%'", ["Adams", "Brown", "Clark"]),
    ("Contact", "Interests__c INCLUDES ('Sales;Service', 'x')", ["Adams"]),
    ("Contact", "Interests__c INCLUDES ('Marketing', 'Service')", ["Adams", "Brown"]),
    ("Contact", "Interests__c EXCLUDES ('Marketing')", ["Adams", "Clark"]),
    ("Contact", "Key__c = 'ab'", ["Brown"]),
    ("Contact", "Key__c IN ('Ab')", ["Adams"]),
    ("Contact", "Key__c LIKE 'AB'", ["Adams", "Brown"]),
    ("Contact", "(NOT LastName LIKE 'a%') AND AccountId != null", ["Brown", "Clark"]),
    ("Contact", "NOT(LastName = 'Adams' OR LastName = 'Brown')", ["Clark"]),
    ("Contact", "LastName > 'adams' AND LastName <= 'CLARK'", ["Brown", "Clark"]),
    ("Contact", "LastName = '\\u0041dams'", ["Adams"]),
    ("Contact", "(((LastName = 'Adams')))", ["Adams"]),
    ("Contact c", "c.LastName = 'Adams' AND c.Account.Name = 'Acme'", ["Adams"]),
    ("Contact, Contact.Account a", "a.Name = 'Beta'", ["Clark"]),
    ("Contact USING SCOPE everything", "LastName = 'Adams' WITH SECURITY_ENFORCED", ["Adams"]),
    ("Contact USING SCOPE mine", "LastName = 'Adams' WITH USER_MODE", ["Adams"]),
]


@pytest.mark.parametrize(("source", "where", "found"), WHERES, ids=[each[1] for each in WHERES])
def test_conditions_over_several_sobjects(world: Any, source: str, where: str, found: list[str] | None) -> None:
    _, client = world
    clauses, _, security = where.partition(" WITH ")
    ending = f" WITH {security}" if security else ""
    records = client.query(f"SELECT LastName FROM {source} WHERE {clauses}{ending} ORDER BY LastName FOR VIEW")
    assert [record["LastName"] for record in records] == (found or ["Adams", "Brown", "Clark"])


def test_a_polymorphic_parent_has_the_fields_of_name(world: Any) -> None:
    _, client = world
    call, think = client.query(
        "SELECT Who.Name, Who.FirstName, Who.Type, What.Type, Owner.Type FROM Task ORDER BY Subject"
    )
    assert call["Who"]["attributes"]["type"] == "Name"
    assert call["Who"]["attributes"]["url"].startswith("/services/data/v60.0/sobjects/Contact/003")
    assert {**call["Who"], "attributes": None} == {
        "attributes": None,
        "Name": "Ann Adams",
        "FirstName": "Ann",
        "Type": "Contact",
    }
    assert (call["What"]["Type"], call["Owner"]["Type"]) == ("Account", "User")
    assert (think["Who"], think["What"]) == (None, None)
    assert client.query("SELECT Id FROM Task WHERE What.Type = 'Case'") == []


def test_typeof_shows_what_its_type_has(world: Any) -> None:
    _, client = world
    (call,) = client.query(
        "SELECT Subject, TYPEOF What WHEN Case THEN Subject WHEN Account THEN Industry, Name ELSE Id END, "
        "TYPEOF Who WHEN Lead THEN Company ELSE Name, Type END FROM Task WHERE WhoId != null"
    )
    assert call["What"]["attributes"]["type"] == "Account"
    assert {name for name in call["What"] if name != "attributes"} == {"Industry", "Name"}
    assert (call["Who"]["Name"], call["Who"]["Type"]) == ("Ann Adams", "Contact")


GROUPS = [
    (
        "SELECT Account__r.Name, COUNT(Id) n, SUM(Amount__c) FROM Invoice__c GROUP BY Account__r.Name "
        "ORDER BY COUNT(Id) DESC, Account__r.Name",
        [{"Name": "Acme", "n": 2, "expr0": 12.5}, {"Name": "Beta", "n": 1, "expr0": 4.0}],
    ),
    (
        "SELECT Account__r.Name x, MIN(Due__c), MAX(Amount__c) FROM Invoice__c GROUP BY Account__r.Name "
        "HAVING COUNT(Id) > 1 AND Account__r.Name LIKE 'a%'",
        [{"x": "Acme", "expr0": "2026-01-31", "expr1": 10.0}],
    ),
    (
        "SELECT CALENDAR_YEAR(Due__c), CALENDAR_QUARTER(Due__c) q, COUNT(Id) FROM Invoice__c "
        "GROUP BY CALENDAR_YEAR(Due__c), CALENDAR_QUARTER(Due__c) ORDER BY CALENDAR_YEAR(Due__c)",
        [{"expr0": 2025, "q": 4, "expr1": 1}, {"expr0": 2026, "q": 1, "expr1": 2}],
    ),
    (
        "SELECT Account__r.Name, GROUPING(Account__r.Name) g, AVG(Amount__c) a FROM Invoice__c "
        "GROUP BY ROLLUP(Account__r.Name) ORDER BY GROUPING(Account__r.Name), Account__r.Name",
        [{"Name": "Acme", "g": 0, "a": 6.25}, {"Name": "Beta", "g": 0, "a": 4.0}, {"Name": None, "g": 1, "a": 5.5}],
    ),
    ("SELECT COUNT_DISTINCT(Account__c), COUNT(Payer__c) FROM Invoice__c", [{"expr0": 2, "expr1": 1}]),
    ("SELECT MIN(Industry), MAX(Industry) FROM Account", [{"expr0": "Energy", "expr1": "Banking"}]),
    ("SELECT SUM(Amount__c) FROM Invoice__c WHERE Name = 'none'", [{"expr0": None}]),
    (
        "SELECT Industry FROM Account GROUP BY Industry HAVING Industry != null LIMIT 1 OFFSET 1",
        [{"Industry": "Banking"}],
    ),
    (
        "SELECT Account__c, Payer__c, COUNT(Id) FROM Invoice__c WHERE Name = 'I-3' GROUP BY CUBE(Account__c, Payer__c) "
        "HAVING GROUPING(Account__c) = 1 AND GROUPING(Payer__c) = 1",
        [{"Account__c": None, "Payer__c": None, "expr0": 1}],
    ),
]


@pytest.mark.parametrize(("soql", "rows"), GROUPS, ids=[each[0][:80] for each in GROUPS])
def test_groups(world: Any, soql: str, rows: list[dict[str, Any]]) -> None:
    _, client = world
    found = client.query(soql)
    assert all(row.pop("attributes") == {"type": "AggregateResult"} for row in found)
    assert found == rows


def test_picklists_are_sorted_as_the_org_lists_them(world: Any) -> None:
    _, client = world
    found = client.query("SELECT Industry FROM Account WHERE Industry != null ORDER BY Industry")
    assert [row["Industry"] for row in found] == ["Energy", "Banking"]


def test_functions_of_one_value(world: Any) -> None:
    _, client = world
    (row,) = client.query(
        "SELECT toLabel(Industry), FORMAT(AnnualRevenue) shown, convertCurrency(AnnualRevenue) FROM Account "
        "WHERE Name = 'Acme' AND DAY_ONLY(convertTimezone(CreatedDate)) = TODAY"
    )
    assert {**row, "attributes": None} == {
        "attributes": None,
        "Industry": "Energy",
        "shown": "$100.00",
        "AnnualRevenue": 100.0,
    }


def test_the_columns_of_a_query(world: Any) -> None:
    _, client = world
    soql = "SELECT Id, Account.Name, Interests__c, (SELECT Subject FROM Tasks) FROM Contact"
    found = client.send("GET", "/query", params={"q": soql, "columns": "true"}).json()
    assert {**found, "columnMetadata": None} == {
        "columnMetadata": None,
        "entityName": "Contact",
        "groupBy": False,
        "idSelected": True,
        "keyPrefix": "003",
    }
    record_id, account, interests, tasks = found["columnMetadata"]
    assert record_id == {
        "aggregate": False,
        "apexType": "Id",
        "booleanType": False,
        "columnName": "Id",
        "custom": False,
        "displayName": "Id",
        "foreignKeyName": None,
        "insertable": False,
        "joinColumns": [],
        "numberType": False,
        "textType": False,
        "updatable": False,
    }
    assert (account["foreignKeyName"], account["joinColumns"][0]["columnName"]) == ("AccountId", "Name")
    assert (interests["custom"], interests["textType"], interests["insertable"]) == (True, True, True)
    assert (tasks["aggregate"], tasks["columnName"], tasks["joinColumns"][0]["columnName"]) == (
        True,
        "Tasks",
        "Subject",
    )
    grouped = client.send(
        "GET",
        "/query",
        params={"q": "SELECT Industry, AVG(AnnualRevenue) FROM Account GROUP BY Industry", "columns": "true"},
    ).json()
    assert grouped["groupBy"] is True
    average = grouped["columnMetadata"][1]
    assert (average["columnName"], average["displayName"], average["aggregate"]) == (
        "expr0",
        "avg(AnnualRevenue)",
        True,
    )


def test_the_plan_of_a_query(world: Any) -> None:
    _, client = world
    (plan,) = client.send("GET", "/query", params={"explain": "SELECT Id FROM Contact WHERE Key__c = 'ab'"}).json()[
        "plans"
    ]
    assert (plan["leadingOperationType"], plan["cardinality"], plan["sobjectCardinality"]) == ("Index", 1, 3)
    (plan,) = client.send("GET", "/query", params={"explain": "SELECT Id FROM Contact"}).json()["plans"]
    assert (plan["leadingOperationType"], plan["fields"], plan["sobjectType"]) == ("TableScan", [], "Contact")


def test_what_nobody_outside_has_confirmed_can_be_switched(started: Any) -> None:
    org, client = started({**ORG, "quirks": {"all_rows_in_api": True, "aliases_in_order_by": True}})
    org.state.seed("Lead", [{"Name": "a"}, {"Name": "b"}, {"Name": "b"}])
    assert len(client.query("SELECT Id FROM Lead ALL ROWS")) == 3
    found = client.query("SELECT Name, COUNT(Id) n FROM Lead GROUP BY Name ORDER BY n DESC")
    assert [row["Name"] for row in found] == ["b", "a"]


def test_a_polymorphic_parent_is_named_by_its_own_name_field(world: Any) -> None:
    org, client = world
    (case,) = org.state.seed("Case", [{"Subject": "Broken"}])
    org.state.seed("Task", [{"Subject": "Repair", "WhatId": case}])
    (task,) = client.query("SELECT What.Name FROM Task WHERE What.Name = 'broken' AND WhatId = '" + case[:15] + "'")
    assert task["What"]["Name"] == "Broken"


def test_keywords_are_names_where_nothing_else_can_stand(started: Any) -> None:
    fields = {"Name": "text(20) name", "Order": "int", "Offset": "int"}
    org, client = started({"sobjects": {"Group": {"fields": fields}, "Order": {"fields": fields}}})
    org.state.seed("Group", [{"Name": "a", "Order": 1, "Offset": 2}])
    (row,) = client.query(
        "SELECT Order, Offset FROM Group WHERE Order = 1 GROUP BY Order, Offset ORDER BY Order LIMIT 1"
    )
    assert (row["Order"], row["Offset"]) == (1, 2)
    assert client.query("SELECT o.Id FROM Order o ORDER BY o.Order") == []
