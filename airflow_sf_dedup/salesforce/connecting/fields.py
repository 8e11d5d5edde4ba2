"""Reads the fields of an Airflow connection into settings, and says which field is wrong when one is.

Two connection types are read. ``salesforce`` is Airflow's own: every extra of its hook, in the short and in
the ``extra__salesforce__`` spelling. ``salesforce_dedup`` is ours and adds the host (a My Domain). The extras
that we add (``access_token``, ``expected_org_id``, time-outs and so on) work in both.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from airflow_sf_dedup.core.numeric_settings import TIMEOUT, number_in
from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.salesforce.connecting.extras import check_names, value_of
from airflow_sf_dedup.salesforce.settings import (
    DEFAULT_API_VERSION,
    DEFAULT_CONNECT_TIMEOUT,
    DEFAULT_READ_TIMEOUT,
    OLDEST_API_VERSION,
    ConnectionSettings,
    LoginWay,
    is_loopback,
)

#: What each way to log in needs; ``a|b`` is one of them. The first way whose needs are met is taken: an
#: access token, then simple-salesforce's own order.
NEEDS: tuple[tuple[LoginWay, tuple[str, ...]], ...] = (
    (LoginWay.ACCESS_TOKEN, ("access_token", "instance_url")),
    (LoginWay.PASSWORD_AND_TOKEN, ("login", "password", "security_token")),
    (LoginWay.PASSWORD_AND_ORGANIZATION, ("login", "password", "organization_id")),
    (LoginWay.PASSWORD_AND_CONSUMER, ("login", "password", "consumer_key", "consumer_secret")),
    (LoginWay.JWT, ("login", "consumer_key", "private_key|private_key_file_path")),
    (LoginWay.CLIENT_CREDENTIALS, ("consumer_key", "consumer_secret", "domain")),
)

_OWN_TYPE = "salesforce_dedup"
_TYPES = ("salesforce", _OWN_TYPE)
_SALESFORCE = ".salesforce.com"
#: Login hosts that serve all orgs; client credentials need the org's own (OAuth client credentials flow).
_SHARED_DOMAINS = ("login", "test")
#: Stands for a My Domain where the instance is on this machine, which all logins then go to; none has this name.
_LOOPBACK_DOMAIN = "loopback.invalid"
_VERSION = re.compile(r"v?(\d{1,4})(?:\.0)?")
_DOMAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")
#: A name, an IPv4 address, or what stands between the brackets of an IPv6 address.
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+(?:%25[a-z0-9._~-]+)?")
_PORTS = {"http": 80, "https": 443}
#: Visible ASCII and blanks (RFC 9110, 5.5).
_HEADER = re.compile(r"[ -~]+")
_PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----(.*?)-----END \1-----", re.DOTALL)


def from_parts(
    conn_id: str,
    conn_type: str,
    login: str | None,
    password: str | None,
    host: str | None,
    extra: Mapping[str, Any],
    *,
    port: int | None = None,
) -> ConnectionSettings:
    """The settings in the parts of an Airflow connection.

    :param port: of the host, where that does not hold it; 0, which forms store for an empty field, is none.
    :raises SettingError: a field is unusable, missing or not known; the message names the connection and the field.
    """
    if conn_type not in _TYPES:
        raise SettingError(
            f"connection {conn_id!r}: conn_type must be {' or '.join(_TYPES)}, not {conn_type!r}",
            setting="conn_type",
        )
    own = conn_type == _OWN_TYPE
    check_names(conn_id, extra, is_shared=not own)
    fields = _Fields(conn_id, extra, host=host if own else None, port=port if own else None)
    values = {"login": (login or "").strip() or None, "password": password or None, **_extras(fields)}
    own_domain = values["domain"] or fields.domain_of_instance()
    way = _login_way(conn_id, {**values, "domain": own_domain})
    # A JWT is addressed to login or test, whatever the host; other ways log in at the org's own host.
    values["domain"] = values["domain"] if way is LoginWay.JWT else own_domain
    return ConnectionSettings(conn_id=conn_id, login_way=way, **values)


class _Fields:
    """The extras of one connection; each reader knows one form and says what is wrong with another."""

    def __init__(self, conn_id: str, extra: Mapping[str, Any], *, host: str | None, port: int | None) -> None:
        self._conn_id = conn_id
        self._extra = extra
        self._host = (host or "").strip()
        self._port = port or None

    def error(self, name: str, problem: str) -> SettingError:
        return SettingError(f"connection {self._conn_id!r}: {name} {problem}", setting=name)

    def raw(self, name: str) -> Any:
        """The value, however the name is spelled; ``None`` where it is absent or blank."""
        return value_of(self._extra, name)

    def text(self, name: str) -> str | None:
        value = self.raw(name)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self.error(name, f"must be text, not {type(value).__name__}")
        return value.strip()

    def header_text(self, name: str) -> str | None:
        """Text that goes into a header of each call. The message does not show it: it may be a token."""
        value = self.text(name)
        if value is not None and not _HEADER.fullmatch(value):
            raise self.error(name, "has characters that no header can carry; it is made of ASCII letters and signs")
        return value

    def record_id(self, name: str) -> str | None:
        value = self.text(name)
        if value is None:
            return None
        try:
            return to_18(value)
        except ValueError as error:
            raise self.error(name, f"is not usable: {error}") from None

    def seconds(self, name: str, default: float) -> float:
        value = self.raw(name)
        if value is None:
            return default
        try:
            return TIMEOUT.take(number_in(value) if isinstance(value, str) else value)
        except ValueError:
            raise self.error(name, f"must be {TIMEOUT.allowed}") from None

    def api_version(self) -> str:
        """``version`` is the name in Airflow's connection, ``api_version`` in ours."""
        name = "api_version" if self.raw("api_version") is not None else "version"
        value = self.raw(name)
        if value is None:
            return DEFAULT_API_VERSION
        shape = _VERSION.fullmatch(str(value).strip().lower())
        if shape is None:
            raise self.error(name, f"must be an API version such as {DEFAULT_API_VERSION}, not {value!r}")
        if int(shape[1]) < OLDEST_API_VERSION:
            raise self.error(
                name,
                f"is {shape[1]}.0; the oldest usable API version is {OLDEST_API_VERSION}.0, the first whose "
                "duplicate-rule header works",
            )
        return f"{int(shape[1])}.0"

    def domain(self) -> str | None:
        """What stands before ``.salesforce.com``; the whole host or its URL are read too."""
        value = self.text("domain")
        if value is None:
            return None
        label = value.removeprefix("https://").rstrip("/").removesuffix(_SALESFORCE)
        if not _DOMAIN.fullmatch(label):
            raise self.error("domain", "must be login, test or a My Domain such as acme.my, without a path")
        if is_loopback(f"https://{label}"):
            raise self.error("domain", "must be a name at salesforce.com; loopback_org leads to a local org")
        return label

    def domain_of_instance(self) -> str | None:
        """The My Domain in the host; a neutral one where the instance is on this machine."""
        instance = self.instance_url()
        if instance and is_loopback(instance):
            return _LOOPBACK_DOMAIN
        url = self._origin_of_host() if self._host else ""
        host = urlsplit(url).hostname or ""
        return host.removesuffix(_SALESFORCE) if host.endswith(_SALESFORCE) else None

    def instance_url(self) -> str | None:
        """``instance_url``, else ``instance`` (a host), else the host of a connection of our own type."""
        for name in ("instance_url", "instance"):
            if value := self.text(name):
                return self._safe_origin(name, value)
        return self._origin_of_host() if self._host else None

    def _origin_of_host(self) -> str:
        """The host with its port, which a connection written as a URI, and Airflow's form, keep apart."""
        return self._safe_origin("host", self._host, port=self._port)

    def loopback_org(self) -> str | None:
        """The local org that stands in for salesforce.com; an instance on this machine always does."""
        value = self.text("loopback_org")
        if value is None:
            instance = self.instance_url()
            return instance if instance and is_loopback(instance) else None
        url = self._origin("loopback_org", value)
        if not is_loopback(url):
            raise self.error("loopback_org", "must be an address of this machine, such as http://127.0.0.1:8089")
        return url

    def _safe_origin(self, name: str, value: str, *, port: int | None = None) -> str:
        """Scheme, host and port; https unless the host is this machine."""
        url = self._origin(name, value, port=port)
        if url.startswith("http:") and not is_loopback(url):
            raise self.error(name, "must begin with https://; plain http is for addresses of this machine only")
        return url

    def _origin(self, name: str, value: str, *, port: int | None = None) -> str:
        """Scheme, host and port; https where no scheme is given, no port where it is the scheme's own."""
        try:
            parts = urlsplit(value if "://" in value else f"https://{value}")
            own_port = parts.port or None
        except ValueError:
            raise self.error(name, "is not a URL") from None
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
            raise self.error(name, "must be a URL such as https://acme.my.salesforce.com")
        if not _HOST.fullmatch(parts.hostname):
            raise self.error(name, "is no name or address of a host")
        if parts.hostname.endswith(".lightning.force.com"):
            raise self.error(name, "is a page address; the API answers at https://….my.salesforce.com")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        number = self._one_port(own_port, port) or _PORTS[parts.scheme]
        return f"{parts.scheme}://{host}" + ("" if number == _PORTS[parts.scheme] else f":{number}")

    def _one_port(self, in_host: int | None, apart: int | None) -> int | None:
        if apart is not None and not 1 <= apart <= 65_535:
            raise self.error("port", f"is {apart}; a port is a number from 1 to 65535")
        if in_host and apart and in_host != apart:
            raise self.error("port", f"is {apart}, but the host ends in :{in_host}; leave out one of them")
        return in_host or apart

    def proxies(self) -> dict[str, str] | None:
        """One proxy URL for all, or a mapping of scheme to URL, as an object or as JSON text."""
        value = self.raw("proxies")
        if isinstance(value, str):
            value = self._proxies_in_text(value.strip())
        if value is None:
            return None
        usable = isinstance(value, dict) and value.keys() <= {"http", "https", "all"}
        if not usable or not all(_is_proxy(url) for url in value.values()):
            # The value may hold the proxy's password, so it is not shown.
            raise self.error(
                "proxies",
                'must be a URL such as http://proxy:3128, or a mapping such as {"https": "http://proxy:3128"}',
            )
        return {scheme: url if "://" in url else f"http://{url}" for scheme, url in value.items()}

    def _proxies_in_text(self, text: str) -> Any:
        if not text.startswith(("{", "[", '"')):
            return {"http": text, "https": text}
        try:
            return json.loads(text)
        except ValueError:
            raise self.error("proxies", "is neither a URL nor a JSON object") from None

    def private_key(self) -> str | None:
        """A PEM key, also one whose line breaks JSON spelled out or a one-line form field lost."""
        value = self.text("private_key")
        if value is None:
            return None
        shape = _PEM.search(value.replace("\\n", "\n").replace("\\r", ""))
        if shape is None:
            raise self.error("private_key", "must be a PEM text: -----BEGIN PRIVATE KEY----- and so on")
        label, body = shape[1], "".join(shape[2].split())
        if label.startswith("ENCRYPTED") or ":" in body:
            raise self.error("private_key", "is protected by a passphrase; store it without one")
        lines = [body[start : start + 64] for start in range(0, len(body), 64)]
        return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])


