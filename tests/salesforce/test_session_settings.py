"""What a connection may say, and what is said about one that cannot work."""

import base64

import pytest
from airflow.providers.salesforce.get_provider_info import get_provider_info as airflows_provider_info
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.provider_info import get_provider_info
from airflow_sf_dedup.salesforce.connecting.extras import AIRFLOWS, KNOWN
from airflow_sf_dedup.salesforce.connecting.fields import from_parts
from airflow_sf_dedup.salesforce.settings import LoginWay

TOKEN = {"access_token": "token", "instance_url": "https://acme.my.salesforce.com"}


@pytest.fixture(scope="module")
def pem():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def read(extra, *, conn_type="salesforce", login=None, password=None, host=None):
    return from_parts("my_org", conn_type, login, password, host, extra)


def read_own(extra, **columns):
    return read(extra, conn_type="salesforce_dedup", **columns)


USER = {"login": "loader@acme.com", "password": "hidden"}
WAYS = {
    "access token": (LoginWay.ACCESS_TOKEN, {}, TOKEN),
    "session id": (LoginWay.ACCESS_TOKEN, {}, {"session_id": "t", "instance": "na1.salesforce.com"}),
    "password and token": (LoginWay.PASSWORD_AND_TOKEN, USER, {"security_token": "x"}),
    "password and organization": (LoginWay.PASSWORD_AND_ORGANIZATION, USER, {"organization_id": "00D5g000004XXXX"}),
    "password and consumer": (LoginWay.PASSWORD_AND_CONSUMER, USER, {"consumer_key": "k", "consumer_secret": "s"}),
    "jwt by key file": (
        LoginWay.JWT,
        {"login": "loader@acme.com"},
        {"consumer_key": "k", "private_key_file_path": "/keys/org.pem"},
    ),
    "client credentials": (
        LoginWay.CLIENT_CREDENTIALS,
        {},
        {"consumer_key": "k", "consumer_secret": "s", "domain": "acme.my"},
    ),
}


@pytest.mark.parametrize(("way", "columns", "extra"), WAYS.values(), ids=WAYS.keys())
@pytest.mark.parametrize("prefix", ["", "extra__salesforce__"], ids=["short", "prefixed"])
@pytest.mark.parametrize("conn_type", ["salesforce", "salesforce_dedup"])
def test_every_way_to_log_in_is_recognised_in_both_types_and_spellings(way, columns, extra, prefix, conn_type):
    spelled = {f"{prefix}{name}": value for name, value in extra.items()}
    assert read(spelled, conn_type=conn_type, **columns).login_way is way


def test_every_extra_of_airflows_own_connection_is_read(pem):
    settings = read(
        {
            "security_token": "a",
            "domain": "test",
            "consumer_key": "b",
            "consumer_secret": "c",
            "private_key_file_path": "/d",
            "private_key": pem,
            "organization_id": "00D5g000004XXXX",
            "instance": "na1.salesforce.com",
            "instance_url": "https://acme.my.salesforce.com/",
            "proxies": "http://proxy:3128",
            "version": "59.0",
            "client_id": "loads",
        },
        **USER,
    )
    assert settings.login_way is LoginWay.PASSWORD_AND_TOKEN
    assert (settings.security_token, settings.domain, settings.client_id) == ("a", "test", "loads")
    assert (settings.consumer_key, settings.consumer_secret, settings.private_key) == ("b", "c", pem)
    assert settings.private_key_file_path == "/d"
    assert settings.organization_id == "00D5g000004XXXXEA4"
    assert settings.instance_url == "https://acme.my.salesforce.com"
    assert settings.proxies == {"http": "http://proxy:3128", "https": "http://proxy:3128"}
    assert settings.api_version == "59.0"


MISSPELT = {
    "expected_orgid": "expected_org_id",
    "expectedOrgId": "expected_org_id",
    "Expected_Org_Id": "expected_org_id",
    "expected_org": "expected_org_id",
    "extra__salesforce__expected_orgid": "expected_org_id",
    "extra__saleforce__expected_org_id": "expected_org_id",
    "read_timout": "read_timeout",
    "timeout": "read_timeout",
    "connectTimeout": "connect_timeout",
    "ca-bundle": "ca_bundle",
    "proxy": "proxies",
    "apiversion": "api_version",
    "securityToken": "security_token",
    "Version": "version",
}


@pytest.mark.parametrize("conn_type", ["salesforce", "salesforce_dedup"])
@pytest.mark.parametrize(("name", "meant"), MISSPELT.items(), ids=MISSPELT.keys())
def test_a_misspelt_extra_is_refused_with_the_nearest_name(name, meant, conn_type):
    with pytest.raises(SettingError, match=rf"'my_org': extra has no '{name}' \(nearest: [^)]*{meant}") as raised:
        read({**TOKEN, name: "hidden"}, conn_type=conn_type)
    assert raised.value.setting == name
    assert "hidden" not in str(raised.value)


