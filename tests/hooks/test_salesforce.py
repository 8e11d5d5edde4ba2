"""The hook, through real Airflow connections and over real sockets."""

import json
import subprocess
import sys

import pytest
from airflow.sdk import BaseHook, Connection

from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.hooks.salesforce import SalesforceDedupHook
from airflow_sf_dedup.provider_info import get_provider_info
from airflow_sf_dedup.salesforce.settings import LoginWay

OTHER_ORG = "00D5g000004XXXXEA4"


@pytest.fixture(scope="module")
def org():
    org_file = {
        "users": [{"username": "loader@acme.com", "password": "hidden-word", "security_token": "TOKEN"}],
        "clients": [{"client_id": "app", "client_secret": "hidden-secret", "run_as": "loader@acme.com"}],
    }
    with EmulatedOrg.start(org_file) as org:
        yield org


@pytest.fixture
def connection(monkeypatch):
    """Sets ``salesforce_default``."""

    def define(**parts):
        monkeypatch.setenv("AIRFLOW_CONN_SALESFORCE_DEFAULT", json.dumps(parts))

    return define


@pytest.fixture
def by_password(connection, org):
    """A connection of Airflow's own type, as its form saves it."""
    connection(
        conn_type="salesforce",
        login="loader@acme.com",
        password="hidden-word",
        extra={"security_token": "TOKEN", "domain": "", "version": "", "loopback_org": org.url},
    )


def test_the_hook_is_known_by_its_own_connection_type_only():
    assert SalesforceDedupHook.conn_type == "salesforce_dedup"
    assert SalesforceDedupHook.default_conn_name == "salesforce_default"
    assert SalesforceDedupHook.conn_name_attr == "salesforce_conn_id"
    assert issubclass(SalesforceDedupHook, BaseHook)


def test_a_connection_of_airflows_own_type_works_as_it_is(by_password, org):
    hook = SalesforceDedupHook()
    assert hook.settings().login_way is LoginWay.PASSWORD_AND_TOKEN
    assert hook.get_conn().rest("GET", "query?q=SELECT%20Id%20FROM%20Organization")["records"][0]["Id"] == org.org_id


def test_a_hook_has_one_session(by_password):
    hook = SalesforceDedupHook()
    assert hook.get_conn() is hook.get_conn()


def test_a_connection_may_have_another_name(org, monkeypatch):
    monkeypatch.setenv(
        "AIRFLOW_CONN_OTHER_ORG",
        json.dumps(
            {
                "conn_type": "salesforce_dedup",
                "host": "https://acme.my.salesforce.com",
                "extra": {"consumer_key": "app", "consumer_secret": "hidden-secret", "loopback_org": org.url},
            }
        ),
    )
    hook = SalesforceDedupHook(salesforce_conn_id="other_org")
    assert hook.settings().login_way is LoginWay.CLIENT_CREDENTIALS
    assert hook.get_conn().org_id == org.org_id


def test_a_connection_may_be_written_as_a_uri(org, monkeypatch):
    host, port = org.url.removeprefix("http://").split(":")
    uri = f"salesforce-dedup://http://{host}:{port}/?access_token={org.access_token}&read_timeout=30&version=60"
    monkeypatch.setenv("AIRFLOW_CONN_SALESFORCE_DEFAULT", uri)
    hook = SalesforceDedupHook()
    settings = hook.settings()
    assert (settings.instance_url, settings.read_timeout, settings.api_version) == (org.url, 30.0, "60.0")
    assert hook.get_conn().org_id == org.org_id


def test_the_test_button_logs_in_and_tells_the_org_and_what_is_left_of_its_limit(by_password, org):
    ok, message = SalesforceDedupHook().test_connection()
    assert ok, message
    assert org.org_id in message
    assert "API calls left" in message
    assert "hidden" not in message


FAILURES = {
    "wrong password": ({"password": "hidden-wrong"}, "INVALID_LOGIN"),
    "nothing filled in": ({"login": None, "password": None, "extra": {}}, "credentials are incomplete"),
    "another org": (
        {"extra": {"security_token": "TOKEN", "expected_org_id": OTHER_ORG}},
        f"expected_org_id is {OTHER_ORG}",
    ),
    "old api version": ({"extra": {"security_token": "TOKEN", "version": "45.0"}}, "version is 45.0"),
}


