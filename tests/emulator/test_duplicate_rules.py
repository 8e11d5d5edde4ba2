from __future__ import annotations

from typing import Any

import pytest

from airflow_sf_dedup.emulator import EmulatedOrg

from .client import Client, results, soap_record, text

ALLOW = {"Sforce-Duplicate-Rule-Header": "allowSave=true"}
JANE = {"FirstName": "Jane", "LastName": "Doe", "Company": "Acme Inc", "Email": "jane@example.com"}


def org_with(rule: dict[str, Any], **settings: Any) -> dict[str, Any]:
    return {
        "sobjects": {
            "Lead": {
                "key_prefix": "00Q",
                "name_parts": ["FirstName", "LastName"],
                "compact_layout": ["Name", "Company"],
                "fields": {
                    "FirstName": "text(40)",
                    "LastName": "text(80) required",
                    "Company": "text(255)",
                    "Email": "email",
                    "Phone": "phone",
                    "Street": "text_area",
                    "City": "text(40)",
                    "Ext__c": "text(20) external_id unique",
                },
            }
        },
        "duplicate_rules": {"Rule": {"sobject": "Lead", "matching": [{"fields": {"Email": "exact"}}], **rule}},
        **settings,
    }


def test_a_blocking_rule_answers_as_recorded(client: Client) -> None:
    existing = client.create("Lead", **JANE)
    answer = client.send("POST", "/sobjects/Lead", json={**JANE, "LastName": "Else"}, headers=ALLOW)
    assert answer.status_code == 400
    assert answer.json() == [
        {
            "duplicateResut": {
                "allowSave": False,
                "duplicateRule": "Lead_Email",
                "duplicateRuleEntityType": "Lead",
                "errorMessage": "Use one of these records?",
                "matchResults": [
                    {
                        "entityType": "Lead",
                        "errors": [],
                        "matchEngine": "ExactMatchEngine",
                        "matchRecords": [
                            {
                                "additionalInformation": [],
                                "fieldDiffs": [],
                                "matchConfidence": 100.0,
                                "record": {
                                    "attributes": {
                                        "type": "Lead",
                                        "url": f"/services/data/v60.0/sobjects/Lead/{existing}",
                                    },
                                    "Id": existing,
                                },
                            }
                        ],
                        "rule": "Lead_Email_Exact",
                        "size": 1,
                        "success": True,
                    }
                ],
            },
            "errorCode": "DUPLICATES_DETECTED",
            "message": "Use one of these records?",
        }
    ]


def test_an_alerting_rule_gives_way_to_the_header_and_reports(client: Client) -> None:
    client.create("Lead", **JANE)
    twin = {**JANE, "Email": "other@example.com", "Company": "ACME"}
    refused = client.send("POST", "/sobjects/Lead", json=twin)
    assert refused.json()[0]["duplicateResut"]["allowSave"] is True
    assert refused.json()[0]["duplicateResut"]["matchResults"][0]["matchEngine"] == "FuzzyMatchEngine"
    saved = client.send("POST", "/sobjects/Lead", json=twin, headers=ALLOW)
    assert saved.status_code == 201
    items = client.query("SELECT RecordId, DuplicateRecordSet.RecordCount FROM DuplicateRecordItem")
    assert saved.json()["id"] in [item["RecordId"] for item in items]
    assert items[0]["DuplicateRecordSet"]["RecordCount"] == 2


def test_the_header_has_no_effect_before_version_52(client: Client) -> None:
    client.create("Lead", **JANE)
    twin = {**JANE, "Email": "other@example.com"}
    old = client.send("POST", "/sobjects/Lead", json=twin, headers=ALLOW, version="51.0")
    assert old.status_code == 400


def test_a_lead_can_match_a_contact(client: Client) -> None:
    contact = client.create("Contact", LastName="Doe", Email="jane@example.com")
    result = client.send("POST", "/sobjects/Lead", json=JANE).json()[0]["duplicateResut"]
    (match,) = result["matchResults"]
    assert (result["duplicateRuleEntityType"], match["entityType"]) == ("Lead", "Contact")
    assert match["matchRecords"][0]["record"]["Id"] == contact


def test_a_report_only_rule_is_invisible_in_the_answer(started: Any) -> None:
    rule = {"action_on_insert": "allow", "operations_on_insert": ["report"]}
    _, client = started(org_with(rule))
    ids = [client.create("Lead", LastName=name, Email="x@example.com") for name in ("A", "B", "C")]
    (found,) = client.query("SELECT RecordCount FROM DuplicateRecordSet")
    assert found["RecordCount"] == 3
    assert {item["RecordId"] for item in client.query("SELECT RecordId FROM DuplicateRecordItem")} == set(ids)


@pytest.mark.parametrize("first", ["Account", "Contact"])
def test_each_row_of_a_mixed_save_meets_the_rules_of_its_own_sobject(client: Client, first: str) -> None:
    client.create("Lead", **JANE)
    other = {"Account": {"Name": "Acme"}, "Contact": {"LastName": "Poe"}}[first]
    rows = soap_record(first, **other) + soap_record("Lead", LastName="Roe", Company="Z", Email=JANE["Email"])
    saved, refused = results(client.soap(f"<urn:create>{rows}</urn:create>"))
    assert (text(saved, "success"), text(refused, "success")) == ("true", "false")
    assert text(refused, "errors", "statusCode") == "DUPLICATES_DETECTED"


def test_an_inactive_rule_does_nothing(started: Any) -> None:
    _, client = started(org_with({"active": False}))
    assert client.create("Lead", LastName="A", Email="x@example.com")
    assert client.create("Lead", LastName="B", Email="x@example.com")


