"""A connection id leads to all stores of one database, and importing what opens them costs a Dag file nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.hooks.stores import open_audit, open_stores
from airflow_sf_dedup.locks.base import RecordClaim
from airflow_sf_dedup.locks.key_claims import LIFETIME
from airflow_sf_dedup.testing.contracts.audit import a_load, an_entry
from airflow_sf_dedup.testing.contracts.claims import LEAD, a_claimant, a_scope

OPENERS: dict[str, Callable[..., Any]] = {"stores": open_stores, "audit": open_audit}


@pytest.fixture
def conn_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    connection = {"conn_type": "sqlite", "host": str(tmp_path / "audit.db")}
    monkeypatch.setenv("AIRFLOW_CONN_STORES", json.dumps(connection))
    return "stores"


def test_all_stores_are_in_one_database_behind_one_engine(conn_id: str) -> None:
    stores = open_stores(conn_id, upgrade=True)
    load, scope = a_load(), a_scope()
    stores.audit.open_load(load)
    stores.audit.remember(load.load_id, [an_entry(1)])
    assert stores.key_claims.claim(scope, a_claimant(), ["k"]).granted.keys() == {"k"}
    assert stores.record_claims.claim(load.load_id, scope.org_id, [RecordClaim(LEAD, "k")]) == {LEAD: "k"}
    assert stores.watermarks.standing(scope, ["k"]) == {}
    each: list[Any] = [stores.audit, stores.key_claims, stores.record_claims, stores.watermarks]
    assert len({id(store.engine) for store in each}) == 1
    assert open_audit(conn_id).load(load.load_id) == load


@pytest.mark.parametrize("opened", OPENERS.values(), ids=OPENERS)
def test_tables_are_made_only_where_that_is_asked_for(opened: Callable[..., Any], conn_id: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="no audit file at"):
        opened(conn_id)
    assert not list(tmp_path.iterdir())
    (tmp_path / "audit.db").touch()
    with pytest.raises(SettingError, match="The audit tables are missing"):
        opened(conn_id)
    opened(conn_id, upgrade=True)
    opened(conn_id)


@pytest.mark.parametrize("opened", OPENERS.values(), ids=OPENERS)
def test_an_embedded_file_is_refused_where_tasks_run_on_other_machines(
    opened: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    with pytest.raises(SettingError, match="CeleryExecutor runs tasks on others: set audit_conn_id") as refused:
        opened(None, upgrade=True)
    assert refused.value.setting == "audit_conn_id"


@pytest.mark.parametrize(("configured", "lifetime"), [(None, LIFETIME), ("25", timedelta(seconds=25))])
def test_claims_hold_as_long_as_is_configured(
    conn_id: str, configured: str | None, lifetime: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    if configured is not None:
        monkeypatch.setenv("AIRFLOW__SF_DEDUP__CLAIM_LIFETIME", configured)
    assert open_stores(conn_id, upgrade=True).key_claims.lifetime == lifetime


@pytest.mark.parametrize("configured", ["nan", "-1", "", "soon"])
def test_an_unusable_lifetime_is_refused_when_a_key_is_claimed_and_the_audit_can_be_written_all_the_same(
    conn_id: str, configured: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__SF_DEDUP__CLAIM_LIFETIME", configured)
    stores = open_stores(conn_id, upgrade=True)
    stores.audit.open_load(load := a_load())
    assert stores.audit.load(load.load_id) == load
    for _ in range(2):
        with pytest.raises(SettingError, match=r"\[sf_dedup\] claim_lifetime="):
            stores.key_claims.claim(a_scope(), a_claimant(), ["k"])


def test_importing_the_hooks_of_the_audit_imports_nothing_that_makes_parsing_slow() -> None:
    heavy = (
        "alembic",
        "msgspec",
        "psycopg",
        "requests",
        "tenacity",
        "airflow_sf_dedup.audit",
        "airflow_sf_dedup.database",
        "airflow_sf_dedup.journeys",
        "airflow_sf_dedup.locks",
        "airflow_sf_dedup.staging",
    )
    program = (
        "import airflow.sdk, sys; from airflow.sdk import BaseHook; before = set(sys.modules);"
        "from airflow_sf_dedup.hooks import audit_place, audited_rows, configuration, connections, places, stores;"
        f"print([name for name in set(sys.modules) - before if name.startswith({heavy!r})])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]"), done.stdout
