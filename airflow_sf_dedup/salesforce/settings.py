"""How to reach one org: a connection's settings, checked. No I/O, no Airflow; no secret shows in a repr."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

#: The first API version whose REST calls know the duplicate-rule header (REST guide, "Duplicate Rules Header").
OLDEST_API_VERSION = 52
DEFAULT_API_VERSION = "62.0"
#: The last API version that knows SOAP ``login()`` (end-of-life notice of the SOAP API guide).
LAST_SOAP_LOGIN_VERSION = 64
#: Seconds to wait for a connection.
DEFAULT_CONNECT_TIMEOUT = 10.0
#: Seconds to wait for an answer; Salesforce itself gives up after ten minutes.
DEFAULT_READ_TIMEOUT = 120.0


class LoginWay(Enum):
    """How a session gets its access token. The value is what people call it."""

    ACCESS_TOKEN = "access token"  # noqa: S105 - a name, not a secret
    PASSWORD_AND_TOKEN = "password and security token"  # noqa: S105
    PASSWORD_AND_ORGANIZATION = "password and organization id"  # noqa: S105
    PASSWORD_AND_CONSUMER = "password and consumer key"  # noqa: S105
    JWT = "JWT bearer"
    CLIENT_CREDENTIALS = "client credentials"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSettings:
    """Everything a session needs to know; made by :func:`.connection_fields.from_parts`."""

    #: Named in errors; never sent.
    conn_id: str
    login_way: LoginWay
    #: The user name.
    login: str | None = None
    password: str | None = field(default=None, repr=False)
    security_token: str | None = field(default=None, repr=False)
    #: What precedes ``.salesforce.com`` in the login host: ``login``, ``test`` or a My Domain (``acme.my``).
    domain: str | None = None
    consumer_key: str | None = field(default=None, repr=False)
    consumer_secret: str | None = field(default=None, repr=False)
    #: PEM text of an RSA key.
    private_key: str | None = field(default=None, repr=False)
    private_key_file_path: str | None = None
    #: The org that users with an address filter log in to, as Salesforce's LoginScopeHeader wants it.
    organization_id: str | None = None
    #: Scheme and host, without a path.
    instance_url: str | None = None
    access_token: str | None = field(default=None, repr=False)
    #: ``{"http": url, "https": url}``; the URLs may hold a password.
    proxies: Mapping[str, str] | None = field(default=None, repr=False)
    #: Such as ``62.0``.
    api_version: str = DEFAULT_API_VERSION
    #: Seconds.
    connect_timeout: float = DEFAULT_CONNECT_TIMEOUT
    #: Seconds without a byte of the answer.
    read_timeout: float = DEFAULT_READ_TIMEOUT
    #: 18 characters. The session refuses to work with any other org.
    expected_org_id: str | None = None
    #: A file of certificates to trust instead of the usual ones.
    ca_bundle: str | None = None
    #: Origin of an org on this machine that answers for all of ``*.salesforce.com``.
    loopback_org: str | None = None
    #: A name for this client in Salesforce's own logs.
    client_id: str | None = None

    @property
    def can_log_in_again(self) -> bool:
        """Whether an expired session can be renewed; an access token alone cannot."""
        return self.login_way is not LoginWay.ACCESS_TOKEN

    def secrets(self) -> tuple[str, ...]:
        """Every value that must not be shown, longest first, so that a part never uncovers a whole."""
        values = [self.password, self.security_token, self.consumer_key, self.consumer_secret]
        values += [self.private_key, self.access_token]
        if self.consumer_key and self.consumer_secret:
            values.append(_basic(self.consumer_key, self.consumer_secret))
        for proxy in (self.proxies or {}).values():
            values += _proxy_secrets(proxy)
        return tuple(sorted({value for value in values if value}, key=len, reverse=True))


def _basic(user: str, password: str) -> str:
    """What stands in an ``Authorization: Basic`` header (RFC 7617)."""
    return b64encode(f"{user}:{password}".encode()).decode()


def _proxy_secrets(proxy: str) -> list[str | None]:
    """The password in a proxy's URL, as it is spelled there and as it is sent."""
    parts = urlsplit(proxy)
    if not parts.password:
        return []
    user, password = unquote(parts.username or ""), unquote(parts.password)
    return [parts.password, password, _basic(user, password)]


def is_loopback(url: str) -> bool:
    """Whether the host of ``url`` is this machine: 127.0.0.0/8, ::1 or ``localhost``."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
