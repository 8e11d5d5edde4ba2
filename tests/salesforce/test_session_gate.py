"""What is asked before a call is sent, and what its refusal means."""

import threading

import pytest

from airflow_sf_dedup.errors import LimitReachedError, OutcomeUnknownError, OwnLimitReachedError, TransientCallError
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.connecting.fields import from_parts


class ClaimLostError(Exception):
    pass


@pytest.fixture
def session(canned_org):
    extra = {"access_token": "token", "instance_url": canned_org.url}
    return SalesforceSession(from_parts("sf", "salesforce_dedup", None, None, None, extra), sleep=lambda seconds: None)


def busy(reply):
    return reply(429, "")


class Budget:
    """Lets so many calls pass."""

    def __init__(self, calls, error):
        self.left = calls
        self.error = error
        self.threads = []

    def __call__(self):
        self.threads.append(threading.get_ident())
        if self.left == 0:
            raise self.error
        self.left -= 1


def test_each_try_of_a_call_passes_every_gate_in_the_thread_that_sends(session, canned_org, reply):
    first, second = Budget(9, None), Budget(9, None)
    session = session.gated(first).gated(second)
    canned_org.answers(busy(reply), busy(reply), reply(200, {}))
    sender = threading.Thread(target=session.rest, args=("POST", "composite"))
    sender.start()
    sender.join()
    assert first.threads == second.threads == [sender.ident] * 3
    assert session.api_calls == 3


def test_a_view_passes_the_gates_of_the_session_it_comes_from_first_and_leaves_that_one_as_it_is(session, canned_org):
    passed = []
    first = session.gated(lambda: passed.append("first"))
    second = first.gated(lambda: passed.append("second"), lambda: passed.append("third"))
    second.rest("GET", "limits")
    assert passed == ["first", "second", "third"]
    first.rest("GET", "limits")
    assert passed[3:] == ["first"]
    session.rest("GET", "limits")
    assert passed[4:] == []


def test_a_view_shares_all_but_the_gates(session, canned_org, reply):
    """One login, one count, one clock, whoever made the call."""
    identity = {"organization_id": "00D000000000001", "user_id": "005000000000001"}
    canned_org.answers(reply(200, identity), path="userinfo")
    canned_org.answers(reply(200, {}, {"Sforce-Limit-Info": "api-usage=7/100"}))
    view = session.gated(lambda: None)
    view.rest("GET", "limits")
    assert view.org_id == session.org_id
    assert len(canned_org.sent_to("userinfo")) == 1
    for known in ("user_id", "limit_info", "api_calls", "calls_by_kind", "settings", "instance_url"):
        assert getattr(session, known) == getattr(view, known)
    assert session.api_calls == 1
    assert session.org_now() is not None


def test_a_question_for_the_org_passes_the_gates_of_whoever_asks(session, canned_org, reply):
    """Where userinfo does not tell, a query does, which the org counts."""
    canned_org.answers(reply(403, ""), path="userinfo")
    canned_org.answers(reply(200, {"records": [{"Id": "00D000000000001"}]}), path="/query")
    with pytest.raises(OwnLimitReachedError):
        session.gated(Budget(0, OwnLimitReachedError("budget"))).org_id  # noqa: B018
    assert canned_org.sent_to("/query") == []
    assert session.org_id.startswith("00D000000000001")


def test_a_call_that_the_org_does_not_count_passes_no_gate(session, canned_org, reply):
    gate = Budget(0, ClaimLostError())
    session = session.gated(gate)
    canned_org.answers(reply(200, {"organization_id": "00D000000000001"}), path="userinfo")
    assert session.org_id.startswith("00D000000000001")
    assert gate.threads == []


@pytest.mark.parametrize(
    "error",
    [ClaimLostError("lost"), OwnLimitReachedError("budget"), TransientCallError("audit"), KeyError("bug")],
    ids=lambda error: type(error).__name__,
)
def test_what_a_gate_raises_reaches_the_caller_as_it_is_and_is_not_repeated(session, canned_org, error):
    gate = Budget(0, error)
    session = session.gated(gate)
    with pytest.raises(type(error)) as raised:
        session.rest("POST", "composite")
    assert raised.value is error
    assert raised.value.__cause__ is None
    assert len(gate.threads) == 1
    assert canned_org.requests == []
    assert session.api_calls == 0


def test_a_gate_closes_before_a_repeat_too(session, canned_org, reply):
    error = OwnLimitReachedError("budget")
    session = session.gated(Budget(2, error))
    canned_org.answers(busy(reply))
    with pytest.raises(OwnLimitReachedError) as raised:
        session.soap(lambda token: b"")
    assert raised.value is error
    assert len(canned_org.requests) == 2


@pytest.mark.parametrize(
    "error", [OwnLimitReachedError("budget", retry_after=9.0), ClaimLostError("lost")], ids=["limit", "claim"]
)
def test_a_gate_that_closes_after_a_try_of_unknown_outcome_leaves_the_outcome_unknown(
    session, canned_org, reply, error
):
    session = session.gated(Budget(1, error))
    canned_org.answers(reply(reset=True))
    with pytest.raises(OutcomeUnknownError) as raised:
        session.rest("POST", "composite")
    assert raised.value.code == "CONNECTION_BROKEN"
    assert raised.value.__cause__ is error
    assert raised.value.retry_after == getattr(error, "retry_after", None)


def test_a_new_login_does_not_let_a_call_past_the_gate(canned_org, reply):
    extra = {"consumer_key": "k", "consumer_secret": "s", "instance_url": canned_org.url}
    session = SalesforceSession(from_parts("sf", "salesforce_dedup", None, None, None, extra), sleep=lambda s: None)
    canned_org.answers(
        reply(
            200,
            {"access_token": "new", "instance_url": canned_org.url, "id": "https://x/id/00D5g000004XXXXEA4/"},
        ),
        path="/services/oauth2/token",
    )
    canned_org.answers(reply(401, [{"errorCode": "INVALID_SESSION_ID", "message": "expired"}]), path="/services/data")
    gate = Budget(1, OwnLimitReachedError("budget"))
    session = session.gated(gate)
    with pytest.raises(LimitReachedError):
        session.rest("GET", "limits")
    assert len(gate.threads) == 2
    assert len(canned_org.sent_to("/services/data")) == 1
