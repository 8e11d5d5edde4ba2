"""When a call is sent again, and when never."""

import socket
import time
from email.utils import formatdate

import pytest
from tenacity import wait_none

from airflow_sf_dedup.errors import (
    CallError,
    LimitReachedError,
    OutcomeUnknownError,
    RequestRefusedError,
    SettingError,
    TransientCallError,
)
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.connecting.fields import from_parts


@pytest.fixture
def waits():
    return []


@pytest.fixture
def session_at(waits):
    def make(url, **extra):
        extra = {"access_token": "token", "instance_url": url, **extra}
        settings = from_parts("sf", "salesforce_dedup", None, None, None, extra)
        return SalesforceSession(settings, sleep=waits.append)

    return make


@pytest.fixture
def unused_url():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{holder.getsockname()[1]}"


def busy(reply, **headers):
    return reply(503, [{"errorCode": "SERVER_UNAVAILABLE", "message": "busy"}], headers)


def locked(reply):
    return reply(400, [{"errorCode": "UNABLE_TO_LOCK_ROW", "message": "held"}])


def test_a_call_that_failed_for_a_passing_reason_is_sent_again_and_counted_each_time(
    session_at, canned_org, reply, waits
):
    canned_org.answers(busy(reply), locked(reply), reply(200, {"done": True}))
    session = session_at(canned_org.url)
    assert session.rest("POST", "composite", body={"a": 1}) == {"done": True}
    assert [seen.json for seen in canned_org.requests] == [{"a": 1}] * 3
    assert session.calls_by_kind == {"POST composite": 3}
    assert 1 <= waits[0] <= 2
    assert 2 <= waits[1] <= 3


def test_a_call_is_given_up_after_a_few_tries(session_at, canned_org, reply, waits):
    canned_org.answers(busy(reply))
    with pytest.raises(OutcomeUnknownError) as raised:
        session_at(canned_org.url).rest("GET", "limits")
    assert len(canned_org.requests) == 4
    assert len(waits) == 3
    assert raised.value.__cause__ is None


def test_tries_and_waits_are_parameters(canned_org, reply, waits):
    canned_org.answers(locked(reply))
    settings = from_parts(
        "sf", "salesforce_dedup", None, None, None, {"access_token": "t", "instance_url": canned_org.url}
    )
    with pytest.raises(TransientCallError):
        SalesforceSession(settings, sleep=waits.append, attempts=2, wait=wait_none()).rest("GET", "limits")
    assert waits == [0.0]


