"""``python -m airflow_sf_dedup.emulator`` as a person uses it."""

from __future__ import annotations

import fcntl
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_sf_dedup.emulator import EmulatedOrg
from airflow_sf_dedup.emulator.__main__ import main
from airflow_sf_dedup.emulator.definition.org_file import DEFAULT_ORG

from .client import Client

COMMAND = [sys.executable, "-m", "airflow_sf_dedup.emulator"]
ROOT = Path(__file__).parents[2]
Said = Callable[..., tuple[int, str, str]]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Iterator[Said]:
    """What the command answers that ends at once, in this process."""
    handlers = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}

    def say(*arguments: str) -> tuple[int, str, str]:
        try:
            code: Any = main(arguments)
        except SystemExit as end:
            code = end.code
        return (code, *capsys.readouterr())

    yield say
    for each, handler in handlers.items():
        signal.signal(each, handler)


class Running:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.process = process
        self.ready: dict[str, Any] = json.loads(process.stdout.readline())
        self.client = Client(self.ready["url"], self.ready["access_token"])
        self.err = ""


@contextmanager
def running(*arguments: str) -> Iterator[Running]:
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    run = None
    try:
        run = Running(process)
        yield run
    finally:
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
        if run is not None:
            run.err = err


@pytest.fixture
def seeds(tmp_path: Path) -> Path:
    (tmp_path / "accounts.csv").write_text("Name,External_Id__c\nNowak Optics,ACC-1\n", encoding="utf-8")
    (tmp_path / "contacts.ndjson").write_text(
        '{"LastName": "Nowak", "Account.External_Id__c": "ACC-1"}\n{"LastName": "Kuhl"}\n', encoding="utf-8"
    )
    return tmp_path


def test_seeds_from_files_are_there_and_counted_and_the_start_says_how_airflow_connects(seeds: Path) -> None:
    accounts, contacts = f"Account={seeds / 'accounts.csv'}", f"Contact={seeds / 'contacts.ndjson'}"
    with running("--seed", accounts, "--seed", contacts) as run:
        found = run.client.query("SELECT LastName, Account.Name FROM Contact ORDER BY LastName DESC")
        assert [(each["LastName"], (each["Account"] or {}).get("Name")) for each in found] == [
            ("Nowak", "Nowak Optics"),
            ("Kuhl", None),
        ]
    assert "Account 1, Contact 2" in run.err
    [line] = [line for line in run.err.splitlines() if "AIRFLOW_CONN_SALESFORCE_DEFAULT='" in line]
    connection = json.loads(line.split("'", 1)[1].rstrip("'"))
    assert connection["extra"] == {"access_token": run.ready["access_token"], "instance_url": run.ready["url"]}


def test_a_call_is_a_line_without_what_the_caller_sent() -> None:
    rows = [
        {"attributes": {"type": "Lead"}, "External_Id__c": f"K-{number}", "LastName": "Secretname", "Company": "C",
         "Email": "same@x.example"}
        for number in range(3)
    ]  # fmt: skip
    with running() as run:
        run.client.send("PATCH", "/composite/sobjects/Lead/External_Id__c", json={"records": rows[:2]})
        run.client.send("PATCH", "/composite/sobjects/Lead/External_Id__c", json={"records": rows[2:]})
        run.client.send("GET", "/sobjects/Lead/External_Id__c/K-0")
        run.client.send("GET", "/query", params={"q": "SELECT Id FROM Lead WHERE LastName = 'Secretname'"})
        run.client.soap("<urn:getUserInfo/>")
        Client(run.client.url, "wrong-token").send("GET", "/limits")
        requests.get(f"{run.client.url}/_emulator/stats", timeout=5)
    calls = [line.split("  ")[1:4] for line in run.err.splitlines() if line.endswith("ms") or " ms  " in line]
    assert calls == [
        ["PATCH /composite/sobjects/Lead/External_Id__c", "200", "2 rows: 2 created"],
        ["PATCH /composite/sobjects/Lead/External_Id__c", "200", "1 row: 1 DUPLICATES_DETECTED"],
        ["GET /sobjects/Lead/External_Id__c/…", "200", "1 row"],
        ["GET /query", "200", "2 rows"],
        ["SOAP getUserInfo", "200", calls[4][2]],
        ["GET /limits", "401", "INVALID_SESSION_ID"],
    ]
    log = run.err.split("AIRFLOW_CONN", 1)[1].partition("\n")[2]
    for secret in ("Secretname", "K-0", "same@x.example", "wrong-token", run.ready["access_token"], "\x1b"):
        assert secret not in log
    assert log.count("loader@example.com") == 5


