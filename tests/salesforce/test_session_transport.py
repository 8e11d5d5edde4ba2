"""Where requests really go, and for how long."""

import socket
import traceback

import pytest

from airflow_sf_dedup.errors import OutcomeUnknownError, SettingError, TransientCallError
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.connecting.fields import from_parts
from airflow_sf_dedup.salesforce.http.transport import open_http, reroute

LOCAL = "http://127.0.0.1:8089"


def settings(**extra):
    extra = {"access_token": "token", "instance_url": "https://acme.my.salesforce.com", **extra}
    return from_parts("sf", "salesforce_dedup", None, None, None, extra)


@pytest.mark.parametrize(
    ("url", "options", "goes_to"),
    [
        ("https://login.salesforce.com/a?b=c", {}, "https://login.salesforce.com/a?b=c"),
        ("https://login.salesforce.com/a?b=c", {"loopback_org": LOCAL}, f"{LOCAL}/a?b=c"),
        ("https://acme.my.salesforce.com/a%2Fb", {"loopback_org": LOCAL}, f"{LOCAL}/a%2Fb"),
        ("https://salesforce.com.evil.example/a", {"loopback_org": LOCAL}, "https://salesforce.com.evil.example/a"),
        ("https://evilsalesforce.com/a", {"loopback_org": LOCAL}, "https://evilsalesforce.com/a"),
        ("https://127.0.0.1:8089/a", {"loopback_org": LOCAL}, f"{LOCAL}/a"),
        ("https://127.0.0.1:8089/a", {"instance_url": LOCAL}, f"{LOCAL}/a"),
        ("https://127.0.0.1:9999/a", {"instance_url": LOCAL}, "https://127.0.0.1:9999/a"),
    ],
    ids=[
        "no loopback org",
        "login",
        "my domain",
        "another domain",
        "no dot",
        "the loopback org by https",
        "the instance by https",
        "another port",
    ],
)
def test_only_salesforce_com_is_routed_to_the_loopback_org(url, options, goes_to):
    assert reroute(url, **options) == goes_to


def test_an_instance_at_salesforce_com_is_reached_through_the_loopback_org(canned_org):
    session = SalesforceSession(settings(loopback_org=canned_org.url))
    session.rest("GET", "limits")
    session.simple_salesforce().limits()
    assert [seen.path for seen in canned_org.requests] == [
        "/services/data/v62.0/limits",
        "/services/data/v62.0/limits/",
    ]


def test_a_loopback_org_may_speak_tls(tls_org, ca_bundle):
    session = SalesforceSession(settings(loopback_org=tls_org.url, ca_bundle=ca_bundle))
    assert session.rest("GET", "limits") == {}


def test_a_call_waits_no_longer_than_the_read_timeout(canned_org, reply):
    canned_org.answers(reply(200, {}, delay=2))
    session = SalesforceSession(settings(instance_url=canned_org.url, read_timeout=0.1), attempts=1)
    with pytest.raises(OutcomeUnknownError):
        session.rest("GET", "limits")


def test_whoever_uses_the_http_session_has_the_timeouts_too(canned_org, reply):
    canned_org.answers(reply(200, {}, delay=2))
    http = open_http(settings(instance_url=canned_org.url, read_timeout=0.1))
    with pytest.raises(OSError, match="timed out"):
        http.get(canned_org.url)


def test_a_proxy_of_the_connection_is_used_whatever_the_environment_says(canned_org, reply, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    session = SalesforceSession(settings(proxies=canned_org.url), attempts=1)
    canned_org.answers(reply(502, ""))
    with pytest.raises(TransientCallError) as raised:
        session.rest("GET", "limits", repeatable=False)
    # The server of the test knows no CONNECT; that it was asked to is what matters.
    assert raised.value.code == "PROXY_FAILED"
    assert type(raised.value) is TransientCallError


def test_an_address_of_this_machine_is_dialled_without_a_proxy(canned_org, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    session = SalesforceSession(settings(instance_url=canned_org.url, proxies="http://127.0.0.1:1"), attempts=1)
    assert session.rest("GET", "limits") == {}


def test_a_ca_bundle_that_is_no_file_is_named():
    with pytest.raises(SettingError, match=r"'sf'.*ca_bundle") as raised:
        SalesforceSession(settings(ca_bundle="/nowhere/ca.pem"))
    assert raised.value.setting == "ca_bundle"


@pytest.fixture
def nobody():
    """Host and port of this machine where nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


APP = {"consumer_key": "k", "consumer_secret": "hidden"}
WAYS = {
    "client credentials": (None, None, APP),
    "password": ("u", "hidden", {"security_token": "hidden"}),
    "password and app": ("u", "hidden", APP),
}


@pytest.mark.parametrize(("login", "password", "extra"), WAYS.values(), ids=WAYS)
def test_an_org_that_is_down_is_one_error_with_connection_host_and_port(nobody, login, password, extra):
    down = from_parts("sf_down", "salesforce_dedup", login, password, f"http://{nobody}", extra)
    with pytest.raises(TransientCallError) as raised:
        SalesforceSession(down, sleep=lambda seconds: None).rest("GET", "limits")
    assert str(raised.value) == (
        f"connection 'sf_down': the login failed, no connection to {nobody} (Connection refused); nothing was sent"
    )
    assert raised.value.code == "CONNECT_FAILED"
    assert "".join(traceback.format_exception(raised.value)).count("Traceback") == 1


def test_a_local_org_that_stands_in_for_salesforce_is_named_by_its_own_address(nobody):
    session = SalesforceSession(settings(loopback_org=f"http://{nobody}"), attempts=1)
    with pytest.raises(TransientCallError, match=f"^no connection to {nobody} ") as raised:
        session.rest("GET", "limits")
    assert "".join(traceback.format_exception(raised.value)).count("Traceback") == 1
