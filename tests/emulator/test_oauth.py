from __future__ import annotations

import base64
import hashlib
import hmac
import time
from typing import Any
from urllib.parse import parse_qsl, urlsplit

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


# --- a user allows an app ---------------------------------------------------------------------------------


APP = {"client_id": "emulator-client", "redirect_uri": "http://localhost:4000/callback"}


def allowed(org: EmulatedOrg, **changed: str) -> requests.Response:
    form = {"response_type": "code", **APP, **changed}
    return requests.get(f"{org.url}/services/oauth2/authorize", params=form, timeout=5, allow_redirects=False)


def sent_back(answer: requests.Response) -> dict[str, str]:
    assert answer.status_code == 302, answer.text
    target = urlsplit(answer.headers["Location"])
    assert f"{target.scheme}://{target.netloc}{target.path}" == APP["redirect_uri"]
    return dict(parse_qsl(target.query or target.fragment))


def by_code(org: EmulatedOrg, code: str, **changed: str) -> requests.Response:
    form = {"grant_type": "authorization_code", "code": code, "client_secret": "emulator-secret", **APP, **changed}
    return ask(org, form)


def test_a_code_becomes_tokens_once(org: EmulatedOrg) -> None:
    found = sent_back(allowed(org, state="s"))
    assert found["state"] == "s"
    tokens = by_code(org, found["code"]).json()
    assert Client(tokens["instance_url"], tokens["access_token"]).send("GET", "/limits").status_code == 200
    assert by_code(org, found["code"]).json() == {
        "error": "invalid_grant",
        "error_description": "invalid authorization code",
    }


def test_the_user_of_the_hint_is_the_one_who_allows(org: EmulatedOrg) -> None:
    tokens = by_code(org, sent_back(allowed(org, login_hint="queue@example.com"))["code"]).json()
    identity = requests.get(tokens["id"], params={"oauth_token": tokens["access_token"]}, timeout=5).json()
    assert identity["username"] == "queue@example.com"


def test_a_refresh_token_gives_new_access_tokens(org: EmulatedOrg) -> None:
    tokens = by_code(org, sent_back(allowed(org))["code"]).json()
    org.state.expire_sessions()
    form = {"grant_type": "refresh_token", "client_id": "emulator-client", "refresh_token": tokens["refresh_token"]}
    fresh = ask(org, form).json()
    assert Client(org.url, fresh["access_token"]).send("GET", "/limits").status_code == 200
    refused = ask(org, {**form, "refresh_token": "nonsense"})
    assert refused.json() == {"error": "invalid_grant", "error_description": "expired access/refresh token"}


def test_without_the_scope_there_is_no_refresh_token(org: EmulatedOrg) -> None:
    tokens = by_code(org, sent_back(allowed(org, scope="api id"))["code"]).json()
    assert ("refresh_token" in tokens, tokens["scope"]) == (False, "api id")


def test_a_challenge_wants_its_verifier(org: EmulatedOrg) -> None:
    verifier = "v" * 64
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    code = sent_back(allowed(org, code_challenge=challenge))["code"]
    assert by_code(org, code, code_verifier="wrong").json()["error_description"] == "invalid code verifier"
    code = sent_back(allowed(org, code_challenge=challenge))["code"]
    assert "access_token" in by_code(org, code, code_verifier=verifier).json()


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"redirect_uri": "http://localhost:1/other"}, "redirect_uri_mismatch"),
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"client_id": "PlatformCLI", "client_secret": ""}, "invalid_grant"),
    ],
)
def test_a_code_is_for_the_app_that_asked(org: EmulatedOrg, changed: dict[str, str], error: str) -> None:
    assert by_code(org, sent_back(allowed(org))["code"], **changed).json()["error"] == error


@pytest.mark.parametrize(
    ("changed", "text"),
    [({"client_id": "nobody"}, "invalid_client_id"), ({"redirect_uri": ""}, "redirect_uri_missing")],
)
def test_nobody_is_sent_anywhere_for_an_app_that_is_not_known(
    org: EmulatedOrg, changed: dict[str, str], text: str
) -> None:
    answer = allowed(org, **changed)
    assert answer.status_code == 400
    assert text in answer.text


def test_a_browser_app_gets_its_token_in_the_fragment(org: EmulatedOrg) -> None:
    answer = allowed(org, response_type="token")
    assert "#access_token=" in answer.headers["Location"]
    assert Client(org.url, sent_back(answer)["access_token"]).send("GET", "/limits").status_code == 200
    assert sent_back(allowed(org, response_type="magic"))["error"] == "unsupported_response_type"


def test_a_device_gets_its_token_at_once(org: EmulatedOrg) -> None:
    device = ask(org, {"response_type": "device_code", "client_id": "PlatformCLI"}).json()
    form = {"grant_type": "device", "client_id": "PlatformCLI", "code": device["device_code"]}
    assert "access_token" in ask(org, form).json()
    assert ask(org, form).json()["error"] == "invalid_grant"