def test_verbose_shows_what_is_asked_of_the_emulator_and_quiet_shows_nothing() -> None:
    with running("--verbose") as verbose:
        requests.get(f"{verbose.client.url}/_emulator/stats", timeout=5)
    with running("--quiet") as quiet:
        quiet.client.send("GET", "/limits")
    assert "GET /_emulator/stats" in verbose.err
    assert quiet.err == ""


def test_a_reader_who_does_not_read_keeps_no_call_waiting() -> None:
    """More is logged than the pipe holds; nobody reads it until the end."""
    with running() as run:
        assert run.process.stderr is not None
        holds = fcntl.fcntl(run.process.stderr, fcntl.F_SETPIPE_SZ, 4096) if hasattr(fcntl, "F_SETPIPE_SZ") else 65_536
        for _ in range(holds // 40):
            assert run.client.send("GET", "/limits").status_code == 200


def test_a_snapshot_file_keeps_records_from_one_run_to_the_next(tmp_path: Path) -> None:
    file = tmp_path / "org.json"
    with running("--snapshot", str(file)) as first:
        record_id = first.client.create("Account", Name="Kept")
        gone = first.client.create("Account", Name="Gone")
        first.client.send("DELETE", f"/sobjects/Account/{gone}")
    with running("--snapshot", str(file)) as second:
        assert [each["Id"] for each in second.client.query("SELECT Id FROM Account")] == [record_id]
        [deleted] = second.client.query("SELECT Id FROM Account WHERE IsDeleted = true", path="/queryAll")
        assert deleted["Id"] == gone
        assert second.client.create("Account", Name="New") not in (record_id, gone)


def test_the_bundled_org_file_is_printed_and_can_be_used(said: Said, tmp_path: Path) -> None:
    code, out, _ = said("--print-org")
    assert (code, out) == (0, DEFAULT_ORG.read_text(encoding="utf-8"))
    (tmp_path / "org.yaml").write_text(out, encoding="utf-8")
    code, out, err = said("--check", "--org", str(tmp_path / "org.yaml"))
    assert (code, err) == (0, "")
    assert "can be used" in out


MISTAKES = [
    (["--org", "missing.yaml"], "missing.yaml: cannot be read"),
    (["--check", "--org", "{folder}/org.yaml"], "sobjects.Lead.fields.Emial: 'txt': no such field type; did you mean"),
    (["--seed", "Laed={folder}/leads.csv"], "the org has no such sobject; did you mean 'Lead'?"),
    (["--seed", "Lead={folder}/leads.csv"], "leads.csv, line 3, Emial: No such column 'Emial'"),
    (["--seed", "Lead={folder}/none.csv"], "none.csv: No such file"),
    (["--seed", "Lead"], "should be SOBJECT=FILE"),
    (["--port", "70000"], "'70000' should be a number from 0 to 65535"),
    (["--snapshot", "{folder}/leads.csv"], "leads.csv: is no JSON"),
    (["--snapshot", "{folder}/none/org.json"], "org.json: cannot be written: there is no such folder"),
]


@pytest.mark.parametrize(("arguments", "complaint"), MISTAKES, ids=[each[1][:30] for each in MISTAKES])
def test_a_mistake_ends_it_with_a_sentence(said: Said, arguments: list[str], complaint: str, tmp_path: Path) -> None:
    (tmp_path / "org.yaml").write_text("extends: default\nsobjects: {Lead: {fields: {Emial: txt}}}\n", encoding="utf-8")
    (tmp_path / "leads.csv").write_text("LastName,Company,Emial\nA,B,\nA,B,a@b.example\n", encoding="utf-8")
    code, out, err = said(*(each.format(folder=tmp_path) for each in arguments))
    assert (code, out) == (2, "")
    assert complaint in err
    assert "Traceback" not in err


def test_a_port_that_is_taken_is_named(said: Said, org: EmulatedOrg) -> None:
    port = org.url.rpartition(":")[2]
    code, _, err = said("--port", port)
    assert code == 2
    assert f"cannot listen on port {port}" in err
