from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

import pytest

from airflow_sf_dedup.audit.__main__ import main
from airflow_sf_dedup.audit.engine import engine_for
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.core.entries import Action
from airflow_sf_dedup.testing.contracts.audit import a_load, an_entry


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


def test_show_of_nothing_is_one(url):
    assert main(["show", "--url", url, "--load", "none"]) == 1


def test_purge_keeps_what_waits_and_says_so(url, audit, capsys):
    for action in (Action.CREATED, Action.AWAITING_REVIEW):
        load = a_load()
        audit.open_load(load)
        audit.remember(load.load_id, [an_entry(1, action)])
    assert main(["purge", "--url", url, "--older-than", "90d"]) == 0
    shown = capsys.readouterr().out
    assert "1 loads with 1 entries purged" in shown
    assert load.load_id in shown


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
        (["show", "--url", "sqlite:////proc/no/audit.db", "--load", "x"], "audit's database"),
        (["upgrade", "--url", "postgresql://127.0.0.1:1/d"], "audit's database"),
    ],
    ids=["type", "folder", "server"],
)
def test_what_is_unusable_is_said_in_one_line(arguments, words, capsys):
    assert main(arguments) == 2
    assert words in capsys.readouterr().err


def test_missing_tables_are_said(tmp_path, capsys):
    assert main(["show", "--url", f"sqlite:///{tmp_path / 'new.db'}", "--load", "x"]) == 2
    assert "are missing" in capsys.readouterr().err


def test_show_needs_to_know_what(url, capsys):
    assert main(["show", "--url", url]) == 2
    assert "--load" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["90", "d", "-1d", "1y"])
def test_an_odd_age_is_refused(url, text):
    with pytest.raises(SystemExit) as leaving:
        main(["purge", "--url", url, f"--older-than={text}"])
    assert leaving.value.code == 2


def test_the_module_runs(url):
    command = [sys.executable, "-m", "airflow_sf_dedup.audit", "show", "--url", url, "--load", "x"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1
