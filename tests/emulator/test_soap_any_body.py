"""Whatever envelope is sent, the answer is a result for each row or a fault; a refused row changes nothing."""

from __future__ import annotations

from typing import Any
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from defusedxml.ElementTree import fromstring
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_sf_dedup.emulator import Org
from airflow_sf_dedup.emulator.http import Request, read_url
from airflow_sf_dedup.emulator.saving.deleting import delete
from airflow_sf_dedup.emulator.server import front
from airflow_sf_dedup.emulator.soap.api import OPERATIONS

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
NAMED = [*(each for each in OPERATIONS if each not in _ENDING_SESSIONS), "login", "dance"]
LOOSE = st.tuples(st.sampled_from(NAMED), st.lists(PARTS, max_size=4))


def some(name: str, values: st.SearchStrategy[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(values.map(lambda value: element(name, value)), max_size=3)


VALUES = {
    "Lead": ["<LastName>Doe</LastName>", "<Company>Acme</Company>", "<Email>a@b.c</Email>", "<City>Bonn</City>"],
    "Account": ["<Name>Acme</Name>", "<External_Id__c>1</External_Id__c>", "<Phone>1</Phone>"],
    "Contact": ["<LastName>Doe</LastName>", f"<AccountId>{ACCOUNTS[0]}</AccountId>"],
    "Task": [f"<WhoId>{LEADS[0]}</WhoId>", f"<WhatId>{ACCOUNTS[1]}</WhatId>"],
}
SOUND_RECORDS = st.sampled_from(sorted(VALUES)).flatmap(
    lambda kind: st.lists(st.sampled_from(VALUES[kind]), max_size=4, unique=True).map(
        lambda fields: element("type", kind) + "".join(fields)
    )
)


def _with_id(kind: str, record_id: str, fields: list[str]) -> str:
    return element("type", kind) + element("Id", record_id) + "".join(fields)


def known(kind: str, ids: list[str]) -> st.SearchStrategy[str]:
    fields = st.lists(st.sampled_from(VALUES[kind]), max_size=2, unique=True)
    return st.builds(_with_id, st.just(kind), st.sampled_from(ids), fields)


KNOWN_RECORDS = st.one_of(known("Lead", LEADS), known("Account", ACCOUNTS))


def sound_merges(kind: str, ids: list[str]) -> st.SearchStrategy[str]:
    victims = st.lists(st.sampled_from(ids), min_size=1, max_size=2, unique=True)
    return st.builds(
        lambda record, given: (
            element("masterRecord", record) + "".join(element("recordToMergeIds", each) for each in given)
        ),
        known(kind, ids),
        victims,
    )


SOUND_MERGES = st.one_of(sound_merges("Lead", LEADS), sound_merges("Account", ACCOUNTS))
CONVERSIONS = st.builds(
    lambda lead, status, account: (
        element("leadId", lead) + element("convertedStatus", status) + element("accountId", account)
    ),
    st.sampled_from(LEADS),
    st.sampled_from(["Closed - Converted", "Open"]),
    st.sampled_from(["", *ACCOUNTS]),
)
SOUND = st.one_of(
    st.tuples(st.sampled_from(["create", "findDuplicates"]), some("sObjects", SOUND_RECORDS)),
    st.tuples(st.sampled_from(["update", "findDuplicates"]), some("sObjects", KNOWN_RECORDS)),
    st.tuples(
        st.just("upsert"),
        some("sObjects", SOUND_RECORDS).map(
            lambda records: [element("externalIDFieldName", "External_Id__c"), *records]
        ),
    ),
    st.tuples(st.just("merge"), some("request", SOUND_MERGES)),
    st.tuples(st.just("convertLead"), some("leadConverts", CONVERSIONS)),
    st.tuples(st.sampled_from(["delete", "undelete", "emptyRecycleBin", "findDuplicatesByIds"]), some("ids", IDS)),
)
CALLS = st.one_of(LOOSE, SOUND)
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


def repopulate() -> None:
    """The org as it was, with an account and a lead in the recycle bin."""
    ORG.reset()
    ORG.seed("Lead", [{"Id": each, "LastName": f"L{each}", "Company": "Acme"} for each in LEADS])
    ORG.seed("Account", [{"Id": each, "Name": each, "External_Id__c": str(n)} for n, each in enumerate(ACCOUNTS)])
    delete(ORG, [LEADS[3], ACCOUNTS[3]], user_id=ORG.default_user.user_id)


def state() -> Any:
    return {each.name: ORG.records(each.name, deleted=True) for each in ORG.schema}


@settings(max_examples=150, deadline=None)
@given(CALLS, HEADERS, st.sampled_from(["u", "c"]))
def test_any_call_is_answered_and_a_refused_one_changes_nothing(
    call: tuple[str, list[str]], headers: str, door: str
) -> None:
    operation, parts = call
    repopulate()
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
