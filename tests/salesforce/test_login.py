"""Every way to log in, each against an org that really checks it."""

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.errors import LoginRefusedError, SettingError
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession
from airflow_sf_dedup.salesforce.connecting.fields import from_parts
from airflow_sf_dedup.salesforce.connecting.login import Login, log_in
from airflow_sf_dedup.salesforce.http.transport import open_http

#: With characters that an XML envelope must escape.
PASSWORD = "hidden & <odd>"
LOADER = "loader@acme.com"


def pem_of(key, protection=None):
    protection = protection or NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection).decode()


@pytest.fixture(scope="module")
def key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="module")
def org_file(key):
    public_key = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return {
        "users": [
            {"username": LOADER, "password": PASSWORD, "security_token": "TOKEN&7"},
            {"username": "trusted@acme.com", "password": PASSWORD, "security_token": ""},
        ],
        "clients": [
            {
                "client_id": "app",
                "client_secret": "hidden-secret",
                "run_as": LOADER,
                "public_key": public_key,
            }
        ],
    }


@pytest.fixture(scope="module")
def org(org_file):
    with EmulatedOrg.start(org_file) as org:
        yield org


@pytest.fixture(scope="module")
def tls_emulator(org_file):
    with EmulatedOrg.start(org_file, tls=True) as org:
        yield org


@pytest.fixture
def ways(key, tmp_path):
    """Login, password and extras of each way."""
    key_file = tmp_path / "org.pem"
    key_file.write_text(pem_of(key))
    app = {"consumer_key": "app"}
    secret = {**app, "consumer_secret": "hidden-secret"}
    return {
        "password and token": (LOADER, PASSWORD, {"security_token": "TOKEN&7"}),
        "password and organization": ("trusted@acme.com", PASSWORD, {"organization_id": "00D5g000004XXXX"}),
        "password and consumer": ("trusted@acme.com", PASSWORD, secret),
        "jwt": (LOADER, None, {**app, "private_key": pem_of(key).replace("\n", "\\n")}),
        "jwt by key file": (LOADER, None, {**app, "private_key_file_path": str(key_file)}),
        "jwt at a sandbox": (
            LOADER,
            None,
            {**app, "private_key": pem_of(key), "instance_url": "https://acme--dev.sandbox.my.salesforce.com"},
        ),
        "client credentials": (None, None, {**secret, "domain": "acme.my"}),
    }


WAYS = [
    "password and token",
    "password and organization",
    "password and consumer",
    "jwt",
    "jwt by key file",
    "jwt at a sandbox",
    "client credentials",
]


def settings_of(way, org, conn_type="salesforce", **more):
    login, password, extra = way
    extra = {**extra, "loopback_org": org.url, **({"ca_bundle": org.ca_file} if org.ca_file else {}), **more}
    return from_parts("my_org", conn_type, login, password, None, extra)


@pytest.mark.parametrize("conn_type", ["salesforce", "salesforce_dedup"])
@pytest.mark.parametrize("name", WAYS)
def test_every_way_to_log_in_gives_a_token_that_works_and_says_which_org_it_is(org, ways, name, conn_type):
    settings = settings_of(ways[name], org, conn_type)
    login = log_in(settings, open_http(settings))
    assert (login.instance_url, login.org_id) == (org.url, org.org_id)
    assert login.user_id in {user.user_id for user in org.state.definition.users}
    session = SalesforceSession(settings)
    assert session.user_id is None
    assert session.rest("GET", "limits")["DailyApiRequests"]["Max"] > 0
    assert session.user_id == login.user_id


@pytest.mark.parametrize("name", WAYS)
def test_every_way_to_log_in_works_over_tls(tls_emulator, ways, name):
    session = SalesforceSession(settings_of(ways[name], tls_emulator))
    assert session.instance_url == tls_emulator.url
    client = session.simple_salesforce()
    assert client.query("SELECT Id FROM Organization")["records"][0]["Id"] == session.org_id
    # An open TLS connection delays the end of the server.
    client.session.close()
    session.close()


@pytest.mark.parametrize("name", WAYS)
def test_every_way_logs_in_again_when_its_session_has_expired(org, ways, name):
    session = SalesforceSession(settings_of(ways[name], org, expected_org_id=org.org_id))
    session.rest("GET", "limits")
    requests.post(f"{org.url}/_emulator/expire_sessions", timeout=5).raise_for_status()
    assert session.rest("GET", "limits", repeatable=False)["DailyApiRequests"]["Remaining"] > 0


