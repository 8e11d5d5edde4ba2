"""The first Bulk API: jobs and batches, in XML and in JSON."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element

import pytest
import requests

from airflow_sf_dedup.emulator import EmulatedOrg

from .client import Client, local, parsed

XMLNS = 'xmlns="http://www.force.com/2009/06/asyncapi/dataload"'
ENDED = ("Completed", "Failed", "NotProcessed")


class Async:
    """Sends what it is given to the first Bulk API."""

    def __init__(self, org: EmulatedOrg) -> None:
        self.root = f"{org.url}/services/async/60.0"
        self.session = requests.Session()
        self.session.headers["X-SFDC-Session"] = org.access_token

    def send(self, method: str, path: str, body: Any = None, kind: str | None = None) -> requests.Response:
        headers = {"Content-Type": kind} if kind else {}
        data = body.encode() if isinstance(body, str) else body
        return self.session.request(method, f"{self.root}/{path}", data=data, headers=headers, timeout=10)

    def json(self, path: str, body: Any) -> requests.Response:
        return self.session.post(f"{self.root}/{path}", json=body, timeout=10)

    def job(self, operation: str = "insert", content_type: str = "JSON", sobject: str = "Account", **asked: Any) -> str:
        body = {"operation": operation, "object": sobject, "contentType": content_type, **asked}
        answer = self.json("job", body)
        assert answer.status_code == 201, answer.text
        job_id: str = answer.json()["id"]
        return job_id

    def batch(self, job_id: str, body: Any, kind: str = "application/json") -> str:
        if kind == "application/json":
            answer = self.json(f"job/{job_id}/batch", body)
            assert answer.status_code == 201, answer.text
            batch_id: str = answer.json()["id"]
            return batch_id
        answer = self.send("POST", f"job/{job_id}/batch", body, kind)
        assert answer.status_code == 201, answer.text
        return said(answer)["id"]

    def wait(self, job_id: str, batch_id: str) -> dict[str, str]:
        while True:
            found = said(self.send("GET", f"job/{job_id}/batch/{batch_id}"))
            if found["state"] in ENDED:
                return found

    def result(self, job_id: str, batch_id: str, *rest: str) -> requests.Response:
        self.wait(job_id, batch_id)
        return self.send("GET", "/".join((f"job/{job_id}/batch/{batch_id}/result", *rest)))


def said(answer: requests.Response) -> dict[str, str]:
    return texts(parsed(answer))


def texts(element: Element) -> dict[str, str]:
    return {local(each): each.text or "" for each in element}


@pytest.fixture
def api(org: EmulatedOrg) -> Async:
    return Async(org)


def test_a_job_in_xml(api: Async, org: EmulatedOrg) -> None:
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?><jobInfo {XMLNS}><operation>upsert</operation><object>Account</object>'
        "<externalIdFieldName>External_Id__c</externalIdFieldName><contentType>CSV</contentType></jobInfo>"
    )
    answer = api.send("POST", "job", body, "application/xml; charset=utf-8")
    assert answer.status_code == 201
    assert answer.headers["Content-Type"] == "application/xml"
    made = said(answer)
    assert (made["state"], made["concurrencyMode"], made["apiVersion"]) == ("Open", "Parallel", "60.0")
    assert made["createdDate"].endswith(".000Z")
    batch_id = api.batch(made["id"], "Name,External_Id__c\nAcme,a\n,b\n", "text/csv")
    assert batch_id[:3] == "751"
    assert api.result(made["id"], batch_id).text.splitlines()[0] == '"Id","Success","Created","Error"'
    assert api.result(made["id"], batch_id).text.splitlines()[2] == (
        '"","false","false","REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --"'
    )
    closed = api.send("POST", f"job/{made['id']}", f"<jobInfo {XMLNS}><state>Closed</state></jobInfo>", "text/xml")
    assert (closed.status_code, said(closed)["state"]) == (200, "Closed")
    found = said(api.send("GET", f"job/{made['id']}"))
    assert (found["numberBatchesCompleted"], found["numberBatchesTotal"]) == ("1", "1")
    assert (found["numberRecordsProcessed"], found["numberRecordsFailed"]) == ("2", "1")


def test_a_job_in_json(api: Async, org: EmulatedOrg) -> None:
    job_id = api.job(concurrencyMode=0)
    batch_id = api.batch(job_id, [{"Name": "Acme", "NumberOfEmployees": 3}, {"Phone": "1"}, {"Name": 5}])
    saved, refused, malformed = api.result(job_id, batch_id).json()
    assert saved == {"success": True, "created": True, "id": saved["id"], "errors": []}
    assert refused["errors"] == [
        {
            "message": "Required fields are missing: [Name]",
            "fields": ["Name"],
            "statusCode": "REQUIRED_FIELD_MISSING",
            "extendedErrorDetails": None,
        }
    ]
    assert (refused["success"], refused["id"]) == (False, None)
    assert malformed["success"] is False
    found = api.send("GET", f"job/{job_id}/batch", kind="application/json").json()["batchInfo"]
    assert [(each["id"], each["jobId"], each["state"]) for each in found] == [(batch_id, job_id, "Completed")]
    assert found[0]["createdDate"].endswith("+0000")
    assert api.json(f"job/{job_id}", {"state": "Closed"}).json()["state"] == "Closed"
    sent = api.send("GET", f"job/{job_id}/batch/{batch_id}/request").json()
    assert sent[0] == {"Name": "Acme", "NumberOfEmployees": 3}


def test_batches_in_xml(api: Async, org: EmulatedOrg) -> None:
    (parent,) = org.state.seed("Account", [{"Name": "A", "External_Id__c": "p"}])
    job_id = api.job(content_type="XML", sobject="Contact")
    batch = (
        f'<sObjects {XMLNS} xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><sObject><LastName>Doe</LastName>'
        "<Account><sObject><External_Id__c>p</External_Id__c></sObject></Account></sObject>"
        '<sObject><FirstName xsi:nil="true"/></sObject></sObjects>'
    )
    results = list(parsed(api.result(job_id, api.batch(job_id, batch, "application/xml"))))
    assert [texts(each)["success"] for each in results] == ["true", "false"]
    errors = next(each for each in results[1] if local(each) == "errors")
    assert texts(errors)["statusCode"] == "REQUIRED_FIELD_MISSING"
    assert org.state.records("Contact")[0]["AccountId"] == parent


def test_the_first_answer_is_never_the_last(api: Async) -> None:
    job_id = api.job()
    batch_id = api.batch(job_id, [{"Name": "Acme"}])
    early = api.send("GET", f"job/{job_id}/batch/{batch_id}/result", kind="application/json")
    assert early.status_code == 400
    assert early.json() == {"exceptionCode": "InvalidBatch", "exceptionMessage": "Records not processed"}
    assert said(api.send("GET", f"job/{job_id}/batch/{batch_id}"))["state"] in ("Queued", "InProgress")
    assert api.wait(job_id, batch_id)["state"] == "Completed"


def test_results_keep_the_order_of_rows(api: Async, org: EmulatedOrg) -> None:
    job_id = api.job()
    batch_id = api.batch(job_id, [{"Name": f"n{number}"} for number in range(450)])
    names = {record["Id"]: record["Name"] for record in org.state.records("Account")}
    found = api.result(job_id, batch_id).json()
    names = {record["Id"]: record["Name"] for record in org.state.records("Account")}
    assert [names[each["id"]] for each in found] == [f"n{number}" for number in range(450)]


@pytest.mark.parametrize("operation", ["update", "upsert", "delete", "hardDelete"])
def test_the_other_operations(operation: str, api: Async, org: EmulatedOrg) -> None:
    (known,) = org.state.seed("Account", [{"Name": "A", "Phone": "1"}])
    job_id = api.job(operation, externalIdFieldName="Id")
    row = {"Id": known} if operation in ("delete", "hardDelete") else {"Id": known, "Phone": None}
    (found,) = api.result(job_id, api.batch(job_id, [row])).json()
    assert (found["success"], found["created"], found["id"]) == (True, False, known)
    left = org.state.records("Account")
    assert left == [] if operation in ("delete", "hardDelete") else "Phone" not in left[0]
    assert len(org.state.records("Account", deleted=True)) == (operation != "hardDelete")


@pytest.mark.parametrize(
    ("content_type", "kind", "batch", "message"),
    [
        ("CSV", "text/csv", "Name,Foo\nA,1\n", "InvalidBatch : Field name not found : Foo"),
        ("JSON", "application/json", '[{"Name": "A", "Foo": 1}]', "InvalidBatch : Field name not found : Foo"),
        ("XML", "application/xml", "<sObjects><sObject><Foo>1</Foo></sObject></sObjects>", "not found : Foo"),
        ("JSON", "application/json", "{", "InvalidBatch : Failed to parse JSON"),
        ("XML", "application/xml", "<sObjects>", "InvalidBatch : Failed to parse XML"),
        ("CSV", "text/csv", "Name\n" + "A\n" * 10_001, "InvalidBatch : Too many records in batch: 10001"),
    ],
    ids=["csv", "json", "xml", "no json", "no xml", "too many"],
)
def test_a_batch_that_cannot_be_processed_fails(
    content_type: str, kind: str, batch: str, message: str, api: Async, org: EmulatedOrg
) -> None:
    job_id = api.job(content_type=content_type)
    answer = api.send("POST", f"job/{job_id}/batch", batch, kind)
    assert answer.status_code == 201
    batch_id = answer.json()["id"] if "json" in kind else said(answer)["id"]
    found = api.wait(job_id, batch_id)
    assert found["state"] == "Failed"
    assert message in found["stateMessage"]
    assert said(api.result(job_id, batch_id))["exceptionCode"] == "InvalidBatch"
    assert org.state.records("Account") == []


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"object": "Foo"}, "InvalidJob"),
        ({"operation": "dance"}, "InvalidJob"),
        ({"operation": "upsert"}, "InvalidJob"),
        ({"contentType": "ZIP_CSV"}, "InvalidJob"),
        ({"concurrencyMode": "Sideways"}, "InvalidJob"),
        ({"concurrencyMode": ["Serial"]}, "InvalidJob"),
        ({"colour": "red"}, "InvalidJob"),
    ],
)
def test_jobs_that_cannot_be_created(asked: dict[str, Any], code: str, api: Async) -> None:
    answer = api.json("job", {"object": "Account", "operation": "insert", "contentType": "JSON", **asked})
    assert answer.status_code == 400
    assert answer.json()["exceptionCode"] == code


def test_refusals(api: Async, org: EmulatedOrg) -> None:
    job_id = api.job(content_type="CSV")
    assert said(api.send("POST", "job", "no xml", "application/xml"))["exceptionCode"] == "InvalidJob"
    assert said(api.send("GET", "job/750000000000000AAA"))["exceptionCode"] == "InvalidJob"
    assert said(api.send("GET", f"job/{job_id}/batch/751000000000000AAA"))["exceptionCode"] == "InvalidBatch"
    assert said(api.send("POST", f"job/{job_id}/batch", "", "text/csv"))["exceptionCode"] == "ClientInputError"
    mismatch = api.send("POST", f"job/{job_id}/batch", "[]", "application/json")
    assert mismatch.json()["exceptionCode"] == "ClientInputError"
    assert api.json(f"job/{job_id}", {"state": "Dancing"}).json()["exceptionCode"] == "InvalidJobState"
    assert api.json(f"job/{job_id}", {"state": "Aborted"}).json()["state"] == "Aborted"
    assert api.json(f"job/{job_id}", {"state": "Closed"}).json() == {
        "exceptionCode": "InvalidJobState",
        "exceptionMessage": "Closing already Aborted Job not allowed",
    }
    late = api.send("POST", f"job/{job_id}/batch", "Name\nA\n", "text/csv")
    assert said(late)["exceptionCode"] == "InvalidJobState"
    assert api.send("DELETE", f"job/{job_id}").status_code == 405
    assert said(api.send("GET", "jobs"))["exceptionCode"] == "InvalidUrl"
    old = api.session.get(api.root.replace("60.0", "9.0") + "/job/x", timeout=10)
    assert said(old)["exceptionCode"] == "InvalidVersion"


def test_a_session_is_needed(api: Async, org: EmulatedOrg) -> None:
    bearer = {"Authorization": f"Bearer {org.access_token}"}
    url = f"{api.root}/job/750000000000000AAA"
    assert said(requests.get(url, headers=bearer, timeout=10))["exceptionCode"] == "InvalidJob"
    org.state.expire_sessions()
    for answer in (
        requests.get(url, headers=bearer, timeout=10),
        api.send("GET", "job/x"),
        requests.get(url, timeout=10),
    ):
        assert answer.status_code == 400
        assert "<exceptionCode>InvalidSessionId</exceptionCode>" in answer.text
    refused = api.json("job", {})
    assert refused.json() == {"exceptionCode": "InvalidSessionId", "exceptionMessage": "Invalid session id"}


def test_queries(api: Async, org: EmulatedOrg) -> None:
    org.state.seed("Account", [{"Name": "Acme", "AnnualRevenue": 12}, {"Name": "Beta"}])
    soql = "SELECT Name, AnnualRevenue, Owner.Username FROM Account ORDER BY Name"
    as_csv = api.job("query", "CSV")
    batch_id = api.batch(as_csv, soql, "text/csv")
    (result_id,) = [each.text for each in parsed(api.result(as_csv, batch_id)) if each.text]
    found = api.result(as_csv, batch_id, result_id)
    assert found.text.splitlines()[:2] == [
        '"Name","AnnualRevenue","Owner.Username"',
        '"Acme","12.0","loader@example.com"',
    ]
    as_json = api.job("query", "JSON")
    batch_id = api.send("POST", f"job/{as_json}/batch", soql, "application/json").json()["id"]
    (result_id,) = api.result(as_json, batch_id).json()
    assert [row["Name"] for row in api.result(as_json, batch_id, result_id).json()] == ["Acme", "Beta"]
    as_xml = api.job("query", "XML")
    batch_id = api.batch(as_xml, soql, "application/xml")
    (result_id,) = [each.text for each in parsed(api.result(as_xml, batch_id)) if each.text]
    records = list(parsed(api.result(as_xml, batch_id, result_id)))
    assert [texts(each)["Name"] for each in records] == ["Acme", "Beta"]
    assert said(api.result(as_xml, batch_id, "752000000000000AAA"))["exceptionCode"] == "InvalidBatch"


def test_queries_that_find_nothing_or_cannot_be_made(api: Async) -> None:
    job_id = api.job("query", "CSV")
    empty = api.batch(job_id, "SELECT Id FROM Account", "text/csv")
    (result_id,) = [each.text for each in parsed(api.result(job_id, empty)) if each.text]
    assert api.result(job_id, empty, result_id).text == "Records not found for this query"
    for soql in ("SELECT Foo FROM Account", "SELECT Id FROM Lead", "SELECT", "SELECT COUNT() FROM Account"):
        found = api.wait(job_id, api.batch(job_id, soql, "text/csv"))
        assert found["state"] == "Failed"
        assert found["stateMessage"].startswith("InvalidBatch : ")


def test_batches_of_a_serial_job_follow_each_other(api: Async, org: EmulatedOrg) -> None:
    job_id = api.job("upsert", concurrencyMode="Serial", externalIdFieldName="External_Id__c")
    org.state.change_physics({"commit_window": 0.05})
    batches = [api.batch(job_id, [{"Name": f"n{number}", "External_Id__c": "a"}]) for number in range(5)]
    created = [api.result(job_id, batch_id).json()[0]["created"] for batch_id in batches]
    assert created == [True, False, False, False, False]
    assert org.state.records("Account")[0]["Name"] == "n4"


def test_an_abort_leaves_batches_in_the_queue_unprocessed(api: Async, org: EmulatedOrg) -> None:
    org.state.change_physics({"bulk_queue": 30})
    job_id = api.job()
    batch_id = api.batch(job_id, [{"Name": "A"}])
    api.json(f"job/{job_id}", {"state": "Aborted"})
    assert api.wait(job_id, batch_id)["state"] == "NotProcessed"
    jobs = org.state.jobs
    org.state.reset()
    assert jobs.idle(5)
    assert org.state.records("Account") == []


def test_each_request_is_a_call_and_changes_name_the_batchs(api: Async, org: EmulatedOrg) -> None:
    job_id = api.job()
    batch_id = api.batch(job_id, [{"Name": "A"}])
    api.result(job_id, batch_id)
    assert org.state.stats()["by_call"]["POST /async/job/{job}/batch"] == 1
    (entry,) = org.state.ledger.entries()
    assert entry["call"] == 2


def test_classic_jobs_are_among_the_jobs(api: Async, client: Client) -> None:
    job_id = api.job()
    (listed,) = client.send("GET", "/jobs/ingest").json()["records"]
    assert (listed["id"], listed["jobType"], listed["contentType"]) == (job_id, "Classic", "JSON")
    assert client.send("GET", "/jobs/query").json()["records"] == []


def test_faults_meet_the_first_bulk_api(api: Async, org: EmulatedOrg) -> None:
    org.state.faults.replace([{"kind": "request_limit", "on": "POST /async/job", "times": 1}])
    answer = api.json("job", {})
    assert (answer.status_code, answer.json()["exceptionCode"]) == (403, "REQUEST_LIMIT_EXCEEDED")
    org.state.faults.replace([{"kind": "expire_session", "on": "POST /async/job", "times": 1}])
    assert api.json("job", {}).json()["exceptionCode"] == "InvalidSessionId"
