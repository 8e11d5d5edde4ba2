"""Whatever envelope is sent, the answer is a result for each row or a fault; a refused row changes nothing."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from defusedxml.ElementTree import fromstring
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_sf_dedup.emulator import Org, front
from airflow_sf_dedup.emulator.http import Request, read_url
from airflow_sf_dedup.emulator.soap import OPERATIONS

ORG = Org.read()
ORG.seed("Lead", [{"LastName": f"L{number}", "Company": "Acme"} for number in range(4)])
ORG.seed("Account", [{"Name": f"A{number}", "External_Id__c": str(number)} for number in range(4)])
LEADS = sorted(each["Id"] for each in ORG.records("Lead"))
ACCOUNTS = sorted(each["Id"] for each in ORG.records("Account"))

IDS = st.sampled_from([*LEADS, *ACCOUNTS, LEADS[0][:15], "001000000000000AAA", "x", "", ORG.default_user.user_id])
TEXTS = st.one_of(
    IDS,
    st.text(max_size=8),
    st.sampled_from(
        ["true", "2026-01-01", "2026-01-01T00:00:00Z", "12", "a@b.c", "Lead", "SELECT Id FROM Lead", "x" * 300]
    ),
)
FIELDS = st.sampled_from(
    [
        "Id",
        "Name",
        "LastName",
        "Company",
        "Email",
        "External_Id__c",
        "ParentId",
        "Parent",
        "type",
        "Owner",
        "Foo",
        "fieldsToNull",
        "Birthdate__c",
        "AnnualRevenue",
        "DoNotCall",
        "MasterRecordId",
        "IsDeleted",
        "IsConverted",
    ]
)
NAMES = st.sampled_from(
    [
        "ids",
        "sObjects",
        "request",
        "mergeRequests",
        "masterRecord",
        "recordToMergeIds",
        "leadConverts",
        "leadId",
        "convertedStatus",
        "accountId",
        "contactId",
        "sObjectType",
        "startDate",
        "endDate",
        "fieldList",
        "queryString",
        "queryLocator",
        "externalIDFieldName",
        "sessionIds",
        "username",
        "password",
    ]
)


def element(name: str, inner: str) -> str:
    return f"<{name}>{inner}</{name}>"


LEAVES = st.builds(lambda name, text: element(name, escape(text)), st.one_of(FIELDS, NAMES), TEXTS)
RECORDS = st.builds(
    lambda kind, parts: element("type", kind) + "".join(parts),
    st.sampled_from(["Lead", "Account", "Contact", "Case", "User", "Nope", ""]),
    st.lists(LEAVES, max_size=4),
)
MERGES = st.builds(
    lambda name, record, ids: element(
        name, element("masterRecord", record) + "".join(element("recordToMergeIds", each) for each in ids)
    ),
    st.sampled_from(["request", "mergeRequests"]),
    RECORDS,
    st.lists(IDS, max_size=4),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.builds(lambda name, parts: element(name, "".join(parts)), NAMES, st.lists(inner, max_size=3)),
    max_leaves=6,
)
PARTS = st.one_of(TREES, MERGES, RECORDS.map(lambda record: element("sObjects", record)))
_ENDING_SESSIONS = ("logout", "invalidateSessions")
CALLS = st.sampled_from([*(each for each in OPERATIONS if each not in _ENDING_SESSIONS), "login", "dance"])
HEADERS = st.sampled_from(
    [
        "",
        "<AllOrNoneHeader><allOrNone>true</allOrNone></AllOrNoneHeader>",
        "<AllowFieldTruncationHeader><allowFieldTruncation>1</allowFieldTruncation></AllowFieldTruncationHeader>",
        "<QueryOptions><batchSize>x</batchSize></QueryOptions><DuplicateRuleHeader/>",
    ]
)


def send(body: bytes, door: str) -> tuple[int, Element]:
    request = Request("POST", read_url(f"/services/Soap/{door}/60.0")[0], body=body)
    response = front.answer(ORG, request, "http://localhost")
    return response.status, fromstring(response.encoded())


def envelope(operation: str, parts: list[str], headers: str) -> bytes:
    session = element("SessionHeader", element("sessionId", ORG.access_token))
    inner = f"<e:Header>{session}{headers}</e:Header><e:Body>{element(operation, ''.join(parts))}</e:Body>"
    start = '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/">'
    return f"{start}{inner}</e:Envelope>".encode("utf-8", "replace")


def local(found: Element) -> str:
    return found.tag.rpartition("}")[2]


def state() -> Any:
    return {each.name: ORG.records(each.name, deleted=True) for each in ORG.schema}


@settings(max_examples=300, deadline=None)
@given(CALLS, st.lists(PARTS, max_size=4), HEADERS, st.sampled_from(["u", "c"]))
def test_any_call_is_answered_and_a_refused_one_changes_nothing(
    operation: str, parts: list[str], headers: str, door: str
) -> None:
    before = state()
    status, root = send(envelope(operation, parts, headers), door)
    body = next(each for each in root if local(each) == "Body")
    (answer,) = body
    if status == 500:
        assert local(answer) == "Fault"
        assert state() == before
        return
    assert (status, local(answer)) == (200, f"{operation}Response")
    rows = [each for each in answer if local(each) == "result"]
    verdicts = [child.text for row in rows for child in row if local(child) == "success"]
    failed = [row for row in rows if any(local(child) == "errors" for child in row)]
    assert verdicts.count("false") == len(failed)
    if rows and verdicts.count("false") == len(rows):
        assert state() == before


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=80) | st.text(max_size=80).map(lambda text: text.encode("utf-8", "replace")))
def test_any_bytes_are_a_fault(body: bytes) -> None:
    status, root = send(body, "u")
    assert status == 500
    assert any(local(each) == "Fault" for each in root.iter())
