"""What happens to a row that is kept out? What its policy says, where that may be done at all."""

from __future__ import annotations

from airflow_sf_dedup.core.decisions import (
    Decision,
    DuplicateCase,
    LinkRow,
    SaveRow,
    UndeleteMatch,
    UpdateMatch,
    UpdateOther,
    WaitForRule,
    certain_match,
    deleted_match,
)
from airflow_sf_dedup.core.other_matches import may_be_linked, may_be_stamped
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
        case UpdateOther():
            return may_be_stamped(decision, case)
        case UndeleteMatch(record_id):
            deleted = deleted_match(case)
            return deleted is not None and deleted.record_id == record_id
        case SaveRow(rules):
            return _may_be_saved(case) and (not rules or case.is_refused_only_by(rules))
        case LinkRow():
            return _may_be_saved(case) and may_be_linked(decision, case)
        case WaitForRule():
            return case.is_refused_only_by_inactive_rules and case.rule_waits < decision.times
        case _:
            return True


def _may_be_saved(case: DuplicateCase) -> bool:
    return case.allow_save and not any(refused.sent for refused in case.refused)


def _why_not(case: DuplicateCase) -> str:
    return case.refused[-1].reason if case.refused else "decision_not_allowed"


def reason_of(item: Settling) -> str | None:
    """Why a row is left alone, in one word; decisions that act on it need none."""
    reason: str | None = getattr(item.decided.decision, "reason", None)
    is_plain = reason == "by_policy" and item.case.obstacle.is_key
    return item.case.obstacle.value if is_plain else reason
