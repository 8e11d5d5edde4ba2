"""Where rows wait is what Airflow's configuration says, and never a file that other machines do not see."""

from __future__ import annotations

import pytest

from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.files.paths import airflow_home
from airflow_sf_dedup.hooks.audit_place import embedded_audit_path
from airflow_sf_dedup.hooks.places import configured_staging_path, refuse_local_file_elsewhere, work_path


def test_places_that_are_not_configured_are_below_the_airflow_home(monkeypatch: pytest.MonkeyPatch) -> None:
    for option in ("STAGING_PATH", "WORK_PATH", "AUDIT_PATH"):
        monkeypatch.delenv(f"AIRFLOW__SF_DEDUP__{option}", raising=False)
    home = airflow_home() / "sf_dedup"
    assert (configured_staging_path(), work_path(), embedded_audit_path()) == (
        str(home / "staging"),
        None,
        home / "audit.db",
    )


def test_places_that_are_configured_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__SF_DEDUP__STAGING_PATH", "s3://bucket/staging")
    monkeypatch.setenv("AIRFLOW__SF_DEDUP__WORK_PATH", "/fast/work")
    monkeypatch.setenv("AIRFLOW__SF_DEDUP__AUDIT_PATH", "/kept/audit.db")
    assert (configured_staging_path(), work_path(), str(embedded_audit_path())) == (
        "s3://bucket/staging",
        "/fast/work",
        "/kept/audit.db",
    )


@pytest.mark.parametrize(
    "executor",
    [
        "LocalExecutor",
        "SequentialExecutor",
        "",
        "airflow.executors.local_executor.LocalExecutor",
        "LocalExecutor:local",
        "team:LocalExecutor",
        "LocalExecutor, SequentialExecutor",
    ],
)
def test_a_file_serves_tasks_that_run_on_one_machine(executor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executor)
    refuse_local_file_elsewhere("staging_path", "the staging folder")


@pytest.mark.parametrize(
    ("executor", "named"),
    [
        ("CeleryExecutor", "CeleryExecutor"),
        ("LocalExecutor, KubernetesExecutor", "KubernetesExecutor"),
        ("a.package.OtherLocalExecutor", "a.package.OtherLocalExecutor"),
    ],
    ids=["elsewhere", "some elsewhere", "of a like name"],
)
def test_a_file_is_refused_where_tasks_run_on_other_machines(
    executor: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executor)
    with pytest.raises(SettingError, match=f"the staging folder is .*, but {named} runs .*: set staging_path") as said:
        refuse_local_file_elsewhere("staging_path", "the staging folder")
    assert said.value.setting == "staging_path"
