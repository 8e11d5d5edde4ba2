"""What one call sends, returns and raises."""

import gzip
from decimal import Decimal
from pathlib import Path

import pytest

from airflow_sf_dedup.errors import (
    CallError,
    LimitReachedError,
    LoginRefusedError,
    OutcomeUnknownError,
    PermissionRefusedError,
    RequestRefusedError,
    SettingError,
    TransientCallError,
)
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.connecting.fields import from_parts

FAULT = (
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:sf="urn:fault.partner.soap.sforce.com"><soapenv:Body><soapenv:Fault>'
    "<faultcode>sf:{code}</faultcode><faultstring>{code}: {message}</faultstring>"
    "<detail><sf:UnexpectedErrorFault><sf:exceptionCode>{code}</sf:exceptionCode>"
    "<sf:exceptionMessage>{message}</sf:exceptionMessage></sf:UnexpectedErrorFault></detail>"
    "</soapenv:Fault></soapenv:Body></soapenv:Envelope>"
)
ENVELOPE = '<?xml version="1.0"?><soapenv:Envelope xmlns:soapenv="x"><soapenv:Body/></soapenv:Envelope>'


def fault(code: str, message: str = "text") -> str:
    return FAULT.format(code=code, message=message)


@pytest.fixture
def session(canned_org):
    return SalesforceSession(settings(canned_org.url), sleep=lambda seconds: None, attempts=1)


def settings(url, **extra):
    return from_parts(
        "sf", "salesforce_dedup", None, None, None, {"access_token": "token", "instance_url": url, **extra}
    )


def envelope(token: str) -> bytes:
    return f"<Envelope><sessionId>{token}</sessionId></Envelope>".encode()


def test_a_rest_call_sends_json_below_the_api_version_and_returns_what_is_answered(session, canned_org, reply):
    canned_org.answers(reply(201, {"id": "x", "size": 12345678901234567890}))
    answer = session.rest(
        "post", "composite", body={"rows": [1, None, "é", Decimal("1.50")]}, headers={"Sforce-Auto-Assign": "FALSE"}
    )
    sent = canned_org.requests[0]
    assert answer == {"id": "x", "size": 12345678901234567890}
    assert (sent.method, sent.path) == ("POST", "/services/data/v62.0/composite")
    assert sent.body == '{"rows":[1,null,"é",1.50]}'.encode()
    assert sent.headers["authorization"] == "Bearer token"
    assert sent.headers["sforce-auto-assign"] == "FALSE"
    assert sent.headers["content-type"].startswith("application/json")
    assert sent.headers["user-agent"].startswith("airflow-provider-sf-dedup/")


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("limits", "/services/data/v62.0/limits"),
        ("/sobjects/Lead/describe", "/services/data/v62.0/sobjects/Lead/describe"),
        ("/services/data/v62.0/query/01g-2000", "/services/data/v62.0/query/01g-2000"),
        ("query?q=SELECT%20Id", "/services/data/v62.0/query?q=SELECT%20Id"),
        ("sobjects/Lead/Key__c/a%2Fb%3F%23", "/services/data/v62.0/sobjects/Lead/Key__c/a%2Fb%3F%23"),
    ],
    ids=["relative", "leading slash", "absolute", "with a query", "key with delimiters"],
)
def test_a_path_is_sent_as_it_stands(session, canned_org, path, sent):
    session.rest("GET", path)
    assert canned_org.requests[0].path == sent


def test_a_whole_url_is_refused_so_that_no_token_leaves_for_another_host(session, canned_org):
    with pytest.raises(SettingError):
        session.rest("GET", "https://elsewhere.example/services/data")
    assert canned_org.requests == []


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"status": 204}, None),
        ({"status": 200, "body": ""}, None),
        ({"status": 300, "body": ["/services/data/v62.0/sobjects/Lead/1"]}, ["/services/data/v62.0/sobjects/Lead/1"]),
        (
            {"body": gzip.compress(b'{"a": 1}'), "headers": {"Content-Encoding": "gzip"}},
            {"a": 1},
        ),
    ],
    ids=["no content", "empty", "several records hold the key", "compressed"],
)
def test_answers_that_are_no_plain_object_are_read(session, canned_org, reply, answer, expected):
    canned_org.answers(reply(**answer))
    assert session.rest("PATCH", "sobjects/Lead/Key__c/1", body={}) == expected


