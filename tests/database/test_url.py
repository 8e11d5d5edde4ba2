from __future__ import annotations

import pytest

from airflow_sf_dedup.database.url import url_from_parts, url_from_text
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
    ("name", "meant"),
    [
        ("SSLMode", "sslmode"),
        ("ssl-mode", "sslmode"),
        ("chanel_binding", "channel_binding"),
        ("require_auht", "require_auth"),
        ("target_session_attr", "target_session_attrs"),
        ("connect_timout", "connect_timeout"),
        ("passwrd", "password"),
    ],
    ids=lambda each: each,
)
def test_a_misspelt_setting_of_the_database_is_refused_with_the_nearest(name, meant):
    with pytest.raises(SettingError, match=rf"extra '{name}' is no setting of PostgreSQL \(nearest: .*{meant}"):
        url_from_parts(conn_type="postgres", host="db", extra={name: "x"})


@pytest.mark.parametrize("name", ["aws_conn_id", "cursor", "redshift", "sqlalchemy_scheme", "environment"])
def test_what_is_no_setting_of_the_database_has_no_effect(name):
    assert str(url_from_parts(conn_type="postgres", host="db", extra={name: "x"})) == "postgresql+psycopg://db"


@pytest.mark.parametrize(
    ("field", "name", "value", "expected"),
    [
        ("host", "host", "db", "postgresql+psycopg://db"),
        ("port", "port", "6432", "postgresql+psycopg://:6432"),
        ("login", "user", "u", "postgresql+psycopg://u@"),
        ("password", "password", "p", "postgresql+psycopg://:p@"),
        ("schema", "dbname", "a", "postgresql+psycopg:///a"),
    ],
)
def test_what_has_a_field_may_stand_in_the_extra_or_in_the_query_and_is_never_dropped(field, name, value, expected):
    url = url_from_parts(conn_type="postgres", extra={name: value})
    assert getattr(url, {"login": "username", "schema": "database"}.get(field, field)) == type(
        getattr(url, {"login": "username", "schema": "database"}.get(field, field))
    )(value)
    spelt = url_from_text(f"postgresql:///?{name}={value}")
    assert value in (str(spelt.host), str(spelt.port), spelt.username, str(spelt.password), spelt.database) or (
        spelt.query.get(name) == value
    )
    assert url_from_parts(conn_type="postgres", **{field: value}, extra={name: value}) == url
    with pytest.raises(SettingError, match=rf"{name}'.*two things"):
        url_from_parts(conn_type="postgres", **{field: "9"}, extra={name: value})


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://u@h/d?user=v",
        "postgresql://u@h/d?port=1&dbname=e",
        "postgresql://h:1/d?port=2",
        "postgresql://h/d?host=g",
    ],
)
def test_a_url_that_says_two_things_is_refused(text):
    with pytest.raises(SettingError, match="two things"):
        url_from_text(text)


def test_a_parameter_that_libpq_does_not_know_is_refused_by_name():
    with pytest.raises(SettingError, match="'sslmod'"):
        url_from_text("postgresql://h/d?sslmod=require")


@pytest.mark.parametrize("text", ["postgresql:///d?host=/tmp/pg", "postgresql://u@/d?host=a&host=b&port=1&port=2"])
def test_hosts_and_sockets_in_the_query_stay_there(text):
    assert url_from_text(text).query["host"] in ("/tmp/pg", ("a", "b"))


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
