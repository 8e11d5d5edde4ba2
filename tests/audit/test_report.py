"""What a terminal and a log say of a load: counts, never a row's key or values, and how to go on."""

from __future__ import annotations

import shlex
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
from sqlalchemy import text

from airflow_sf_dedup.audit.__main__ import main
from airflow_sf_dedup.audit.base import Totals
from airflow_sf_dedup.audit.report import Report, lines_of, next_steps, report_of, show_run, what_was_read
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.core.entries import Action
from airflow_sf_dedup.database.engine import reading
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
    assert lines[-3:] == [
        "1 row was sent more than once: at most 3 times, over 9.0 s",
        f"blocked by {MATCH.duplicate_rule} (1 row)",
        "to look at among the rows that await a person: names_disagree (1 row), shared_mailbox (1 row)",
    ]
    assert "example" not in "\n".join(lines)
    assert len({len(line) for line in lines if line[:1] in "┏┃┡│└"}) == 1, "a table that lines up, line by line"


@pytest.mark.parametrize(
    ("confidences", "words"),
    [
        ((100.0, 95.0), None),
        ((100.0, 87.14, 91.0), "matched_updated 3, of which 2 by a match below 95 %, lowest 87.1 %;"),
        ((None,), None),
    ],
    ids=["sure", "less than sure", "not told"],
)
def test_rows_that_updated_a_doubtful_match_are_told(audit, confidences, words):
    load = a_load(rows_read=len(confidences))
    audit.open_load(load)
    for number, confidence in enumerate(confidences, start=1):
        other = replace(MATCH, record_id="00Q000000000002EAA", confidence=10.0)
        matches = (replace(MATCH, confidence=confidence), other)
        entry = an_entry(number, Action.MATCHED_UPDATED, record_id=MATCH.record_id, matches=matches)
        audit.remember(load.load_id, [entry])
    said = [line for line in lines_of(report_of(audit, load)) if line.startswith("matched_updated ")]
    assert said == [] if words is None else said[0].startswith(words)


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
        found = connection.execute(text(rows.removeprefix("Rows, in connection audit db: "))).all()
    assert [(row.row_number, row.action) for row in found] == [
        (2, "awaiting_review"),
        (3, "failed"),
        (4, "failed"),
    ]


def test_a_load_in_which_all_went_well_needs_no_statement(load):
    assert len(next_steps(Report(load, Totals({Action.CREATED: 4}, {})), None)) == 1


def test_a_partition_is_named_as_its_task_is(load):
    report = Report(load, Totals({Action.FAILED: 1}, {(Action.FAILED, "X", None): 1}), partition=2, api_calls=5)
    assert f"Load {load.load_id}, partition 3 of 8:" in lines_of(report)[0]
    assert lines_of(report)[1] == "entries 1, API calls of this try 5"
    assert "AND partition = 2 AND" in next_steps(report, None)[1]


def test_the_statement_says_in_which_database_it_runs(load):
    report = Report(load, Totals({Action.FAILED: 1}, {(Action.FAILED, "X", None): 1}))
    assert next_steps(report, None)[1].startswith("Rows, in the embedded audit file: SELECT ")
    in_file = next_steps(report, None, Path("/air/audit.db"))[1]
    assert in_file.startswith("Rows, in the embedded audit file /air/audit.db: SELECT ")
    assert next_steps(report, "audit_db")[1].startswith("Rows, in connection audit_db: SELECT ")


def test_the_documentation_shows_what_the_log_says():
    blocked = "DUPLICATES_DETECTED"
    load = a_load(
        load_id="0226af33-8d4b-41e0-8a64-cbe31de339b0",
        external_id_field="External_Id__c",
        org_id="00D5g0000000001EAA",
        dag_id="morning_leads",
        run_id="scheduled__2026-03-02",
        rows_read=5_000,
        started_at=datetime(2026, 3, 2, 5, 0, 2, tzinfo=UTC),
        ended_at=datetime(2026, 3, 2, 5, 0, 27, tzinfo=UTC),
        api_calls=41,
        predicted_calls=36,
    )
    totals = Totals(
        {Action.AWAITING_REVIEW: 120, Action.CREATED: 3_797, Action.FAILED: 3, Action.MATCHED_UPDATED: 1_080},
        {
            (Action.AWAITING_REVIEW, blocked, "several_matches"): 120,
            (Action.FAILED, "REQUIRED_FIELD_MISSING", None): 3,
            (Action.MATCHED_UPDATED, blocked, None): 1_080,
        },
    )
    report = Report(load, totals, rules={"Lead_Email": 1_080, "Lead_Matches_Contact": 120})
    shown = "\n".join([*lines_of(report), *next_steps(report, None, Path("/opt/airflow/sf_dedup/audit.db"))])
    assert f"```text\n{shown}\n```" in (Path(__file__).parents[2] / "docs" / "operators.md").read_text("utf-8")


def test_the_command_for_a_run_can_be_pasted(audit, load, audit_url, capsys):
    command = shlex.split(show_run("a dag", "manual__1'; x", "db"))
    assert command[3:] == ["show", "--dag", "a dag", "--run", "manual__1'; x", "--audit-conn-id", "db"]
    command = shlex.split(show_run(load.dag_id, load.run_id, None))
    assert main([*command[3:], "--url", audit_url]) == 0
    assert load.load_id in capsys.readouterr().out


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_a_terminal_without_box_characters_gets_a_table_all_the_same(audit, load, audit_url, monkeypatch, encoding):
    audit.remember(load.load_id, [an_entry(4, Action.CREATED, matches=(replace(MATCH, duplicate_rule="Règle 重複"),))])
    terminal = TextIOWrapper(BytesIO(), encoding=encoding)
    monkeypatch.setattr("sys.stdout", terminal)
    assert main(["show", "--url", audit_url, "--load", load.load_id]) == 0
    terminal.flush()
    said = terminal.buffer.getvalue().decode(encoding)
    assert ("│ created" in said) is (encoding == "utf-8")
    assert ("| created" in said) is (encoding != "utf-8")
    assert "REQUIRED_FIELD_MISSING" in said


def test_a_narrow_terminal_folds_cells_instead_of_breaking_the_table(audit, load):
    lines = [line for line in lines_of(report_of(audit, load), width=50) if line[:1] in "┏┃┡│└"]
    assert {len(line) for line in lines} == {50}


def test_rows_that_an_earlier_try_has_sent_are_not_read_twice():
    totals = Totals(
        {Action.CREATED: 8, Action.FAILED: 1, Action.INVALID: 1},
        {(Action.FAILED, "X", None): 1, (Action.INVALID, "NO_KEY", "missing_key"): 1},
    )
    assert what_was_read(9, 1, totals) == "10 rows read: 9 staged in 1 partition, 1 invalid (missing_key)"


def test_what_was_read_says_why_rows_are_not_staged():
    totals = Totals(
        {Action.INVALID: 3, Action.SUPERSEDED: 5},
        {(Action.SUPERSEDED, None, "on_repeat_last"): 5, (Action.INVALID, "NO_KEY", "missing_key"): 3},
    )
    assert what_was_read(4_992, 8, totals) == (
        "5,000 rows read: 4,992 staged in 8 partitions, 5 superseded (on_repeat_last), 3 invalid (missing_key)"
    )
