"""Queries go by SOAP, and by REST once the org has refused that: as few as a URL holds, and read alike."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.errors import CallError, PermissionRefusedError, TransientCallError
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.connecting.fields import from_parts
from airflow_sf_dedup.salesforce.reader import OrgReader
from airflow_sf_dedup.salesforce.soap_access import SoapAccess

KEY = Field("Key__c", "Key", "string", length=255, external_id=True, unique=True)
LEAD = SObject("Lead", (KEY,))
ONE, TWO = (to_18(f"00Q00000000000{n}") for n in (1, 2))
NO_SOAP = PermissionRefusedError("no", code="API_DISABLED_FOR_ORG")


@pytest.fixture
def session(canned_org: Any) -> SalesforceSession:
    access = {"access_token": "t", "instance_url": canned_org.url}
    return SalesforceSession(from_parts("c", "salesforce_dedup", None, None, None, access), sleep=lambda s: None)


def without_soap(session: SalesforceSession, key: Field = KEY) -> OrgReader:
    soap_access = SoapAccess()
    soap_access.is_refused_by(NO_SOAP)
    return OrgReader(session, sobject=LEAD, key_rule=KeyRule(key), soap_access=soap_access)


def page(*rows: dict[str, Any], more: str | None = None) -> dict[str, Any]:
    records = [{"attributes": {"type": "Lead", "url": "/x"}, **row} for row in rows]
    next_page = {} if more is None else {"nextRecordsUrl": more}
    return {"totalSize": len(rows), "done": more is None, "records": records, **next_page}


def asked(canned_org: Any) -> list[str]:
    return [parse_qs(urlsplit(seen.path).query)["q"][0] for seen in canned_org.sent_to("?q=")]


@pytest.mark.parametrize("length", [8, 255])
@pytest.mark.parametrize("letter", ["a", "%", "ü", "界", "'"])
def test_however_long_the_keys_are_no_url_is_too_long_and_each_is_asked_for(
    canned_org: Any, reply: Any, session: SalesforceSession, length: int, letter: str
) -> None:
    """A URL and its headers may have 16,384 bytes together."""
    keys = [f"{number:04d}".ljust(length, letter) for number in range(500)]
    canned_org.answers(reply(body=page()))
    without_soap(session).holders(keys)
    assert max(len(seen.path) for seen in canned_org.requests) < 11_000
    statements = "\n".join(asked(canned_org))
    assert all(key[:4] in statements for key in keys)
    if letter == "a" and length == 8:
        assert len(canned_org.requests) == 1


def test_holders_are_found_over_all_pages(canned_org: Any, reply: Any, session: SalesforceSession) -> None:
    more = "/services/data/v62.0/query/01g-2000"
    canned_org.answers(reply(body=page({"Id": ONE, "Key__c": "A"}, more=more)), path="?q=")
    canned_org.answers(reply(body=page({"Id": TWO, "Key__c": "b"})), path="01g-2000")
    assert without_soap(session).holders(["a", "B", "c"]) == {"a": (ONE,), "B": (TWO,)}
    assert asked(canned_org) == ["SELECT Id, Key__c FROM Lead WHERE Key__c IN ('a','B','c')"]


@pytest.mark.parametrize(
    ("stored", "key"), [(17, "17"), (17.0, "17"), (1.5, "1.5"), (1.234567890123e12, "1234567890123")]
)
def test_a_number_is_the_key_that_it_is(
    canned_org: Any, reply: Any, session: SalesforceSession, stored: float, key: str
) -> None:
    canned_org.answers(reply(body=page({"Id": ONE, "Key__c": stored})))
    number = Field("Key__c", "Key", "double", scale=2, external_id=True, unique=True)
    assert without_soap(session, number).holders([key]) == {key: (ONE,)}


def test_the_recycle_bin_is_asked_by_queryall(canned_org: Any, reply: Any, session: SalesforceSession) -> None:
    canned_org.answers(reply(body=[None, None]), path="composite/sobjects")
    canned_org.answers(
        reply(body=page({"Id": ONE, "IsDeleted": True}, {"Id": TWO, "IsDeleted": False})), path="queryAll"
    )
    found = without_soap(session).by_id("Lead", [ONE, TWO], ["Id"])
    assert [(each.record_id, each.is_deleted) for each in found.values()] == [(ONE, True)]
    assert without_soap(session).deleted_holders(["A"]) == {}
    assert asked(canned_org)[-1].endswith("WHERE Key__c IN ('A') AND IsDeleted = true")


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"done": "true", "records": []},
        {"done": True},
        {"done": False, "records": []},
        {"done": False, "records": [], "nextRecordsUrl": "https://elsewhere.example/x"},
    ],
    ids=["nothing", "done is a text", "no records", "no next page", "a next page elsewhere"],
)
def test_an_answer_that_may_lack_records_is_no_answer(
    canned_org: Any, reply: Any, session: SalesforceSession, answer: Any
) -> None:
    canned_org.answers(reply(body=answer))
    with pytest.raises(TransientCallError):
        without_soap(session).holders(["A"])


def test_a_query_that_leads_on_and_on_ends(canned_org: Any, reply: Any, session: SalesforceSession) -> None:
    canned_org.answers(reply(body=page(more="/services/data/v62.0/query/01g-1")))
    with pytest.raises(TransientCallError, match="on and on"):
        without_soap(session).holders(["A"])


def test_soap_is_tried_once_and_told_once(canned_org: Any, reply: Any, session: SalesforceSession) -> None:
    canned_org.answers(reply(403, [{"errorCode": "API_DISABLED_FOR_ORG", "message": "no"}]), path="Soap")
    canned_org.answers(reply(body=page({"Id": ONE, "Key__c": "A"})), path="query")
    told: list[None] = []
    soap_access = SoapAccess(on_refused=lambda: told.append(None))
    reader = OrgReader(session, sobject=LEAD, key_rule=KeyRule(KEY), soap_access=soap_access)
    assert [reader.holders(["A"]) for _ in range(3)] == [{"A": (ONE,)}] * 3
    assert (len(canned_org.sent_to("Soap")), len(told)) == (1, 1)


def test_another_refusal_of_soap_is_the_call_s(canned_org: Any, reply: Any, session: SalesforceSession) -> None:
    canned_org.answers(reply(403, [{"errorCode": "INSUFFICIENT_ACCESS", "message": "no"}]))
    with pytest.raises(PermissionRefusedError):
        OrgReader(session, sobject=LEAD, key_rule=KeyRule(KEY)).holders(["A"])
    assert canned_org.sent_to("query") == []


@pytest.mark.parametrize("status", [400, 500, 503, None], ids=str)
def test_no_error_shows_the_keys_that_a_url_carried(
    canned_org: Any, reply: Any, session: SalesforceSession, status: int | None
) -> None:
    canned_org.answers(reply(reset=True) if status is None else reply(status, b"<html>"))
    with pytest.raises(CallError) as raised:
        without_soap(session).holders(["jane.doe@example.com"])
    shown = f"{raised.value!r} {raised.value} {raised.value.own_words} {raised.value.__cause__!r}"
    assert "jane" not in shown
    assert set(session.calls_by_kind) == {"GET query"}
