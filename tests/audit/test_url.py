from __future__ import annotations

import pytest

from airflow_sf_dedup.audit.url import url_from_parts, url_from_text
from airflow_sf_dedup.errors import SettingError


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (
            {"conn_type": "postgres", "host": "db", "port": 5432, "login": "u", "password": "p", "schema": "a"},
            "postgresql+psycopg://u:p@db:5432/a",
        ),
        (
            {"conn_type": "postgresql", "host": "db", "login": "a@b", "password": "p/:%?#"},
            "postgresql+psycopg://a%40b:p%2F%3A%25%3F%23@db",
        ),
        (
            {"conn_type": "postgres", "host": "db", "extra": {"sslmode": "require", "cursor": "dictcursor"}},
            "postgresql+psycopg://db?sslmode=require",
        ),
        (
            {"conn_type": "postgres", "host": "/var/run/pg", "login": "u", "schema": "a"},
            "postgresql+psycopg://u@/a?host=%2Fvar%2Frun%2Fpg",
        ),
        ({"conn_type": "sqlite", "host": "/var/audit.db"}, "sqlite:////var/audit.db"),
        ({"conn_type": "sqlite", "host": "%2Fvar%2Faudit.db"}, "sqlite:////var/audit.db"),
        ({"conn_type": "sqlite", "host": "", "schema": "/var/audit.db"}, "sqlite:////var/audit.db"),
    ],
    ids=["plain", "odd characters", "extras", "socket", "sqlite host", "sqlite quoted", "sqlite schema"],
)
def test_a_connection_becomes_a_url(parts, expected):
    assert url_from_parts(**parts).render_as_string(hide_password=False) == expected


@pytest.mark.parametrize(
    "parts",
    [
        {"conn_type": "mysql", "host": "db"},
        {"conn_type": "", "host": "db"},
        {"conn_type": "sqlite", "host": "relative.db"},
        {"conn_type": "sqlite"},
        {"conn_type": "postgres", "host": "db", "extra": {"sslmod": "require"}},
        {"conn_type": "postgres", "host": "db", "extra": {"iam": True}},
    ],
)
def test_what_cannot_hold_the_audit_is_refused_with_what_can(parts):
    with pytest.raises(SettingError, match=r"audit_conn_id.*'postgres'.*'sqlite'") as refusal:
        url_from_parts(**parts)
    assert refusal.value.setting == "audit_conn_id"


@pytest.mark.parametrize(
    ("text", "driver"),
    [
        ("postgres://u@h/d", "postgresql+psycopg"),
        ("postgresql://u@h/d", "postgresql+psycopg"),
        ("postgresql+psycopg2://u@h/d", "postgresql+psycopg"),
        ("sqlite:////var/audit.db", "sqlite"),
    ],
)
def test_urls_of_all_spellings_are_read(text, driver):
    assert url_from_text(text).drivername == driver


@pytest.mark.parametrize("text", ["mysql://h/d", "no url", "sqlite://", "sqlite:///relative.db"])
def test_other_urls_are_refused(text):
    with pytest.raises(SettingError, match="Supported"):
        url_from_text(text)


def test_a_refused_url_does_not_tell_its_password():
    with pytest.raises(SettingError) as refusal:
        url_from_text("my sql://u:hunter2@h/d")
    assert "hunter2" not in str(refusal.value)
