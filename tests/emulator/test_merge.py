"""SOAP merge: the master takes over, the victims go, and nothing happens by halves."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from airflow_sf_dedup.emulator import EmulatedOrg

from .client import Client, local, names, parsed, results, text

KEY = "External_Id__c"
LEAD = {"LastName": "Doe", "Company": "Acme"}


def request(master: str, *victims: str, sobject: str = "Account", name: str = "request", **fields: str) -> str:
    written = "".join(f"<{field}>{value}</{field}>" for field, value in fields.items())
    ids = "".join(f"<urn:recordToMergeIds>{each}</urn:recordToMergeIds>" for each in victims)
    record = (
        f"<urn:masterRecord><urn1:type>{sobject}</urn1:type><urn1:Id>{master}</urn1:Id>{written}</urn:masterRecord>"
    )
    return f"<urn:{name}>{record}{ids}</urn:{name}>"


def merge(client: Client, *requests_: str) -> list[Any]:
    return results(client.soap(f"<urn:merge>{''.join(requests_)}</urn:merge>"))


def code(result: Any) -> str | None:
    return text(result, "errors", "statusCode")


def texts(result: Any, name: str) -> list[str | None]:
    return [each.text for each in result if local(each) == name]


@pytest.fixture
def accounts(org: EmulatedOrg) -> list[str]:
    rows = [
        {"Name": "Acme", "Phone": "1", KEY: "a"},
        {"Name": "Acme Inc", "Website": "acme.example", KEY: "b"},
        {"Name": "ACME", KEY: "c"},
    ]
    return org.state.seed("Account", rows)


@pytest.mark.parametrize("name", ["request", "mergeRequests"])
def test_victims_go_to_the_recycle_bin_and_name_their_master(name: str, client: Client, accounts: list[str]) -> None:
    master, *victims = accounts
    (result,) = merge(client, request(master, *victims, name=name))
    assert names(result) == ["id", "mergedRecordIds", "mergedRecordIds", "success"]
    assert (text(result, "id"), text(result, "success")) == (master, "true")
    assert texts(result, "mergedRecordIds") == victims
    everything = client.query("SELECT Id, IsDeleted, MasterRecordId FROM Account ORDER BY Id", path="/queryAll")
    assert [(each["IsDeleted"], each["MasterRecordId"]) for each in everything] == [
        (False, None),
        (True, master),
        (True, master),
    ]
    assert [each["Id"] for each in client.query("SELECT Id FROM Account")] == [master]


def test_the_masters_values_win_and_nulls_too(client: Client, accounts: list[str]) -> None:
    master, victim, _ = accounts
    nulls = "<urn1:fieldsToNull>Phone</urn1:fieldsToNull>"
    body = request(master, victim, Name="New").replace("<Name>", f"{nulls}<Name>")
    (result,) = merge(client, body)
    assert text(result, "success") == "true"
    (found,) = client.query(f"SELECT Name, Phone, Website FROM Account WHERE Id = '{master}'")
    assert (found["Name"], found["Phone"], found["Website"]) == ("New", None, None)


def test_a_victims_external_id_moves_to_the_master_in_the_same_merge(client: Client, accounts: list[str]) -> None:
    master, victim, _ = accounts
    (result,) = merge(client, request(master, victim, External_Id__c="B"))
    assert text(result, "success") == "true"
    (row,) = client.upsert("Account", KEY, [{KEY: "b", "Name": "Again"}])
    assert (row["id"], row["created"]) == (master, False)
    (gone,) = client.query(f"SELECT External_Id__c FROM Account WHERE Id = '{victim}'", path="/queryAll")
    assert gone[KEY] is None


def test_what_another_record_holds_is_refused_and_nothing_is_changed(
    client: Client, accounts: list[str], org: EmulatedOrg
) -> None:
    master, victim, _ = accounts
    client.create("Contact", LastName="Doe", AccountId=victim)
    before = org.state.records("Account", deleted=True)
    (result,) = merge(client, request(master, victim, External_Id__c="c", Name="New"))
    assert (code(result), text(result, "id"), text(result, "success")) == ("DUPLICATE_VALUE", master, "false")
    assert org.state.records("Account", deleted=True) == before
    assert client.query("SELECT AccountId FROM Contact")[0]["AccountId"] == victim


def test_whatever_points_at_a_victim_points_at_the_master(client: Client, org: EmulatedOrg) -> None:
    master, victim = org.state.seed("Contact", [{"LastName": "Doe"}, {"LastName": "Roe"}])
    children = {
        "Case": ("ContactId", {"Subject": "x"}),
        "Task": ("WhoId", {"Subject": "x"}),
        "Invoice__c": ("Contact__c", {}),
    }
    made = {name: org.state.seed(name, [{**row, field: victim}])[0] for name, (field, row) in children.items()}
    (result,) = merge(client, request(master, victim, sobject="Contact"))
    assert sorted(map(str, texts(result, "updatedRelatedIds"))) == sorted(made.values())
    for name, (field, _) in children.items():
        (found,) = client.query(f"SELECT {field}, IsDeleted FROM {name}")
        assert found[field] == master


def test_a_second_member_of_the_same_campaign_is_dropped(client: Client, org: EmulatedOrg) -> None:
    master, victim = org.state.seed("Lead", [LEAD, {"LastName": "Roe", "Company": "Zeta"}])
    both, only = org.state.seed("Campaign", [{"Name": "Both"}, {"Name": "Only"}])
    members = [(both, master), (both, victim), (only, victim)]
    org.state.seed("CampaignMember", [{"CampaignId": campaign, "LeadId": lead} for campaign, lead in members])
    (result,) = merge(client, request(master, victim, sobject="Lead"))
    assert text(result, "success") == "true"
    found = client.query("SELECT CampaignId, LeadId FROM CampaignMember ORDER BY Id")
    assert [(each["CampaignId"], each["LeadId"]) for each in found] == [(both, master), (only, master)]
    assert len(texts(result, "updatedRelatedIds")) == 1


def test_a_hierarchy_moves_with_its_parent_but_is_no_circle(client: Client, org: EmulatedOrg) -> None:
    master, victim = org.state.seed("Account", [{"Name": "M"}, {"Name": "V"}])
    (child,) = org.state.seed("Account", [{"Name": "Child", "ParentId": victim}])
    (circle,) = merge(client, request(child, victim))
    assert code(circle) == "MERGE_FAILED"
    (moved,) = merge(client, request(master, victim))
    assert texts(moved, "updatedRelatedIds") == [child]
    (found,) = client.query(f"SELECT ParentId FROM Account WHERE Id = '{child}'")
    assert found["ParentId"] == master


def test_duplicate_rules_do_not_run(client: Client, org: EmulatedOrg) -> None:
    rows = [{**LEAD, "LastName": name, "Company": name} for name in ("Alpha", "Zulu", "Kilo")]
    master, victim, _ = org.state.seed("Lead", [*rows[:2], {**rows[2], "Email": "a@example.com"}])
    (result,) = merge(client, request(master, victim, sobject="Lead", Email="a@example.com"))
    assert text(result, "success") == "true"


def test_each_request_is_a_transaction_of_its_own(client: Client, org: EmulatedOrg) -> None:
    ids = org.state.seed("Account", [{"Name": str(number)} for number in range(5)])
    rows = merge(
        client,
        request(ids[0], ids[1]),
        request(ids[2], ids[1]),
        request(ids[0], ids[2]),
        request(ids[2], ids[3]),
        request(ids[0], ids[4]),
    )
    assert [text(each, "success") for each in rows] == ["true", "false", "true", "false", "true"]
    assert (code(rows[1]), code(rows[3])) == ("ENTITY_IS_DELETED", "ENTITY_IS_DELETED")
    assert [each["Id"] for each in client.query("SELECT Id FROM Account ORDER BY Id")] == [ids[0], ids[3]]


@pytest.mark.parametrize("moves", [False, True])
def test_of_a_chain_earlier_victims_keep_their_master_unless_the_org_moves_them(moves: bool, started: Any) -> None:
    sobjects = {"Account": {"key_prefix": "001", "mergeable": True, "fields": {"Name": "text(80) required"}}}
    org, client = started({"sobjects": sobjects, "quirks": {"merge_moves_earlier_victims": moves}})
    first, second, third = org.state.seed("Account", [{"Name": each} for each in "abc"])
    merge(client, request(second, first))
    merge(client, request(third, second))
    (found,) = client.query(f"SELECT MasterRecordId FROM Account WHERE Id = '{first}'", path="/queryAll")
    assert found["MasterRecordId"] == (third if moves else second)


def test_what_cannot_be_merged_says_why(client: Client, accounts: list[str], org: EmulatedOrg) -> None:
    master, one, two = accounts
    nobody = "001000000000999AAA"
    lead, converted = org.state.seed("Lead", [LEAD, {**LEAD, "IsConverted": True}])
    (case,) = org.state.seed("Case", [{}])
    refused = {
        "INVALID_CROSS_REFERENCE_KEY": [request(master, nobody), request(nobody, one)],
        "MALFORMED_ID": [request(master, "x")],
        "MISSING_ARGUMENT": [request(master), request("", one)],
        "MERGE_FAILED": [
            request(master, master),
            request(master, one, one),
            request(master, one[:15], one),
            request(master, lead),
            request(master, one, two, lead),
        ],
        "CANNOT_UPDATE_CONVERTED_LEAD": [request(lead, converted, sobject="Lead")],
        "INVALID_TYPE_FOR_OPERATION": [request(case, case, sobject="Case")],
        "STRING_TOO_LONG": [request(master, one, Phone="1" * 41)],
    }
    before = org.state.records("Account", deleted=True)
    for expected, bodies in refused.items():
        for body in bodies:
            (result,) = merge(client, body)
            assert (code(result), text(result, "success")) == (expected, "false")
            assert names(result) == ["errors", "id", "success"]
    assert org.state.records("Account", deleted=True) == before


def test_cases_are_merged_where_the_org_says_so(started: Any) -> None:
    org, client = started({"sobjects": {"Case": {"key_prefix": "500"}}, "quirks": {"merge_cases": True}})
    master, victim = org.state.seed("Case", [{}, {}])
    (result,) = merge(client, request(master, victim, sobject="Case"))
    assert text(result, "success") == "true"
    assert org.state.record(victim)["MasterRecordId"] == master


def test_a_call_that_is_no_merge_is_a_fault(client: Client, accounts: list[str]) -> None:
    master, victim, _ = accounts
    faults = {
        "sf:EXCEEDED_ID_LIMIT": request(master, victim) * 201,
        "sf:INVALID_TYPE": request(master, victim, sobject="Nonsense"),
        "sf:INVALID_FIELD": request(master, victim, Nonsense="1"),
        "soapenv:Client": "<urn:request/>",
    }
    for expected, body in faults.items():
        answer = client.soap(f"<urn:merge>{body}</urn:merge>")
        fault = next(each for each in parsed(answer).iter() if local(each) == "Fault")
        assert (answer.status_code, text(fault, "faultcode")) == (500, expected)
    assert len(client.query("SELECT Id FROM Account")) == 3


def test_a_victim_comes_back_alone(client: Client, org: EmulatedOrg) -> None:
    master, victim = org.state.seed("Account", [{"Name": "M"}, {"Name": "V", KEY: "v"}])
    org.state.seed("Contact", [{"LastName": "Doe", "AccountId": victim}])
    merge(client, request(master, victim))
    (back,) = results(client.soap(f"<urn:undelete><urn:ids>{victim}</urn:ids></urn:undelete>"))
    assert text(back, "success") == "true"
    (found,) = client.query(f"SELECT MasterRecordId, External_Id__c FROM Account WHERE Id = '{victim}'")
    assert (found["MasterRecordId"], found[KEY]) == (None, "v")
    assert client.query("SELECT AccountId FROM Contact")[0]["AccountId"] == master


@pytest.mark.parametrize("window", [0, 0.01])
def test_the_ledger_has_every_record_of_a_merge(window: float, client: Client, org: EmulatedOrg) -> None:
    org.state.change_physics({"commit_window": window})
    master, victim, other = org.state.seed("Account", [{"Name": each} for each in "mvo"])
    (child,) = org.state.seed("Contact", [{"LastName": "Doe", "AccountId": victim}])
    merge(client, request(master, victim, Phone="1"), request(other, other))
    entries = requests.get(f"{org.url}/_emulator/ledger", timeout=5).json()
    assert [(each["verb"], each["record_id"], each["error"]) for each in entries] == [
        ("updated", master, None),
        ("updated", child, None),
        ("deleted", victim, None),
        ("refused", other, "MERGE_FAILED"),
    ]
    assert entries[2]["values"] == {"IsDeleted": True, "MasterRecordId": master}


def test_a_fault_refuses_a_merge(client: Client, org: EmulatedOrg) -> None:
    master, victim = org.state.seed("Account", [{"Name": "M"}, {"Name": "V"}])
    org.state.faults.replace([{"kind": "refuse_rows", "share": 1, "code": "UNABLE_TO_LOCK_ROW", "on": "SOAP merge"}])
    (result,) = merge(client, request(master, victim))
    assert code(result) == "UNABLE_TO_LOCK_ROW"
    assert len(client.query("SELECT Id FROM Account")) == 2


@pytest.mark.parametrize("wait", [0, 10])
def test_of_two_merges_of_one_record_at_the_same_time_one_wins(wait: float, org: EmulatedOrg) -> None:
    first, second, victim = org.state.seed("Account", [{"Name": each} for each in "abv"])
    org.state.change_physics({"commit_window": 0.1, "lock_wait": wait})
    with ThreadPoolExecutor(2) as pool:
        clients = [(Client(org.url, org.access_token), master) for master in (first, second)]
        answers = pool.map(lambda each: merge(each[0], request(each[1], victim)), clients)
        rows = [row for (row,) in answers]
    assert sorted(str(text(row, "success")) for row in rows) == ["false", "true"]
    (refused,) = (row for row in rows if text(row, "success") == "false")
    assert code(refused) == ("ENTITY_IS_DELETED" if wait else "UNABLE_TO_LOCK_ROW")
