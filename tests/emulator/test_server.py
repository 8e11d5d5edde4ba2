from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import requests

from airflow_sf_dedup.emulator import EmulatedOrg

from .client import Client


def launch(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "airflow_sf_dedup.emulator", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


@pytest.mark.parametrize(("tls", "stop"), [(False, signal.SIGTERM), (True, signal.SIGINT)], ids=["http", "https"])
def test_the_command_prints_one_line_and_runs_until_told_to_stop(tls: bool, stop: signal.Signals) -> None:
    process = launch("--port", "0", *(["--tls"] if tls else []))
    assert process.stdout is not None
    try:
        ready = json.loads(process.stdout.readline())
        answer = requests.get(
            f"{ready['url']}/services/data/v60.0/limits",
            headers={"Authorization": f"Bearer {ready['access_token']}"},
            verify=ready.get("ca_file", True),
            timeout=5,
        )
    finally:
        process.send_signal(stop)
        out, err = process.communicate(timeout=10)
    assert answer.status_code == 200
    assert set(ready) == {"url", "access_token", "org_id"} | ({"ca_file"} if tls else set())
    assert (out, process.returncode) == ("", 0)
    assert "  GET /limits  200  " in err
    assert "Traceback" not in err
    assert not tls or not Path(ready["ca_file"]).exists()


def test_a_bad_org_file_is_named_on_stderr(tmp_path: Path) -> None:
    (tmp_path / "org.yaml").write_text("sobjects: {T: {fields: {A: txt}}}")
    process = launch("--org", str(tmp_path / "org.yaml"))
    out, err = process.communicate(timeout=10)
    assert (process.returncode, out) == (2, "")
    assert "sobjects.T.fields.A" in err


def test_an_org_in_this_process_stops_when_its_block_ends() -> None:
    with EmulatedOrg.start() as org:
        assert requests.get(f"{org.url}/services/data", timeout=5).status_code == 200
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{org.url}/services/data", timeout=1)


def test_a_call_that_is_being_answered_when_the_org_stops_gets_its_answer() -> None:
    org = EmulatedOrg.start()
    org.change_physics(latency=[0.3, 0.3])
    client = Client(org.url, org.access_token)
    statuses: list[int] = []
    caller = threading.Thread(target=lambda: statuses.append(client.send("GET", "/limits").status_code))
    caller.start()
    while not org.state.accounting.in_progress:
        time.sleep(0.005)
    org.stop()
    caller.join(10)
    assert statuses == [200]
