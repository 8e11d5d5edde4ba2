"""One login for all threads, renewed once when it has expired."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.errors import LoginRefusedError, TransientCallError
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.connecting.fields import from_parts

TOKEN_PATH = "/services/oauth2/token"
EXPIRED = [{"errorCode": "INVALID_SESSION_ID", "message": "Session expired or invalid"}]
CREDENTIALS = {"consumer_key": "key", "consumer_secret": "hidden-secret", "domain": "acme.my"}


@pytest.fixture
def session(canned_org):
    settings = from_parts("sf", "salesforce_dedup", None, None, None, {**CREDENTIALS, "loopback_org": canned_org.url})
    return SalesforceSession(settings, sleep=lambda seconds: None)


@pytest.fixture
def grant(canned_org, reply):
    """A token answer."""
    return lambda token: reply(
        200,
        {
            "access_token": token,
            "instance_url": canned_org.url,
            "id": "https://login.salesforce.com/id/00D5g000004XXXXEA4/0055g00000AAAAAAAA",
        },
    )


def tokens_of(seen):
    return [each.headers["authorization"].removeprefix("Bearer ") for each in seen]


@pytest.mark.parametrize(
    ("identity", "user_id"),
    [
        ("https://login.salesforce.com/id/00D5g000004XXXXEA4/0055g00000AAAAA", to_18("0055g00000AAAAA")),
        ("https://login.salesforce.com/id/00D5g000004XXXXEA4/", None),
        ("nobody", None),
        ("", None),
        (None, None),
        (5, None),
    ],
    ids=str,
)
def test_a_login_tells_its_user_if_its_answer_does(session, canned_org, reply, identity, user_id):
    token = {"access_token": "first", "instance_url": canned_org.url, "id": identity}
    canned_org.answers(reply(200, token), path=TOKEN_PATH)
    session.rest("GET", "limits")
    assert session.user_id == user_id


def test_many_threads_share_one_login(session, canned_org, grant):
    canned_org.answers(grant("first"), path=TOKEN_PATH)
    start = threading.Barrier(8)

    def call(_number):
        start.wait()
        return session.rest("GET", "limits")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(call, range(8)))
    assert len(canned_org.sent_to(TOKEN_PATH)) == 1
    assert tokens_of(canned_org.sent_to("limits")) == ["first"] * 8


def test_many_threads_that_meet_an_expired_token_log_in_once_and_repeat_with_their_own_headers(
    session, canned_org, reply, grant
):
    canned_org.answers(grant("first"), grant("second"), path=TOKEN_PATH)
    canned_org.answers(reply(200, {"done": True}), path="/composite")
    session.rest("GET", "limits")
    canned_org.refuses_token("first", reply(401, EXPIRED, delay=0.05))
    start = threading.Barrier(8)

    def call(number):
        start.wait()
        return session.rest("POST", "composite", body={"n": number}, headers={"X-Row": str(number)})

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(call, range(8))) == [{"done": True}] * 8
    assert len(canned_org.sent_to(TOKEN_PATH)) == 2
    repeated = [seen for seen in canned_org.sent_to("/composite") if "second" in seen.headers["authorization"]]
    assert sorted((seen.json["n"], seen.headers["x-row"]) for seen in repeated) == [(n, str(n)) for n in range(8)]


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 401, "body": EXPIRED},
        {"status": 403, "body": EXPIRED},
        {"status": 401, "body": ""},
        {"status": 401, "body": "<html>Unauthorized</html>"},
    ],
    ids=["401", "403", "401 without a body", "401 with a page"],
)
def test_an_expired_token_is_renewed(session, canned_org, reply, grant, answer):
    canned_org.answers(grant("first"), grant("second"), path=TOKEN_PATH)
    canned_org.answers(reply(**answer), reply(200, {"done": True}), path="/composite")
    assert session.rest("POST", "composite", body={}, repeatable=False) == {"done": True}
    assert tokens_of(canned_org.sent_to("/composite")) == ["first", "second"]
    # With the first, the org could not tell for whom to count.
    assert session.calls_by_kind == {"POST composite": 1}


def test_a_soap_envelope_is_built_again_around_the_new_token(session, canned_org, reply, grant):
    fault = (
        '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><e:Fault>'
        "<faultcode>sf:INVALID_SESSION_ID</faultcode><faultstring>INVALID_SESSION_ID: Invalid Session ID"
        "</faultstring></e:Fault></e:Body></e:Envelope>"
    )
    canned_org.answers(grant("first"), grant("second"), path=TOKEN_PATH)
    canned_org.answers(reply(500, fault), reply(200, "<Envelope>done</Envelope>"), path="/Soap/u/")
    assert session.soap(str.encode, action="upsert") == b"<Envelope>done</Envelope>"
    assert [seen.body for seen in canned_org.sent_to("/Soap/u/")] == [b"first", b"second"]


def test_a_new_token_that_is_not_accepted_either_ends_the_call(session, canned_org, reply, grant):
    canned_org.answers(grant("first"), grant("second"), path=TOKEN_PATH)
    canned_org.answers(reply(401, EXPIRED), path="/composite")
    with pytest.raises(LoginRefusedError, match="not even a new one"):
        session.rest("POST", "composite", body={})
    assert len(canned_org.sent_to(TOKEN_PATH)) == 2
    assert len(canned_org.sent_to("/composite")) == 2


def test_an_access_token_alone_cannot_be_renewed(canned_org, reply):
    canned_org.answers(reply(401, EXPIRED))
    extra = {"access_token": "hidden-token", "instance_url": canned_org.url}
    session = SalesforceSession(from_parts("my_org", "salesforce", None, None, None, extra))
    with pytest.raises(LoginRefusedError, match=r"'my_org'.*access token alone") as raised:
        session.rest("GET", "limits")
    assert "hidden-token" not in str(raised.value)
    assert len(canned_org.requests) == 1


def test_a_refused_login_is_not_tried_again_by_anyone(session, canned_org, reply):
    canned_org.answers(
        reply(400, {"error": "invalid_client", "error_description": "hidden-secret is wrong"}), path=TOKEN_PATH
    )

    def call(_number):
        with pytest.raises(LoginRefusedError) as raised:
            session.rest("GET", "limits")
        return str(raised.value)

    with ThreadPoolExecutor(8) as pool:
        messages = list(pool.map(call, range(16)))
    assert len(canned_org.requests) == 1
    assert all("invalid_client" in message and "hidden-secret" not in message for message in messages)


@pytest.mark.parametrize(
    "trouble",
    [{"reset": True}, {"status": 503, "body": "<html/>"}, {"status": 400, "body": {"error": "server_error"}}],
    ids=["reset", "unavailable", "error of the login server"],
)
def test_trouble_on_the_way_to_the_login_is_waited_out(session, canned_org, reply, grant, trouble):
    canned_org.answers(reply(**trouble), grant("first"), path=TOKEN_PATH)
    assert session.rest("GET", "limits", repeatable=False) == {}


def test_a_login_server_that_stays_away_is_trouble_that_passes_and_the_call_was_not_sent(session, canned_org, reply):
    canned_org.answers(reply(reset=True), path=TOKEN_PATH)
    with pytest.raises(TransientCallError) as raised:
        session.rest("POST", "composite", body={}, repeatable=False)
    assert type(raised.value) is TransientCallError
    assert canned_org.sent_to("composite") == []
    assert session.api_calls == 0


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"access_token": "t"}, "without a token"),
        ({"access_token": "t", "instance_url": "http://na1.salesforce.com"}, "not https"),
        ("<html>Welcome to the portal</html>", "without a token"),
        ("", "without a token"),
    ],
    ids=["no instance", "plain http", "page", "empty"],
)
def test_a_login_answer_that_leads_nowhere_is_refused(session, canned_org, reply, body, reason):
    canned_org.answers(reply(200, body), path=TOKEN_PATH)
    with pytest.raises(LoginRefusedError, match=reason):
        session.rest("GET", "limits")
