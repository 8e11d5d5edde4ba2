"""A decision can be planned without being carried out, and a person's verdict carried out without being planned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.core.decisions import Ask, Decision, DuplicateCase, UpdateMatch
from airflow_sf_dedup.core.entries import Action
from airflow_sf_dedup.journeys.entry_maker import EntryMaker, TaskMark
from airflow_sf_dedup.journeys.lost_answers import ReRead
from airflow_sf_dedup.journeys.sending.next_step import Terms
from airflow_sf_dedup.journeys.sending.senders import Senders
from airflow_sf_dedup.journeys.sending.under_way import UnderWay
from airflow_sf_dedup.journeys.settling.blocked import Blocked
from airflow_sf_dedup.journeys.settling.cases import Cases
from airflow_sf_dedup.journeys.settling.deciding import decide_on
from airflow_sf_dedup.journeys.settling.naming import Naming, still_blocked
from airflow_sf_dedup.journeys.workshop import settlement_of
from airflow_sf_dedup.locks.record_claims import SqlRecordClaims
from airflow_sf_dedup.policies import read_policy
from airflow_sf_dedup.testing.fake_org import (
    BLOCKED,
    KEY,
    KEY_RULE,
    LEAD,
    ORG_ID,
    FakeOrg,
    blocked_by,
    lead_id,
    match,
    row,
    stored,
)

ONE, TWO = lead_id(1), lead_id(2)


@dataclass(frozen=True)
class Verdicts:
    """A policy: what people decided about keys."""

    decisions: dict[str, Decision]
    name: ClassVar[str] = "verdicts"

    def decide(self, case: DuplicateCase) -> Decision:
        return self.decisions[case.record.key]


def test_what_was_planned_without_a_write_is_carried_out_by_a_persons_verdict(
    sql_audit: SqlAudit, new_load: Callable[..., Load]
) -> None:
    org, load = FakeOrg(), new_load()
    org.lookups = {"A": blocked_by(match(ONE)), "B": blocked_by(match(ONE), match(TWO))}
    org.records = {each: stored(each, LastName="Old") for each in (ONE, TWO)}
    rows = [Blocked(UnderWay(row(number, key), 1), BLOCKED) for number, key in ((1, "A"), (2, "B"))]
    senders, lost_answers = Senders(sleep=lambda seconds: None), ReRead(org, LEAD, KEY)
    naming, cases = Naming(org, Terms(KEY), lost_answers, senders), Cases(org, LEAD, KEY_RULE)

    named = [each for batch in naming.name(rows) for each in still_blocked(batch)]
    plan = {
        each.record.key: each
        for each in (decide_on(case, read_policy("update_existing")) for case in cases.read(named))
    }

    assert plan["A"].decided.decision == UpdateMatch(ONE, {"LastName": "Name 1", KEY: "A"})
    assert plan["B"].decided.decision == Ask("several_matches")
    assert org.kinds() == ["look_up", "holders", "by_id"], "nothing was written"
    assert not list(sql_audit.entries(load.load_id))

    org.lookups["B"] = blocked_by(match(TWO))
    settlement = settlement_of(
        load_id=load.load_id,
        org_id=ORG_ID,
        sobject=LEAD,
        key_rule=KEY_RULE,
        api=org,
        lookup=org,
        reader=org,
        claims=SqlRecordClaims(sql_audit.engine),
        sink=sql_audit,
        policy=Verdicts({"A": plan["A"].decided.decision, "B": UpdateMatch(TWO, {KEY: "B"})}),
        entries=EntryMaker(TaskMark(partition=0)),
        lost_answers=lost_answers,
        senders=senders,
    )
    settled = {entry.key: entry for entry in settlement.settle(rows)}

    assert {key: (entry.action, entry.record_id) for key, entry in settled.items()} == {
        "A": (Action.MATCHED_UPDATED, ONE),
        "B": (Action.MATCHED_UPDATED, TWO),
    }
    assert [update.fields for [chunk] in org.sent("update") for update in chunk] == [
        {"LastName": "Name 1", KEY: "A"},
        {KEY: "B"},
    ]
