"""What is said of a load that was given a plan: in numbers, and whether the two are of the same rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from airflow_sf_dedup.audit.base import PLAN, STRICT, AuditReader, Load
from airflow_sf_dedup.core.entries import MAY_MEET_TWIN, Action
from airflow_sf_dedup.core.plan_differences import Compared
from airflow_sf_dedup.core.wording import counted

#: Differences that a sentence or an XCom names, of most rows first.
MOST_DIFFERENCES = 6


@dataclass(frozen=True, slots=True)
class AgainstPlan:
    """A load beside its plan.

    :ivar same_rows: the source, and what decides on its rows, is what was planned.
    :ivar may_meet_twin: rows of the plan of which no look-up could tell whether they meet a twin of the load.
    """

    plan_id: str
    is_strict: bool
    same_rows: bool
    compared: Compared
    may_meet_twin: int = 0

    @property
    def differences(self) -> list[tuple[str, str, int]]:
        """How rows were planned, what they became, and how many: the commonest."""
        pairs = list(self.compared.otherwise.items())[:MOST_DIFFERENCES]
        return [(_name(planned), _name(became), rows) for (planned, became), rows in pairs]

    def __str__(self) -> str:
        compared = self.compared
        told = ", ".join(
            f"{planned} → {became} ({counted(rows, 'rows')})" for planned, became, rows in self.differences
        )
        more = len(compared.otherwise) - len(self.differences)
        named = f": {told}" + (f" and {more} further kinds" if more else "") if told else ""
        changed = "" if self.same_rows else "; the source, or what decides on its rows, is not what was planned"
        unplanned = f", {compared.unplanned:,} were no part of its sample" if compared.unplanned else ""
        twins = f"; of the plan, {counted(self.may_meet_twin, 'rows')} might meet a twin" if self.may_meet_twin else ""
        return (
            f"against plan {self.plan_id}: {counted(compared.as_planned, 'rows')} ended as planned, "
            f"{compared.rows_otherwise:,} otherwise{named}{unplanned}{twins}{changed}"
        )


def _name(action: Action | None) -> str:
    """Of a row that only the load has, or only the plan."""
    return "none" if action is None else str(action)


def against_plan(audit: AuditReader, load: Load) -> AgainstPlan | None:
    """The load beside its plan; ``None``: it was given none, or that has been purged."""
    plan_id = load.settings.get(PLAN)
    plan, now = (audit.load(plan_id), audit.load(load.load_id)) if plan_id else (None, None)
    if plan is None or now is None:
        return None
    same_policy = now.policy in (None, plan.policy)
    compared = audit.compared(plan.load_id, load.load_id)
    return AgainstPlan(
        plan.load_id,
        _is_strict(load.settings),
        plan.digest == now.digest and same_policy,
        compared,
        may_meet_twin=audit.totals(plan.load_id).rows_because(MAY_MEET_TWIN),
    )


def _is_strict(settings: Mapping[str, object]) -> bool:
    return bool(settings.get(STRICT))