@pytest.mark.parametrize(
    "refusal",
    [
        {"status": 400, "body": [{"errorCode": "JSON_PARSER_ERROR", "message": "no date"}]},
        {"status": 403, "body": [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests"}]},
        {"status": 404, "body": ""},
    ],
    ids=["malformed", "daily limit", "no such resource"],
)
def test_what_will_not_pass_is_sent_once(session_at, canned_org, reply, refusal):
    canned_org.answers(reply(**refusal))
    with pytest.raises((RequestRefusedError, LimitReachedError)):
        session_at(canned_org.url).rest("GET", "limits")
    assert len(canned_org.requests) == 1


def test_retry_after_is_waited_for(session_at, canned_org, reply, waits):
    canned_org.answers(busy(reply, **{"Retry-After": "30"}), reply(200, {}))
    session_at(canned_org.url).rest("GET", "limits")
    assert waits == [30.0]


def test_a_long_retry_after_is_left_to_the_caller(session_at, canned_org, reply, waits):
    canned_org.answers(busy(reply, **{"Retry-After": "3600"}))
    with pytest.raises(OutcomeUnknownError) as raised:
        session_at(canned_org.url).rest("GET", "limits")
    assert raised.value.retry_after == 3600.0
    assert waits == []


UNKNOWN = {
    "time-out after it was sent": ({"delay": 0.5}, "READ_TIMEOUT"),
    "reset": ({"reset": True}, "CONNECTION_BROKEN"),
    "server error": ({"status": 500}, "HTTP_5XX"),
    "html instead of json": ({"body": "<html/>"}, "UNREADABLE_ANSWER"),
    "truncated": ({"body": {"a": 1}, "missing_bytes": 50}, "CONNECTION_BROKEN"),
}


@pytest.mark.parametrize(("answer", "code"), UNKNOWN.values(), ids=UNKNOWN.keys())
def test_a_call_that_must_not_be_repeated_is_sent_once_when_it_may_have_been_carried_out(
    session_at, canned_org, reply, waits, answer, code
):
    canned_org.answers(reply(**answer))
    session = session_at(canned_org.url, read_timeout=0.2)
    with pytest.raises(OutcomeUnknownError) as raised:
        session.rest("POST", "composite", body={}, repeatable=False)
    assert raised.value.code == code
    assert len(canned_org.requests) == session.api_calls == 1
    assert waits == []


@pytest.mark.parametrize(("answer", "code"), UNKNOWN.values(), ids=UNKNOWN.keys())
def test_a_repeatable_call_of_unknown_outcome_is_repeated_and_its_sender_told(
    session_at, canned_org, reply, answer, code
):
    told = []
    canned_org.answers(reply(**answer), reply(200, {"done": True}))
    session = session_at(canned_org.url, read_timeout=0.2)
    assert session.rest("POST", "composite", body={}, on_retry=told.append) == {"done": True}
    assert [error.code for error in told] == [code]


def test_a_refused_try_is_repeated_even_if_the_call_must_not_be_carried_out_twice(session_at, canned_org, reply):
    canned_org.answers(locked(reply), reply(200, {"done": True}))
    assert session_at(canned_org.url).rest("POST", "composite", body={}, repeatable=False) == {"done": True}


def test_no_connection_means_surely_not_sent(session_at, unused_url, waits):
    session = session_at(unused_url)
    with pytest.raises(TransientCallError) as raised:
        session.rest("POST", "composite", body={}, repeatable=False)
    assert type(raised.value) is TransientCallError
    assert raised.value.code == "CONNECT_FAILED"
    assert len(waits) == 3
    assert session.api_calls == 0


def test_once_a_try_may_have_been_carried_out_the_call_may_whatever_a_later_try_says(session_at, canned_org, reply):
    canned_org.answers(reply(reset=True), locked(reply))
    with pytest.raises(OutcomeUnknownError) as raised:
        session_at(canned_org.url).rest("POST", "composite", body={})
    assert raised.value.code == "CONNECTION_BROKEN"
    assert "UNABLE_TO_LOCK_ROW" in str(raised.value)


def test_a_certificate_that_is_not_trusted_is_a_matter_of_the_connection(session_at, waits, tls_url):
    with pytest.raises(SettingError) as raised:
        session_at(tls_url).rest("GET", "limits")
    assert raised.value.setting == "ca_bundle"
    assert waits == []


@pytest.mark.parametrize("path", ["/no/such.pem", "x" * 5000, "a\0b"], ids=["missing", "name too long", "NUL"])
def test_a_ca_bundle_that_is_no_file_is_named(session_at, tls_url, path):
    with pytest.raises(SettingError, match="is not a file") as raised:
        session_at(tls_url, ca_bundle=path).rest("GET", "limits")
    assert raised.value.setting == "ca_bundle"


def test_a_certificate_of_the_ca_bundle_is_trusted_whatever_the_environment_says(
    session_at, tls_url, ca_bundle, monkeypatch, tmp_path
):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing.pem"))
    assert session_at(tls_url, ca_bundle=ca_bundle).rest("GET", "limits") == {}


@pytest.mark.parametrize("answer", [{"delay": 1.5}, {"body": b"{", "stalls": True}], ids=["no answer", "amid it"])
def test_a_time_out_is_left_to_a_caller_that_will_send_less(session_at, canned_org, reply, waits, answer):
    session = session_at(canned_org.url, read_timeout=0.6)
    for call in (
        lambda: session.rest("POST", "composite", body={}, retry_timeouts=False),
        lambda: session.soap(lambda token: b"", retry_timeouts=False),
    ):
        canned_org.answers(reply(**answer), reply(200, {}))
        with pytest.raises(OutcomeUnknownError) as raised:
            call()
        assert raised.value.code == "READ_TIMEOUT"
    assert len(canned_org.requests) == 2
    assert waits == []


def test_without_repeated_time_outs_other_unknown_outcomes_are_repeated(session_at, canned_org, reply):
    canned_org.answers(reply(reset=True), reply(200, {"done": True}))
    session = session_at(canned_org.url)
    assert session.rest("POST", "composite", body={}, retry_timeouts=False) == {"done": True}


def crowded(reply, **headers):
    refusal = {"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "ConcurrentRequests Limit exceeded."}
    return reply(403, [refusal], headers)


def test_too_many_calls_at_the_same_time_are_waited_for_longer(session_at, canned_org, reply, waits):
    canned_org.answers(crowded(reply))
    with pytest.raises(TransientCallError) as raised:
        session_at(canned_org.url).rest("GET", "limits")
    assert type(raised.value) is TransientCallError
    assert 5 <= waits[0] <= 10
    assert 10 <= waits[1] <= 15
    assert 20 <= waits[2] <= 25


def test_a_retry_after_that_is_a_date_is_one_of_the_orgs_clock(canned_org, reply, waits):
    """The answer's own Date shows that clock; this machine may be hours off."""
    extra = {"access_token": "token", "instance_url": canned_org.url}
    settings = from_parts("sf", "salesforce_dedup", None, None, None, extra)
    long_ago = SalesforceSession(settings, sleep=waits.append, now=lambda: 0.0)
    canned_org.answers(crowded(reply, **{"Retry-After": formatdate(time.time() + 50, usegmt=True)}), reply(200, {}))
    long_ago.rest("GET", "limits")
    assert 45 <= waits[0] <= 51
    canned_org.answers(crowded(reply, **{"Retry-After": formatdate(time.time() + 3600, usegmt=True)}))
    with pytest.raises(TransientCallError) as raised:
        long_ago.rest("GET", "limits")
    assert 3595 <= raised.value.retry_after <= 3601
    assert len(waits) == 1


def test_the_daily_limit_hands_on_when_it_ends(session_at, canned_org, reply, waits):
    refusal = {"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."}
    canned_org.answers(reply(403, [refusal], {"Retry-After": "30"}))
    with pytest.raises(LimitReachedError) as raised:
        session_at(canned_org.url).rest("GET", "limits")
    assert raised.value.retry_after == 30.0
    assert len(canned_org.requests) == 1
    assert waits == []


@pytest.mark.parametrize(
    ("body", "expects"),
    [("", dict), ("[]", dict), ("null", dict), ("5", dict), ("{}", list), ('"x"', list), ("", list)],
)
@pytest.mark.parametrize("repeatable", [True, False])
def test_an_answer_of_another_type_than_expected_says_nothing(session_at, canned_org, reply, body, expects, repeatable):
    canned_org.answers(reply(200, body))
    with pytest.raises(OutcomeUnknownError) as raised:
        session_at(canned_org.url).rest("POST", "composite", body={}, expects=expects, repeatable=repeatable)
    assert raised.value.code == "UNREADABLE_ANSWER"
    assert len(canned_org.requests) == (4 if repeatable else 1)


LATER_REFUSALS = {
    "permission": {"status": 403, "body": [{"errorCode": "API_DISABLED_FOR_ORG", "message": "no"}]},
    "login": {"status": 401, "body": [{"errorCode": "INVALID_SESSION_ID", "message": "no"}]},
    "limit": {"status": 403, "body": [{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests"}]},
}


@pytest.mark.parametrize("refusal", LATER_REFUSALS.values(), ids=LATER_REFUSALS.keys())
def test_a_later_refusal_does_not_tell_that_an_earlier_try_was_not_carried_out(session_at, canned_org, reply, refusal):
    canned_org.answers(reply(reset=True), reply(**refusal))
    with pytest.raises(OutcomeUnknownError) as raised:
        session_at(canned_org.url).rest("POST", "composite", body={})
    assert raised.value.code == "CONNECTION_BROKEN"
    assert isinstance(raised.value.__cause__, CallError)
    assert len(canned_org.requests) == 2


def test_a_request_that_is_refused_for_what_it_says_was_not_carried_out_before(session_at, canned_org, reply):
    canned_org.answers(reply(reset=True), reply(400, [{"errorCode": "JSON_PARSER_ERROR", "message": "no date"}]))
    with pytest.raises(RequestRefusedError):
        session_at(canned_org.url).rest("POST", "composite", body={})


@pytest.mark.parametrize("status", [201, 202, 204])
def test_a_soap_call_that_succeeds_without_an_envelope_may_have_been_carried_out(session_at, canned_org, reply, status):
    canned_org.answers(reply(status, ""))
    with pytest.raises(OutcomeUnknownError) as raised:
        session_at(canned_org.url).soap(lambda token: b"", repeatable=False)
    assert raised.value.code == "UNREADABLE_ANSWER"


def test_a_retry_after_that_no_calendar_has_is_none(session_at, canned_org, reply, waits):
    canned_org.answers(busy(reply, **{"Retry-After": "Sat, 01 Jan 9999999999 00:00:00 GMT"}), reply(200, {}))
    assert session_at(canned_org.url).rest("GET", "limits") == {}
    assert len(waits) == 1


def test_an_answer_whose_headers_contradict_each_other_leaves_open_what_became_of_the_call(
    session_at, canned_org, reply
):
    canned_org.answers(reply(200, {"done": True}, {"Content-Length": "9"}))
    with pytest.raises(OutcomeUnknownError) as raised:
        session_at(canned_org.url).rest("POST", "composite", body={}, repeatable=False)
    assert raised.value.code == "CONNECTION_BROKEN"


def test_half_of_a_surrogate_pair_is_no_reason_to_lose_an_answer(session_at, canned_org, reply):
    canned_org.answers(reply(200, b'{"message": "cut \\ud83d"}'))
    assert session_at(canned_org.url).rest("GET", "limits") == {"message": "cut \ud83d"}
