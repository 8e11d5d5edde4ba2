"""Which org it is, and that no other one is written to."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_sf_dedup.errors import (
    CallError,
    LoginRefusedError,
    OutcomeUnknownError,
    RequestRefusedError,
    TransientCallError,
    WrongOrgError,
)
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.connecting.fields import from_parts

ORG_15 = "00D5g000004XXXX"
ORG = "00D5g000004XXXXEA4"
OTHER = "00D5g000004YYYYEA4"


@pytest.fixture
def session_at(canned_org):
    def make(**extra):
        extra = {"access_token": "token", "instance_url": canned_org.url, **extra}
        settings = from_parts("my_org", "salesforce_dedup", None, None, None, extra)
        return SalesforceSession(settings, sleep=lambda seconds: None, attempts=2)

    return make


@pytest.mark.parametrize("answered", [ORG, ORG_15], ids=["18 characters", "15 characters"])
def test_the_org_id_is_asked_for_once_by_a_call_that_is_not_counted(session_at, canned_org, reply, answered):
    canned_org.answers(reply(200, {"organization_id": answered}), path="userinfo")
    session = session_at()
    assert [session.org_id, session.org_id] == [ORG, ORG]
    assert len(canned_org.requests) == 1
    assert session.api_calls == 0


@pytest.mark.parametrize(
    "refusal",
    [
        {"status": 403, "body": "Bad_OAuth_Token"},
        {"status": 404, "body": ""},
        {"status": 401, "body": ""},
        {"status": 200, "body": {}},
        {"status": 500},
    ],
    ids=["token of a soap login", "no such resource", "not accepted there", "no id in it", "out of order"],
)
def test_where_userinfo_does_not_help_the_organization_is_queried(session_at, canned_org, reply, refusal):
    canned_org.answers(reply(**refusal), path="userinfo")
    canned_org.answers(reply(200, {"records": [{"Id": ORG}]}), path="/query")
    session = session_at()
    assert session.org_id == ORG
    assert canned_org.sent_to("/query")[0].path.endswith("?q=SELECT%20Id%20FROM%20Organization%20LIMIT%201")
    assert session.calls_by_kind == {"GET query": 1}


def test_an_org_that_does_not_tell_its_id_is_an_error(session_at, canned_org, reply):
    canned_org.answers(reply(200, {"records": []}), path="/query")
    with pytest.raises(RequestRefusedError):
        _ = session_at().org_id


def test_an_expired_token_is_found_out_when_the_org_is_asked_for(session_at, canned_org, reply):
    canned_org.answers(reply(401, ""))
    with pytest.raises(LoginRefusedError):
        _ = session_at().org_id


@pytest.mark.parametrize("expected", [ORG, ORG_15], ids=["18 characters", "15 characters"])
def test_the_expected_org_is_checked_once_before_the_first_call(session_at, canned_org, reply, expected):
    canned_org.answers(reply(200, {"organization_id": ORG}), path="userinfo")
    session = session_at(expected_org_id=expected)
    session.rest("POST", "composite", body={})
    session.rest("POST", "composite", body={})
    assert [seen.path.rpartition("/")[2] for seen in canned_org.requests] == ["userinfo", "composite", "composite"]


@pytest.mark.parametrize(
    "call",
    [
        lambda session: session.rest("POST", "composite", body={}),
        lambda session: session.soap(str.encode),
        lambda session: session.simple_salesforce(),
        lambda session: session.check_org(),
    ],
    ids=["rest", "soap", "simple_salesforce", "check_org"],
)
def test_another_org_is_refused_before_anything_is_sent_each_time(session_at, canned_org, reply, call):
    canned_org.answers(reply(200, {"organization_id": OTHER}), path="userinfo")
    session = session_at(expected_org_id=ORG)
    for _ in range(2):
        with pytest.raises(WrongOrgError, match=f"'my_org'.*{ORG}.*{OTHER}") as raised:
            call(session)
        assert raised.value.setting == "expected_org_id"
    assert [seen.path for seen in canned_org.requests] == ["/services/oauth2/userinfo"]


def test_an_org_that_cannot_be_checked_is_not_written_to(session_at, canned_org, reply):
    canned_org.answers(reply(500, ""), path="userinfo")
    canned_org.answers(reply(500, ""), path="/query")
    with pytest.raises(CallError):
        session_at(expected_org_id=ORG).rest("POST", "composite", body={})
    assert canned_org.sent_to("composite") == []


# -- each login ------------------------------------------------------------------------------------------------

TOKEN_PATH = "/services/oauth2/token"
EXPIRED = [{"errorCode": "INVALID_SESSION_ID", "message": "Session expired or invalid"}]
REMOTE = "https://acme.my.salesforce.com"


@pytest.fixture
def renewable(canned_org):
    def make(**extra):
        extra = {"consumer_key": "k", "consumer_secret": "s", "domain": "acme.my", **extra}
        settings = from_parts("my_org", "salesforce_dedup", None, None, None, {**extra, "loopback_org": canned_org.url})
        return SalesforceSession(settings, sleep=lambda seconds: None, attempts=2)

    return make


@pytest.fixture
def grant(canned_org, reply):
    def make(token, org_id, instance=None):
        identity = {"id": f"https://login.salesforce.com/id/{org_id}/0055g00000AAAAAAAA"} if org_id else {}
        return reply(200, {"access_token": token, "instance_url": instance or canned_org.url, **identity})

    return make


def writes(canned_org):
    return [seen.headers["authorization"] for seen in canned_org.sent_to("/composite")]


@pytest.mark.parametrize("extra", [{}, {"expected_org_id": ORG}], ids=["pinned by its first login", "pinned"])
@pytest.mark.parametrize("instance", [None, REMOTE, "https://other.my.salesforce.com"], ids=["same", "named", "other"])
def test_a_new_login_that_leads_to_another_org_is_not_used(renewable, canned_org, reply, grant, extra, instance):
    canned_org.answers(grant("first", ORG), grant("second", OTHER, instance), path=TOKEN_PATH)
    session = renewable(**extra)
    session.rest("POST", "composite", body={})
    canned_org.refuses_token("first", reply(401, EXPIRED))
    for _ in range(2):
        with pytest.raises(WrongOrgError, match=f"'my_org'.*{ORG}.*{OTHER}") as raised:
            session.rest("POST", "composite", body={})
        assert isinstance(raised.value, CallError), "the load accounts for its rows as for those of any failed call"
        assert not raised.value.in_doubt
    assert not any("second" in header for header in writes(canned_org))
    assert len(canned_org.sent_to(TOKEN_PATH)) == 2, "it is not tried again and again"


@pytest.mark.parametrize("told", ["userinfo", "query"])
@pytest.mark.parametrize("extra", [{}, {"expected_org_id": ORG}], ids=["pinned by its first login", "pinned"])
def test_a_login_that_does_not_tell_its_org_is_asked(renewable, canned_org, reply, grant, extra, told):
    answer = {"organization_id": OTHER} if told == "userinfo" else {"records": [{"Id": OTHER}]}
    canned_org.answers(grant("first", ORG), grant("second", None), path=TOKEN_PATH)
    canned_org.answers(reply(200, answer), path=told)
    session = renewable(**extra)
    session.rest("POST", "composite", body={})
    canned_org.refuses_token("first", reply(401, EXPIRED))
    with pytest.raises(WrongOrgError):
        session.rest("POST", "composite", body={})
    assert not any("second" in header for header in writes(canned_org))


@pytest.mark.parametrize(("first", "second"), [(None, ORG), (ORG, None), (None, None)], ids=str)
def test_where_nobody_tells_that_it_is_the_same_org_a_new_login_is_not_used(
    renewable, canned_org, reply, grant, first, second
):
    canned_org.answers(grant("first", first), grant("second", second), path=TOKEN_PATH)
    session = renewable()
    session.rest("POST", "composite", body={})
    canned_org.refuses_token("first", reply(401, EXPIRED))
    with pytest.raises(WrongOrgError):
        session.rest("POST", "composite", body={})
    assert not any("second" in header for header in writes(canned_org))


def test_a_new_login_to_the_same_org_goes_on_at_another_instance(renewable, canned_org, reply, grant):
    canned_org.answers(grant("first", ORG), grant("second", ORG_15, REMOTE), path=TOKEN_PATH)
    session = renewable()
    session.rest("POST", "composite", body={})
    canned_org.refuses_token("first", reply(401, EXPIRED))
    session.rest("POST", "composite", body={})
    assert (session.instance_url, session.org_id) == (REMOTE, ORG)


def test_a_call_that_may_have_been_carried_out_stays_so_when_its_new_login_leads_elsewhere(
    renewable, canned_org, reply, grant
):
    canned_org.answers(grant("first", ORG), grant("second", OTHER), path=TOKEN_PATH)
    canned_org.answers(reply(reset=True), reply(401, EXPIRED), path="/composite")
    with pytest.raises(OutcomeUnknownError) as raised:
        renewable().rest("POST", "composite", body={})
    assert isinstance(raised.value.__cause__, WrongOrgError)


def test_threads_that_meet_an_expired_token_all_stop_before_the_other_org(renewable, canned_org, reply, grant):
    canned_org.answers(grant("first", ORG), grant("second", OTHER), path=TOKEN_PATH)
    session = renewable()
    session.rest("POST", "composite", body={})
    canned_org.refuses_token("first", reply(401, EXPIRED, delay=0.05))

    def call(_number):
        with pytest.raises(WrongOrgError):
            session.rest("POST", "composite", body={})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(call, range(8)))
    assert not any("second" in header for header in writes(canned_org))
    assert len(canned_org.sent_to(TOKEN_PATH)) == 2


def test_trouble_while_the_org_is_asked_for_its_id_is_trouble_of_the_login(renewable, canned_org, reply, grant):
    canned_org.answers(grant("first", None), path=TOKEN_PATH)
    canned_org.answers(reply(500, ""), path="userinfo")
    canned_org.answers(reply(500, ""), path="/query")
    with pytest.raises(TransientCallError, match="login failed") as raised:
        renewable().rest("POST", "composite", body={}, repeatable=False)
    assert type(raised.value) is TransientCallError
    assert writes(canned_org) == []
