from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from airflow_sf_dedup.audit.__main__ import main
from airflow_sf_dedup.audit.base import LoadKind
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.core.entries import Action
from airflow_sf_dedup.database.engine import engine_for, writing
from airflow_sf_dedup.database.upgrade import REVISIONS
from airflow_sf_dedup.testing.contracts.audit import BEGIN, a_load, an_entry

ROOT = Path(__file__).parents[2]


@pytest.fixture
def url(tmp_path):
    url = f"sqlite:///{tmp_path / 'audit.db'}"
    assert main(["upgrade", "--url", url]) == 0
    return url


@pytest.fixture
def audit(url) -> SqlAudit:
    return SqlAudit(engine_for(url))


def test_show_prints_actions_and_reasons(url, audit, capsys):
    load = a_load(rows_read=3)
    audit.open_load(load)
    failed = an_entry(3, Action.FAILED, error_code="REQUIRED_FIELD_MISSING")
    audit.remember(load.load_id, [an_entry(1), an_entry(2), failed])
    assert main(["show", "--url", url, "--dag", load.dag_id, "--run", load.run_id]) == 0
    shown = capsys.readouterr().out
    assert "Lead by Source_Key__c" in shown
    assert [line.split("│")[1:-1][3].strip() for line in shown.splitlines() if "│" in line] == ["2", "1"]


def test_no_escape_sequence_of_an_org_reaches_the_terminal(url, audit, capsys):
    loud = "\x1b]0;owned\x07\x9b2J\u202eX"
    load = a_load(dag_id=loud, run_id=loud, sobject=loud, rows_read=1)
    audit.open_load(load)
    audit.remember(load.load_id, [an_entry(1, Action.FAILED, error_code=loud, reason=loud)])
    assert main(["show", "--url", url, "--load", load.load_id]) == 0
    shown = capsys.readouterr().out
    assert not any(escape in shown for escape in "\x1b\x07\x9b\u202e")
    assert all(line.isprintable() for line in shown.splitlines())


def test_show_says_what_was_predicted_and_what_was_sent_again(url, audit, capsys):
    load = a_load(api_calls=14, predicted_calls=12)
    audit.open_load(load)
    rows = [an_entry(1), an_entry(2, attempts=2, waited_seconds=31.24), an_entry(3, attempts=5, waited_seconds=8)]
    audit.remember(load.load_id, rows)
    assert main(["show", "--url", url, "--load", load.load_id]) == 0
    shown = capsys.readouterr().out
    assert "API calls 14 (12 predicted)" in shown
    assert "2 rows were sent more than once: at most 5 times, over 31.2 s" in shown


NOTHING = {
    "load": (["--load", "none"], "no load none: it was purged, or is in another database"),
    "run": (
        ["--dag", "leads", "--run", "manual__1"],
        "no load of Dag leads in run manual__1: its partition task has not begun it, or failed before that,",
    ),
    "Dag": (["--dag", "leads"], "no load of Dag leads: its partition task has not begun it"),
    "any": ([], "no load yet"),
}


def test_where_there_are_only_plans_show_says_how_to_see_them(url, audit, capsys):
    audit.open_load(a_load(kind=LoadKind.PLAN, api_calls=6, predicted_calls=4))
    assert main(["show", "--url", url]) == 1
    assert "has no load yet, only plans: show --plans" in capsys.readouterr().out
    assert main(["show", "--url", url, "--plans"]) == 0
    shown = capsys.readouterr().out
    assert "API calls of the plan 6, of the load about 4" in shown
    assert "action" not in shown, "no table where there is no row"


@pytest.mark.parametrize(("asked", "words"), NOTHING.values(), ids=NOTHING)
def test_show_of_nothing_is_one_and_says_what_that_means(url, capsys, asked, words):
    assert main(["show", "--url", url, *asked]) == 1
    said = capsys.readouterr().out
    assert f"{url} has {words}" in said
    assert said.count("\n") == 1


