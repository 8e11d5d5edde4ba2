"""Runs of operators through Airflow's own machinery."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def audit_rows(tmp_path: Path) -> Callable[..., list[tuple[Any, ...]]]:
    """Answers a SQL query from the test's embedded audit."""

    def query(sql: str = "SELECT row_number, action, error_code, reason FROM sf_dedup_entry ORDER BY 1") -> Any:
        with sqlite3.connect(tmp_path / "audit.db") as connection:
            return connection.execute(sql).fetchall()

    return query


def xcom(run: Any, task_id: str, key: str = "duplicate_audit", map_index: int = -1) -> Any:
    """What a task of a finished run pushed."""
    from airflow.models.xcom import XComModel
    from airflow.settings import Session

    query = XComModel.get_many(run_id=run.run_id, key=key, task_ids=task_id, dag_ids=run.dag_id, map_indexes=map_index)
    with Session() as session:
        found = session.execute(query).scalars().first()
    value = found.value if found is not None else None
    return json.loads(value) if isinstance(value, str) else value
