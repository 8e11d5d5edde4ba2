"""Whatever a server answers, and however slowly: a call ends, within bounds, as an error of this package."""

from __future__ import annotations

import gzip
import json
import socket
import zlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import cache
from typing import Any

import pytest

from airflow_sf_dedup.core.keys import KeyRule
from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.sobjects import Field, SObject
from airflow_sf_dedup.errors import (
    CallError,
    LoginRefusedError,
    OutcomeUnknownError,
    RequestRefusedError,
    TransientCallError,
)
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.collections import CollectionsApi
from airflow_sf_dedup.salesforce.connecting.fields import from_parts
from airflow_sf_dedup.salesforce.http.bounded import MOST_BYTES, _BoundedResponse
from airflow_sf_dedup.salesforce.queries import FEWEST_PAGES
from airflow_sf_dedup.salesforce.reader import OrgReader
from airflow_sf_dedup.salesforce.soap_lookup import SoapUpsertLookup
from tests.salesforce.raw_server import RawServer, endless, http, slowly

KEY = Field("Key__c", "Key", "string", external_id=True, unique=True)
LEAD = SObject("Lead", (KEY, Field("Id", "Id", "id")))
RECORD = Record(1, "A", {"Key__c": "A"}, "0")
DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.fixture
def server() -> Iterator[RawServer]:
    server = RawServer()
    yield server
    server.close()


def session_at(url: str, **extra: Any) -> SalesforceSession:
    extra = {"access_token": "token", "instance_url": url, **extra}
    settings = from_parts("sf", "salesforce_dedup", None, None, None, extra)
    return SalesforceSession(settings, sleep=lambda seconds: None)


def packed(content: bytes, *, level: int = 9) -> bytes:
    return gzip.compress(content, compresslevel=level)


@cache
def bomb() -> bytes:
    """Unpacks to four times what an answer may be."""
    packing = zlib.compressobj(9, zlib.DEFLATED, 31)
    megabyte = b" " * (1 << 20)
    return b"".join(packing.compress(megabyte) for _ in range(4 * MOST_BYTES >> 20)) + packing.flush()


GZIP = "Content-Encoding: gzip"
CHUNKED = http(b"", "Transfer-Encoding: chunked", length=False)
UNREADABLE = "UNREADABLE_ANSWER"
BROKEN = "CONNECTION_BROKEN"

