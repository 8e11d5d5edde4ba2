"""Logs in, in every way that simple-salesforce knows; its functions write the requests and read the tokens.

What they leave out is added here: which org it is, the scheme of the instance, and what a refusal means. A
refused login is never sent again, because Salesforce locks users out; trouble on the way is left to the retries
of the call.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

import msgspec
import requests
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from simple_salesforce.exceptions import SalesforceAuthenticationFailed
from simple_salesforce.login import SalesforceLogin

from airflow_sf_dedup.core.printable import said
from airflow_sf_dedup.core.record_ids import record_id_in
from airflow_sf_dedup.errors import (
    LoginRefusedError,
    SalesforceDedupError,
    TransientCallError,
    UnusableConnectionError,
)
from airflow_sf_dedup.salesforce.connecting.instances import InstanceRefusedError, instance_of_login
from airflow_sf_dedup.salesforce.http.answers import Answer, child_text, error_for, read_xml, refusal_in
from airflow_sf_dedup.salesforce.http.secrets import Secrets
from airflow_sf_dedup.salesforce.http.transport import send
from airflow_sf_dedup.salesforce.settings import LAST_SOAP_LOGIN_VERSION, ConnectionSettings, LoginWay, is_loopback

_SALESFORCE = ".salesforce.com"
#: What a header can carry as it is. Salesforce's tokens are made of fewer characters (RFC 6750, 2.1, and ``!``).
_TOKEN = re.compile(r"[!-~]{1,10000}")
#: How the names of members end that hold a secret, such as ``refresh_token`` or ``lightning_sid``.
_SECRET_MEMBER = re.compile(r".*(?:token|sid|sid_client|signature|secret|assertion|password)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Login:
    """What a login gives."""

    access_token: str
    #: Scheme and host, without a path.
    instance_url: str
    #: 18 characters; ``None`` when the answer does not say.
    org_id: str | None = None
    #: 18 characters; ``None`` when the answer does not say.
    user_id: str | None = None

    def __repr__(self) -> str:
        return f"Login(instance_url={self.instance_url!r}, org_id={self.org_id!r})"


def log_in(settings: ConnectionSettings, http_session: requests.Session, secrets: Secrets | None = None) -> Login:
    """Log in the way the connection is made for.

    :param secrets: learns what the login sends and what it brings. Errors still hold both; see :mod:`.leaving`.
    :raises LoginRefusedError: Salesforce does not accept the credentials, or leads where no token may go.
    :raises TransientCallError: the login server could not be reached, was busy, or answered what cannot be read.
    :raises UnusableConnectionError: the private key cannot be used.
    """
    secrets = secrets or Secrets()
    if settings.login_way is LoginWay.ACCESS_TOKEN:
        login = Login(settings.access_token or "", settings.instance_url or "")
    else:
        login = _logged_in(settings, _LoginClient(settings, http_session, secrets), secrets)
    secrets.learn_token(login.access_token)
    return login


def _logged_in(settings: ConnectionSettings, client: _LoginClient, secrets: Secrets) -> Login:
    try:
        token, _host = SalesforceLogin(
            session=cast(requests.Session, client), **_arguments(settings, _signing_key(settings, secrets))
        )
        return _read_login(settings, token, client.answer)
    except SalesforceAuthenticationFailed as error:
        raise _refused(settings, "", str(error)) from None
    except SalesforceDedupError:
        raise
    except Exception as error:
        # simple-salesforce reads the answer as well, and lets through what its parsers raise.
        unread = TransientCallError(f"its answer cannot be read ({type(error).__name__})", code="LOGIN_FAILED")
        raise login_failed(settings.conn_id, unread) from error


def login_failed(conn_id: str, error: TransientCallError) -> TransientCallError:
    """The error of a call that could not be made for want of a login; the same call may succeed later."""
    return TransientCallError(
        f"connection {conn_id!r}: the login failed, {error}; nothing was sent",
        code=error.code,
        status=error.status,
        retry_after=error.retry_after,
    )


class _LoginClient:
    """The one method of a ``requests.Session`` that simple-salesforce uses; keeps the answer it hands on."""

    def __init__(self, settings: ConnectionSettings, http: requests.Session, secrets: Secrets) -> None:
        self._settings = settings
        self._http = http
        self._secrets = secrets
        self.answer = Answer(0, {}, b"")

    def post(self, url: str, data: Any, *, headers: Any = None, proxies: Any = None) -> requests.Response:
        """Send the login; only an answer that carries a token is handed on.

        :param proxies: ignored; the session has its own.
        """
        if isinstance(data, Mapping):
            self._secrets.learn(*_secret_members(data))
        try:
            self.answer = send(self._http, "POST", url, data=_encoded(data), headers=headers)
        except TransientCallError as error:
            # Even when its outcome is unknown: a login that is lost can be repeated without harm.
            raise login_failed(self._settings.conn_id, error) from None
        self._secrets.learn(*_secrets_in(self.answer.content))
        _check(self._settings, self.answer)
        return _as_response(self.answer)


def _secrets_in(content: bytes) -> Iterator[str]:
    """Everything secret that an answer to a login brings."""
    if content.lstrip().startswith(b"<"):
        root = read_xml(content)
        return iter(()) if root is None else iter([child_text(root, "sessionId")])
    return _secret_members(_json_object(content))


def _secret_members(document: Mapping[str, Any]) -> Iterator[str]:
    return (value for name, value in document.items() if _SECRET_MEMBER.fullmatch(name) and isinstance(value, str))


def _arguments(settings: ConnectionSettings, key: RSAPrivateKey | None) -> dict[str, Any]:
    """The arguments of ``SalesforceLogin`` for one way only: it chooses by what is given."""
    match settings.login_way:
        case LoginWay.PASSWORD_AND_TOKEN:
            return {**_soap(settings), "security_token": escape(settings.security_token or "")}
        case LoginWay.PASSWORD_AND_ORGANIZATION:
            return {**_soap(settings), "organizationId": settings.organization_id}
        case LoginWay.PASSWORD_AND_CONSUMER:
            return {**_password(settings), **_consumer(settings)}
        case LoginWay.JWT:
            return _jwt(settings, key)
        case _:
            return _consumer(settings)


def _password(settings: ConnectionSettings) -> dict[str, Any]:
    return {"username": settings.login, "password": settings.password, "domain": settings.domain}


def _consumer(settings: ConnectionSettings) -> dict[str, Any]:
    return {
        "consumer_key": settings.consumer_key,
        "consumer_secret": settings.consumer_secret,
        "domain": settings.domain,
    }


def _soap(settings: ConnectionSettings) -> dict[str, Any]:
    """SOAP login, by the newest version that still knows it."""
    version = min(int(settings.api_version.partition(".")[0]), LAST_SOAP_LOGIN_VERSION)
    client_id = escape(settings.client_id) if settings.client_id else None
    return {**_password(settings), "sf_version": f"{version}.0", "client_id": client_id}


def _jwt(settings: ConnectionSettings, key: RSAPrivateKey | None) -> dict[str, Any]:
    return {
        "username": settings.login,
        "consumer_key": settings.consumer_key,
        "privatekey": key,
        "domain": settings.domain or _audience(settings.instance_url),
        "instance_url": _token_host(settings.instance_url),
    }


def _audience(instance_url: str | None) -> str:
    """Sandboxes and scratch orgs are served by ``test``, all other orgs by ``login`` (JWT bearer flow)."""
    host = urlsplit(instance_url or "").hostname or ""
    return "test" if ".sandbox." in host or ".scratch." in host else "login"


def _token_host(instance_url: str | None) -> str | None:
    """simple-salesforce wants the part of the host before ``.salesforce.com``."""
    if instance_url is None or is_loopback(instance_url):
        return None
    return (urlsplit(instance_url).hostname or "").removesuffix(_SALESFORCE) or None


def _signing_key(settings: ConnectionSettings, secrets: Secrets) -> RSAPrivateKey | None:
    """The key that signs JWTs, where the connection logs in by one."""
    if settings.login_way is not LoginWay.JWT:
        return None
    # Read here because simple-salesforce lets each library's own error through; it takes a key that is read as well.
    name = "private_key" if settings.private_key else "private_key_file_path"
    text = settings.private_key or _read_key_file(settings)
    secrets.learn(text)
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError):
        raise _key_error(settings, name, "holds no readable PEM key without a passphrase") from None
    if not isinstance(key, RSAPrivateKey):
        raise _key_error(settings, name, "must be an RSA key: Salesforce checks JWTs by RS256")
    return key


def _read_key_file(settings: ConnectionSettings) -> str:
    try:
        return Path(settings.private_key_file_path or "").read_text("ascii")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise _key_error(settings, "private_key_file_path", f"cannot be read: {reason}") from None


def _key_error(settings: ConnectionSettings, name: str, problem: str) -> UnusableConnectionError:
    return UnusableConnectionError(
        f"connection {settings.conn_id!r}: {name} {problem}", setting=name, code="UNUSABLE_KEY"
    )


def _check(settings: ConnectionSettings, answer: Answer) -> None:
    """Let an answer with a token pass.

    :raises LoginRefusedError: Salesforce refused.
    :raises TransientCallError: it could not say.
    """
    if answer.status == 200 and _carries_token(answer.content):
        return
    refusal = refusal_in(answer.content)
    error = error_for(refusal.code, refusal.message, status=answer.status)
    if isinstance(error, TransientCallError):
        raise login_failed(settings.conn_id, error)
    raise _refused(settings, refusal.code, refusal.message or f"HTTP {answer.status} without a token")


def _refused(settings: ConnectionSettings, code: str, message: str) -> LoginRefusedError:
    text = f"{code}: {message}" if code else message
    return LoginRefusedError(
        f"connection {settings.conn_id!r}: login by {settings.login_way.value} was refused, {text}",
        code=code or "LOGIN_REFUSED",
    )


def _carries_token(content: bytes) -> bool:
    if content.lstrip().startswith(b"<"):
        root = read_xml(content)
        return root is not None and bool(child_text(root, "sessionId") and child_text(root, "serverUrl"))
    body = _json_object(content)
    return isinstance(body.get("access_token"), str) and isinstance(body.get("instance_url"), str)


def _read_login(settings: ConnectionSettings, token: str, answer: Answer) -> Login:
    if answer.content.lstrip().startswith(b"<"):
        root = read_xml(answer.content)
        names = ("serverUrl", "organizationId", "userId")
        url, org_id, user_id = (child_text(root, name) if root is not None else "" for name in names)
    else:
        body = _json_object(answer.content)
        url = body["instance_url"]
        # ``id`` is https://login.salesforce.com/id/<org id>/<user id>.
        org_id, user_id = ("", "", *said(body.get("id")).split("/"))[-2:]
    if not _TOKEN.fullmatch(token):
        raise _refused(settings, "", "the login's token has characters that no header can carry")
    return Login(token, _checked_instance(settings, url), record_id_in(org_id), record_id_in(user_id))


def _checked_instance(settings: ConnectionSettings, url: str) -> str:
    try:
        return instance_of_login(url, is_local=settings.loopback_org is not None)
    except InstanceRefusedError as error:
        raise _refused(settings, "", str(error)) from None


def _json_object(content: bytes) -> Mapping[str, Any]:
    try:
        body = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _encoded(data: Any) -> Any:
    return data.encode() if isinstance(data, str) else data


def _as_response(answer: Answer) -> requests.Response:
    response = requests.Response()
    response.status_code = answer.status
    response._content = answer.content
    return response
