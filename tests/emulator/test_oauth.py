from __future__ import annotations

import time
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from airflow_sf_dedup.emulator import EmulatedOrg

from .client import Client

GRANT = {"grant_type": "client_credentials", "client_id": "emulator-client", "client_secret": "emulator-secret"}
PASSWORD = {
    **GRANT,
    "grant_type": "password",
    "username": "loader@example.com",
    "password": "loader-passwordloader-token",
}
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def ask(org: EmulatedOrg, form: dict[str, str]) -> requests.Response:
    return requests.post(f"{org.url}/services/oauth2/token", data=form, timeout=5)


@pytest.mark.parametrize("form", [GRANT, PASSWORD], ids=["client credentials", "password"])
def test_a_grant_gives_a_token_that_works(org: EmulatedOrg, form: dict[str, str]) -> None:
    token = ask(org, form).json()
    assert token["instance_url"] == org.url
    assert (token["token_type"], set(token)) == (
        "Bearer",
        {"access_token", "instance_url", "id", "token_type", "issued_at", "signature", "scope"},
    )
    client = Client(token["instance_url"], token["access_token"])
    assert client.send("GET", "/limits").status_code == 200
    identity = client.session.get(token["id"], timeout=5).json()
    userinfo = client.session.get(f"{org.url}/services/oauth2/userinfo", timeout=5).json()
    assert identity["username"] == userinfo["preferred_username"] == "loader@example.com"
    assert userinfo["organization_id"] == org.org_id
    stats = org.state.stats()
    assert (stats["api_calls"], stats["logins"]) == (1, 1)


REFUSED = [
    ({**GRANT, "client_secret": "wrong"}, "invalid_client"),
    ({**GRANT, "client_id": "wrong"}, "invalid_client_id"),
    ({**PASSWORD, "password": "wrong"}, "invalid_grant"),
    ({**PASSWORD, "username": "nobody@example.com"}, "invalid_grant"),
    ({"grant_type": "magic"}, "unsupported_grant_type"),
    ({}, "unsupported_grant_type"),
    ({"grant_type": JWT_BEARER, "assertion": "nonsense"}, "invalid_grant"),
]


@pytest.mark.parametrize(("form", "error"), REFUSED)
def test_bad_credentials_are_refused(org: EmulatedOrg, form: dict[str, str], error: str) -> None:
    answer = ask(org, form)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def signed(key: rsa.RSAPrivateKey, started: Any) -> EmulatedOrg:
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    users = [{"username": "loader@example.com", "password": "x"}]
    org, _ = started({"users": users, "clients": [{"client_id": "signed", "public_key": pem.decode()}]})
    emulator: EmulatedOrg = org
    return emulator


CLAIMS: list[tuple[str, dict[str, Any], str | None]] = [
    ("good", {}, None),
    ("expired", {"exp": 1}, "invalid_grant"),
    ("for somebody else", {"aud": "https://example.com"}, "invalid_grant"),
    ("unknown client", {"iss": "nobody"}, "invalid_client_id"),
    ("unknown user", {"sub": "nobody"}, "invalid_grant"),
]


@pytest.mark.parametrize(("changed", "error"), [each[1:] for each in CLAIMS], ids=[each[0] for each in CLAIMS])
def test_a_jwt_is_checked(
    signed: EmulatedOrg, key: rsa.RSAPrivateKey, changed: dict[str, Any], error: str | None
) -> None:
    claims = {
        "iss": "signed",
        "sub": "loader@example.com",
        "aud": "https://login.salesforce.com",
        "exp": int(time.time()) + 60,
        **changed,
    }
    answer = ask(signed, {"grant_type": JWT_BEARER, "assertion": jwt.encode(claims, key, "RS256")})
    assert answer.json().get("error") == error


def test_a_jwt_signed_by_another_key_is_refused(signed: EmulatedOrg) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    claims = {"iss": "signed", "sub": "loader@example.com", "aud": signed.url, "exp": int(time.time()) + 60}
    answer = ask(signed, {"grant_type": JWT_BEARER, "assertion": jwt.encode(claims, other, "RS256")})
    assert answer.json()["error"] == "invalid_grant"
