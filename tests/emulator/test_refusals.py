"""A request that is refused as a whole is refused in the shape of the API it was for."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from airflow_sf_dedup.emulator import EmulatedOrg

from .client import Client, local, parsed

DATALOAD = "{http://www.force.com/2009/06/asyncapi/dataload}"
FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "unavailable": ({"kind": "unavailable"}, "SERVER_UNAVAILABLE"),
    "unknown error": ({"kind": "unknown_error"}, "UNKNOWN_EXCEPTION"),
    "unknown error after the work": ({"kind": "unknown_error", "after_commit": True}, "UNKNOWN_EXCEPTION"),
    "refused": ({"kind": "refuse_request", "code": "API_CURRENTLY_DISABLED"}, "API_CURRENTLY_DISABLED"),
    "limit": ({"kind": "request_limit"}, "REQUEST_LIMIT_EXCEEDED"),
}
SOAP_FAULTS = {
    "u": "urn:fault.partner.soap.sforce.com",
    "c": "urn:fault.enterprise.soap.sforce.com",
    "m": "http://soap.sforce.com/2006/04/metadata",
}


@pytest.fixture(params=FAULTS.values(), ids=FAULTS)
def refused_with(request: pytest.FixtureRequest, org: EmulatedOrg) -> str:
    fault, code = request.param
    org.state.faults.replace([fault])
    return str(code)


def job(org: EmulatedOrg, form: str) -> requests.Response:
    body = '{"operation": "insert", "object": "Account", "contentType": "CSV"}'
    if form == "xml":
        fields = "<operation>insert</operation><object>Account</object><contentType>CSV</contentType>"
        body = f'<jobInfo xmlns="{DATALOAD[1:-1]}">{fields}</jobInfo>'
    headers = {"X-SFDC-Session": org.access_token, "Content-Type": f"application/{form}; charset=UTF-8"}
    return requests.post(f"{org.url}/services/async/60.0/job", data=body, headers=headers, timeout=5)


def test_the_first_bulk_api_refuses_in_xml(org: EmulatedOrg, refused_with: str) -> None:
    answer = job(org, "xml")

    assert answer.status_code >= 400
    assert answer.headers["Content-Type"] == "application/xml"
    error = parsed(answer)
    assert error.tag == f"{DATALOAD}error"
    assert error.findtext(f"{DATALOAD}exceptionCode") == refused_with
    assert error.findtext(f"{DATALOAD}exceptionMessage")


def test_the_first_bulk_api_refuses_json_in_json(org: EmulatedOrg, refused_with: str) -> None:
    answer = job(org, "json")

    assert answer.status_code >= 400
    assert sorted(answer.json()) == ["exceptionCode", "exceptionMessage"]
    assert answer.json()["exceptionCode"] == refused_with


@pytest.mark.parametrize("door", SOAP_FAULTS)
def test_soap_refuses_with_a_fault_of_its_namespace(client: Client, refused_with: str, door: str) -> None:
    call = "describeMetadata" if door == "m" else "getServerTimestamp"

    answer = client.soap(f"<urn:{call}/>", door=f"{door}/60.0")

    assert answer.status_code >= 500
    assert answer.headers["Content-Type"].startswith("text/xml")
    fault = next(each for each in parsed(answer).iter() if local(each) == "Fault")
    assert fault.findtext("faultcode") == f"sf:{refused_with}"
    assert f'xmlns:sf="{SOAP_FAULTS[door]}"' in answer.text


WRONG_DOORS = {
    "no such api": ("POST", "x/60.0", 500, "sf:UNKNOWN_EXCEPTION"),
    "no version": ("POST", "u", 500, "sf:UNSUPPORTED_API_VERSION"),
    "no number": ("POST", "c/new", 500, "sf:UNSUPPORTED_API_VERSION"),
    "a version to come": ("POST", "m/999.0", 500, "sf:UNSUPPORTED_API_VERSION"),
    "read": ("GET", "u/60.0", 405, "soapenv:Client"),
}


@pytest.mark.parametrize(("method", "door", "status", "code"), WRONG_DOORS.values(), ids=WRONG_DOORS)
def test_soap_at_a_wrong_url_is_a_fault(client: Client, method: str, door: str, status: int, code: str) -> None:
    answer = client.session.request(method, f"{client.url}/services/Soap/{door}", data=b"<x/>", timeout=5)

    assert answer.status_code == status
    fault = next(each for each in parsed(answer).iter() if local(each) == "Fault")
    assert fault.findtext("faultcode") == code
