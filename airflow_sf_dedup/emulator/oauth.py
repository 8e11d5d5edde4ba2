"""Getting an access token: password, client-credentials and JWT-bearer grants; and who a token stands for.

Refusals are worded as in Salesforce's "OAuth 2.0 Authorization Errors": 400 with ``error`` and
``error_description``.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import time
from collections.abc import Callable, Mapping
from typing import Any

import jwt

from airflow_sf_dedup.emulator.http import Response
from airflow_sf_dedup.emulator.org import Org
from airflow_sf_dedup.emulator.org_file import Client, User

_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_AUDIENCES = ("https://login.salesforce.com", "https://test.salesforce.com")


class Refusal(Exception):
    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error
        self.description = description


def token(org: Org, form: Mapping[str, str], headers: Mapping[str, str], url: str) -> Response:
    """The answer to ``POST /services/oauth2/token``.

    :param url: where the emulator is reached; it becomes ``instance_url``.
    """
    try:
        grant = _GRANTS.get(form.get("grant_type", ""))
        if grant is None:
            raise Refusal("unsupported_grant_type", "grant type not supported")
        user = grant(org, {**form, **_basic(headers)}, url)
    except Refusal as refusal:
        return Response(400, {"error": refusal.error, "error_description": refusal.description})
    org.accounting.count_login()
    return Response(200, _token(org, user, url))


def _basic(headers: Mapping[str, str]) -> dict[str, str]:
    """Client id and secret from an Authorization header."""
    scheme, _, encoded = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return {}
    try:
        client_id, _, secret = base64.b64decode(encoded).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise Refusal("invalid_client", "invalid client credentials") from None
    return {"client_id": client_id, "client_secret": secret}


def _token(org: Org, user: User, url: str) -> dict[str, str]:
    issued_at = str(int(time.time() * 1000))
    identity = f"{url}/id/{org.org_id}/{user.user_id}"
    signature = base64.b64encode(hashlib.sha256((identity + issued_at).encode()).digest()).decode()
    return {
        "access_token": org.sessions.open(user.user_id),
        "signature": signature,
        "scope": "id api",
        "instance_url": url,
        "id": identity,
        "token_type": "Bearer",
        "issued_at": issued_at,
    }


def _client(org: Org, form: Mapping[str, str], *, needs_secret: bool) -> Client:
    client = org.definition.client(form.get("client_id"))
    if client is None:
        raise Refusal("invalid_client_id", "client identifier invalid")
    given = form.get("client_secret")
    if client.client_secret is not None and (needs_secret or given) and given != client.client_secret:
        raise Refusal("invalid_client", "invalid client credentials")
    return client


def _by_password(org: Org, form: Mapping[str, str], url: str) -> User:
    _client(org, form, needs_secret=True)
    user = org.definition.user(form.get("username"))
    if user is None or not password_fits(user, form.get("password", "")):
        raise Refusal("invalid_grant", "authentication failure")
    return user


def password_fits(user: User, given: str) -> bool:
    """A password is followed by the user's security token, as for callers from an unknown network."""
    return user.password is not None and given == user.password + user.security_token


def _by_client(org: Org, form: Mapping[str, str], url: str) -> User:
    client = _client(org, form, needs_secret=True)
    if client.client_secret is None:
        raise Refusal("invalid_client", "invalid client credentials")
    user = org.definition.user(client.run_as)
    if user is None:
        raise Refusal("invalid_grant", "no client credentials user enabled")
    return user


def _by_jwt(org: Org, form: Mapping[str, str], url: str) -> User:
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
    return user


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


_GRANTS: dict[str, Callable[[Org, Mapping[str, str], str], User]] = {
    "password": _by_password,
    "client_credentials": _by_client,
    _JWT_BEARER: _by_jwt,
}


def _user(org: Org, user_id: str) -> User:
    return next(user for user in org.definition.users if user.user_id == user_id)


def userinfo(org: Org, user_id: str, url: str) -> Response:
    """Who the token of a request stands for, as OpenID Connect shows it."""
    user = _user(org, user_id)
    body = {
        "sub": f"{url}/id/{org.org_id}/{user_id}",
        "user_id": user_id,
        "organization_id": org.org_id,
        "preferred_username": user.username,
        "nickname": user.username.partition("@")[0],
        "name": " ".join(part for part in (user.first_name, user.last_name) if part),
        "email": user.email or user.username,
        "email_verified": True,
        "given_name": user.first_name,
        "family_name": user.last_name,
        "zoneinfo": "GMT",
        "urls": _urls(org, url),
        "active": True,
        "user_type": "STANDARD",
        "language": "en_US",
        "locale": "en_US",
        "utcOffset": 0,
    }
    return Response(200, body)


def identity(org: Org, user_id: str, url: str) -> Response:
    """The answer to ``/id/<org>/<user>``."""
    user = _user(org, user_id)
    body = {
        "id": f"{url}/id/{org.org_id}/{user_id}",
        "asserted_user": True,
        "user_id": user_id,
        "organization_id": org.org_id,
        "username": user.username,
        "nick_name": user.username.partition("@")[0],
        "display_name": " ".join(part for part in (user.first_name, user.last_name) if part),
        "email": user.email or user.username,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "active": True,
        "user_type": "STANDARD",
        "language": "en_US",
        "locale": "en_US",
        "utcOffset": 0,
        "urls": _urls(org, url),
    }
    return Response(200, body)


def _urls(org: Org, url: str) -> dict[str, str]:
    return {
        "partner": f"{url}/services/Soap/u/{{version}}/{org.org_id[:15]}",
        "enterprise": f"{url}/services/Soap/c/{{version}}/{org.org_id[:15]}",
        "rest": f"{url}/services/data/v{{version}}/",
        "sobjects": f"{url}/services/data/v{{version}}/sobjects/",
        "query": f"{url}/services/data/v{{version}}/query/",
    }