def test_an_extra_that_is_like_none_is_refused_with_those_that_there_are():
    with pytest.raises(SettingError, match=r"'only_production'; .* Known are access_token, .* version"):
        read({**TOKEN, "only_production": "00D5g000004XXXXEA4"}, conn_type="salesforce_dedup")


def test_what_another_program_keeps_in_a_connection_of_airflows_type_is_passed_over():
    assert read({**TOKEN, "only_production": "yes", "team": "crm"}, conn_type="salesforce").access_token == "token"


@pytest.mark.parametrize("value", [None, "", "  "], ids=["null", "empty", "blank"])
def test_an_unknown_extra_without_a_value_as_forms_store_it_is_passed_over(value):
    assert read({**TOKEN, "a_field_of_tomorrow": value}).access_token == "token"


def test_what_is_known_is_what_is_read_and_all_that_either_form_stores():
    asked = set()

    class Extra(dict):
        def get(self, name, default=None):
            asked.add(name.rpartition("__")[2])
            return super().get(name, default)

    read(Extra(consumer_key="k", consumer_secret="s", domain="acme.my"))
    assert asked == KNOWN
    assert set(get_provider_info()["connection-types"][0]["conn-fields"]) <= KNOWN
    assert set(airflows_provider_info()["connection-types"][0]["conn-fields"]) == AIRFLOWS


def test_blank_extras_count_as_absent_as_in_airflows_hook():
    settings = read({"security_token": "x", "domain": "", "instance_url": " ", "proxies": "", "version": None}, **USER)
    assert (settings.domain, settings.instance_url, settings.proxies, settings.api_version) == (
        None,
        None,
        None,
        "62.0",
    )


@pytest.mark.parametrize(
    ("value", "version"),
    [("60.0", "60.0"), ("60", "60.0"), ("v60", "60.0"), ("V61.0", "61.0"), (60, "60.0"), (60.0, "60.0"), (52, "52.0")],
    ids=str,
)
@pytest.mark.parametrize("field", ["version", "api_version"])
def test_an_api_version_is_read_however_it_is_written(value, version, field):
    assert read({**TOKEN, field: value}).api_version == version


@pytest.mark.parametrize(
    ("value", "domain"),
    [
        ("login", "login"),
        ("acme.my", "acme.my"),
        ("acme.my.salesforce.com", "acme.my"),
        ("https://acme--dev.sandbox.my.salesforce.com/", "acme--dev.sandbox.my"),
    ],
)
def test_a_login_domain_is_read_as_label_host_or_url(value, domain):
    assert read({**TOKEN, "domain": value}).domain == domain


def test_the_host_of_our_own_type_is_the_login_domain_and_the_instance():
    settings = read_own({"consumer_key": "k", "consumer_secret": "s"}, host="acme.my.salesforce.com")
    assert settings.login_way is LoginWay.CLIENT_CREDENTIALS
    assert (settings.domain, settings.instance_url) == ("acme.my", "https://acme.my.salesforce.com")


def test_the_host_of_airflows_own_type_is_ignored_as_its_hook_does():
    assert read({"security_token": "x"}, host="http://somewhere.example", **USER).instance_url is None


@pytest.mark.parametrize(
    ("value", "proxies"),
    [
        ("http://proxy:3128", {"http": "http://proxy:3128", "https": "http://proxy:3128"}),
        ("proxy:3128", {"http": "http://proxy:3128", "https": "http://proxy:3128"}),
        ('{"https": "http://proxy:3128"}', {"https": "http://proxy:3128"}),
        ({"https": "http://user:word@proxy:3128"}, {"https": "http://user:word@proxy:3128"}),
    ],
    ids=["url", "host and port", "json", "mapping"],
)
def test_proxies_are_read_from_text_and_from_a_mapping(value, proxies):
    assert read({**TOKEN, "proxies": value}).proxies == proxies


@pytest.mark.parametrize(
    "mangle",
    [
        lambda pem: pem,
        lambda pem: pem.replace("\n", "\\n"),
        lambda pem: pem.replace("\n", " "),
        lambda pem: pem.replace("\n", ""),
        lambda pem: pem.replace("\n", "\r\n"),
        lambda pem: f"\n  {pem}",
    ],
    ids=["intact", "spelled-out breaks", "breaks became blanks", "breaks lost", "windows", "indented"],
)
def test_a_private_key_survives_what_forms_and_json_do_to_its_line_breaks(pem, mangle):
    settings = read({"consumer_key": "k", "private_key": mangle(pem)}, login="loader@acme.com")
    assert load_pem_private_key(settings.private_key.encode(), None).key_size == 2048


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8089", "http://127.3.2.1", "http://[::1]:8089", "http://localhost:8089"]
)
def test_plain_http_is_for_this_machine(url):
    settings = read({**TOKEN, "instance_url": url})
    assert settings.instance_url == url
    assert settings.loopback_org == url


