"""What rules with the ``report`` operation leave behind, and the sets and items that callers make themselves."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_sf_dedup.emulator import EmulatedOrg

from .client import Client

REPORT = {"action_on_insert": "allow", "action_on_update": "allow", "operations_on_insert": ["report"]}
ALERT = {"operations_on_insert": ["alert", "report"]}
ALLOW = {"Sforce-Duplicate-Rule-Header": "allowSave=true"}


def org_with(rule: dict[str, Any], **settings: Any) -> dict[str, Any]:
    matching = [{"rule": "By_Email", "fields": {"Email": "exact"}}]
    fields = {"LastName": "text(80) required", "Email": "email"}
    return {
        "sobjects": {"Lead": {"mergeable": True, "fields": fields}},
        "duplicate_rules": {"Lead_Email": {"sobject": "Lead", "matching": matching, **REPORT, **rule}},
        **settings,
    }


def lead(name: str, email: str | None = "x@example.com") -> dict[str, Any]:
    return {"attributes": {"type": "Lead"}, "LastName": name, "Email": email}


def save(client: Client, *rows: dict[str, Any], headers: dict[str, str] | None = None) -> list[dict[str, Any]]:
    body = {"allOrNone": False, "records": list(rows)}
    answer = client.send("POST", "/composite/sobjects", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()
    return results


def sets(client: Client) -> list[set[str]]:
    """The record ids in each set, checked against what the set says it has."""
    found: dict[str, set[str]] = {}
    counts = {
        each["Id"]: each["RecordCount"] for each in client.query("SELECT Id, RecordCount FROM DuplicateRecordSet")
    }
    for item in client.query("SELECT RecordId, DuplicateRecordSetId FROM DuplicateRecordItem"):
        found.setdefault(item["DuplicateRecordSetId"], set()).add(item["RecordId"])
    assert counts == {each: len(found.get(each, ())) for each in counts}
    return sorted(found.values(), key=len)


def test_report_sees_rows_of_one_save(started: Any) -> None:
    _, client = started(org_with({}))
    ids = [each["id"] for each in save(client, lead("A"), lead("B"), lead("C", "y@example.com"))]
    assert sets(client) == [set(ids[:2])]
    (found,) = client.query("SELECT SobjectType, DuplicateRule.DeveloperName FROM DuplicateRecordSet")
    assert (found["SobjectType"], found["DuplicateRule"]["DeveloperName"]) == ("Lead", "Lead_Email")


def test_blocking_and_alerting_stay_blind_to_rows_of_one_save(started: Any) -> None:
    _, client = started(org_with({"action_on_insert": "block", "operations_on_insert": []}))
    assert all(each["success"] for each in save(client, lead("A"), lead("B")))
    assert sets(client) == []


def test_an_alert_does_not_see_what_report_sees(started: Any) -> None:
    _, client = started(org_with(ALERT))
    results = save(client, lead("A"), lead("B"))
    assert [each["success"] for each in results] == [True, True]
    assert sets(client) == [{each["id"] for each in results}]


def test_a_save_in_spite_of_an_alert_is_reported(started: Any) -> None:
    _, client = started(org_with(ALERT))
    first = client.create("Lead", LastName="A", Email="x@example.com")
    assert not save(client, lead("B"))[0]["success"]
    assert sets(client) == []
    (saved,) = save(client, lead("B"), headers=ALLOW)
    assert sets(client) == [{first, saved["id"]}]


def test_a_refused_row_is_in_no_set(started: Any) -> None:
    _, client = started(org_with({}))
    results = save(client, lead("A"), {**lead("B"), "LastName": None}, lead("C", "y@example.com"))
    assert [each["success"] for each in results] == [True, False, True]
    assert sets(client) == []


def test_rows_that_are_rolled_back_leave_no_set(started: Any) -> None:
    _, client = started(org_with({}))
    body = {"allOrNone": True, "records": [lead("A"), lead("B"), {**lead("C"), "LastName": None}]}
    client.send("POST", "/composite/sobjects", json=body)
    assert sets(client) == []
    assert client.query("SELECT Id FROM DuplicateRecordSet") == []


def test_report_sees_updates_of_one_save_that_change_a_compared_field(started: Any) -> None:
    _, client = started(org_with({"operations_on_insert": [], "operations_on_update": ["report"]}))
    first, second, third = (client.create("Lead", LastName=each) for each in "ABC")
    rows = [{**lead("X"), "id": first}, {**lead("Y"), "id": second}, {**lead("Z", None), "id": third}]
    answer = client.send("PATCH", "/composite/sobjects", json={"records": rows})
    assert all(each["success"] for each in answer.json())
    assert sets(client) == [{first, second}]


def two_sets(client: Client) -> tuple[str, str, str, str]:
    """Two pairs of leads, each in a set of its own."""
    a, b = (client.create("Lead", LastName=each, Email="x@example.com") for each in "AB")
    c, d = (client.create("Lead", LastName=each, Email="y@example.com") for each in "CD")
    assert sorted(map(sorted, sets(client))) == sorted(map(sorted, [{a, b}, {c, d}]))
    return a, b, c, d


@pytest.mark.parametrize("joins", [True, False])
def test_sets_with_a_record_in_common_are_joined(started: Any, joins: bool) -> None:
    rule = {"operations_on_update": ["report"]}
    _, client = started(org_with(rule, quirks={"report_joins_sets": joins}))
    a, b, c, d = two_sets(client)
    answer = client.send("PATCH", f"/sobjects/Lead/{c}", json={"Email": "x@example.com"})
    assert answer.status_code == 204
    assert sets(client) == ([{a, b, c, d}] if joins else [{c, d}, {a, b, c}])
    assert len(client.query("SELECT Id FROM DuplicateRecordSet")) == (1 if joins else 2)


def test_the_count_follows_items_that_callers_make_and_delete(client: Client, org: EmulatedOrg) -> None:
    first, second = org.state.seed("Lead", [{"LastName": "A", "Company": "C"}, {"LastName": "B", "Company": "C"}])
    (rule,) = client.query("SELECT Id FROM DuplicateRule WHERE DeveloperName = 'Lead_Email'")
    set_id = client.create("DuplicateRecordSet", DuplicateRuleId=rule["Id"])
    assert client.query("SELECT RecordCount FROM DuplicateRecordSet")[0]["RecordCount"] == 0
    items = [
        client.create("DuplicateRecordItem", DuplicateRecordSetId=set_id, RecordId=each) for each in (first, second)
    ]
    assert sets(client) == [{first, second}]
    assert client.send("DELETE", f"/sobjects/DuplicateRecordItem/{items[0]}").status_code == 204
    assert sets(client) == [{second}]
    assert client.send("DELETE", f"/sobjects/Lead/{second}").status_code == 204
    assert sets(client) == []
    assert client.query("SELECT RecordCount FROM DuplicateRecordSet")[0]["RecordCount"] == 0
    undelete = f'<undelete xmlns="urn:partner.soap.sforce.com"><ids>{second}</ids></undelete>'
    assert client.soap(undelete).status_code == 200
    assert sets(client) == [{second}]


def test_items_that_are_put_in_without_a_save_count_too(client: Client, org: EmulatedOrg) -> None:
    leads = org.state.seed("Lead", [{"LastName": each, "Company": "C"} for each in "AB"])
    (set_id,) = org.state.seed("DuplicateRecordSet", [{}])
    org.state.seed("DuplicateRecordItem", [{"DuplicateRecordSetId": set_id, "RecordId": each} for each in leads])
    assert sets(client) == [set(leads)]


def test_the_count_is_not_for_callers_to_set(client: Client) -> None:
    answer = client.send("POST", "/sobjects/DuplicateRecordSet", json={"RecordCount": 7})
    assert answer.status_code == 400
    assert client.query("SELECT Id FROM DuplicateRecordSet") == []


def test_whether_report_sees_rows_of_one_save_is_a_quirk(started: Any) -> None:
    _, client = started(org_with({}, quirks={"report_sees_rows_of_one_save": False}))
    save(client, lead("A"), lead("B"))
    assert sets(client) == []


def merged(client: Client, master: str, *victims: str) -> None:
    ids = "".join(f"<recordToMergeIds>{each}</recordToMergeIds>" for each in victims)
    request = f"<masterRecord><type>Lead</type><Id>{master}</Id></masterRecord>{ids}"
    answer = client.soap(f'<merge xmlns="urn:partner.soap.sforce.com"><request>{request}</request></merge>')
    assert "<success>true</success>" in answer.text, answer.text


def test_a_merge_takes_the_victims_out_of_the_set(started: Any) -> None:
    _, client = started(org_with({}))
    a, b, c = (save(client, lead(name))[0]["id"] for name in "ABC")
    assert sets(client) == [{a, b, c}]

    merged(client, a, b)
    assert sets(client) == [{a, c}]
    merged(client, c, a)
    assert sets(client) == [{c}]


def test_a_merge_with_a_record_outside_of_the_set_leaves_the_master_in_it(started: Any) -> None:
    org, client = started(org_with({}))
    a, b = (save(client, lead(name))[0]["id"] for name in "AB")
    (outside,) = org.seed("Lead", [{"LastName": "Z", "Email": "z@example.com"}])

    merged(client, outside, b)

    assert sets(client) == [{a, outside}]


def test_a_merge_brings_sets_no_record_twice(started: Any) -> None:
    _, client = started(org_with({}))
    a, b = (save(client, lead(name))[0]["id"] for name in "AB")
    c, d = (save(client, lead(name, "y@example.com"))[0]["id"] for name in "CD")

    merged(client, a, c)

    assert sorted(map(sorted, sets(client))) == sorted(map(sorted, [{a, b}, {a, d}]))


def test_a_set_stays_when_its_records_go(started: Any) -> None:
    _, client = started(org_with({}))
    a, b = (save(client, lead(name))[0]["id"] for name in "AB")
    for each, left in ((a, [{b}]), (b, [])):
        assert client.send("DELETE", f"/sobjects/Lead/{each}").status_code == 204
        assert sets(client) == left
    assert [each["RecordCount"] for each in client.query("SELECT RecordCount FROM DuplicateRecordSet")] == [0]


def test_a_set_takes_its_items_along_and_leaves_the_records(started: Any) -> None:
    _, client = started(org_with({}))
    a, b = (save(client, lead(name))[0]["id"] for name in "AB")
    (found,) = client.query("SELECT Id FROM DuplicateRecordSet")

    assert client.send("DELETE", f"/sobjects/DuplicateRecordSet/{found['Id']}").status_code == 204

    assert client.query("SELECT Id FROM DuplicateRecordItem") == []
    assert {each["Id"] for each in client.query("SELECT Id FROM Lead")} == {a, b}


# --- what callers make themselves -------------------------------------------------------------------------


def rule_id(client: Client, name: str = "Lead_Email") -> str:
    (rule,) = client.query(f"SELECT Id FROM DuplicateRule WHERE DeveloperName = '{name}'")
    return str(rule["Id"])


def refusal(client: Client, sobject: str, **fields: Any) -> str:
    """The code with which a create is refused."""
    answer = client.send("POST", f"/sobjects/{sobject}", json=fields)
    assert answer.status_code == 400, answer.text
    return str(answer.json()[0]["errorCode"])


def test_a_set_of_a_rule_is_about_the_sobject_of_the_rule(client: Client) -> None:
    client.create("DuplicateRecordSet", DuplicateRuleId=rule_id(client))
    assert [each["SobjectType"] for each in client.query("SELECT SobjectType FROM DuplicateRecordSet")] == ["Lead"]


def test_a_set_without_a_rule_is_about_the_sobject_of_its_first_item(client: Client, org: EmulatedOrg) -> None:
    [contact] = org.state.seed("Contact", [{"LastName": "A"}])
    [known] = org.state.seed("Lead", [{"LastName": "A", "Company": "C"}])
    set_id = client.create("DuplicateRecordSet")
    client.create("DuplicateRecordItem", DuplicateRecordSetId=set_id, RecordId=contact)

    assert client.query("SELECT SobjectType, RecordCount FROM DuplicateRecordSet")[0]["SobjectType"] == "Contact"
    assert sets(client) == [{contact}]
    refused = refusal(client, "DuplicateRecordItem", DuplicateRecordSetId=set_id, RecordId=known)
    assert refused == "FIELD_INTEGRITY_EXCEPTION"


def test_an_item_without_a_record_is_refused(client: Client) -> None:
    set_id = client.create("DuplicateRecordSet")
    assert refusal(client, "DuplicateRecordItem", DuplicateRecordSetId=set_id) == "REQUIRED_FIELD_MISSING"
    assert refusal(client, "DuplicateRecordItem") == "REQUIRED_FIELD_MISSING"
    assert sets(client) == []


@pytest.mark.parametrize("strict", [True, False])
def test_whether_a_set_holds_records_of_another_sobject_than_its_rules_is_a_quirk(started: Any, strict: bool) -> None:
    org, client = started({"extends": "default", "quirks": {"record_sets_of_one_sobject": strict}})
    [contact] = org.seed("Contact", [{"LastName": "A"}])
    fields = {"DuplicateRecordSetId": client.create("DuplicateRecordSet", DuplicateRuleId=rule_id(client))}
    if strict:
        refused = refusal(client, "DuplicateRecordItem", **fields, RecordId=contact)
        assert refused == "FIELD_INTEGRITY_EXCEPTION"
    else:
        client.create("DuplicateRecordItem", **fields, RecordId=contact)
    assert sets(client) == ([] if strict else [{contact}])


@pytest.mark.parametrize("strict", [True, False])
def test_whether_a_set_has_a_record_twice_is_a_quirk(started: Any, strict: bool) -> None:
    org, client = started({"extends": "default", "quirks": {"record_sets_have_a_record_once": strict}})
    [known] = org.seed("Lead", [{"LastName": "A", "Company": "C"}])
    first, other = (client.create("DuplicateRecordSet") for _ in range(2))
    for set_id in (first, other):
        client.create("DuplicateRecordItem", DuplicateRecordSetId=set_id, RecordId=known)
    if strict:
        refused = refusal(client, "DuplicateRecordItem", DuplicateRecordSetId=first, RecordId=known)
        assert refused == "DUPLICATE_VALUE"
    else:
        client.create("DuplicateRecordItem", DuplicateRecordSetId=first, RecordId=known)
    counts = client.query("SELECT RecordCount FROM DuplicateRecordSet WHERE Id = '" + first + "'")
    assert counts[0]["RecordCount"] == (1 if strict else 2)


def test_an_item_may_be_deleted_and_made_again(client: Client, org: EmulatedOrg) -> None:
    [known] = org.state.seed("Lead", [{"LastName": "A", "Company": "C"}])
    set_id = client.create("DuplicateRecordSet")
    item = client.create("DuplicateRecordItem", DuplicateRecordSetId=set_id, RecordId=known)
    assert client.send("DELETE", f"/sobjects/DuplicateRecordItem/{item}").status_code == 204
    client.create("DuplicateRecordItem", DuplicateRecordSetId=set_id, RecordId=known)
    assert sets(client) == [{known}]