REFUSALS = {
    "list": (400, [{"errorCode": "JSON_PARSER_ERROR", "message": "no date"}], RequestRefusedError, "JSON_PARSER_ERROR"),
    "bare object": (404, {"errorCode": "NOT_FOUND", "message": "no resource"}, RequestRefusedError, "NOT_FOUND"),
    "unknown code": (400, [{"errorCode": "BRAND_NEW", "message": "?"}], RequestRefusedError, "BRAND_NEW"),
    "locked": (400, [{"errorCode": "UNABLE_TO_LOCK_ROW", "message": "held"}], TransientCallError, "UNABLE_TO_LOCK_ROW"),
    "daily limit": (
        403,
        [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."}],
        LimitReachedError,
        "REQUEST_LIMIT_EXCEEDED",
    ),
    "concurrent limit": (
        403,
        [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "ConcurrentRequests (Concurrent API) Limit exceeded."}],
        TransientCallError,
        "REQUEST_LIMIT_EXCEEDED",
    ),
    "permission": (
        403,
        [{"errorCode": "INSUFFICIENT_ACCESS", "message": "no"}],
        PermissionRefusedError,
        "INSUFFICIENT_ACCESS",
    ),
    "forbidden page": (403, "<html>Forbidden</html>", PermissionRefusedError, "HTTP_403"),
    "busy": (503, [{"errorCode": "SERVER_UNAVAILABLE", "message": "busy"}], OutcomeUnknownError, "SERVER_UNAVAILABLE"),
    "page of html": (502, "<html><body>Bad<br>gateway</body></html>", OutcomeUnknownError, "HTTP_5XX"),
    "empty": (500, "", OutcomeUnknownError, "HTTP_5XX"),
    "edge": (420, "", TransientCallError, "HTTP_420"),
    "too many": (429, "", TransientCallError, "HTTP_429"),
    "moved": (302, "", RequestRefusedError, "REDIRECTED"),
    "html for json": (200, "<html>maintenance</html>", OutcomeUnknownError, "UNREADABLE_ANSWER"),
    "cut short": (200, '{"compositeResponse": [', OutcomeUnknownError, "UNREADABLE_ANSWER"),
    "expired": (
        401,
        [{"errorCode": "INVALID_SESSION_ID", "message": "expired"}],
        LoginRefusedError,
        "INVALID_SESSION_ID",
    ),
    "expired, no body": (401, "", LoginRefusedError, "HTTP_401"),
}


@pytest.mark.parametrize(("status", "body", "error", "code"), REFUSALS.values(), ids=REFUSALS.keys())
def test_a_refusal_is_raised_as_what_the_caller_can_do_about_it(session, canned_org, reply, status, body, error, code):
    canned_org.answers(reply(status, body))
    with pytest.raises(error) as raised:
        session.rest("POST", "composite", body={})
    assert type(raised.value) is error
    assert (raised.value.code, raised.value.status) == (code, status)


FAULTS = {
    "busy": (500, fault("SERVER_UNAVAILABLE"), OutcomeUnknownError, "SERVER_UNAVAILABLE"),
    "limit": (500, fault("REQUEST_LIMIT_EXCEEDED", "TotalRequests"), LimitReachedError, "REQUEST_LIMIT_EXCEEDED"),
    "unknown code": (500, fault("BRAND_NEW"), RequestRefusedError, "BRAND_NEW"),
    "expired": (500, fault("INVALID_SESSION_ID"), LoginRefusedError, "INVALID_SESSION_ID"),
    "too large": (500, fault("EXCEEDED_MAX_SIZE_REQUEST"), RequestRefusedError, "EXCEEDED_MAX_SIZE_REQUEST"),
    "page of html": (503, "<html><body>Sorry<br></body></html>", OutcomeUnknownError, "HTTP_5XX"),
    "entities": (
        500,
        '<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>',
        OutcomeUnknownError,
        "HTTP_5XX",
    ),
    "not an envelope": (200, "<html>maintenance</html>", OutcomeUnknownError, "UNREADABLE_ANSWER"),
    "cut short": (200, ENVELOPE[:-5], OutcomeUnknownError, "UNREADABLE_ANSWER"),
}


@pytest.mark.parametrize(("status", "body", "error", "code"), FAULTS.values(), ids=FAULTS.keys())
def test_a_soap_fault_is_raised_as_the_same_errors(session, canned_org, reply, status, body, error, code):
    canned_org.answers(reply(status, body, {"Content-Type": "text/xml"}))
    with pytest.raises(error) as raised:
        session.soap(envelope, action="upsert")
    assert type(raised.value) is error
    assert raised.value.code == code


def test_a_soap_call_posts_the_envelope_around_the_token_and_returns_the_answer(session, canned_org, reply):
    canned_org.answers(reply(200, ENVELOPE, {"Content-Type": "text/xml"}))
    assert session.soap(envelope, action="upsert") == ENVELOPE.encode()
    sent = canned_org.requests[0]
    assert (sent.method, sent.path) == ("POST", "/services/Soap/u/62.0")
    assert sent.body == envelope("token")
    assert sent.headers["content-type"] == "text/xml; charset=UTF-8"
    assert sent.headers["soapaction"] == '"upsert"'


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
    ids=["seconds", "past date", "nonsense", "absent"],
)
def test_retry_after_is_told_in_seconds(canned_org, reply, header, seconds):
    canned_org.answers(reply(503, "", header))
    session = SalesforceSession(settings(canned_org.url), attempts=1, now=lambda: 100.0)
    with pytest.raises(OutcomeUnknownError) as raised:
        session.rest("GET", "limits")
    assert raised.value.retry_after == seconds