def test_a_token_is_asked_for_by_post(org: EmulatedOrg) -> None:
    answer = requests.get(f"{org.url}/services/oauth2/token", params=GRANT, timeout=5)
    assert answer.json() == {"error": "invalid_request", "error_description": "must use HTTP POST"}


def test_the_identity_is_signed_with_the_secret_of_the_app(org: EmulatedOrg) -> None:
    token = ask(org, GRANT).json()
    signed = hmac.digest(b"emulator-secret", (token["id"] + token["issued_at"]).encode(), "sha256")
    assert token["signature"] == base64.b64encode(signed).decode()


def test_client_credentials_may_come_in_a_header(org: EmulatedOrg) -> None:
    answer = requests.post(
        f"{org.url}/services/oauth2/token",
        data={"grant_type": "client_credentials"},
        auth=("emulator-client", "emulator-secret"),
        timeout=5,
    )
    assert "access_token" in answer.json()


# --- tokens looked at and taken back ----------------------------------------------------------------------


def revoke(org: EmulatedOrg, token: str) -> requests.Response:
    return requests.post(f"{org.url}/services/oauth2/revoke", data={"token": token}, timeout=5)


def introspect(org: EmulatedOrg, token: str) -> dict[str, Any]:
    form = {"token": token, "client_id": "emulator-client", "client_secret": "emulator-secret"}
    found: dict[str, Any] = requests.post(f"{org.url}/services/oauth2/introspect", data=form, timeout=5).json()
    return found


def test_a_revoked_refresh_token_takes_its_access_tokens_along(org: EmulatedOrg) -> None:
    tokens = by_code(org, sent_back(allowed(org))["code"]).json()
    assert introspect(org, tokens["access_token"])["username"] == "loader@example.com"
    assert introspect(org, tokens["refresh_token"])["token_type"] == "refresh_token"
    answer = revoke(org, tokens["refresh_token"])
    assert (answer.status_code, answer.content) == (200, b"")
    assert Client(org.url, tokens["access_token"]).send("GET", "/limits").status_code == 401
    assert introspect(org, tokens["access_token"]) == introspect(org, tokens["refresh_token"]) == {"active": False}


def test_a_revoked_access_token_leaves_the_refresh_token(org: EmulatedOrg) -> None:
    tokens = by_code(org, sent_back(allowed(org))["code"]).json()
    assert revoke(org, tokens["access_token"]).status_code == 200
    assert introspect(org, tokens["refresh_token"])["active"] is True
    assert revoke(org, tokens["access_token"]).json()["error"] == "invalid_token"


def test_only_an_app_may_look_at_tokens(org: EmulatedOrg) -> None:
    form = {"token": org.access_token, "client_id": "emulator-client", "client_secret": "wrong"}
    answer = requests.post(f"{org.url}/services/oauth2/introspect", data=form, timeout=5)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_client")


@pytest.mark.parametrize(
    ("path", "token", "status", "word"),
    [
        ("/services/oauth2/userinfo", None, 403, "Missing_OAuth_Token"),
        ("/services/oauth2/userinfo", "nonsense", 403, "Bad_OAuth_Token"),
        ("/id/00D5g0000000999EAA/0055g0000000001AAA", "good", 403, "Wrong_Org"),
        ("/id/{org}/0055g0000000999AAA", "good", 404, "Bad_Id"),
    ],
)
def test_an_identity_that_cannot_be_shown_is_one_word(
    org: EmulatedOrg, path: str, token: str | None, status: int, word: str
) -> None:
    given = org.access_token if token == "good" else token
    headers = {"Authorization": f"Bearer {given}"} if given else {}
    answer = requests.get(org.url + path.format(org=org.org_id), headers=headers, timeout=5)
    assert (answer.status_code, answer.text) == (status, word)


def test_an_identity_names_the_urls_of_the_host_that_was_asked(org: EmulatedOrg, client: Client) -> None:
    host = org.url.replace("127.0.0.1", "localhost")
    identity = client.session.get(f"{host}/id/{org.org_id}/{org.state.default_user.user_id}?version=60.0", timeout=5)
    assert identity.json()["urls"]["rest"] == f"{host}/services/data/v60.0/"
    assert {"photos", "email", "organization_id"} <= set(identity.json())


def test_openid_configuration_names_the_doors_that_there_are(org: EmulatedOrg) -> None:
    found = requests.get(f"{org.url}/.well-known/openid-configuration", timeout=5).json()
    for name in ("authorization", "token", "revocation", "userinfo", "introspection"):
        door = found[f"{name}_endpoint"]
        assert door.startswith(f"{org.url}/services/oauth2/")
        assert requests.get(door, timeout=5).status_code != 404
