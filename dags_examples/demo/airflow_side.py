"""Airflow, in a process of its own: runs the example Dag whenever a line on stdin asks for it.

Whatever Airflow says goes to a log file; on stdout comes one JSON line a run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class Airflow:
    """A started Airflow that runs Dags on request."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def begin(self, **conf: Any) -> None:
        """Run the Dag with this configuration; ``result`` waits for it."""
        assert self._process.stdin is not None  # noqa: S101 - narrows the type
        self._process.stdin.write(json.dumps(conf) + "\n")
        self._process.stdin.flush()

    def result(self) -> dict[str, Any]:
        """State and id of the run; empty when Airflow died."""
        assert self._process.stdout is not None  # noqa: S101 - narrows the type
        line = self._process.stdout.readline()
        return dict(json.loads(line)) if line else {}


@contextmanager
def airflow(folder: Path, url: str, access_token: str, *, partitions: int) -> Iterator[Airflow]:
    """Start Airflow with a home of its own in ``folder``; its log is ``folder/airflow.log``."""
    command = [sys.executable, "-m", "dags_examples.demo.airflow_side", str(partitions)]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    environment = {**inherited, **_settings(folder), **_connection(url, access_token)}
    with (
        (folder / "airflow.log").open("w", encoding="utf-8") as log,
        subprocess.Popen(  # noqa: S603 - our own
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=ROOT,
            env=environment,
        ) as process,
    ):
        try:
            yield Airflow(process)
        finally:
            # dag.test() takes SIGTERM for its own.
            process.kill()


def _settings(folder: Path) -> Mapping[str, str]:
    home = folder / "airflow"
    (home / "dags").mkdir(parents=True)
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        # Five minutes by default: longer than a demo.
        "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "2",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__SF_DEDUP__AUDIT_PATH": str(folder / "audit.db"),
        "AIRFLOW__SF_DEDUP__STAGING_PATH": str(folder / "staging"),
    }


def _connection(url: str, access_token: str) -> Mapping[str, str]:
    extra = {"access_token": access_token, "instance_url": url}
    return {"AIRFLOW_CONN_SALESFORCE_DEFAULT": json.dumps({"conn_type": "salesforce", "extra": extra})}


def _serve(partitions: int) -> None:
    """In the process of its own: make ready, then one run for each line on stdin."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    from airflow_sf_dedup.testing.airflow_runs import ensure_metadata_database

    ensure_metadata_database()
    for line in sys.stdin:
        answers.write(json.dumps(_run(json.loads(line), partitions)) + "\n")
        answers.flush()


def _run(conf: dict[str, Any], partitions: int) -> dict[str, Any]:
    from airflow_sf_dedup.testing import run_dag
    from dags_examples.upsert_leads import upsert_leads

    dag = upsert_leads()
    partition: Any = dag.get_task("salesforce_upsert.partition")
    partition.partitions = partitions
    run = run_dag(dag, run_conf=conf)
    return {"state": str(run.state), "run_id": run.run_id}


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
