"""A real `airflow standalone` for a test: its own home, ports and process group."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import requests

_PASSWORD = "admin"


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


class Standalone:
    """Starts Airflow with the LocalExecutor and talks to its API as a user would.

    :param folder: the home, which is made.
    :param dags: the folder of the Dag files.
    :param settings: further environment variables.
    """

    def __init__(self, folder: Path, dags: Path, settings: Mapping[str, str]) -> None:
        folder.mkdir()
        self.folder = folder
        self._dags = dags
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.environment = {**os.environ, **self._airflow(), **settings}
        self._process: subprocess.Popen[bytes] | None = None
        self._token = ""

    def _airflow(self) -> dict[str, str]:
        passwords = self.folder / "passwords.json"
        passwords.write_text(json.dumps({"admin": _PASSWORD}))
        return {
            "AIRFLOW_HOME": str(self.folder),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.folder / 'airflow.db'}",
            "AIRFLOW__CORE__DAGS_FOLDER": str(self._dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }

    def __enter__(self) -> Standalone:
        with (self.folder / "standalone.log").open("wb") as log:
            self._process = subprocess.Popen(
                ["airflow", "standalone"],
                env=self.environment,
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._wait_until_ready()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        for number, seconds in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)

    def _wait_until_ready(self, seconds: float = 180) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with suppress(requests.RequestException, KeyError, ValueError):
                health = requests.get(f"{self.url}/api/v2/monitor/health", timeout=5).json()
                if health["scheduler"]["status"] == health["dag_processor"]["status"] == "healthy":
                    self._token = self._log_in()
                    return
            time.sleep(0.5)
        raise AssertionError((self.folder / "standalone.log").read_text()[-5000:])

    def _log_in(self) -> str:
        answer = requests.post(f"{self.url}/auth/token", json={"username": "admin", "password": _PASSWORD}, timeout=10)
        token: str = answer.json()["access_token"]
        return token

    def api(self, method: str, path: str, **options: Any) -> Any:
        """One call of Airflow's public API, which must succeed."""
        answer = self._call(method, path, **options)
        assert answer.ok, answer.text
        return answer.json()

    def _call(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self._token}"}
        return requests.request(method, f"{self.url}/api/v2{path}", headers=headers, timeout=30, **options)

    def trigger(self, dag_id: str) -> str:
        """Start a run, once Airflow has read the Dag; answers its id."""
        self._wait_until_read(dag_id)
        run = self.api("POST", f"/dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": {}})
        run_id: str = run["dag_run_id"]
        return run_id

    def _wait_until_read(self, dag_id: str, seconds: float = 180) -> None:
        until = time.monotonic() + seconds
        while not self._call("GET", f"/dags/{dag_id}").ok:
            assert time.monotonic() < until, self.api("GET", "/importErrors")
            time.sleep(0.2)

    def wait_for(self, dag_id: str, run_id: str, seconds: float = 240) -> str:
        """Wait until the run has ended; answers its state."""
        until = time.monotonic() + seconds
        state = ""
        while time.monotonic() < until:
            state = self.api("GET", f"/dags/{dag_id}/dagRuns/{run_id}")["state"]
            if state in ("success", "failed"):
                return state
            time.sleep(0.5)
        raise AssertionError(f"run is still {state}: {self.tasks(dag_id, run_id)}")

    def clear(self, dag_id: str, run_id: str, *task_ids: str) -> None:
        """Clear tasks of a run, as a person does to have them run again."""
        body = {"dag_run_id": run_id, "task_ids": task_ids, "dry_run": False, "only_failed": False}
        self.api("POST", f"/dags/{dag_id}/clearTaskInstances", json={**body, "reset_dag_runs": True})

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str) -> Any:
        """What a task pushed."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/{key}"
        return self.api("GET", path)["value"]

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """The task instances of a run."""
        answer = self.api("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances?limit=200")
        instances: list[dict[str, Any]] = answer["task_instances"]
        return instances

    def logs(self) -> str:
        """Everything that tasks logged."""
        return "\n".join(path.read_text(errors="replace") for path in self.folder.glob("logs/**/*.log"))


def write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    """A source of rows that need no quotes."""
    path.write_text("\n".join([",".join(rows[0]), *(",".join(row.values()) for row in rows)]))


def actions(folder: Path, dag_id: str) -> dict[str, int]:
    """What the audit in a folder says became of the rows of a Dag."""
    query = "SELECT action, count(*) FROM sf_dedup_entry JOIN sf_dedup_load USING (load_id) WHERE dag_id = ? GROUP BY 1"
    with sqlite3.connect(folder / "audit.db") as audit:
        return dict(audit.execute(query, [dag_id]))
