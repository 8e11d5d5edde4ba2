"""Which org it is, and that no other one is written to."""

import pytest

from airflow_sf_dedup.errors import CallError, LoginRefusedError, RequestRefusedError, WrongOrgError
from airflow_sf_dedup.salesforce.connection_fields import from_parts
from airflow_sf_dedup.salesforce.session import SalesforceSession

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