LOADER = {"login": "loader@acme.com"}
UNUSABLE = {
    "type": ("conn_type", TOKEN, {"conn_type": "http"}, "'http'"),
    "version too old": ("version", {**TOKEN, "version": "51.0"}, {}, "oldest usable API version is 52.0"),
    "version of ours too old": ("api_version", {**TOKEN, "api_version": 37}, {}, "52.0"),
    "version no number": ("version", {**TOKEN, "version": "latest"}, {}, "'latest'"),
    "version half": ("version", {**TOKEN, "version": "60.5"}, {}, "'60.5'"),
    "plain http": ("instance_url", {**TOKEN, "instance_url": "http://acme.my.salesforce.com"}, {}, "https://"),
    "looks like this machine": (
        "instance_url",
        {**TOKEN, "instance_url": "http://127.0.0.1.evil.example"},
        {},
        "https",
    ),
    "lightning": ("instance_url", {**TOKEN, "instance_url": "acme.lightning.force.com"}, {}, "my.salesforce.com"),
    "url with password": ("instance_url", {**TOKEN, "instance_url": "https://u:hidden@acme.example"}, {}, "URL"),
    "no port": ("instance_url", {**TOKEN, "instance_url": "https://acme.example:port"}, {}, "not a URL"),
    "loopback elsewhere by plain http": (
        "loopback_org",
        {**TOKEN, "loopback_org": "http://10.0.0.1:8089"},
        {},
        "must be an address of this machine",
    ),
    "loopback elsewhere by name": (
        "loopback_org",
        {**TOKEN, "loopback_org": "host.docker.internal:8089"},
        {},
        "must be an address of this machine",
    ),
    "plain http host": (
        "host",
        {"consumer_key": "k", "consumer_secret": "hidden"},
        {"conn_type": "salesforce_dedup", "host": "http://acme.my.salesforce.com"},
        "https://",
    ),
    "loopback elsewhere": ("loopback_org", {**TOKEN, "loopback_org": "https://10.0.0.1"}, {}, "this machine"),
    "domain with a path": ("domain", {**TOKEN, "domain": "acme.my/services"}, {}, "My Domain"),
    "domain on this machine": ("domain", {**TOKEN, "domain": "127.0.0.1"}, {}, "loopback_org"),
    "proxies no json": ("proxies", {**TOKEN, "proxies": "{'https': 'http://u:hidden@p'}"}, {}, "JSON"),
    "proxies a list": ("proxies", {**TOKEN, "proxies": ["http://u:hidden@p"]}, {}, "mapping"),
    "proxies of another scheme": ("proxies", {**TOKEN, "proxies": {"ftp": "http://u:hidden@p"}}, {}, "mapping"),
    "proxies without a host": ("proxies", {**TOKEN, "proxies": "http://"}, {}, "mapping"),
    "token no header can carry": ("access_token", {**TOKEN, "access_token": "hidden\u20ac"}, {}, "header"),
    "session id of two lines": ("session_id", {"session_id": "hidden\nx", "instance": "a.b"}, {}, "header"),
    "client name no header can carry": ("client_id", {**TOKEN, "client_id": "l\u00e4dt"}, {}, "header"),
    "host with odd letters": ("instance_url", {**TOKEN, "instance_url": "https://acme my.example"}, {}, "host"),
    "timeout no number": ("read_timeout", {**TOKEN, "read_timeout": "long"}, {}, "seconds"),
    "timeout of nothing": ("connect_timeout", {**TOKEN, "connect_timeout": 0}, {}, "seconds"),
    "timeout without end": ("read_timeout", {**TOKEN, "read_timeout": "inf"}, {}, "seconds"),
    "timeout of an unknown length": ("read_timeout", {**TOKEN, "read_timeout": "nan"}, {}, "seconds"),
    "timeout switched on": ("connect_timeout", {**TOKEN, "connect_timeout": True}, {}, "seconds"),
    "expected org": ("expected_org_id", {**TOKEN, "expected_org_id": "production"}, {}, "record id"),
    "organization": ("organization_id", {"organization_id": "mine"}, USER, "record id"),
    "key no pem": ("private_key", {"consumer_key": "k", "private_key": "hidden"}, LOADER, "PEM"),
    "text no text": ("consumer_key", {"consumer_key": 5}, LOADER, "text"),
    "nothing": ("login", {}, {}, "JWT bearer: login, consumer_key, private_key or private_key_file_path"),
    "password alone": ("security_token", {}, USER, "security_token"),
    "token without instance": ("instance_url", {"access_token": "hidden"}, {}, "access token: instance_url"),
    "jwt without user": (
        "login",
        {"consumer_key": "k", "private_key_file_path": "/k"},
        {},
        "JWT bearer: login",
    ),
    "client credentials without domain": (
        "login",
        {"consumer_key": "k", "consumer_secret": "hidden"},
        {},
        "client credentials: domain",
    ),
    "client credentials at login": (
        "login",
        {"consumer_key": "k", "consumer_secret": "hidden", "domain": "login"},
        {},
        "not login or test",
    ),
}


