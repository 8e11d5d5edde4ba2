"""The SQL of the documentation runs on both databases and answers what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import text

from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.audit.sql.duplicate_jobs import FoundMatch, SqlDuplicateJobs
from airflow_sf_dedup.core.changes import Change, ChangeKind
from airflow_sf_dedup.core.entries import Action
from airflow_sf_dedup.database.engine import engine_for, reading
from airflow_sf_dedup.database.tables import metadata
from airflow_sf_dedup.database.upgrade import upgrade
from airflow_sf_dedup.locks.key_claims import SqlKeyClaims
from airflow_sf_dedup.locks.rule_holds import HoldState, RuleHold, SqlRuleHolds
from airflow_sf_dedup.testing.contracts.audit import A_REPORT, BEGIN, MATCH, a_load, a_wait, an_entry
from airflow_sf_dedup.testing.contracts.claims import a_claimant, a_scope
from airflow_sf_dedup.testing.fake_org import lead_id, match

PAGE = (Path(__file__).parents[2] / "docs" / "audit.md").read_text(encoding="utf-8")
QUESTIONS = re.findall(r"^(\S[^\n]*\?[^\n]*)\n\n```sql\n(.*?)```", PAGE, re.M | re.S)


A_HOLD = RuleHold(
    org_id="00D000000000001EAA",
    sobject="Lead",
    rule="Leads_by_mail",
    holder="migration.off, run manual__1",
    conn_id="salesforce_rules",
    was_active=True,
    definition="<isActive>true</isActive>",
    seen_running=True,
    state=HoldState.OFF,
    taken_at=BEGIN,
    changed_at=BEGIN,
    expires_at=BEGIN,
)


@pytest.fixture
def audited(empty_url):
    engine = engine_for(empty_url)
    upgrade(engine)
    audit = SqlAudit(engine)
    audit.open_load(a_load(load_id="load-1", run_id="manual__1", rows_read=3))
    audit.remember(
        "load-1",
        [
            an_entry(1, key="K-1", attempts=2, waited_seconds=3.5, twin_group=1),
            an_entry(2, Action.FAILED, error_code="REQUIRED_FIELD_MISSING", rule_wait=a_wait(1)),
            an_entry(3, Action.AWAITING_REVIEW, matches=(MATCH,), values={"Email": "a@b.example"}),
        ],
    )
    audit.remember_reports("load-1", {1: [A_REPORT]})
    audit.keep_changes("load-1", [Change(1, "00Q", "Lead", ChangeKind.UPDATE_MATCH, "Phone", "old", "new")])
    SqlKeyClaims(engine).claim(a_scope(), a_claimant(), ["K-1", "K-2"])
    jobs = SqlDuplicateJobs(engine)
    jobs.remember(jobs.begin("load-1", 1), [FoundMatch(3, 0, lead_id(1), match(lead_id(2)))])
    SqlRuleHolds(engine).put([A_HOLD])
    yield engine
    engine.dispose()


def test_every_question_is_answered(audited):
    assert len(QUESTIONS) == PAGE.count("```sql") == 17
    with reading(audited) as connection:
        answers = {question: connection.execute(text(sql)).all() for question, sql in QUESTIONS}
    assert [question for question, rows in answers.items() if not rows] == []
    assert answers["What awaits a person, with the value that is to be written?"][0].email == "a@b.example"
    assert answers["Which tasks have keys in flight now?"][0].keys == 2
    assert answers["Is every row that was read accounted for? (0 is the only good answer.)"] == [(0,)]


def test_every_table_column_and_action_is_explained():
    words = set(re.findall(r"`([^`\n]+)`", PAGE))
    columns = {column.name for table in metadata.sorted_tables for column in table.columns}
    plumbing = {"id", "event", "detail"}
    assert (columns | set(metadata.tables) | set(Action)) - words - plumbing <= {"id"}