ANSWERS: dict[str, tuple[Callable[[], Any], str]] = {
    "nested 100,000 deep": (lambda: [http(DEEP)], UNREADABLE),
    "nested 100,000 deep, objects": (lambda: [http(b'{"a":' * 100_000)], UNREADABLE),
    "a number of 10,000 digits": (lambda: [http(b"[" + b"9" * 10_000 + b"]")], UNREADABLE),
    "gzip that unpacks to a lot": (lambda: [http(bomb(), GZIP)], UNREADABLE),
    "gzip that is none": (lambda: [http(b"{}", GZIP)], UNREADABLE),
    "gzip cut short": (lambda: [http(packed(b'{"a": 1}')[:-9], GZIP)], UNREADABLE),
    "gzip twice": (lambda: [http(packed(packed(b"{}")), "Content-Encoding: gzip, gzip")], UNREADABLE),
    "packed otherwise": (lambda: [http(b"\x0b\x01\x80{}\x03", "Content-Encoding: br")], UNREADABLE),
    "latin-1": (lambda: [http('{"a": "é"}'.encode("latin-1"), "Content-Type: application/json")], UNREADABLE),
    "a body without an end": (lambda: endless(http(b"", length=False), b"x" * 65_536), UNREADABLE),
    "chunks without an end": (lambda: endless(CHUNKED, b"10000\r\n" + b"x" * 65_536 + b"\r\n"), UNREADABLE),
    "a chunk of minus one": (lambda: endless(CHUNKED + b"-1\r\n", b"x" * 65_536), UNREADABLE),
    "a chunk of minus five": (lambda: [CHUNKED, b"-5\r\n" + b"x" * 100], BROKEN),
    "a chunk of no number": (lambda: [CHUNKED, b"many\r\n{}\r\n0\r\n\r\n"], BROKEN),
    "a chunk cut short": (lambda: [CHUNKED, b"10\r\n{}"], BROKEN),
    "an endless line before a chunk": (lambda: endless(CHUNKED + b"2;a=", b"x" * 65_536), BROKEN),
    "an endless line in the head": (lambda: endless(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 65_536), BROKEN),
    "a head without an end": (lambda: endless(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n" * 1000), BROKEN),
    "an interim answer": (lambda: [http(b"", status="103 Early Hints", length=False), http()], BROKEN),
    "no HTTP": (lambda: [b"SSH-2.0-OpenSSH_9.6\r\n"], BROKEN),
    "a status that is no number": (lambda: [http(status="ok OK")], BROKEN),
    "two lengths": (lambda: [http(b"{}", "Content-Length: 3")], BROKEN),
    "a length that is too large": (lambda: [http(b"{}", "Content-Length: 1000", length=False)], BROKEN),
    "nothing": (lambda: [b""], BROKEN),
    "a body byte by byte": (lambda: slowly(http(b"", length=False) + b" "), "READ_TIMEOUT"),
    "a long body byte by byte": (lambda: slowly(http(b"", "Content-Length: 5000", length=False)), "READ_TIMEOUT"),
    "chunks byte by byte": (lambda: slowly(CHUNKED + b"5\r\n    "), "READ_TIMEOUT"),
    "a head byte by byte": (lambda: slowly(b"HTTP/1.1 200 OK\r\nX: y"), "READ_TIMEOUT"),
}


@pytest.mark.parametrize(("answer", "code"), ANSWERS.values(), ids=ANSWERS.keys())
def test_a_write_that_is_answered_so_has_an_unknown_outcome(server, answer, code):
    server.answer = answer
    session = session_at(server.url, read_timeout=0.3 if code == "READ_TIMEOUT" else 60)
    with pytest.raises(OutcomeUnknownError) as raised:
        session.rest("POST", "composite", body={"a": 1}, repeatable=False, expects=dict)
    assert raised.value.code == code
    assert len(server.requests) == session.api_calls == 1


XML = {
    "an encoding that is none": '<?xml version="1.0" encoding="foo"?><Envelope></Envelope>',
    "an encoding of names": '<?xml version="1.0" encoding="idna"?><Envelope></Envelope>',
    "an encoding of several bytes": '<?xml version="1.0" encoding="hz"?><Envelope></Envelope>',
    "nested 100,000 deep": "<Envelope>" * 100_000 + "</Envelope>" * 100_000,
    "entities": '<!DOCTYPE a [<!ENTITY b "c">]><Envelope>&b;</Envelope>',
}


@pytest.mark.parametrize("text", XML.values(), ids=XML.keys())
def test_a_look_up_that_is_answered_so_has_an_unknown_outcome(server, text):
    server.answer = lambda: [http(text.encode())]
    lookup = SoapUpsertLookup(session_at(server.url), sobject=LEAD, external_id_field="Key__c", repeatable=False)
    try:
        outcomes = lookup.look_up([RECORD])
    except OutcomeUnknownError as error:
        assert error.code == UNREADABLE
    else:
        assert [type(outcome).__name__ for outcome in outcomes] == ["Unanswered"]
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "content", [DEEP, bomb()[:50_000], b"\xff\xfe", b"<a" * 10_000], ids=["deep", "odd", "utf", "xml"]
)
def test_a_refusal_that_nobody_can_read_is_known_by_its_status(server, content):
    server.answer = lambda: [http(content, status="400 Bad Request")]
    with pytest.raises(RequestRefusedError) as raised:
        session_at(server.url).rest("POST", "composite", body={})
    assert raised.value.status == 400
    assert len(str(raised.value)) < 100


@pytest.mark.parametrize(
    "content",
    [b'{"a": 1}', b'{"a": 1}' + b" " * 65_528, b'{"a": 1}' + b" " * 131_064, b'{"a": 1}' + b" " * 300_000],
    ids=["small", "a chunk", "two chunks", "more"],
)
@pytest.mark.parametrize("cut", [1, 2], ids=["in one member", "in two"])
def test_a_packed_answer_is_read_whole(server, content, cut):
    half = len(content) // cut
    server.answer = lambda: [http(packed(content[:half]) + (packed(content[half:]) if cut == 2 else b""), GZIP)]
    assert session_at(server.url).rest("GET", "limits") == {"a": 1}


def test_a_slow_answer_that_ends_in_time_is_read(server):
    server.answer = lambda: (piece for piece, _ in zip(slowly(http(b'{"a": 1}'), 0.001), range(47), strict=False))
    assert session_at(server.url).rest("GET", "limits") == {"a": 1}


def test_a_connection_serves_many_calls(server):
    server.keeps_open = True
    server.answer = lambda: [http(packed(b"{}"), GZIP)]
    session = session_at(server.url)
    for _ in range(3):
        session.rest("GET", "limits")
    session.close()
    assert (len(server.requests), server.connections) == (3, 1)


def test_what_one_answer_left_of_its_time_is_nothing_to_the_next_request():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(30)
        theirs.sendall(http(b"{}"))
        response = _BoundedResponse(ours)
        response.fp.raw._ends -= 50
        response.begin()
        assert (ours.gettimeout() or 0) < 30
        assert response.read() == b"{}"
        assert ours.gettimeout() == 30


LIMITS = [
    "api-usage=" + "9" * 5000 + "/1",
    "api-usage=1/" + "9" * 5000,
    "api-usage=/",
    "api-usage=-1/5",
    "\xe9",
    "x" * 60_000,
]


@pytest.mark.parametrize("told", LIMITS, ids=["much used", "much left", "empty", "negative", "latin", "long"])
def test_an_absurd_limit_is_none_and_no_reason_to_lose_an_answer(server, told):
    server.answer = lambda: [http(b'{"a": 1}', f"Sforce-Limit-Info: {told}")]
    session = session_at(server.url)
    assert session.rest("POST", "composite", body={}, repeatable=False) == {"a": 1}
    assert session.limit_info is None


@pytest.mark.parametrize("date", ["Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 1900 00:00:00 GMT", "x" * 5000, "1"])
def test_an_absurd_time_of_the_org_is_none(server, date):
    server.answer = lambda: [http(b"{}", f"Date: {date}")]
    session = session_at(server.url)
    session.rest("GET", "limits")
    assert session.org_now() is None


@pytest.mark.parametrize(
    "told", ["9" * 400, "\u0665", "Fri, 31 Dec 9999 23:59:59 GMT"], ids=["long", "foreign", "late"]
)
def test_a_retry_after_is_a_number_of_seconds_that_a_calendar_has(canned_org, reply, told):
    canned_org.answers(reply(503, "", {"Retry-After": told.encode("utf-8").decode("latin-1")}))
    with pytest.raises(CallError) as raised:
        session_at(canned_org.url).rest("GET", "limits")
    assert timedelta(seconds=raised.value.retry_after or 0) <= timedelta(days=7)


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("depth", [500, 880, 940])
@pytest.mark.parametrize("member", ["message", "statusCode", "fields"])
def test_a_row_whose_error_is_deeply_nested_has_its_outcome(canned_org, reply, depth, member):
    row = {"success": False, "errors": [{"statusCode": "X", "message": "m", member: nested(depth)}]}
    answer = {"compositeResponse": [{"referenceId": "chunk0", "httpStatusCode": 200, "body": [row]}]}
    canned_org.answers(reply(200, answer))
    api = CollectionsApi(session_at(canned_org.url), sobject="Lead", external_id_field="Key__c", repeatable=False)
    try:
        (rows,) = api.upsert([[RECORD]])
    except OutcomeUnknownError as error:
        assert error.code == UNREADABLE
    else:
        assert [type(each).__name__ for each in rows] == ["Failed"]


# -- before anything is sent --------------------------------------------------------------------------------


def test_a_handshake_that_fails_means_surely_not_sent(server):
    server.answer = lambda: [b"HTTP/1.1 400 Bad Request\r\n\r\n"]
    session = session_at(server.url.replace("http://", "https://"))
    with pytest.raises(TransientCallError) as raised:
        session.rest("POST", "composite", body={}, repeatable=False)
    assert type(raised.value) is TransientCallError
    assert raised.value.code == "CONNECT_FAILED"
    assert session.api_calls == 0


@pytest.mark.parametrize("header", ["a\nb", "\u20ac", " \n"], ids=["line break", "outside latin-1", "folded"])
def test_a_header_that_cannot_be_sent_refuses_the_call_and_no_row(canned_org, header):
    session = session_at(canned_org.url)
    with pytest.raises(CallError) as raised:
        session.rest("POST", "composite", body={}, headers={"X-Own": header})
    assert raised.value.code == "UNSENDABLE"
    assert not raised.value.in_doubt
    assert canned_org.requests == []


def test_an_envelope_that_cannot_be_built_is_refused_without_showing_it(canned_org):
    with pytest.raises(RequestRefusedError) as raised:
        session_at(canned_org.url).soap(lambda token: "hidden\ud800".encode())
    assert raised.value.code == "UNWRITABLE_BODY"
    assert "hidden" not in str(raised.value)
    assert canned_org.requests == []


# -- queries that do not end ---------------------------------------------------------------------------------


def page(number: int | str) -> bytes:
    record_id = to_18("00Q000000000001")
    return (
        "<Envelope><Body><queryResponse><result><done>false</done>"
        f"<queryLocator>locator-{number}</queryLocator><records><Id>{record_id}</Id><Key__c>A</Key__c></records>"
        "</result></queryResponse></Body></Envelope>"
    ).encode()


READS: dict[str, Callable[[OrgReader], Any]] = {
    "holders": lambda reader: reader.holders(["A"]),
    "deleted holders": lambda reader: reader.deleted_holders(["A"]),
    "by id": lambda reader: reader.by_id("Lead", [to_18("00Q000000000002")], ["Id"]),
}


@pytest.mark.parametrize("repeats", [True, False], ids=["the same locator", "always another"])
@pytest.mark.parametrize("read", READS.values(), ids=READS.keys())
def test_a_query_that_leads_on_for_ever_ends(server, read, repeats):
    numbers = iter(range(1_000_000))

    def answer() -> list[bytes]:
        if b"/sobjects/" in server.requests[-1]:
            return [http(b"[null]")]
        return [http(page("x" if repeats else next(numbers)))]

    server.answer = answer
    reader = OrgReader(session_at(server.url), sobject=LEAD, key_rule=KeyRule(KEY))
    with pytest.raises(TransientCallError) as raised:
        read(reader)
    assert raised.value.code == "ENDLESS_QUERY"
    assert len(server.requests) <= (3 if repeats else FEWEST_PAGES + 2)


# -- logins ----------------------------------------------------------------------------------------------------

GRANT = {"instance_url": "https://acme.my.salesforce.com", "id": "https://x/id/00D5g000004XXXXEA4/0055g00000AAAAAAAA"}
LOGINS: dict[str, tuple[Callable[[], Any], type[CallError]]] = {
    "nested deep": (lambda: [http(DEEP)], LoginRefusedError),
    "gzip that unpacks to a lot": (lambda: [http(bomb(), GZIP)], TransientCallError),
    "byte by byte": (lambda: slowly(http(b"", length=False) + b" "), TransientCallError),
    "no URL": (
        lambda: [http(json.dumps({**GRANT, "access_token": "t", "instance_url": "https://[bad"}).encode())],
        LoginRefusedError,
    ),
    "a token of other letters": (
        lambda: [http(json.dumps({**GRANT, "access_token": "t\u20ac"}).encode())],
        LoginRefusedError,
    ),
    "a token with a line break": (
        lambda: [http(json.dumps({**GRANT, "access_token": "t\r\nX: y"}).encode())],
        LoginRefusedError,
    ),
    "an endless refusal": (
        lambda: endless(http(b"", status="400 No", length=False), b"x" * 65_536),
        TransientCallError,
    ),
    "xml in an encoding that is none": (lambda: [http(XML["an encoding that is none"].encode())], LoginRefusedError),
}


@pytest.mark.parametrize(("answer", "error"), LOGINS.values(), ids=LOGINS.keys())
def test_a_login_that_is_answered_so_fails_and_nothing_was_sent(server, answer, error):
    server.answer = answer
    extra = {"consumer_key": "k", "consumer_secret": "s", "domain": "acme.my", "loopback_org": server.url}
    settings = from_parts(
        "sf",
        "salesforce_dedup",
        None,
        None,
        None,
        {**extra, "read_timeout": 0.3 if answer is LOGINS["byte by byte"][0] else 60},
    )
    session = SalesforceSession(settings, sleep=lambda seconds: None, attempts=2)
    with pytest.raises(error) as raised:
        session.rest("POST", "composite", body={}, repeatable=False)
    assert not isinstance(raised.value, OutcomeUnknownError)
    assert not any(b"composite" in request for request in server.requests)
    assert session.api_calls == 0