def test_without_more_the_latest_load_is_shown_and_with_a_dag_that_dags(url, audit, capsys):
    days = [BEGIN + timedelta(days=number) for number in range(4)]
    older, latest, beside = (a_load(dag_id="leads", run_id=f"run {day:%d}", started_at=day) for day in days[:3])
    others = a_load(dag_id="accounts", started_at=days[3])
    for load in (latest, replace(beside, run_id=latest.run_id, task_id="contacts.partition"), older, others):
        audit.open_load(load)
    assert main(["show", "--url", url]) == 0
    assert f"Load {others.load_id}:" in capsys.readouterr().out
    assert main(["show", "--url", url, "--dag", "leads"]) == 0
    shown = capsys.readouterr().out
    assert f"Load {beside.load_id}:" in shown
    assert shown.count("Load ") == 1
    assert f"All loads of its run: python -m airflow_sf_dedup.audit show --dag leads --run '{latest.run_id}'" in shown


def test_of_two_loads_of_one_task_each_has_its_dates_and_the_older_says_which_counts(url, audit, capsys):
    older = a_load(rows_read=1, ended_at=BEGIN + timedelta(minutes=1))
    newer = replace(older, load_id="newer", started_at=BEGIN + timedelta(hours=1), ended_at=None)
    for load in (older, newer):
        audit.open_load(load)
    assert main(["show", "--url", url, "--dag", older.dag_id, "--run", older.run_id]) == 0
    first, second = capsys.readouterr().out.split("Load newer:")
    assert "began 2001-02-03 04:05:06 UTC, ended 2001-02-03 04:06:06 UTC" in first
    assert "It counts no more: its task ran again, and load newer counts" in first
    assert "began 2001-02-03 05:05:06 UTC, not ended: 1 row has no entry yet" in second
    assert "counts" not in second


def test_loads_of_several_tasks_of_a_run_all_count(url, audit, capsys):
    one = a_load(settings={"map_index": 0})
    for load in (one, replace(one, load_id="b", settings={"map_index": 1}), replace(one, load_id="c", task_id="other")):
        audit.open_load(load)
    assert main(["show", "--url", url, "--dag", one.dag_id, "--run", one.run_id]) == 0
    assert "counts no more" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("rows_read", "entries", "words"),
    [
        (None, 2, "not ended: its source is not read to the end"),
        (300, 255, "not ended: 45 rows have no entry yet"),
        (2, 2, "not ended, each row has its entry"),
    ],
    ids=["reading", "sending", "all sent"],
)
def test_a_load_that_is_going_on_says_so(url, audit, capsys, rows_read, entries, words):
    load = a_load(rows_read=rows_read)
    audit.open_load(load)
    audit.remember(load.load_id, [an_entry(number) for number in range(1, entries + 1)])
    assert main(["show", "--url", url, "--load", load.load_id]) == 0
    assert words in capsys.readouterr().out


def test_purge_keeps_what_waits_and_says_so(url, audit, capsys):
    gone, waiting = a_load(), a_load()
    for load, action in ((gone, Action.CREATED), (waiting, Action.AWAITING_REVIEW)):
        audit.open_load(load)
        audit.remember(load.load_id, [an_entry(1, action)])
    assert main(["purge", "--url", url, "--older-than", "90d"]) == 0
    shown = capsys.readouterr().out
    assert "1 load with 1 entry purged:" in shown
    assert f"{gone.load_id}: {gone.dag_id} {gone.run_id}, began 2001-02-03 04:05:06 UTC" in shown.splitlines()
    assert waiting.load_id in shown


def test_a_young_load_is_not_purged(url, audit):
    load = a_load(started_at=datetime.now(UTC))
    audit.open_load(load)
    main(["purge", "--url", url, "--older-than", "1h"])
    assert audit.load(load.load_id) == load


def test_erase_answers_whether_it_found_something(url, audit):
    load = a_load()
    audit.open_load(load)
    audit.remember(load.load_id, [an_entry(1, key="K")])
    assert main(["erase", "--url", url, "--key", "K", "--sobject", "Contact"]) == 1
    assert main(["erase", "--url", url, "--key", "K", "--sobject", "Lead"]) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show", "--url", "mysql://h/d", "--load", "x"], "Supported are"),
        (["upgrade", "--url", "sqlite:////proc/no/audit.db"], "audit's database"),
        (["show", "--url", "sqlite:////proc/no/audit.db", "--load", "x"], "no audit file at /proc/no/audit.db"),
        (["upgrade", "--url", "postgresql://127.0.0.1:1/d"], "cannot be reached"),
    ],
    ids=["type", "folder", "no file", "server"],
)
def test_what_is_unusable_is_said_in_one_line(arguments, words, capsys):
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_a_table_that_was_dropped_is_said(url, capsys):
    with writing(engine_for(url)) as connection:
        connection.execute(text("DROP TABLE sf_dedup_load"))
    assert main(["show", "--url", url, "--load", "x"]) == 2
    assert "no such table: sf_dedup_load" in capsys.readouterr().err