@pytest.mark.parametrize(("change", "says"), FAILURES.values(), ids=FAILURES.keys())
def test_the_test_button_says_what_is_wrong_and_no_secret(connection, org, change, says):
    parts = {
        "conn_type": "salesforce",
        "login": "loader@acme.com",
        "password": "hidden-word",
        "extra": {"security_token": "TOKEN"},
        **change,
    }
    parts["extra"] = {**parts["extra"], "loopback_org": org.url}
    connection(**parts)
    ok, message = SalesforceDedupHook().test_connection()
    assert not ok
    assert says in message
    assert "hidden" not in message


def test_the_button_in_airflows_own_form_finds_the_hook(org):
    extra = {"access_token": org.access_token, "instance_url": org.url}
    connection = Connection(conn_id="salesforce_default", conn_type="salesforce_dedup", extra=json.dumps(extra))
    assert isinstance(connection.get_hook(), SalesforceDedupHook)


@pytest.mark.parametrize("extra", ["{not json", '["a list"]'], ids=["no json", "a list"])
def test_an_extra_that_is_no_json_object_is_named(extra):
    connection = Connection(conn_id="salesforce_default", conn_type="salesforce", extra=extra)
    hook = SalesforceDedupHook()
    hook.get_connection = lambda conn_id: connection
    with pytest.raises(SettingError, match=r"'salesforce_default'.*extra") as raised:
        hook.settings()
    assert raised.value.setting == "extra"


@pytest.mark.parametrize("port", [0, None, 443], ids=["as the form stores an empty field", "none", "as the form asks"])
def test_the_port_of_a_form_changes_nothing(connection, port):
    extra = {"access_token": "hidden-token"}
    connection(conn_type="salesforce_dedup", host="https://acme.my.salesforce.com", port=port, extra=extra)
    assert SalesforceDedupHook().settings().instance_url == "https://acme.my.salesforce.com"


def test_our_form_asks_for_the_port_that_airflows_test_button_compares():
    """It posts 0 where none is stored, and refuses a connection whose stored port differs from that."""
    behaviour = get_provider_info()["connection-types"][0]["ui-field-behaviour"]
    assert "port" not in behaviour["hidden-fields"]
    assert behaviour["placeholders"]["port"] == "443"


def test_a_connection_is_not_named_by_the_random_id_of_the_test_button(monkeypatch):
    host = "https://acme.my.salesforce.com"
    stored = Connection(conn_id="my_org", conn_type="salesforce_dedup", host=host, extra='{"version": "45.0"}')
    monkeypatch.setenv("AIRFLOW_CONN_AB3DEFGH", stored.get_uri())
    ok, message = SalesforceDedupHook("aB3dEfgh").test_connection()
    assert not ok
    assert message.startswith("this connection: version is 45.0")
    assert "aB3dEfgh" not in message


def test_the_token_of_a_login_is_masked_in_logs_from_then_on(by_password):
    from airflow.sdk.log import redact

    session = SalesforceDedupHook().get_conn()
    session.check_org()
    token = session.simple_salesforce().session_id
    assert redact(f"it is {token}") == "it is ***"


def test_secrets_are_masked_in_logs_from_then_on(by_password):
    from airflow.sdk.log import redact

    SalesforceDedupHook().settings()
    assert redact("the password is hidden-word") == "the password is ***"


def test_importing_the_hook_imports_nothing_that_makes_parsing_slow():
    heavy = (
        "simple_salesforce",
        "requests",
        "msgspec",
        "tenacity",
        "defusedxml",
        "zeep",
        "airflow_sf_dedup.salesforce",
    )
    program = (
        "import airflow.sdk, sys; from airflow.sdk import BaseHook; before = set(sys.modules);"
        "import airflow_sf_dedup.hooks.salesforce;"
        f"print([name for name in set(sys.modules) - before if name.startswith({heavy!r})])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]"), done.stdout