def test_an_update_is_judged_only_when_a_compared_field_changes(client: Client, org: EmulatedOrg) -> None:
    first, second = org.state.seed("Lead", [JANE, {**JANE, "LastName": "Roe"}])
    assert client.send("PATCH", f"/sobjects/Lead/{second}", json={"City": "Bonn"}).status_code == 204
    assert client.send("PATCH", f"/sobjects/Lead/{second}", json={"Email": JANE["Email"]}).status_code == 204
    other = client.create("Lead", LastName="New", Company="New", Email="new@example.com")
    refused = client.send("PATCH", f"/sobjects/Lead/{other}", json={"Email": "JANE@example.com"})
    records = refused.json()[0]["duplicateResut"]["matchResults"][0]["matchRecords"]
    assert {record["record"]["Id"] for record in records} == {first, second}


@pytest.mark.parametrize(("quirk", "status"), [(True, 400), (False, 201)])
def test_a_deleted_record_matches_as_the_quirk_says(started: Any, quirk: bool, status: int) -> None:
    _, client = started(org_with({}, quirks={"deleted_records_match": quirk}))
    gone = client.create("Lead", LastName="A", Email="x@example.com")
    client.send("DELETE", f"/sobjects/Lead/{gone}")
    answer = client.send("POST", "/sobjects/Lead", json={"LastName": "B", "Email": "x@example.com"})
    assert answer.status_code == status


def test_the_newer_spelling_is_a_quirk(started: Any) -> None:
    _, client = started(org_with({}, quirks={"duplicate_result_spelling": "new"}))
    client.create("Lead", LastName="A", Email="x@example.com")
    answer = client.send("POST", "/sobjects/Lead", json={"LastName": "B", "Email": "x@example.com"})
    assert "duplicateResult" in answer.json()[0]


def test_record_details_show_fields_and_differences_only_when_asked_for(started: Any) -> None:
    _, client = started(org_with({}))
    client.create("Lead", LastName="A", Company="Acme", Email="x@example.com", City="Bonn")
    answer = client.send(
        "POST",
        "/sobjects/Lead",
        json={"LastName": "B", "Email": "x@example.com"},
        headers={"Sforce-Duplicate-Rule-Header": "allowSave=false; includeRecordDetails=true"},
    )
    (match,) = answer.json()[0]["duplicateResut"]["matchResults"][0]["matchRecords"]
    assert match["fieldDiffs"] == [{"difference": "SAME", "name": "Email"}]
    assert (match["record"]["Name"], match["record"]["Company"]) == ("A", "Acme")
    assert "City" not in match["record"]


def test_at_most_100_matches_are_reported(started: Any) -> None:
    emulator, client = started(org_with({}))
    emulator.state.seed("Lead", [{"LastName": f"L{n}", "Email": "x@example.com"} for n in range(150)])
    answer = client.send("POST", "/sobjects/Lead", json={"LastName": "B", "Email": "x@example.com"})
    assert answer.json()[0]["duplicateResut"]["matchResults"][0]["size"] == 100


LOGIC = [
    ({"LastName": "A", "Phone": "555 123 4567"}, True),
    ({"LastName": "B", "Phone": "555 123 4567"}, False),
    ({"LastName": "a", "Email": "x@example.com"}, True),
    ({"LastName": "A", "Company": "Else"}, False),
]


@pytest.mark.parametrize(("record", "matches"), LOGIC)
def test_logic_joins_the_items(started: Any, record: dict[str, str], matches: bool) -> None:
    fields = {"LastName": "exact", "Email": "exact", "Phone": "phone"}
    emulator, client = started(org_with({"matching": [{"fields": fields, "logic": "1 AND (2 OR 3)"}]}))
    emulator.state.seed("Lead", [{"LastName": "A", "Email": "x@example.com", "Phone": "+1 (555) 123-4567"}])
    answer = client.send("POST", "/sobjects/Lead", json=record)
    assert answer.status_code == (400 if matches else 201)


ALIKE = [
    ("FirstName", "first_name", "Robert", "Bob", True),
    ("FirstName", "first_name", "Robert", "Anna", False),
    ("LastName", "last_name", "Smith", "Smyth", True),
    ("LastName", "last_name", "Smith", "Jones", False),
    ("Company", "company_name", "Acme Widgets, Inc.", "ACME Widgets", True),
    ("Company", "company_name", "Acme Widgets", "Zenith Tools", False),
    ("Phone", "phone", "+1 (555) 010-9999", "555.010.9999", True),
    ("Phone", "phone", "555 010 9999", "555 010 8888", False),
    ("Street", "street", "12 Main Street", "12 main st.", True),
    ("City", "city", "San Francisco", "San Fransisco", True),
    ("City", "city", "Bonn", "Berlin", False),
]


@pytest.mark.parametrize(("field", "method", "existing", "new", "alike"), ALIKE)
def test_fuzzy_methods_find_what_is_alike(
    started: Any, field: str, method: str, existing: str, new: str, alike: bool
) -> None:
    emulator, client = started(org_with({"matching": [{"fields": {field: method}}]}))
    emulator.state.seed("Lead", [{"LastName": "X", field: existing}])
    answer = client.send("POST", "/sobjects/Lead", json={"LastName": "Y", field: new})
    assert answer.status_code == (400 if alike else 201)


@pytest.mark.parametrize(("match_blanks", "status"), [(False, 201), (True, 400)])
def test_blanks_match_blanks_only_when_the_rule_says_so(started: Any, match_blanks: bool, status: int) -> None:
    fields = {"LastName": "exact", "Email": {"method": "exact", "match_blanks": match_blanks}}
    emulator, client = started(org_with({"matching": [{"fields": fields}]}))
    emulator.state.seed("Lead", [{"LastName": "A"}])
    assert client.send("POST", "/sobjects/Lead", json={"LastName": "A"}).status_code == status