@pytest.mark.parametrize("name", [name for name in WAYS if name != "jwt at a sandbox"])
def test_a_host_on_this_machine_is_enough_for_every_way(org, ways, name):
    login, password, extra = ways[name]
    extra = {name: value for name, value in extra.items() if name != "domain"}
    settings = from_parts("my_org", "salesforce_dedup", login, password, org.url, extra)
    session = SalesforceSession(settings)
    assert (session.instance_url, session.org_id) == (org.url, org.org_id)
    assert session.rest("GET", "limits")["DailyApiRequests"]["Max"] > 0
    assert session.simple_salesforce().query("SELECT Id FROM Organization")["records"][0]["Id"] == org.org_id


def test_the_default_client_of_the_emulator_logs_in_by_the_host_alone():
    extra = {"consumer_key": "emulator-client", "consumer_secret": "emulator-secret"}
    with EmulatedOrg.start() as org:
        session = SalesforceSession(from_parts("my_org", "salesforce_dedup", None, None, org.url, extra))
        assert session.org_id == org.org_id


def test_an_access_token_is_used_as_it_is(org):
    token = org.state.sessions.open(org.state.definition.users[0].user_id)
    settings = from_parts("my_org", "salesforce", None, None, None, {"access_token": token, "instance_url": org.url})
    assert log_in(settings, open_http(settings)) == Login(token, org.url, None)
    session = SalesforceSession(settings)
    assert session.user_id is None
    assert session.org_id == org.org_id
    assert session.user_id == org.state.default_user.user_id, "userinfo tells both"


WRONG = {
    "password": ("password and token", {"security_token": "wrong-hidden"}, "INVALID_LOGIN"),
    "consumer": ("client credentials", {"consumer_key": "no-such-app"}, "invalid_client_id"),
    "secret": ("client credentials", {"consumer_secret": "wrong-hidden"}, "invalid_client"),
    "user": ("jwt", {}, "invalid_grant"),
}


@pytest.mark.parametrize(("name", "change", "code"), WRONG.values(), ids=WRONG.keys())
def test_wrong_credentials_are_refused_after_one_try_and_not_repeated_in_the_error(org, ways, name, change, code):
    login, password, extra = ways[name]
    way = ("nobody@acme.com" if code == "invalid_grant" else login, password, {**extra, **change})
    before = org.state.accounting.logins
    with pytest.raises(LoginRefusedError, match="'my_org'") as raised:
        SalesforceSession(settings_of(way, org), sleep=pytest.fail).rest("GET", "limits")
    assert raised.value.code == code
    assert "hidden" not in str(raised.value)
    assert org.state.accounting.logins == before


def test_a_jwt_signed_by_another_key_is_refused(org):
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    way = (LOADER, None, {"consumer_key": "app", "private_key": pem_of(stranger)})
    with pytest.raises(LoginRefusedError) as raised:
        SalesforceSession(settings_of(way, org)).rest("GET", "limits")
    assert raised.value.code == "invalid_grant"


KEYS = {
    "elliptic": lambda: {"private_key": pem_of(ec.generate_private_key(ec.SECP256R1()))},
    "garbled": lambda: {"private_key": "-----BEGIN PRIVATE KEY-----\nhidden\n-----END PRIVATE KEY-----"},
    "missing file": lambda: {"private_key_file_path": "/nowhere/org.pem"},
}


@pytest.mark.parametrize("extra", KEYS.values(), ids=KEYS.keys())
def test_a_key_that_cannot_sign_is_named_before_anything_is_sent(org, extra):
    extra = extra()
    with pytest.raises(SettingError, match="'my_org'") as raised:
        SalesforceSession(settings_of((LOADER, None, {"consumer_key": "app", **extra}), org)).rest("GET", "limits")
    assert raised.value.setting == next(iter(extra))
    assert "hidden" not in str(raised.value)


def test_a_key_with_a_passphrase_is_refused(key):
    protected = pem_of(key, BestAvailableEncryption(b"phrase"))
    with pytest.raises(SettingError, match="passphrase"):
        from_parts("my_org", "salesforce", LOADER, None, None, {"consumer_key": "app", "private_key": protected})


def test_no_token_shows_in_the_repr_of_a_login():
    assert "hidden" not in repr(Login("hidden", "https://acme.my.salesforce.com"))
