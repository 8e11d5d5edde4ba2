from __future__ import annotations

from typing import Any

import pytest

from airflow_sf_dedup.emulator import EmulatedOrg

from .client import Client

ROOT = "/services/data/v60.0"


def patch(reference: str, key: str, body: dict[str, Any], **more: Any) -> dict[str, Any]:
    url = f"{ROOT}/sobjects/Lead/External_Id__c/{key}"
    return {"method": "PATCH", "url": url, "referenceId": reference, "body": body, **more}


def collection(reference: str, *records: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "method": "PATCH",
        "url": f"{ROOT}/composite/sobjects/Lead/External_Id__c",
        "referenceId": reference,
        "body": {"records": [{"attributes": {"type": "Lead"}, **record} for record in records]},
        **more,
    }


LEAD = {"LastName": "Doe", "Company": "Acme"}


def test_subrequests_answer_under_their_references_and_count_once(client: Client, org: EmulatedOrg) -> None:
    found = client.composite(
        [collection("one", {**LEAD, "External_Id__c": "a"}), patch("two", "b", {"LastName": "X"})],
        collateSubrequests=False,
    )
    assert [(each["referenceId"], each["httpStatusCode"]) for each in found] == [("one", 200), ("two", 400)]
    assert found[0]["body"][0]["success"] is True
    assert found[1]["body"] == [
        {
            "message": "Required fields are missing: [Company]",
            "errorCode": "REQUIRED_FIELD_MISSING",
            "fields": ["Company"],
        }
    ]
    assert org.state.stats()["by_call"] == {"POST /composite": 1}


def test_headers_of_the_outer_request_are_not_inherited(client: Client, org: EmulatedOrg) -> None:
    org.state.seed("Lead", [{**LEAD, "FirstName": "Jane"}])
    twin = {**LEAD, "FirstName": "Jane"}
    inner = {"Sforce-Duplicate-Rule-Header": "allowSave=true"}
    client.session.headers.update(inner)
    found = client.composite([patch("a", "a", twin), patch("b", "b", twin, httpHeaders=inner)])
    assert [each["httpStatusCode"] for each in found] == [400, 201]
    assert found[0]["body"][0]["errorCode"] == "DUPLICATES_DETECTED"
    assert "duplicateResut" not in found[0]["body"][0]


def test_a_reference_stands_for_an_earlier_answer(client: Client) -> None:
    found = client.composite(
        [
            {"method": "POST", "url": f"{ROOT}/sobjects/Account", "referenceId": "acc", "body": {"Name": "Acme"}},
            {
                "method": "POST",
                "url": f"{ROOT}/sobjects/Contact",
                "referenceId": "con",
                "body": {"LastName": "Doe", "AccountId": "@{acc.id}"},
            },
            {"method": "GET", "url": f"{ROOT}/sobjects/Account/@{{acc.id}}", "referenceId": "read"},
        ]
    )
    assert [each["httpStatusCode"] for each in found] == [201, 201, 200]
    assert client.query("SELECT Account.Name FROM Contact")[0]["Account"]["Name"] == "Acme"


def test_all_or_none_halts_everything_else(client: Client) -> None:
    found = client.composite([patch("a", "a", LEAD), patch("b", "b", {"LastName": "X"})], allOrNone=True)
    assert [each["body"][0]["errorCode"] for each in found] == ["PROCESSING_HALTED", "REQUIRED_FIELD_MISSING"]
    assert client.query("SELECT Id FROM Lead") == []


def test_a_malformed_value_refuses_its_subrequest_only(client: Client) -> None:
    found = client.composite(
        [
            collection("bad", {**LEAD, "External_Id__c": "a", "Birthdate__c": "soon"}),
            collection("good", {**LEAD, "External_Id__c": "b"}),
        ]
    )
    assert [each["httpStatusCode"] for each in found] == [400, 200]
    assert found[0]["body"][0]["errorCode"] == "JSON_PARSER_ERROR"


REFUSED = [
    ("too many", [patch(f"r{n}", "a", LEAD) for n in range(26)]),
    ("too many collections", [collection(f"r{n}") for n in range(6)]),
    ("a forbidden header", [patch("a", "a", LEAD, httpHeaders={"Authorization": "x"})]),
    ("a repeated reference", [patch("a", "a", LEAD), patch("a", "b", LEAD)]),
    ("a reference with a hyphen", [patch("a-b", "a", LEAD)]),
    ("a foreign url", [{**patch("a", "a", LEAD), "url": "/nonsense"}]),
    ("nothing", []),
]


@pytest.mark.parametrize("subrequests", [each[1] for each in REFUSED], ids=[each[0] for each in REFUSED])
def test_an_ill_formed_composite_is_refused_as_a_whole(client: Client, subrequests: list[dict[str, Any]]) -> None:
    assert client.send("POST", "/composite", json={"compositeRequest": subrequests}).status_code == 400


def test_a_resource_that_is_not_there_answers_404_inside(client: Client) -> None:
    url = f"{ROOT}/sobjects/Account/001000000000999AAA"
    (found,) = client.composite([{"method": "GET", "url": url, "referenceId": "a"}])
    assert found["httpStatusCode"] == 404
    assert found["body"] == [{"message": "The requested resource does not exist", "errorCode": "NOT_FOUND"}]


def test_collated_subrequests_are_one_save_whose_rows_do_not_see_each_other(client: Client) -> None:
    twins = [patch(f"r{n}", f"k{n}", {**LEAD, "Email": "x@example.com"}) for n in range(2)]
    assert [each["httpStatusCode"] for each in client.composite(twins)] == [201, 201]


def test_subrequests_run_one_by_one_when_not_collated(client: Client) -> None:
    twins = [patch(f"r{n}", f"k{n}", {**LEAD, "Email": "x@example.com"}) for n in range(2)]
    found = client.composite(twins, collateSubrequests=False)
    assert [each["httpStatusCode"] for each in found] == [201, 400]


def test_a_batch_counts_every_subrequest(client: Client, org: EmulatedOrg) -> None:
    body = {"batchRequests": [{"method": "GET", "url": "v60.0/limits"}, {"method": "GET", "url": "v60.0/nonsense"}]}
    answer = client.send("POST", "/composite/batch", json=body).json()
    assert (answer["hasErrors"], [each["statusCode"] for each in answer["results"]]) == (True, [200, 404])
    assert org.state.stats()["api_calls"] == 2
