"""``/composite/tree`` and ``/composite/graph``: many records in one call, together or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_sf_dedup.emulator import EmulatedOrg

from .client import Client


def node(kind: str, reference_id: str, **fields: Any) -> dict[str, Any]:
    return {"attributes": {"type": kind, "referenceId": reference_id}, **fields}


FAMILY = node(
    "Account",
    "a",
    Name="Acme",
    Contacts={"records": [node("Contact", "c1", LastName="Doe"), node("Contact", "c2", LastName="Roe")]},
)


def test_a_tree_is_created_with_its_relations(client: Client, org: EmulatedOrg) -> None:
    answer = client.send("POST", "/composite/tree/Account", json={"records": [FAMILY, node("Account", "b", Name="B")]})
    assert answer.status_code == 201
    body = answer.json()
    ids = {each["referenceId"]: each["id"] for each in body["results"]}
    assert (body["hasErrors"], list(ids)) == (False, ["a", "c1", "c2", "b"])
    found = client.query("SELECT Id, AccountId FROM Contact ORDER BY LastName")
    assert [(each["Id"], each["AccountId"]) for each in found] == [(ids["c1"], ids["a"]), (ids["c2"], ids["a"])]
    assert org.state.stats()["by_call"]["POST /composite/tree/{sobject}"] == 1


def test_one_bad_record_takes_the_whole_tree_back(client: Client) -> None:
    bad = node("Account", "b", Name="B", Contacts={"records": [node("Contact", "c3", FirstName="Nameless")]})
    answer = client.send("POST", "/composite/tree/Account", json={"records": [FAMILY, bad]})
    assert answer.status_code == 400
    (failed,) = answer.json()["results"]
    assert (answer.json()["hasErrors"], failed["referenceId"]) == (True, "c3")
    assert failed["errors"][0]["statusCode"] == "REQUIRED_FIELD_MISSING"
    assert failed["errors"][0]["fields"] == ["LastName"]
    assert client.query("SELECT Id FROM Account") == client.query("SELECT Id FROM Contact") == []


def deep(levels: int) -> dict[str, Any]:
    below = {"ChildAccounts": {"records": [deep(levels - 1)]}} if levels > 1 else {}
    return node("Account", f"r{levels}", Name="A", **below)


BAD_TREES: dict[str, Any] = {
    "no records": {},
    "empty": {"records": []},
    "not a list": {"records": {}},
    "no reference": {"records": [{"attributes": {"type": "Account"}, "Name": "A"}]},
    "another type": {"records": [node("Contact", "a", LastName="Doe")]},
    "one reference twice": {"records": [node("Account", "a", Name="A"), node("Account", "a", Name="B")]},
    "too many": {"records": [node("Account", f"r{number}", Name="A") for number in range(201)]},
    "too deep": {"records": [deep(6)]},
}


@pytest.mark.parametrize("body", BAD_TREES.values(), ids=BAD_TREES)
def test_a_tree_that_is_none_is_refused_as_a_whole(client: Client, body: Any) -> None:
    answer = client.send("POST", "/composite/tree/Account", json=body)
    assert answer.status_code == 400
    assert "errorCode" in answer.json()[0]
    assert client.query("SELECT Id FROM Account") == []


def test_a_tree_may_be_five_levels_deep(client: Client) -> None:
    assert client.send("POST", "/composite/tree/Account", json={"records": [deep(5)]}).status_code == 201
    assert len(client.query("SELECT Id FROM Account WHERE ParentId != null")) == 4


def test_a_tree_takes_part_in_the_commit_window(client: Client, org: EmulatedOrg) -> None:
    org.state.change_physics({"commit_window": 0.01})
    answer = client.send("POST", "/composite/tree/Account", json={"records": [FAMILY]})
    assert answer.status_code == 201
    assert [each["Account"]["Name"] for each in client.query("SELECT Account.Name FROM Contact")] == ["Acme", "Acme"]


# --- graph ------------------------------------------------------------------------------------------------


ROOT = "/services/data/v60.0/sobjects"


def create(kind: str, reference_id: str, **fields: Any) -> dict[str, Any]:
    return {"method": "POST", "url": f"{ROOT}/{kind}", "referenceId": reference_id, "body": fields}


def graphs(client: Client, *carried: list[dict[str, Any]]) -> list[dict[str, Any]]:
    body = {"graphs": [{"graphId": f"g{at}", "compositeRequest": each} for at, each in enumerate(carried)]}
    answer = client.send("POST", "/composite/graph", json=body)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["graphs"]
    return found


def test_each_graph_stands_or_falls_alone(client: Client, org: EmulatedOrg) -> None:
    good = [create("Account", "a", Name="Good"), create("Contact", "c", LastName="Doe", AccountId="@{a.id}")]
    bad = [create("Account", "a", Name="Bad"), create("Contact", "c", FirstName="Nameless")]
    first, second = graphs(client, good, bad)
    assert (first["graphId"], first["isSuccessful"], second["isSuccessful"]) == ("g0", True, False)
    statuses = [each["httpStatusCode"] for each in first["graphResponse"]["compositeResponse"]]
    assert statuses == [201, 201]
    codes = [each["body"][0]["errorCode"] for each in second["graphResponse"]["compositeResponse"]]
    assert codes == ["PROCESSING_HALTED", "REQUIRED_FIELD_MISSING"]
    assert [each["Name"] for each in client.query("SELECT Name FROM Account")] == ["Good"]
    assert client.query("SELECT Account.Name FROM Contact")[0]["Account"]["Name"] == "Good"
    assert org.state.stats()["by_call"]["POST /composite/graph"] == 1


def test_nodes_may_come_before_those_they_refer_to(client: Client) -> None:
    nodes = [create("Contact", "c", LastName="Doe", AccountId="@{a.id}"), create("Account", "a", Name="Acme")]
    (graph,) = graphs(client, nodes)
    assert [each["referenceId"] for each in graph["graphResponse"]["compositeResponse"]] == ["c", "a"]
    assert graph["isSuccessful"] is True


def test_after_fourteen_failures_the_rest_is_halted(client: Client) -> None:
    bad = [create("Account", "a")]
    found = graphs(client, *([bad] * 14), [create("Account", "a", Name="Good")])
    assert [each["isSuccessful"] for each in found] == [False] * 15
    last = found[-1]["graphResponse"]["compositeResponse"][0]
    assert last["body"][0]["errorCode"] == "PROCESSING_HALTED"
    assert client.query("SELECT Id FROM Account") == []


def graph_of(*nodes: dict[str, Any], graph_id: str = "g") -> dict[str, Any]:
    return {"graphId": graph_id, "compositeRequest": list(nodes)}


BAD_GRAPHS: dict[str, Any] = {
    "no graphs": {},
    "empty": {"graphs": []},
    "no id": {"graphs": [{"compositeRequest": [create("Account", "a", Name="A")]}]},
    "one id twice": {"graphs": [graph_of(create("Account", "a", Name="A"))] * 2},
    "too many graphs": {"graphs": [graph_of(create("Account", "a", Name="A"), graph_id=f"g{n}") for n in range(76)]},
    "too many nodes": {"graphs": [graph_of(*(create("Account", f"r{n}", Name="A") for n in range(501)))]},
    "a query": {"graphs": [graph_of({"method": "GET", "url": "/services/data/v60.0/limits", "referenceId": "a"})]},
}


@pytest.mark.parametrize("body", BAD_GRAPHS.values(), ids=BAD_GRAPHS)
def test_a_request_that_is_no_graph_is_refused_as_a_whole(client: Client, body: Any) -> None:
    assert client.send("POST", "/composite/graph", json=body).status_code == 400
    assert client.query("SELECT Id FROM Account") == []


def test_there_were_no_graphs_before_version_50(client: Client) -> None:
    body = {"graphs": [graph_of(create("Account", "a", Name="A"))]}
    assert client.send("POST", "/composite/graph", json=body, version="49.0").status_code == 404