def test_a_long_message_is_cut_because_it_may_repeat_the_value_it_refuses(session, canned_org, reply):
    canned_org.answers(reply(400, [{"errorCode": "INVALID_FIELD", "message": "x" * 100_000}]))
    with pytest.raises(RequestRefusedError) as raised:
        session.rest("POST", "composite", body={})
    assert len(str(raised.value)) < 600


def test_a_body_that_json_cannot_hold_is_refused_without_showing_it(session, canned_org):
    with pytest.raises(RequestRefusedError) as raised:
        session.rest("POST", "composite", body={"LastName": "secret\ud800"})
    assert "secret" not in str(raised.value)
    assert canned_org.requests == []


def test_calls_are_counted_by_kind_and_free_ones_are_not(session, canned_org, reply):
    canned_org.answers(reply(200, ENVELOPE), path="/Soap/")
    session.rest("POST", "composite", body={})
    session.rest("POST", "composite/sobjects/Lead", body={})
    session.rest("PATCH", "sobjects/Lead/Key__c/private-key", body={})
    session.rest("GET", "sobjects/Lead/describe")
    session.rest("GET", "/services/data")
    session.rest("GET", "/services/oauth2/userinfo")
    session.soap(envelope, action="upsert")
    assert session.api_calls == 5
    assert session.calls_by_kind == {
        "POST composite": 1,
        "POST composite/sobjects": 1,
        "PATCH sobjects": 1,
        "GET describe": 1,
        "soap upsert": 1,
    }


def test_the_last_limit_info_is_kept_also_that_of_a_refusal(session, canned_org, reply):
    assert session.limit_info is None
    canned_org.answers(
        reply(200, {}, {"Sforce-Limit-Info": "api-usage=18/5000; per-app-api-usage=17/250(appName=x)"}),
        reply(400, [{"errorCode": "INVALID_FIELD"}], {"Sforce-Limit-Info": "api-usage=19/5000"}),
    )
    session.rest("GET", "limits")
    assert (session.limit_info.used, session.limit_info.allowed) == (18, 5000)
    with pytest.raises(RequestRefusedError):
        session.rest("GET", "limits")
    assert session.limit_info.used == 19


def test_a_netrc_entry_for_the_host_does_not_replace_the_token(session, canned_org, tmp_path, monkeypatch):
    netrc = Path(tmp_path / "netrc")
    netrc.write_text("machine 127.0.0.1 login someone password else")
    monkeypatch.setenv("NETRC", str(netrc))
    session.rest("GET", "limits")
    assert canned_org.requests[0].headers["authorization"] == "Bearer token"


def test_cookies_are_not_carried_from_call_to_call(session, canned_org, reply):
    canned_org.answers(reply(200, {}, {"Set-Cookie": "BrowserId=1"}))
    session.rest("GET", "limits")
    session.rest("GET", "limits")
    assert "cookie" not in canned_org.requests[1].headers


def test_a_client_name_is_sent_when_the_connection_has_one(canned_org):
    SalesforceSession(settings(canned_org.url, client_id="loads")).rest("GET", "limits")
    assert canned_org.requests[0].headers["sforce-call-options"] == "client=loads"


def test_simple_salesforce_works_on_the_token_of_the_session_even_with_a_plain_http_org(session, canned_org, reply):
    canned_org.answers(reply(200, {"totalSize": 0, "done": True, "records": []}), path="/query")
    assert session.simple_salesforce().query("SELECT Id FROM Lead")["done"] is True
    sent = canned_org.requests[-1]
    assert sent.path == "/services/data/v62.0/query/?q=SELECT+Id+FROM+Lead"
    assert sent.headers["authorization"] == "Bearer token"
    assert session.calls_by_kind == {"GET query": 1}


@pytest.mark.parametrize("member", ["errorCode", "message"])
@pytest.mark.parametrize("status", [400, 401, 403, 500, 503])
def test_what_an_org_says_of_a_call_is_bounded_and_printable(session, canned_org, reply, member, status):
    loud = "\x1b]0;owned\x07\x9b2J\u202e\n" + "X" * 3_000_000
    canned_org.answers(reply(status, [{"errorCode": "X", "message": "m", member: loud}]))
    with pytest.raises(CallError) as raised:
        session.rest("POST", "composite", body={})
    assert len(str(raised.value)) + len(raised.value.code) < 1000
    assert str(raised.value).isprintable()
    assert raised.value.code.isprintable()
