"""Who may have an access token? The grants of ``/services/oauth2/token``.

Refusals are worded as in Salesforce's "OAuth 2.0 Authorization Errors": 400 with ``error`` and
``error_description``.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from airflow_sf_dedup.emulator.definition.org_file import Client, User
from airflow_sf_dedup.emulator.state.approvals import Approval
from airflow_sf_dedup.emulator.state.org import Org

_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_AUDIENCES = ("https://login.salesforce.com", "https://test.salesforce.com")
#: What a connected app may do when it does not say.
DEFAULT_SCOPE = "refresh_token web api id"
_KEEPS_ACCESS = frozenset({"refresh_token", "offline_access", "full"})
#: Every org knows the app of Salesforce's own command line.
_COMMAND_LINE = Client("PlatformCLI")


class Refusal(Exception):
    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error
        self.description = description


@dataclass(frozen=True, slots=True)
class Granted:
    approval: Approval
    #: A refresh token that was used, or None.
    refresh_token: str | None = None
    #: Hand out a refresh token too.
    keeps_access: bool = False


def granted(org: Org, form: Mapping[str, str], headers: Mapping[str, str], url: str) -> Granted:
    """:raises Refusal: in Salesforce's words."""
    grant = _GRANTS.get(form.get("grant_type", ""))
    if grant is None:
        raise Refusal("unsupported_grant_type", "grant type not supported")
    return grant(org, {**form, **basic(headers)}, url)


def basic(headers: Mapping[str, str]) -> dict[str, str]:
    """Client id and secret from an Authorization header."""
    scheme, _, encoded = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return {}
    try:
        client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise Refusal("invalid_client", "invalid client credentials") from None
    return {"client_id": client_id, "client_secret": secret}


def known_client(org: Org, client_id: str | None) -> Client:
    client = org.definition.client(client_id)
    if client is not None:
        return client
    if client_id == _COMMAND_LINE.client_id:
        return _COMMAND_LINE
    raise Refusal("invalid_client_id", "client identifier invalid")


def client_of(org: Org, form: Mapping[str, str], *, needs_secret: bool) -> Client:
    client = known_client(org, form.get("client_id"))
    given = form.get("client_secret")
    if client.client_secret is not None and (needs_secret or given) and given != client.client_secret:
        raise Refusal("invalid_client", "invalid client credentials")
    return client


def keeps_access(scope: str) -> bool:
    return not _KEEPS_ACCESS.isdisjoint(scope.split())


def _approved(client: Client, user: User, scope: str = "id api") -> Granted:
    return Granted(Approval(user.user_id, client.client_id, scope))


def _by_password(org: Org, form: Mapping[str, str], url: str) -> Granted:
    client = client_of(org, form, needs_secret=True)
    user = org.definition.user(form.get("username"))
    if user is None or not user.accepts(form.get("password", "")):
        raise Refusal("invalid_grant", "authentication failure")
    return _approved(client, user)


def _by_client(org: Org, form: Mapping[str, str], url: str) -> Granted:
    client = client_of(org, form, needs_secret=True)
    if client.client_secret is None:
        raise Refusal("invalid_client", "invalid client credentials")
    user = org.definition.user(client.run_as)
    if user is None:
        raise Refusal("invalid_grant", "no client credentials user enabled")
    return _approved(client, user)


def _by_refresh_token(org: Org, form: Mapping[str, str], url: str) -> Granted:
    client = client_of(org, form, needs_secret=False)
    approval = org.sessions.approvals.by_refresh_token(form.get("refresh_token"))
    if approval is None or approval.client_id != client.client_id:
        raise Refusal("invalid_grant", "expired access/refresh token")
    return Granted(approval, form["refresh_token"])


def _by_code(org: Org, form: Mapping[str, str], url: str) -> Granted:
    client = client_of(org, form, needs_secret=form.get("code_verifier") is None)
    code = org.sessions.approvals.redeem(form.get("code"))
    if code is None or code.approval.client_id != client.client_id:
        raise Refusal("invalid_grant", "invalid authorization code")
    if form.get("redirect_uri") != code.redirect_uri:
        raise Refusal("redirect_uri_mismatch", "redirect_uri must match configuration")
    if not code.verified_by(form.get("code_verifier")):
        raise Refusal("invalid_grant", "invalid code verifier")
    return Granted(code.approval, keeps_access=keeps_access(code.approval.scope))


def _by_device(org: Org, form: Mapping[str, str], url: str) -> Granted:
    """A device code is an authorization code that nobody has to type in anywhere."""
    client = client_of(org, form, needs_secret=False)
    code = org.sessions.approvals.redeem(form.get("code"))
    if code is None or code.approval.client_id != client.client_id:
        raise Refusal("invalid_grant", "invalid device code")
    return Granted(code.approval, keeps_access=keeps_access(code.approval.scope))


def _by_jwt(org: Org, form: Mapping[str, str], url: str) -> Granted:
    assertion = form.get("assertion", "")
    try:
        claims: dict[str, Any] = jwt.decode(assertion, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError):
        raise Refusal("invalid_grant", "invalid assertion") from None
    client = org.definition.client(str(claims.get("iss")))
    if client is None:
        raise Refusal("invalid_client_id", "client identifier invalid")
    _verify(assertion, client, (*_AUDIENCES, url))
    user = org.definition.user(str(claims.get("sub", claims.get("prn"))))
    if user is None:
        raise Refusal("invalid_grant", "user hasn't approved this consumer")
    return _approved(client, user)


def _verify(assertion: str, client: Client, audiences: tuple[str, ...]) -> None:
    options: Any = {"require": ["exp", "iss", "aud"], "verify_signature": client.public_key is not None}
    options |= {"verify_exp": True, "verify_aud": True}
    try:
        key: Any = _public_key(client.public_key) if client.public_key else ""
        jwt.decode(assertion, key, algorithms=["RS256"], audience=audiences, options=options)
    except jwt.ExpiredSignatureError:
        raise Refusal("invalid_grant", "expired authorization code") from None
    except jwt.InvalidAudienceError:
        raise Refusal("invalid_grant", "audience is invalid") from None
    except (jwt.PyJWTError, ValueError):
        raise Refusal("invalid_grant", "invalid assertion") from None


def _public_key(pem: str) -> Any:
    """The key in a PEM text, which may be a certificate."""
    if "BEGIN CERTIFICATE" not in pem:
        return pem
    from cryptography.x509 import load_pem_x509_certificate

    return load_pem_x509_certificate(pem.encode()).public_key()


_GRANTS: dict[str, Callable[[Org, Mapping[str, str], str], Granted]] = {
    "password": _by_password,
    "client_credentials": _by_client,
    "refresh_token": _by_refresh_token,
    "authorization_code": _by_code,
    "device": _by_device,
    _JWT_BEARER: _by_jwt,
}
