from __future__ import annotations

from typing import Any

import pytest

from airflow_sf_dedup.emulator import EmulatedOrg

from .client import Client, results, text


@pytest.fixture
def org(org: EmulatedOrg) -> EmulatedOrg:
    org.state.seed("Account", [{"Name": f"A{number:04d}"} for number in range(450)])
    return org


def page(client: Client, url: str, size: int = 200) -> dict[str, Any]:
    answer = client.session.get(f"{client.url}{url}", headers={"Sforce-Query-Options": f"batchSize={size}"}, timeout=5)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


FIRST = "/services/data/v60.0/query?q=SELECT+Name+FROM+Account+ORDER+BY+Name"


def test_every_page_can_be_asked_for_again(client: Client) -> None:
    first = page(client, FIRST)
    assert list(first) == ["totalSize", "done", "nextRecordsUrl", "records"]
    second = page(client, first["nextRecordsUrl"])
    third = page(client, second["nextRecordsUrl"])
    assert [len(each["records"]) for each in (first, second, third)] == [200, 200, 50]
    assert (third["done"], "nextRecordsUrl" in third, third["totalSize"]) == (True, False, 450)
    assert page(client, first["nextRecordsUrl"]) == second


def test_the_pages_show_the_records_as_they_were(client: Client, org: EmulatedOrg) -> None:
    first = page(client, FIRST)
    (last,) = client.query("SELECT Id FROM Account WHERE Name = 'A0449'")
    client.send("PATCH", f"/sobjects/Account/{last['Id']}", json={"Name": "changed"})
    client.create("Account", Name="A0000 too")
    rest = page(client, first["nextRecordsUrl"], 2000)["records"]
    assert [each["Name"] for each in rest] == [f"A{number:04d}" for number in range(200, 450)]


def test_so_do_their_parents(client: Client, org: EmulatedOrg) -> None:
    (account,) = client.query("SELECT Id FROM Account LIMIT 1")
    org.state.seed("Contact", [{"LastName": str(number), "AccountId": account["Id"]} for number in range(201)])
    first = page(client, "/services/data/v60.0/query?q=SELECT+Account.Name+FROM+Contact")
    client.send("PATCH", f"/sobjects/Account/{account['Id']}", json={"Name": "changed"})
    (last,) = page(client, first["nextRecordsUrl"])["records"]
    assert last["Account"]["Name"] == "A0000"


@pytest.mark.parametrize(("asked", "given"), [("1", 200), ("300", 300), ("9000", 450), ("x", 450), ("²", 450)])
def test_a_page_has_200_to_2000_rows(client: Client, asked: str, given: int) -> None:
    answer = client.send(
        "GET",
        "/query",
        params={"q": "SELECT Id FROM Account"},
        headers={"Sforce-Query-Options": f"batchSize={asked}".encode()},
    )
    assert len(answer.json()["records"]) == given


@pytest.mark.parametrize(
    "locator", ["01gNothing-200", "x", "{own}", "{own}-", "{own}-450", "{own}-²", "{own}-9999999999999"]
)
def test_a_locator_that_leads_nowhere(client: Client, locator: str) -> None:
    own = page(client, FIRST)["nextRecordsUrl"].rpartition("/")[2].partition("-")[0]
    answer = client.send("GET", f"/query/{locator.format(own=own)}")
    assert answer.status_code == 400
    assert answer.json() == [{"message": "invalid query locator", "errorCode": "INVALID_QUERY_LOCATOR"}]


def test_a_long_list_of_children_has_pages_of_its_own(client: Client, org: EmulatedOrg) -> None:
    (account,) = client.query("SELECT Id FROM Account LIMIT 1")
    org.state.seed("Contact", [{"LastName": f"{number:04d}", "AccountId": account["Id"]} for number in range(250)])
    soql = f"SELECT (SELECT LastName FROM Contacts) FROM Account WHERE Id = '{account['Id']}'"
    (found,) = client.query(soql)
    children = found["Contacts"]
    assert (children["totalSize"], children["done"], len(children["records"])) == (250, False, 200)
    assert len(page(client, children["nextRecordsUrl"])["records"]) == 50
    answer = client.soap(f"<urn:query><urn:queryString>{soql}</urn:queryString></urn:query>")
    (result,) = results(answer)
    locator = text(result, "records", "Contacts", "queryLocator")
    (more,) = results(client.soap(f"<urn:queryMore><urn:queryLocator>{locator}</urn:queryLocator></urn:queryMore>"))
    assert sum(each.tag.endswith("records") for each in more) == 50


def test_groups_have_one_page(client: Client, org: EmulatedOrg) -> None:
    org.state.seed("Account", [{"Name": f"B{number}"} for number in range(1600)])
    soql = "SELECT Name, COUNT(Id) FROM Account GROUP BY Name"
    answer = client.send("GET", "/query", params={"q": soql})
    assert answer.json()[0] == {
        "message": "Aggregate query does not support queryMore(), use LIMIT to restrict the results to a single batch",
        "errorCode": "EXCEEDED_ID_LIMIT",
    }
    assert len(client.query(f"{soql} LIMIT 2000")) == 2000