def _extras(fields: _Fields) -> dict[str, Any]:
    return {
        "security_token": fields.text("security_token"),
        "domain": fields.domain(),
        "consumer_key": fields.text("consumer_key"),
        "consumer_secret": fields.text("consumer_secret"),
        "private_key": fields.private_key(),
        "private_key_file_path": fields.text("private_key_file_path"),
        "organization_id": fields.record_id("organization_id"),
        "instance_url": fields.instance_url(),
        "access_token": fields.header_text("access_token") or fields.header_text("session_id"),
        "proxies": fields.proxies(),
        "api_version": fields.api_version(),
        "connect_timeout": fields.seconds("connect_timeout", DEFAULT_CONNECT_TIMEOUT),
        "read_timeout": fields.seconds("read_timeout", DEFAULT_READ_TIMEOUT),
        "expected_org_id": fields.record_id("expected_org_id"),
        "ca_bundle": fields.text("ca_bundle"),
        "loopback_org": fields.loopback_org(),
        "client_id": fields.header_text("client_id"),
    }


def _is_proxy(url: Any) -> bool:
    if not isinstance(url, str):
        return False
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        return bool(parts.hostname) and (parts.port or 1) > 0 and not re.search(r"\s", url)
    except ValueError:
        return False


def _login_way(conn_id: str, values: Mapping[str, Any]) -> LoginWay:
    """The first way whose needs are met.

    :raises SettingError: none is; the message says what is missing for the ways that were begun.
    """
    for way, needs in NEEDS:
        if not _missing(needs, values):
            return way
    begun = [(way, needs) for way, needs in NEEDS if _begun(needs, values)]
    ways = "; ".join(f"{way.value}: {', '.join(_missing(needs, values))}" for way, needs in begun or NEEDS)
    raise SettingError(
        f"connection {conn_id!r}: the credentials are incomplete; missing for each way to log in: {ways}",
        setting=_missing(begun[0][1], values)[0].split(" ")[0] if begun else "login",
    )


def _missing(needs: tuple[str, ...], values: Mapping[str, Any]) -> list[str]:
    missing = [" or ".join(need.split("|")) for need in needs if not _given(need, values)]
    if "domain" in needs and not missing and values["domain"] in _SHARED_DOMAINS:
        missing = ["domain (the org's My Domain, not login or test)"]
    return missing


def _begun(needs: tuple[str, ...], values: Mapping[str, Any]) -> bool:
    """Whether somebody meant this way: something beyond the user name and the host is filled in."""
    telling = [need for need in needs if need not in ("login", "instance_url", "domain")]
    return any(_given(need, values) for need in telling)


def _given(need: str, values: Mapping[str, Any]) -> bool:
    return any(values[name] for name in need.split("|"))
