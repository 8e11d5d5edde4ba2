"""A connection that is not there is told by the setting that names it, and a broken one without its secrets."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from airflow_sf_dedup.errors import ConnectionMissingError, SettingError
from airflow_sf_dedup.hooks.audit_place import audit_url
from airflow_sf_dedup.hooks.salesforce import SalesforceDedupHook
from airflow_sf_dedup.hooks.stores import open_audit

ASKED: dict[str, Callable[[Any], object]] = {
    "salesforce_conn_id": lambda conn_id: SalesforceDedupHook(conn_id).get_conn(),
    "audit_conn_id": open_audit,
}


@pytest.mark.parametrize(("setting", "ask"), ASKED.items(), ids=ASKED.keys())
@pytest.mark.parametrize(
    ("conn_id", "shown"),
    [
        pytest.param("nope", "nope", id="unknown"),
        pytest.param("", "", id="empty"),
        pytest.param("a\0b", "a\ufffdb", id="NUL"),
        pytest.param("postgres://me:SECRET@db/audit", "postgres://me@db/audit", id="a URL in its place"),
    ],
)
def test_a_connection_that_airflow_does_not_have_is_named_with_its_setting(
    setting: str, ask: Callable[[Any], object], conn_id: str, shown: str
) -> None:
    with pytest.raises(ConnectionMissingError) as refused:
        ask(conn_id)
    assert str(refused.value) == (
        f"{setting}: The conn_id `{shown}` isn't defined: add it in Airflow, or name one that is there "
        "(docs/connections.md)"
    )
    assert refused.value.setting == setting
    assert "SECRET" not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize(("setting", "ask"), ASKED.items(), ids=ASKED.keys())
@pytest.mark.parametrize(
    "stored",
    [
        pytest.param('{"conn_type": "postgres", "password": "SECRET"', id="half of a JSON object"),
        pytest.param('{"conn_type": "postgres", "port": "SECRET"}', id="port no number"),
        pytest.param("postgres://me:SEC/SECRET@db/audit", id="slash in a password"),
        pytest.param("postgres://[me:SECRET@db", id="no URL"),
    ],
)
def test_what_is_stored_and_is_no_connection_is_not_quoted(
    setting: str, ask: Callable[[Any], object], stored: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_BROKEN", stored)
    with pytest.raises(SettingError, match=f"^{setting}: ") as refused:
        ask("broken")
    assert refused.value.setting == setting
    assert "SECRET" not in "".join(traceback.format_exception(refused.value))


@pytest.mark.parametrize("conn_id", [5, b"x", ["x"]], ids=repr)
@pytest.mark.parametrize(("setting", "ask"), ASKED.items(), ids=ASKED.keys())
def test_what_is_no_id_is_refused(setting: str, ask: Callable[[Any], object], conn_id: Any) -> None:
    with pytest.raises(SettingError, match=f"^{setting}: expected the id of a connection, got "):
        ask(conn_id)


@pytest.mark.parametrize("extra", ["{sslmode: verify-full}", '["sslmode"]', "null"], ids=["no JSON", "list", "null"])
def test_the_audits_connection_is_not_used_without_the_extra_that_protects_it(
    extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AUDIT", json.dumps({"conn_type": "postgres", "host": "db", "extra": extra}))
    with pytest.raises(SettingError, match="'audit': extra is not a JSON object") as refused:
        audit_url("audit")
    assert refused.value.setting == "extra"


def test_the_audits_file_in_the_home_of_nobody_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AUDIT", json.dumps({"conn_type": "sqlite", "host": "~nobody-of-this-name/x.db"}))
    with pytest.raises(SettingError, match="is not an absolute file path"):
        audit_url("audit")
