"""A decision can be planned without being carried out, and a person's verdict carried out without being planned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from sqlalchemy import Engine

from airflow_sf_dedup.audit.base import Load
from airflow_sf_dedup.audit.sql import SqlAudit
from airflow_sf_dedup.core.decisions import Ask, Decision, DuplicateCase, UpdateMatch
from airflow_sf_dedup.core.entries import Action
from airflow_sf_dedup.journeys.sending.under_way import UnderWay
from airflow_sf_dedup.journeys.settling.blocked import Blocked
from airflow_sf_dedup.journeys.settling.deciding import decide_on
from airflow_sf_dedup.journeys.settling.naming import still_blocked
from airflow_sf_dedup.testing.fake_org import (
    BLOCKED,
    KEY,
    FakeOrg,
    blocked_by,
    lead_id,
    match,
    row,
    stored,
)
from airflow_sf_dedup.testing.workshops import workshop

ONE, TWO = lead_id(1), lead_id(2)


@dataclass(frozen=True)
class Verdicts:
    """A policy: what people decided about keys."""

    decisions: dict[str, Decision]
    name: ClassVar[str] = "verdicts"

    def decide(self, case: DuplicateCase) -> Decision:
        return self.decisions[case.record.key]


def test_what_was_planned_without_a_write_is_carried_out_by_a_persons_verdict(
    sql_engine: Engine, sql_audit: SqlAudit, new_load: Callable[..., Load]
) -> None:
    org, load = FakeOrg(), new_load()
    org.lookups = {"A": blocked_by(match(ONE)), "B": blocked_by(match(ONE), match(TWO))}
    org.records = {each: stored(each, LastName="Old") for each in (ONE, TWO)}
    rows = [Blocked(UnderWay(row(number, key), 1), BLOCKED) for number, key in ((1, "A"), (2, "B"))]
    # An org of its own: records that other tests claimed are not free for a while.
    planning = workshop(sql_engine, load, org, policy="update_existing", org_id=load.load_id)

    named = [each for batch in planning.naming.name(rows) for each in still_blocked(batch)]
    plan = {each.record.key: each for each in (decide_on(case, planning.policy) for case in planning.cases.read(named))}

    assert plan["A"].decided.decision == UpdateMatch(ONE, {"LastName": "Name 1", KEY: "A"})
    assert plan["B"].decided.decision == Ask("several_matches")
    assert org.kinds() == ["look_up", "holders", "by_id"], "nothing was written"
    assert not list(sql_audit.entries(load.load_id))

    org.lookups["B"] = blocked_by(match(TWO))
    verdicts = Verdicts({"A": plan["A"].decided.decision, "B": UpdateMatch(TWO, {KEY: "B"})})
    settlement = workshop(sql_engine, load, org, policy=verdicts, org_id=load.load_id).settlement
    settled = {entry.key: entry for entry in settlement.settle(rows)}

    assert {key: (entry.action, entry.record_id) for key, entry in settled.items()} == {
        "A": (Action.MATCHED_UPDATED, ONE),
        "B": (Action.MATCHED_UPDATED, TWO),
    }
    assert [update.fields for [chunk] in org.sent("update") for update in chunk] == [
        {"LastName": "Name 1", KEY: "A"},
        {KEY: "B"},
    ]
