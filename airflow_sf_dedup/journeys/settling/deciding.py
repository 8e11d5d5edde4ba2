"""What happens to a blocked row? What its policy says, where that may be done at all."""

from __future__ import annotations

from airflow_sf_dedup.core.decisions import Decided, Decision, DuplicateCase, SaveRow, UpdateMatch, certain_match
from airflow_sf_dedup.journeys.settling.blocked import Settling
from airflow_sf_dedup.policies.base import Policy, decide


def decide_on(case: DuplicateCase, policy: Policy) -> Settling:
    """The first decision that may be carried out, whatever a policy of the user's says. Nothing is written."""
    decided = decide(policy, case)
    while not may_be_carried_out(decided.decision, case):
        case = case.without(decided, _why_not(case), sent=False)
        decided = decide(policy, case)
    return Settling(case, decided)


def may_be_carried_out(decision: Decision, case: DuplicateCase) -> bool:
    """Nothing uncertain is updated; no refused decision is followed by a save, which could create the row."""
    match decision:
        case UpdateMatch(record_id):
            certain = certain_match(case)
            return certain is not None and certain.record_id == record_id
        case SaveRow(rules):
            only_these = not rules or case.is_refused_only_by(rules)
            return case.allow_save and only_these and not any(refused.sent for refused in case.refused)
        case _:
            return True


def _why_not(case: DuplicateCase) -> str:
    return case.refused[-1].reason if case.refused else "decision_not_allowed"


def reason_of(decided: Decided) -> str | None:
    """Why a row is left alone, in one word; decisions that act on it need none."""
    return getattr(decided.decision, "reason", None)
