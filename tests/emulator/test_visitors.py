"""A web page that somebody has open may neither steer the emulator nor read what it holds, nor get a token."""

from __future__ import annotations

import gzip
import zlib
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.emulator.errors import SettingError
from airflow_sf_dedup.emulator.server import bodies


@pytest.fixture(scope="module")
def org() -> Any:
    with EmulatedOrg.start() as running:
        yield running


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:80"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "localhost.evil.example"},
        {"Host": "salesforce"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/_emulator/reset"), ("GET", "/_emulator/records/Lead"), ("GET", "/_emulator")],
    ids=["reset", "records", "page"],
)
def test_another_site_is_refused(org: EmulatedOrg, method: str, path: str, headers: dict[str, str]) -> None:
    answer = requests.request(method, org.url + path, headers={"Content-Type": "text/plain", **headers}, timeout=60)
    assert answer.status_code == 403
    assert next(iter(headers)) in answer.text
    assert "records" not in answer.headers


def test_programs_and_its_own_page_are_let_in(org: EmulatedOrg) -> None:
    port = urlsplit(org.url).port
    for headers in (
        {},
        {"Host": f"localhost:{port}"},
        {"Host": f"[::1]:{port}"},
        {"Host": "192.168.1.7:8080"},
        {"Origin": org.url},
        {"Sec-Fetch-Site": "same-origin", "Origin": org.url},
        {"Sec-Fetch-Site": "none"},
    ):
        answer = requests.get(f"{org.url}/_emulator/records/Lead", headers=headers, timeout=60)
        assert answer.status_code == 200, headers


def test_calls_to_the_org_are_answered_under_any_name(org: EmulatedOrg) -> None:
    headers = {"Host": "acme.my.salesforce.com"}
    assert requests.get(f"{org.url}/services/data", headers=headers, timeout=60).status_code == 200


APP = {"client_id": "emulator-client", "response_type": "token"}


def sent_to(org: EmulatedOrg, redirect_uri: str, client_id: str = "emulator-client") -> int:
    answer = requests.get(
        f"{org.url}/services/oauth2/authorize",
        params={**APP, "client_id": client_id, "redirect_uri": redirect_uri},
        allow_redirects=False,
        timeout=60,
    )
    assert ("access_token" in answer.headers.get("location", "")) is (answer.status_code == 302)
    return answer.status_code


@pytest.mark.parametrize(
    ("redirect_uri", "status"),
    [
        ("http://localhost:1717/OauthRedirect", 302),
        ("http://127.0.0.1/any", 302),
        ("http://[::1]:9/any", 302),
        ("https://evil.example/take", 400),
        ("http://localhost.evil.example/", 400),
        ("http://localhost@evil.example/", 400),
        ("http://127.0.0.1.evil.example/", 400),
        ("//evil.example/", 400),
        ("javascript:alert(1)", 400),
        ("http://[bad", 400),
    ],
)
def test_an_app_of_this_machine_gets_its_tokens_here(org: EmulatedOrg, redirect_uri: str, status: int) -> None:
    assert sent_to(org, redirect_uri) == status


def test_an_app_that_registers_redirects_gets_its_tokens_there_and_nowhere_else(tmp_path: Any) -> None:
    file = tmp_path / "org.yaml"
    file.write_text(
        "extends: default\nclients:\n  - client_id: web-app\n    redirect_uris: ['https://app.example/callback']\n"
    )
    with EmulatedOrg.start(file) as org:
        assert sent_to(org, "https://app.example/callback", "web-app") == 302
        for other in ("https://app.example/callback?x", "https://app.example/", "http://localhost/callback"):
            assert sent_to(org, other, "web-app") == 400


@pytest.mark.parametrize("value", [1e308, float("inf"), float("nan"), -1, "soon", True, 86_401])
@pytest.mark.parametrize("name", ["commit_window", "lock_wait", "latency", "deploy", "bulk_queue"])
def test_a_time_that_nobody_means_is_refused_by_name(org: EmulatedOrg, name: str, value: object) -> None:
    with pytest.raises(SettingError, match=name):
        org.change_physics(**{name: value})


def packed(encoding: str, content: bytes) -> bytes:
    return gzip.compress(content) if encoding == "gzip" else zlib.compress(content)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_body_is_unpacked_as_far_as_an_org_would(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    monkeypatch.setattr(bodies, "MOST_BYTES", 1000)
    headers = {"content-encoding": encoding}
    for content, expected in ((b"x" * 1000, b"x" * 1000), (b"x" * 1001, bodies.NOTHING), (b"", b"")):
        assert bodies.unpacked(headers, packed(encoding, content)) == expected
    assert bodies.unpacked(headers, packed(encoding, b"cut off")[:-2]) == bodies.NOTHING
    assert bodies.unpacked(headers, b"no such thing") == bodies.NOTHING
    assert bodies.unpacked({}, b"plain") == b"plain"
    assert bodies.unpacked(headers, packed(encoding, b"one ") + packed(encoding, b"file")) == b"one file"


def test_a_bomb_is_refused_and_the_org_goes_on(org: EmulatedOrg, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MOST_BYTES", 1_000_000)
    token = requests.post(
        f"{org.url}/services/oauth2/token",
        data={"grant_type": "client_credentials", "client_id": "emulator-client", "client_secret": "emulator-secret"},
        timeout=60,
    ).json()["access_token"]
    bomb = gzip.compress(b" " * 1_500_000, compresslevel=9)
    answer = requests.post(
        f"{org.url}/services/data/v60.0/sobjects/Lead",
        data=bomb,
        headers={"Authorization": f"Bearer {token}", "Content-Encoding": "gzip", "Content-Type": "application/json"},
        timeout=60,
    )
    assert answer.status_code == 400
    assert requests.get(f"{org.url}/services/data", timeout=60).status_code == 200