#: All that look into an audit, with what they cannot do without.
LOOKS = {
    "show": ["show", "--load", "x"],
    "purge": ["purge", "--older-than", "1d"],
    "erase": ["erase", "--key", "K"],
}


@pytest.mark.parametrize("command", LOOKS.values(), ids=LOOKS)
def test_only_upgrade_makes_a_file(tmp_path, capsys, command):
    path = tmp_path / "no" / "such" / "audit.db"
    assert main([*command, "--url", f"sqlite:///{path}"]) == 2
    said = capsys.readouterr().err
    assert f"no audit file at {path}; is AIRFLOW_HOME right" in said
    assert said.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", LOOKS.values(), ids=LOOKS)
def test_missing_tables_are_said_and_the_file_stays_as_it_was(tmp_path, capsys, command):
    path = tmp_path / "of_others.db"
    with closing(sqlite3.connect(path)) as others:
        others.execute("CREATE TABLE theirs (value INTEGER)")
    before = path.read_bytes()
    assert main([*command, "--url", f"sqlite:///{path}"]) == 2
    said = capsys.readouterr().err
    assert "are missing" in said
    assert said.count("\n") == 1
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (before, [path])


def test_a_run_alone_may_be_of_several_dags(url, capsys):
    assert main(["show", "--url", url, "--run", "manual__1"]) == 2
    assert "--dag" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["90", "d", "-1d", "1y", "1.5d", "nand", "1e3d", "36501d", "999999w"])
def test_an_odd_age_is_refused(url, text):
    with pytest.raises(SystemExit) as leaving:
        main(["purge", "--url", url, f"--older-than={text}"])
    assert leaving.value.code == 2


