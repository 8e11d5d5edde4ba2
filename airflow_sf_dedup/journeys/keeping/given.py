"""May a load go by this plan? It must be whole, and of the same org, sObject and field."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_sf_dedup.audit.base import PLAN, STRICT, AuditReader, Load, LoadKind
from airflow_sf_dedup.core.entries import NOT_IN_SAMPLE
from airflow_sf_dedup.errors import SettingError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GivenPlan:
    """The plan that a load was given.

    :ivar is_strict: what is beyond it is left.
    """

    plan_id: str
    is_strict: bool

    @property
    def settings(self) -> dict[str, Any]:
        """What the load's row says of it."""
        return {PLAN: self.plan_id, STRICT: self.is_strict}


def plan_id_of(value: Any) -> str | None:
    """The id that a parameter names: itself, or what a plan task returned; ``None``: there is no plan.

    :raises SettingError: it is neither.
    """
    named = value.get("plan_id") if isinstance(value, Mapping) else value
    if value is not None and not (isinstance(named, str) and named):
        raise SettingError(
            "plan: expected what SalesforcePlanOperator returned, or its plan_id, got "
            + (f"a {type(value).__name__} without a plan_id" if isinstance(value, Mapping) else f"{value!r:.60}"),
            setting="plan",
        )
    return named


def given_plan(value: Any, *, strict: bool) -> GivenPlan | None:
    """The plan that parameters name.

    :raises SettingError: they name none where there must be one.
    """
    plan_id = plan_id_of(value)
    if plan_id is None and strict:
        raise SettingError("strict: there is no plan to keep to; give plan= as well", setting="strict")
    return None if plan_id is None else GivenPlan(plan_id, strict)


def plan_of_load(load: Load | None) -> GivenPlan | None:
    """The plan that a load was given when it was staged."""
    plan_id = None if load is None else load.settings.get(PLAN)
    return None if load is None or not plan_id else GivenPlan(plan_id, bool(load.settings.get(STRICT)))


def check_plan(audit: AuditReader, given: GivenPlan, load: Load) -> Load:
    """The plan itself, where the load may be compared with it.

    :raises SettingError: it is no plan, not whole, of another target, or for a strict load a part of the rows only.
    """
    plan = audit.load(given.plan_id)
    if plan is None or plan.kind is not LoadKind.PLAN:
        what = "no plan" if plan is None else "a load, and no plan,"
        raise _refused(f"the audit has {what} of the id {given.plan_id!r:.60}; it was purged, or is in another audit")
    if plan.ended_at is None:
        raise _refused(f"{plan.load_id} is not whole: its task failed; plan again")
    of_plan, of_load = ((each.org_id, each.sobject.lower(), each.external_id_field.lower()) for each in (plan, load))
    if of_plan != of_load:
        raise _refused(
            f"{plan.load_id} is of {plan.sobject} by {plan.external_id_field} in org {plan.org_id}, and the load is of "
            f"{load.sobject} by {load.external_id_field} in org {load.org_id}"
        )
    if given.is_strict and any(reason == NOT_IN_SAMPLE for _, _, reason in audit.totals(plan.load_id).reasons):
        raise SettingError(
            f"strict: {plan.load_id} looked at a sample of the rows; plan all of them, or leave strict out",
            setting="strict",
        )
    return plan


def check_same_rows(plan: Load, digest: str, given: GivenPlan) -> None:
    """Say, or refuse where the load is strict, that the rows or what decides on them are not those of the plan.

    :raises SettingError: the load is strict. Nothing was sent.
    """
    if plan.digest == digest:
        return
    said = f"the source, or a setting that decides on its rows, is not what plan {plan.load_id} was made of"
    if given.is_strict:
        raise SettingError(f"strict: {said}; plan again, or leave strict out", setting="strict")
    _log.warning("plan: %s; the verdict says where the load differs from it", said)


def _refused(why: str) -> SettingError:
    return SettingError(f"plan: {why}", setting="plan")
