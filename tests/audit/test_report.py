"""What a terminal and a log say of a load: counts, never a row's key or values, and how to go on."""

from __future__ import annotations

import shlex

import pytest
from sqlalchemy import text

from airflow_sf_dedup.audit.__main__ import main
from airflow_sf_dedup.audit.base import Totals
from airflow_sf_dedup.audit.engine import reading
from airflow_sf_dedup.audit.report import Report, lines_of, next_steps, report_of, what_was_read
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.core.entries import Action
from airflow_sf_dedup.testing.contracts.audit import MATCH, a_load, an_entry


@pytest.fixture
def audit(engine) -> SqlAudit:
    return SqlAudit(engine)


@pytest.fixture
def load(audit):
    load = a_load(rows_read=4, api_calls=14, predicted_calls=12, settings={"partitions": 8})
    audit.open_load(load)
    audit.remember(
        load.load_id,
        [
            an_entry(1, partition=2),
            an_entry(2, Action.AWAITING_REVIEW, error_code="DUPLICATES_DETECTED", matches=(MATCH, MATCH)),
            an_entry(3, Action.FAILED, error_code="REQUIRED_FIELD_MISSING", error_message="Email: a@b.example"),
            an_entry(4, Action.FAILED, error_code="REQUIRED_FIELD_MISSING", attempts=3, waited_seconds=9.04),
        ],
    )
    return audit.load(load.load_id)


def test_a_report_has_head_table_repeats_and_rules(audit, load):
    lines = lines_of(report_of(audit, load))
    assert load.load_id in lines[0]
    assert lines[1] == "rows read 4, entries 4, API calls 14 (12 predicted)"
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if "│" in line]
    assert cells == [
        ["awaiting_review", "DUPLICATES_DETECTED", "", "1"],
        ["created", "", "", "1"],
        ["failed", "REQUIRED_FIELD_MISSING", "", "2"],
    ]
    assert lines[-2:] == [
        "1 rows were sent more than once: at most 3 times, over 9.0 s",
        f"blocked by {MATCH.duplicate_rule} (1 rows)",
    ]
    assert "example" not in "\n".join(lines)
    assert len({len(line) for line in lines if line[:1] in "┏┃┡│└"}) == 1, "a table that lines up, line by line"


def test_the_terminal_says_the_same(audit, load, audit_url, capsys):
    assert main(["show", "--url", audit_url, "--load", load.load_id]) == 0
    assert capsys.readouterr().out.splitlines() == lines_of(report_of(audit, load))


def test_the_statement_runs_and_finds_what_is_not_in_the_org(audit, load, engine):
    report = report_of(audit, load)
    command, rows = next_steps(report, "audit db")
    assert shlex.split(command)[1:] == [
        *("python", "-m", "airflow_sf_dedup.audit", "show", "--load", load.load_id, "--audit-conn-id", "audit db")
    ]
    with reading(engine) as connection:
        found = connection.execute(text(rows.removeprefix("Rows: "))).all()
    assert [(row.row_number, row.action) for row in found] == [
        (2, "awaiting_review"),
        (3, "failed"),
        (4, "failed"),
    ]


def test_a_load_in_which_all_went_well_needs_no_statement(load):
    assert len(next_steps(Report(load, Totals({Action.CREATED: 4}, {})), None)) == 1


def test_a_partition_is_named_as_its_task_is(load):
    report = Report(load, Totals({Action.FAILED: 1}, {(Action.FAILED, "X", None): 1}), partition=2)
    assert f"Load {load.load_id}, partition 3 of 8:" in lines_of(report)[0]
    assert "AND partition = 2 AND" in next_steps(report, None)[1]


def test_what_was_read_says_why_rows_are_not_staged():
    totals = Totals(
        {Action.INVALID: 3, Action.SUPERSEDED: 5},
        {(Action.SUPERSEDED, None, "on_repeat_last"): 5, (Action.INVALID, "NO_KEY", "missing_key"): 3},
    )
    assert what_was_read(4_992, 8, totals) == (
        "5,000 rows read: 4,992 staged in 8 partitions, 5 superseded (on_repeat_last), 3 invalid (missing_key)"
    )