class Shell:
    """Runs the command as a person does, with an Airflow home that nothing else knows."""

    def __init__(self, home: Path) -> None:
        self.home = home
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "_AIRFLOW"))}
        self.environment = {**inherited, "AIRFLOW_HOME": str(home)}

    def python(self, *arguments: str) -> tuple[int, str, str]:
        command = [sys.executable, *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def audit(self, *arguments: str) -> tuple[int, str, str]:
        return self.python("-m", "airflow_sf_dedup.audit", *arguments)


class QuickShell(Shell):
    """The same; its processes need not import Airflow, since they are forked from one that did."""

    def __init__(self, home: Path, server: subprocess.Popen[str]) -> None:
        super().__init__(home)
        self._server = server

    def python(self, *arguments: str) -> tuple[int, str, str]:
        assert self._server.stdin
        assert self._server.stdout
        self._server.stdin.write(json.dumps({"arguments": arguments, "environment": self.environment}) + "\n")
        self._server.stdin.flush()
        code, out, errors = json.loads(self._server.stdout.readline())
        return code, out, errors


@pytest.fixture
def slow_shell(tmp_path) -> Shell:
    return Shell(tmp_path / "airflow")


@pytest.fixture(scope="module")
def command_server(tmp_path_factory):
    home = tmp_path_factory.mktemp("airflow")
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.audit.commands"],
        env=Shell(home).environment,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with server:
        yield home, server
        server.stdin.close()


@pytest.fixture
def shell(command_server) -> QuickShell:
    """With a home in which no command has run yet."""
    home, server = command_server
    (home / "airflow.db").unlink(missing_ok=True)
    shutil.rmtree(home / "sf_dedup", ignore_errors=True)
    return QuickShell(home, server)


def test_the_module_runs(slow_shell, url):
    said = f"{url} has no load x: it was purged, or is in another database\n"
    assert slow_shell.audit("show", "--url", url, "--load", "x") == (1, said, "")


def test_without_an_airflow_home_of_its_own_nothing_is_found_nor_made(shell):
    code, out, err = shell.audit("show", "--load", "x")
    assert (code, out) == (2, "")
    assert f"no audit file at {shell.home}/sf_dedup/audit.db; is AIRFLOW_HOME right" in err
    assert not (shell.home / "sf_dedup").exists()


def test_an_unknown_connection_is_said_in_one_line(shell):
    said = (
        "--audit-conn-id: The conn_id `nope` isn't defined: add it in Airflow, or name one that is there "
        "(docs/connections.md)\n"
    )
    assert shell.audit("show", "--load", "x", "--audit-conn-id", "nope") == (2, "", said)


def test_without_a_connection_the_embedded_file_is_used(slow_shell):
    code, out, err = slow_shell.audit("upgrade")
    place = f"sqlite:///{slow_shell.home}/sf_dedup/audit.db"
    assert (code, out, err) == (0, f"The audit tables in {place} are at revision {REVISIONS[-1]}.\n", "")


def test_a_connection_from_the_environment_is_used(shell, empty_url):
    assert main(["upgrade", "--url", empty_url]) == 0
    shell.environment["AIRFLOW_CONN_AUDIT"] = as_connection(make_url(empty_url))
    code, out, err = shell.audit("show", "--load", "x", "--audit-conn-id", "audit")
    assert (code, err) == (1, "")
    assert "has no load x" in out


def as_connection(url) -> str:
    host = url.host or url.query.get("host") or url.database
    schema = "" if url.get_backend_name() == "sqlite" else url.database
    parts = {"conn_type": url.get_backend_name(), "host": host, "login": url.username, "schema": schema}
    return json.dumps({**parts, "password": url.password, "port": url.port})


STORE_A_CONNECTION = """
from airflow.models import Connection
from airflow.settings import Session, engine

Connection.metadata.create_all(engine)
Session.add(Connection(conn_id="audit", conn_type="sqlite", host="{path}"))
Session.commit()
"""


def test_a_connection_that_airflow_keeps_in_its_database_is_used(shell, tmp_path):
    stored, _, errors = shell.python("-c", STORE_A_CONNECTION.format(path=tmp_path / "kept.db"))
    assert stored == 0, errors
    code, out, err = shell.audit("upgrade", "--audit-conn-id", "audit")
    assert (code, out, err) == (
        0,
        f"The audit tables in sqlite:///{tmp_path}/kept.db are at revision {REVISIONS[-1]}.\n",
        "",
    )


@pytest.mark.parametrize("command", [["upgrade"], ["show", "--load", "x"]], ids=["upgrade", "show"])
def test_a_database_that_cannot_be_reached_is_said_in_one_line(shell, command):
    shell.environment["AIRFLOW_CONN_AUDIT"] = "postgres://loader:hunter2@127.0.0.1:1/audit"
    code, out, err = shell.audit(*command, "--audit-conn-id", "audit")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "audit_conn_id" in err
    assert "127.0.0.1:1/audit cannot be reached" in err
    assert "hunter2" not in err


def test_where_a_load_differs_from_its_plan_is_told_row_by_row_without_a_key(url, audit, capsys):
    plan = a_load(load_id="plan-1", kind=LoadKind.PLAN, digest="d1")
    load = a_load(load_id="load-1", digest="d2", settings={"plan": "plan-1", "strict": False})
    for each in (plan, load):
        audit.open_load(each)
    audit.remember("plan-1", [an_entry(1), an_entry(2, Action.UPDATED, record_id="00Q1")])
    audit.remember("load-1", [an_entry(1), an_entry(2, Action.SKIPPED, reason="beyond_plan"), an_entry(3)])

    assert main(["differences", "--load", "load-1", "--url", url]) == 0
    said = capsys.readouterr().out
    assert "1 row ended as planned, 2 otherwise" in said
    assert "the source, or what decides on its rows, is not what was planned" in said
    assert "row 2: otherwise: planned updated 00Q1, became skipped beyond_plan" in said
    assert "row 3: new: planned nothing, became created" in said
    assert "key-" not in said

    assert main(["differences", "--load", "plan-1", "--url", url]) == 1
    assert "it was given none" in capsys.readouterr().out
