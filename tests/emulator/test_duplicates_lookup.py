"""findDuplicates, findDuplicatesByIds and the UI API: what would match, without writing anything."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_sf_dedup.emulator import EmulatedOrg

from .client import Client, local, names, parsed, results, soap_record, text

LEAD = {"LastName": "Doe", "Company": "Acme"}
DETAILS = (
    "<urn:DuplicateRuleHeader><urn:allowSave>false</urn:allowSave>"
    "<urn:includeRecordDetails>true</urn:includeRecordDetails>"
    "<urn:runAsCurrentUser>false</urn:runAsCurrentUser></urn:DuplicateRuleHeader>"
)


def find(client: Client, *records: str, headers: str = "") -> list[Any]:
    return results(client.soap(f"<urn:findDuplicates>{''.join(records)}</urn:findDuplicates>", headers))


def find_by_ids(client: Client, *ids: str) -> list[Any]:
    given = "".join(f"<urn:ids>{each}</urn:ids>" for each in ids)
    return results(client.soap(f"<urn:findDuplicatesByIds>{given}</urn:findDuplicatesByIds>"))


def matched(result: Any) -> dict[str | None, list[str | None]]:
    """The ids that each rule matched."""
    return {
        text(each, "duplicateRule"): [
            text(match, "record", "Id") for match in each.iter() if local(match) == "matchRecords"
        ]
        for each in result
        if local(each) == "duplicateResults"
    }


@pytest.fixture
def lead(org: EmulatedOrg) -> str:
    (record_id,) = org.state.seed("Lead", [{**LEAD, "Email": "jane@example.com"}])
    return record_id


def test_each_record_has_its_answer_in_its_place(client: Client, lead: str, org: EmulatedOrg) -> None:
    records = [soap_record("Lead", Email=email) for email in ("nobody@example.com", "Jane@Example.com")]
    nobody, jane = find(client, *records)
    assert matched(nobody) == {"Lead_Email": [], "Lead_Matches_Contact": [], "Standard_Lead_Duplicate_Rule": []}
    assert matched(jane)["Lead_Email"] == [lead]
    assert (text(nobody, "success"), text(jane, "success")) == ("true", "true")
    assert len(org.state.records("Lead")) == 1
    assert org.state.records("DuplicateRecordSet") == []


def test_a_rule_without_a_match_says_size_zero_or_nothing(client: Client, org: EmulatedOrg, started: Any) -> None:
    (result,) = find(client, soap_record("Lead", Email="nobody@example.com"))
    first = next(each for each in result if local(each) == "duplicateResults")
    assert names(first) == ["allowSave", "duplicateRule", "duplicateRuleEntityType", "errorMessage", "matchResults"]
    assert (text(first, "allowSave"), text(first, "errorMessage")) == ("false", None)
    assert text(first, "matchResults", "size") == "0"

    rule = {"sobject": "Account", "matching": [{"fields": {"Name": "exact"}}]}
    account = {"key_prefix": "001", "fields": {"Name": "text(80) required"}}
    quirks = {"find_duplicates_no_match": "empty"}
    _, other = started({"sobjects": {"Account": account}, "duplicate_rules": {"R": rule}, "quirks": quirks})
    (result,) = find(other, soap_record("Account", Name="Acme"))
    first = next(each for each in result if local(each) == "duplicateResults")
    assert names(first) == ["allowSave", "duplicateRule", "duplicateRuleEntityType", "errorMessage"]


def test_details_show_the_compact_layout_and_how_fields_differ(client: Client, lead: str) -> None:
    (result,) = find(client, soap_record("Lead", Email="jane@example.com"), headers=DETAILS)
    match = next(each for each in result.iter() if local(each) == "matchRecords")
    assert names(match) == ["fieldDiffs", "matchConfidence", "record"]
    assert text(match, "fieldDiffs", "difference") == "SAME"
    assert text(match, "record", "Company") == "Acme"


def test_a_stored_record_is_looked_up_by_its_id(client: Client, lead: str, org: EmulatedOrg) -> None:
    (twin,) = org.state.seed("Lead", [{**LEAD, "LastName": "Else", "Email": "jane@example.com"}])
    first, second, unknown, bad = find_by_ids(client, lead, twin, "00Q000000000999", "x")
    assert matched(first)["Lead_Email"] == [twin]
    assert matched(second)["Lead_Email"] == [lead]
    for row, code in ((unknown, "INVALID_CROSS_REFERENCE_KEY"), (bad, "MALFORMED_ID")):
        assert (text(row, "success"), text(row, "errors", "statusCode")) == ("false", code)


def test_the_fields_of_a_record_with_an_id_replace_what_is_stored(client: Client, lead: str, org: EmulatedOrg) -> None:
    (other,) = org.state.seed("Lead", [{"LastName": "Roe", "Company": "Zeta", "Email": "roe@example.com"}])
    as_stored, changed = find(
        client, soap_record("Lead", Id=other), soap_record("Lead", Id=other, Email="jane@example.com")
    )
    assert matched(as_stored)["Lead_Email"] == []
    assert matched(changed)["Lead_Email"] == [lead]


def test_a_call_that_cannot_be_looked_up_is_a_fault(client: Client, lead: str) -> None:
    one = soap_record("Lead", Email="a@example.com")
    contact = soap_record("Contact", LastName="Doe")
    faults = {
        "sf:LIMIT_EXCEEDED": one * 51,
        "sf:INVALID_INPUT_COMBINATION": one + contact,
        "sf:NO_ACTIVE_DUPLICATE_RULE": soap_record("Campaign", Name="Acme"),
        "sf:INVALID_FIELD": soap_record("Lead", Nonsense="1"),
        "sf:INVALID_TYPE": soap_record("Nonsense"),
    }
    for expected, body in faults.items():
        answer = client.soap(f"<urn:findDuplicates>{body}</urn:findDuplicates>")
        fault = next(each for each in parsed(answer).iter() if local(each) == "Fault")
        assert (answer.status_code, text(fault, "faultcode")) == (500, expected)
    ids = f"<urn:ids>{lead}</urn:ids>" * 51
    assert client.soap(f"<urn:findDuplicatesByIds>{ids}</urn:findDuplicatesByIds>").status_code == 500


def test_predupe_answers_for_one_record(client: Client, lead: str, org: EmulatedOrg) -> None:
    (contact,) = org.state.seed("Contact", [{"LastName": "Doe", "Email": "jane@example.com"}])
    body = {"apiName": "Lead", "fields": {"LastName": "X", "Email": "jane@example.com"}}
    answer = client.send("POST", "/ui-api/predupe", json=body).json()
    assert answer["duplicateError"] is True
    assert answer["allowSave"] is False
    assert answer["duplicateRules"] == ["Lead_Email", "Lead_Matches_Contact", "Standard_Lead_Duplicate_Rule"]
    assert {each["objectApiName"]: each["recordIds"] for each in answer["matches"]} == {
        "Lead": [lead],
        "Contact": [contact],
    }
    info = answer["matches"][0]["duplicateResultInfos"]["Lead_Email"]
    assert info == {
        "allowSave": False,
        "matchResultInfo": {"recordIds": [lead], "rule": "Lead_Email_Exact"},
        "rule": "Lead_Email",
    }
    nothing = client.send("POST", "/ui-api/predupe", json={"apiName": "Lead", "fields": {}}).json()
    assert (nothing["duplicateError"], nothing["allowSave"], nothing["matches"]) == (False, True, [])
    assert len(org.state.records("Lead")) == 1


def test_the_configuration_says_which_fields_matter(client: Client) -> None:
    answer = client.send("GET", "/ui-api/duplicates/Lead").json()
    assert (answer["apiName"], answer["dedupeEnabled"]) == ("Lead", True)
    compared = {"City", "Company", "Email", "FirstName", "LastName", "Phone", "PostalCode", "Street", "Title"}
    assert answer["dedupeFields"] == sorted(compared)
    assert [each["name"] for each in answer["duplicateRules"]] == [
        "Lead_Email",
        "Lead_Matches_Contact",
        "Standard_Lead_Duplicate_Rule",
    ]
    assert client.send("GET", "/ui-api/duplicates/Campaign").json()["dedupeEnabled"] is False


@pytest.mark.parametrize(
    ("body", "status"),
    [({}, 400), ([], 400), ({"apiName": "Nope", "fields": {}}, 400), ({"apiName": "Lead", "fields": {"X": 1}}, 400)],
)
def test_predupe_refuses_what_it_cannot_read(body: Any, status: int, client: Client) -> None:
    assert client.send("POST", "/ui-api/predupe", json=body).status_code == status


def test_versions_before_it_do_not_have_it(client: Client) -> None:
    body = {"apiName": "Lead", "fields": {}}
    assert client.send("POST", "/ui-api/predupe", version="49.0", json=body).status_code == 404