PORTS = {
    "none": ("https://acme.my.salesforce.com", None, "https://acme.my.salesforce.com"),
    "zero": ("https://acme.my.salesforce.com", 0, "https://acme.my.salesforce.com"),
    "the scheme's own": ("https://acme.my.salesforce.com", 443, "https://acme.my.salesforce.com"),
    "the scheme's own, no scheme": ("acme.my.salesforce.com", 443, "https://acme.my.salesforce.com"),
    "the scheme's own in the host": ("https://acme.my.salesforce.com:443/", 0, "https://acme.my.salesforce.com"),
    "apart": ("http://127.0.0.1", 8089, "http://127.0.0.1:8089"),
    "with a path": ("http://127.0.0.1/", 8089, "http://127.0.0.1:8089"),
    "in the host": ("http://127.0.0.1:8089", 0, "http://127.0.0.1:8089"),
    "zero in the host": ("http://127.0.0.1:0", 8089, "http://127.0.0.1:8089"),
    "twice the same": ("http://127.0.0.1:8089", 8089, "http://127.0.0.1:8089"),
    "of an IPv6 address": ("http://[::1]", 8089, "http://[::1]:8089"),
}


@pytest.mark.parametrize(("host", "port", "origin"), PORTS.values(), ids=PORTS.keys())
def test_a_port_may_stand_in_the_host_or_apart_and_zero_is_none(host, port, origin):
    settings = from_parts("my_org", "salesforce_dedup", None, None, host, {"access_token": "token"}, port=port)
    assert settings.instance_url == origin


@pytest.mark.parametrize(
    ("host", "port", "says"),
    [
        ("http://127.0.0.1:8089", 8090, "port is 8090, but the host ends in :8089"),
        ("127.0.0.1:8089", 443, "port is 443, but the host ends in :8089"),
        ("https://acme.my.salesforce.com", 70_000, "port is 70000"),
        ("https://acme.my.salesforce.com", -1, "port is -1"),
    ],
)
def test_ports_that_differ_or_are_none_are_told_as_what_they_are(host, port, says):
    with pytest.raises(SettingError, match="'my_org'") as raised:
        from_parts("my_org", "salesforce_dedup", None, None, host, {"access_token": "token"}, port=port)
    assert says in str(raised.value)
    assert raised.value.setting == "port"


@pytest.mark.parametrize(("field", "extra", "columns", "says"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_an_unusable_field_is_named_with_its_connection_and_without_any_secret(field, extra, columns, says):
    with pytest.raises(SettingError) as raised:
        read(extra, **columns)
    message = str(raised.value)
    assert raised.value.setting == field
    assert "'my_org'" in message
    assert says in message
    assert "hidden" not in message


def test_no_secret_shows_in_the_repr(pem):
    settings = read(
        {
            **TOKEN,
            "access_token": "hidden-1",
            "security_token": "hidden-2",
            "consumer_key": "hidden-3",
            "consumer_secret": "hidden-4",
            "private_key": pem,
            "proxies": "http://u:hidden-5@proxy",
        },
        login="loader@acme.com",
        password="hidden-6",
    )
    assert "hidden" not in repr(settings)
    assert "PRIVATE" not in repr(settings)
    assert {*(f"hidden-{n}" for n in range(1, 7)), settings.private_key} <= set(settings.secrets())


def test_what_a_basic_header_is_made_of_is_as_secret_as_its_parts():
    settings = read(
        {**TOKEN, "consumer_key": "key", "consumer_secret": "word", "proxies": "http://us%65r:p%40ss@proxy:3128"}
    )
    basic = {base64.b64encode(each).decode() for each in (b"key:word", b"user:p@ss")}
    assert basic | {"p%40ss", "p@ss"} <= set(settings.secrets())
