"""What an org has and the emulator leaves out answers as Salesforce does where there is no such thing."""

from __future__ import annotations

import pytest

from .client import Client, local, parsed

RECORD = "0015g0000000001AAA"
LEFT_OUT = {
    "apps": ("GET", "/appMenu/AppSwitcher"),
    "approval layouts": ("GET", "/sobjects/Account/describe/approvalLayouts"),
    "approvals": ("POST", "/process/approvals"),
    "compact layouts": ("GET", "/compactLayouts?q=Account"),
    "compact layouts of one sobject": ("GET", "/sobjects/Account/describe/compactLayouts"),
    "deleted records": ("GET", "/sobjects/Account/deleted?start=2026-01-01T00:00:00Z&end=2026-01-02T00:00:00Z"),
    "global quick action": ("POST", "/quickActions/NewTask"),
    "global quick actions": ("GET", "/quickActions"),
    "graph": ("POST", "/composite/graph"),
    "layouts": ("GET", "/sobjects/Account/describe/layouts"),
    "layout of a record type": ("GET", "/sobjects/Account/describe/layouts/012000000000000AAA"),
    "list view": ("GET", f"/sobjects/Account/listviews/{RECORD}/results"),
    "list views": ("GET", "/sobjects/Account/listviews"),
    "parameterized search": ("GET", "/parameterizedSearch?q=Acme"),
    "parameterized search with a body": ("POST", "/parameterizedSearch"),
    "quick action": ("GET", "/sobjects/Account/quickActions/NewTask"),
    "quick action described": ("GET", "/sobjects/Account/quickActions/NewTask/describe"),
    "quick actions": ("GET", "/sobjects/Account/quickActions"),
    "recently viewed": ("GET", "/recent"),
    "search": ("GET", "/search?q=FIND+%7BAcme%7D"),
    "tabs": ("GET", "/tabs"),
    "theme": ("GET", "/theme"),
    "tree": ("POST", "/composite/tree/Account"),
    "updated records": ("GET", "/sobjects/Account/updated?start=2026-01-01T00:00:00Z&end=2026-01-02T00:00:00Z"),
    "workflow rules": ("GET", "/process/rules"),
    "XML by the ending of a URL": ("GET", "/sobjects/Account/describe.xml"),
}


@pytest.mark.parametrize(("method", "path"), LEFT_OUT.values(), ids=LEFT_OUT)
def test_a_resource_that_is_left_out_is_not_found(client: Client, method: str, path: str) -> None:
    answer = client.send(method, path, json={} if method == "POST" else None)
    assert answer.status_code == 404
    assert [each["errorCode"] for each in answer.json()] == ["NOT_FOUND"]


def test_where_a_record_could_be_named_by_a_key_it_is_the_method_that_is_refused(client: Client) -> None:
    answer = client.send("POST", "/sobjects/Account/quickActions/NewTask", json={})
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (405, "METHOD_NOT_ALLOWED")
    assert client.query("SELECT Id FROM Task") == []


@pytest.mark.parametrize("call", ["describeTabs", "getDeleted", "getUpdated", "search"])
def test_a_soap_call_that_is_left_out_is_a_fault(client: Client, call: str) -> None:
    answer = client.soap(f"<urn:{call}/>")
    fault = next(each for each in parsed(answer).iter() if local(each) == "Fault")
    assert (answer.status_code, fault.findtext("faultcode")) == (500, "soapenv:Client")
    assert fault.findtext("faultstring") == f"No operation available for request {call}"


@pytest.mark.parametrize("header", ["If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"])
def test_a_conditional_request_is_answered_without_its_condition(client: Client, header: str) -> None:
    path = f"/sobjects/Account/{client.create('Account', Name='Acme')}"
    answer = client.send("GET", path, headers={header: "Wed, 3 Jul 2013 19:43:31 GMT"})
    assert (answer.status_code, answer.json()["Name"]) == (200, "Acme")
    assert not {"ETag", "Last-Modified"} & set(answer.headers)
