"""Runs of operators through Airflow's own machinery."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.testing.fixtures import airflow_settings


@pytest.fixture
def audit_rows(tmp_path: Path) -> Callable[..., list[tuple[Any, ...]]]:
    """Answers a SQL query from the test's embedded audit."""

    def query(sql: str = "SELECT row_number, action, error_code, reason FROM sf_dedup_entry ORDER BY 1") -> Any:
        with sqlite3.connect(tmp_path / "audit.db") as connection:
            return connection.execute(sql).fetchall()

    return query


@pytest.fixture
def other_org() -> Iterator[EmulatedOrg]:
    """An org like the common one, with another id."""
    with EmulatedOrg.start({"extends": "default", "organization": {"id": "00D5g0000000002EAA"}}) as org:
        yield org


@pytest.fixture
def lead_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[EmulatedOrg], None]:
    """Mends the connection ``salesforce_default``: from now on it leads to that org."""

    def lead(org: EmulatedOrg) -> None:
        name = "AIRFLOW_CONN_SALESFORCE_DEFAULT"
        monkeypatch.setenv(name, airflow_settings(org.url, org.access_token, tmp_path)[name])

    return lead


def xcom(run: Any, task_id: str, key: str = "duplicate_audit", map_index: int = -1) -> Any:
    """What a task of a finished run pushed."""
    from airflow.models.xcom import XComModel
    from airflow.settings import Session

    query = XComModel.get_many(run_id=run.run_id, key=key, task_ids=task_id, dag_ids=run.dag_id, map_indexes=map_index)
    with Session() as session:
        found = session.execute(query).scalars().first()
    value = found.value if found is not None else None
    return json.loads(value) if isinstance(value, str) else value


class TaskOnce:
    """A task instance without Airflow, for operators that are executed by hand.

    Execute two operators with one of these and they are two tries, or two tasks, of one run.
    """

    def __init__(self, task_id: str = "task", *, dag_id: str = "by_hand", run_id: str = "manual", try_number: int = 1):
        self.dag_id, self.run_id, self.task_id, self.try_number, self.map_index = (
            dag_id,
            run_id,
            task_id,
            try_number,
            -1,
        )
        self.pushed: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        """Keep what the task says of itself."""
        self.pushed[key] = value

    def get_first_reschedule_date(self, context: Any) -> None:
        """It has not given its slot back."""


def execute(operator: Any, task: TaskOnce | None = None) -> Any:
    """What the operator returns; its errors reach the caller."""
    return operator.execute({"ti": task or TaskOnce()})
