"""Whatever is sent, the answer is one that Salesforce could give: never a 500 of the emulator's own."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_sf_dedup.emulator import Org
from airflow_sf_dedup.emulator.http import Request, read_url
from airflow_sf_dedup.emulator.server import front
from airflow_sf_dedup.emulator.server.front import door_of

ORG = Org.read()
TOKEN = {"authorization": f"Bearer {ORG.access_token}"}
FIELDS = [*sorted(ORG.sobject("Lead").fields), "attributes", "Owner", "Foo", "type"]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.sampled_from(["2026-01-01", "2026-13-45", "2026-01-01T00:00:00Z", "00Q5g0000000001EAA", "a@b.c", "", "12"]),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=2)
)
RECORDS = st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=6)
TYPED = RECORDS.map(lambda record: {**record, "attributes": {"type": "Lead"}})
ROOT = "/services/data/v60.0"
PATHS = st.sampled_from(
    [
        ("PATCH", f"{ROOT}/composite/sobjects/Lead/External_Id__c"),
        ("PATCH", f"{ROOT}/composite/sobjects/Lead/Id"),
        ("PATCH", f"{ROOT}/composite/sobjects/Lead/Legacy_Number__c"),
        ("POST", f"{ROOT}/composite/sobjects"),
        ("PATCH", f"{ROOT}/composite/sobjects"),
        ("POST", f"{ROOT}/composite/sobjects/Lead"),
        ("POST", f"{ROOT}/composite"),
        ("POST", f"{ROOT}/composite/batch"),
        ("POST", f"{ROOT}/sobjects/Lead"),
        ("POST", f"{ROOT}/ui-api/predupe"),
        ("PATCH", f"{ROOT}/sobjects/Lead/External_Id__c/a"),
        ("PATCH", f"{ROOT}/sobjects/Lead/Legacy_Number__c/x"),
        ("PATCH", f"{ROOT}/sobjects/Lead/00Q5g0000000001EAA"),
    ]
)


def send(method: str, url: str, body: Any) -> int:
    path, query = read_url(url)
    response = front.answer(ORG, Request(method, path, query, TOKEN, body), "http://localhost")
    response.encoded()
    return response.status


@settings(max_examples=200, deadline=None)
@given(PATHS, st.one_of(VALUES, st.lists(st.one_of(TYPED, VALUES), max_size=3).map(lambda each: {"records": each})))
def test_any_json_is_answered(path: tuple[str, str], body: Any) -> None:
    assert send(*path, body) < 500


SUBREQUESTS = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["GET", "PATCH", "POST", "DELETE", "DANCE"]),
        "url": st.sampled_from([f"{ROOT}/sobjects/Lead/External_Id__c/a", f"{ROOT}/sobjects/Lead/@{{a.id}}", "/x", ""]),
        "referenceId": st.sampled_from(["a", "b", "c", "", "a-b"]),
        "body": VALUES,
    },
    optional={"httpHeaders": VALUES},
)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(["compositeRequest", "batchRequests"]), st.one_of(VALUES, st.lists(SUBREQUESTS, max_size=3)))
def test_what_any_carrier_is_can_be_said(name: str, carried: Any) -> None:
    for path in ("composite", "composite/batch"):
        request = Request("POST", read_url(f"{ROOT}/{path}")[0], body={name: carried})
        assert door_of(request).identify(request).group in ("read", "write")


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(["/services/Soap/u/60.0", f"{ROOT}/composite", f"{ROOT}/", "/services", "/x", "/"]),
    st.text(max_size=8),
    st.binary(max_size=60),
)
def test_what_any_bytes_are_can_be_said(path: str, method: str, body: bytes) -> None:
    request = Request(method, read_url(path)[0], body=body)
    assert door_of(request).identify(request).group in ("read", "write")


@settings(max_examples=100, deadline=None)
@given(st.lists(SUBREQUESTS, max_size=3), st.booleans(), st.booleans())
def test_any_composite_is_answered(subrequests: list[Any], all_or_none: bool, collate: bool) -> None:
    body = {"compositeRequest": subrequests, "allOrNone": all_or_none, "collateSubrequests": collate}
    assert send("POST", f"{ROOT}/composite", body) < 500


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_answered(body: bytes) -> None:
    assert send("POST", f"{ROOT}/sobjects/Lead", body) < 500
    assert send("POST", "/services/oauth2/token", body) < 500


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(FIELDS), st.text(max_size=12)), max_size=5),
    st.sampled_from(["upsert", "create"]),
)
def test_any_soap_record_is_answered_without_an_error_of_our_own(fields: list[tuple[str, str]], verb: str) -> None:
    inner = "".join(f"<{name}>{text}</{name}>" for name, text in fields)
    key = "<externalIDFieldName>External_Id__c</externalIDFieldName>"
    envelope = (
        '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Header><SessionHeader><sessionId>'
        f"{ORG.access_token}</sessionId></SessionHeader></e:Header><e:Body><{verb}>{key}<sObjects><type>Lead</type>"
        f"{inner}</sObjects></{verb}></e:Body></e:Envelope>"
    )
    assert send("POST", "/services/Soap/u/60.0", envelope.encode("utf-8", "replace")) in (200, 500)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(["Lead", "Contact", "Task", "Nope"]), RECORDS)
def test_any_record_can_be_looked_up(sobject: str, fields: dict[str, Any]) -> None:
    assert send("POST", f"{ROOT}/ui-api/predupe", {"apiName": sobject, "fields": fields}) < 500
