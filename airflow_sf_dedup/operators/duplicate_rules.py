"""Duplicate rules off around a load: a setup task, and its teardown.

While a rule is off it is off for everybody. A filter of the rule that leaves out the integration user does the same for
the load alone, and cannot be forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_sf_dedup.core.api_names import api_name
from airflow_sf_dedup.core.numeric_settings import EFFECTIVE_TIMEOUT, MAX_HOURS_OFF, SETTLE_SECONDS
from airflow_sf_dedup.core.setting_values import check_flag
from airflow_sf_dedup.errors import PreflightError, SalesforceDedupError, SettingError, WrongOrgError
from airflow_sf_dedup.operators.failing import failing_at_once
from airflow_sf_dedup.operators.parameters import ChecksParameters

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_sf_dedup.journeys.rule_switching.effect import Effect
    from airflow_sf_dedup.journeys.rule_switching.switching import GivenBack, RuleSwitching, Wanted
    from airflow_sf_dedup.locks.rule_holds import RuleHold, SqlRuleHolds
    from airflow_sf_dedup.salesforce.calling.session import SalesforceSession


def holder_of(dag_id: str, run_id: str, off_task_id: str) -> str:
    """The name under which a setup task takes rules off, and its teardown gives them back."""
    return f"{dag_id}.{off_task_id}, run {run_id}"


class SalesforceDuplicateRulesOffOperator(ChecksParameters, BaseOperator):
    """Switch named duplicate rules of an sObject off, for everybody, until the teardown gives them back. A setup task.

    How each rule was, and until when it may be off, is committed to the audit's database before the first is changed.
    Rules that another load has switched off stay off until the last of them is done; one that was inactive before stays
    so. The task ends when calls no longer meet the rules, and gives its worker slot back meanwhile. Where it fails, it
    puts back what it took. Returns the rules.

    :param sobject: API name of the sObject. (templated)
    :param rules: DeveloperNames of its rules, at least one. (templated)
    :param salesforce_conn_id: the connection of the load: by its calls it is seen whether a rule is off. (templated)
    :param rules_conn_id: a connection to the same org whose user may *Customize Application*; ``None``: the load's.
        (templated)
    :param audit_conn_id: the audit's connection; without one the embedded file. (templated)
    :param allow_production: switch rules in an org that does not say that it is a sandbox.
    :param max_hours_off: after that, any later load of the sObject switches the rules on, and so does
        ``python -m airflow_sf_dedup.audit rules --restore``; longer than the load takes with its retries.
    :param effective_timeout: seconds that the rules have until calls no longer meet them.
    :param settle_seconds: that are waited for a rule that no probe meets, as its filter leaves out the load's user.
    """

    template_fields: Sequence[str] = ("sobject", "rules", "salesforce_conn_id", "rules_conn_id", "audit_conn_id")
    ui_color = "#ffe0c2"

    def __init__(
        self,
        *,
        sobject: str,
        rules: Sequence[str],
        salesforce_conn_id: str = "salesforce_default",
        rules_conn_id: str | None = None,
        audit_conn_id: str | None = None,
        allow_production: bool = False,
        max_hours_off: float = 12.0,
        effective_timeout: float = 900.0,
        settle_seconds: float = 180.0,
        **kwargs: Any,
    ) -> None:
        self._check_names(kwargs)
        super().__init__(**kwargs)
        self.sobject = sobject
        self.rules = rules
        self.salesforce_conn_id = salesforce_conn_id
        self.rules_conn_id = rules_conn_id
        self.audit_conn_id = audit_conn_id
        check_flag("allow_production", allow_production)
        self.allow_production = allow_production
        self.max_hours_off = MAX_HOURS_OFF.read(max_hours_off)
        self.effective_timeout = EFFECTIVE_TIMEOUT.read(effective_timeout)
        self.settle_seconds = SETTLE_SECONDS.read(settle_seconds)

    def execute(self, context: Context) -> dict[str, Any]:
        """Switch the rules off, and wait until they are.

        :raises AirflowFailException: a setting or the org does not fit, or the org is a production org; nothing was
            changed.
        :raises LoadFailedError: calls still met the rules after ``effective_timeout``; they are on again.
        """
        with failing_at_once():
            names = _names(self.rules)
            switching, effect, sobject = self._opened()
            holder = holder_of(context["ti"].dag_id, context["ti"].run_id, context["ti"].task_id)
            wanted = self._wanted(sobject, names, holder, effect)
            self._take(switching, effect, wanted, context)
        self.log.info("off, until the teardown gives them back: %s", ", ".join(wanted.rules))
        return {"org_id": switching.org_id, "sobject": sobject, "rules": list(wanted.rules), "holder": holder}

    def _opened(self) -> tuple[RuleSwitching, Effect, str]:
        from airflow_sf_dedup.hooks.rule_switching import rule_holds, switching_by
        from airflow_sf_dedup.operators.task_context import session_of
        from airflow_sf_dedup.salesforce.reader import describe

        session = session_of(self._conn_id)
        prober = session_of(self.salesforce_conn_id) if self.rules_conn_id else session
        _check_one_org(session, prober, self._conn_id, self.salesforce_conn_id)
        self._check_sandbox(session)
        sobject = describe(prober, self.sobject).name
        switching = switching_by(session, prober, rule_holds(self.audit_conn_id))
        return switching, _effect(session, switching, self.settle_seconds), sobject

    @property
    def _conn_id(self) -> str:
        return self.rules_conn_id or self.salesforce_conn_id

    def _check_sandbox(self, session: SalesforceSession) -> None:
        from airflow_sf_dedup.salesforce.sandbox import is_sandbox

        if not self.allow_production and not is_sandbox(session):
            raise PreflightError(
                f"allow_production: org {session.org_id} does not say that it is a sandbox, and its duplicate rules "
                "would be off for everybody. A rule filter that leaves out the integration user needs no switching; "
                "otherwise allow it by allow_production=True",
                setting="allow_production",
            )

    def _wanted(self, sobject: str, names: Sequence[str], holder: str, effect: Effect) -> Wanted:
        from airflow_sf_dedup.journeys.rule_switching.switching import Wanted, rules_named

        rules = rules_named(names, sobject, effect.rules)
        return Wanted(sobject, rules, holder, self._conn_id, timedelta(hours=self.max_hours_off))

    def _take(self, switching: RuleSwitching, effect: Effect, wanted: Wanted, context: Context) -> None:
        from airflow.sdk.exceptions import AirflowRescheduleException

        from airflow_sf_dedup.operators.rules_in_effect import in_turn, wait_for

        try:
            holds = _off_already(switching.holds, switching.org_id, wanted) or in_turn(
                lambda: switching.take(wanted), context, self.effective_timeout
            )
            switching.renew(holds, wanted.lease)
            wait_for(effect, holds, context, active=False, timeout=self.effective_timeout)
        except AirflowRescheduleException:
            raise
        except BaseException:
            # Also where Airflow ends it: without a setup that succeeded no teardown comes.
            self._put_back(switching, wanted.holder)
            raise

    def _put_back(self, switching: RuleSwitching, holder: str) -> None:
        """The task fails, and its teardown will not come."""
        from airflow_sf_dedup.journeys.rule_switching.restoring import COMMAND

        holds = [hold for hold in switching.holds.of_holder(holder) if hold.org_id == switching.org_id]
        try:
            if holds:
                given = switching.give_back(holds, by=holder)
                switching.holds.forget(given.on)
        except SalesforceDedupError as error:
            names = ", ".join(hold.full_name for hold in holds)
            self.log.error("duplicate rules may be OFF: %s (%s). Put them back by `%s --now`", names, error, COMMAND)


class SalesforceDuplicateRulesOnOperator(ChecksParameters, BaseOperator):
    """Give back the duplicate rules that a setup task switched off. Its teardown.

    A rule is switched on when no other load wants it off, and only if it is as it was left: one that somebody changed
    meanwhile is not overruled, and makes the task red. The task ends when calls meet the rules again. It costs nothing
    where nothing is held. Returns the rules that are on, and those that others still want off.

    :param off_task_id: the whole id of the setup task, of the same run.
    :param salesforce_conn_id: as of the setup task. (templated)
    :param rules_conn_id: as of the setup task; ``None``: the load's. (templated)
    :param audit_conn_id: as of the setup task. (templated)
    :param effective_timeout: seconds that the rules have until calls meet them.
    :param settle_seconds: as of the setup task.
    """

    template_fields: Sequence[str] = ("salesforce_conn_id", "rules_conn_id", "audit_conn_id")
    ui_color = "#ffe0c2"

    def __init__(
        self,
        *,
        off_task_id: str,
        salesforce_conn_id: str = "salesforce_default",
        rules_conn_id: str | None = None,
        audit_conn_id: str | None = None,
        effective_timeout: float = 900.0,
        settle_seconds: float = 180.0,
        **kwargs: Any,
    ) -> None:
        self._check_names(kwargs)
        super().__init__(**kwargs)
        self.off_task_id = off_task_id
        self.salesforce_conn_id = salesforce_conn_id
        self.rules_conn_id = rules_conn_id
        self.audit_conn_id = audit_conn_id
        self.effective_timeout = EFFECTIVE_TIMEOUT.read(effective_timeout)
        self.settle_seconds = SETTLE_SECONDS.read(settle_seconds)

    def execute(self, context: Context) -> dict[str, Any]:
        """Switch the rules on, and wait until they are.

        :raises AirflowFailException: somebody changed a rule while it was off: it is left as it is; or a connection
            does not fit.
        :raises LoadFailedError: calls did not meet the rules after ``effective_timeout``, although the org says that
            they are on.
        """
        from airflow_sf_dedup.hooks.rule_switching import rule_holds

        holder = holder_of(context["ti"].dag_id, context["ti"].run_id, self.off_task_id)
        with failing_at_once():
            holds = rule_holds(self.audit_conn_id)
            held = holds.of_holder(holder)
            if not held:
                self.log.info("%s holds no rule", holder)
                return {"on": [], "kept_off": []}
            given = self._given_back(holds, held, holder, context)
        on = [hold.full_name for hold in given.on]
        kept = [hold.full_name for hold in held if hold.full_name not in on]
        self.log.info("on again: %s; off or inactive as before: %s", ", ".join(on) or "none", ", ".join(kept) or "none")
        return {"on": on, "kept_off": kept}

    def _given_back(self, holds: SqlRuleHolds, held: list[RuleHold], holder: str, context: Context) -> GivenBack:
        from airflow_sf_dedup.hooks.rule_switching import switching_by
        from airflow_sf_dedup.operators.rules_in_effect import in_turn, wait_for
        from airflow_sf_dedup.operators.task_context import session_of

        conn_id = self.rules_conn_id or self.salesforce_conn_id
        session = session_of(conn_id)
        prober = session_of(self.salesforce_conn_id) if self.rules_conn_id else session
        _check_org_of(held, session, conn_id)
        switching = switching_by(session, prober, holds)
        given = in_turn(lambda: switching.give_back(held, by=holder), context, self.effective_timeout)
        effect = _effect(session, switching, self.settle_seconds)
        wait_for(effect, given.on, context, active=True, timeout=self.effective_timeout)
        holds.forget(given.on)
        _refuse_changed(given)
        return given


def _names(rules: Any) -> list[str]:
    """The rules that are named.

    :raises SettingError: none is, or one is no name.
    """
    if isinstance(rules, str) or not isinstance(rules, Sequence) or not rules:
        raise SettingError("rules: expected a list of the rules to switch off, by their names", setting="rules")
    return [api_name(each, "rules") for each in rules]


def _check_one_org(session: SalesforceSession, prober: SalesforceSession, conn_id: str, load_conn_id: str) -> None:
    if session.org_id != prober.org_id:
        raise WrongOrgError(
            f"rules_conn_id: {conn_id} leads to org {session.org_id}, but salesforce_conn_id: {load_conn_id} to "
            f"{prober.org_id}",
            setting="rules_conn_id",
        )


def _check_org_of(held: Sequence[RuleHold], session: SalesforceSession, conn_id: str) -> None:
    if others := sorted({hold.org_id for hold in held} - {session.org_id}):
        raise WrongOrgError(
            f"rules_conn_id: {conn_id} leads to org {session.org_id}, but rules of {', '.join(others)} are off for "
            "this run",
            setting="rules_conn_id",
        )


def _off_already(holds: SqlRuleHolds, org_id: str, wanted: Wanted) -> list[RuleHold]:
    """The holds of a task that has switched all its rules off and only waits; none: it has not."""
    from airflow_sf_dedup.locks.rule_holds import HoldState

    held = [each for each in holds.of_rules(org_id, wanted.sobject) if each.holder == wanted.holder]
    is_all_off = {each.rule for each in held if each.state is HoldState.OFF} == set(wanted.rules)
    return held if is_all_off and len(held) == len(wanted.rules) else []


def _refuse_changed(given: GivenBack) -> None:
    from airflow_sf_dedup.journeys.rule_switching.restoring import WHAT_TO_DO

    if given.left:
        names = ", ".join(sorted(hold.full_name for hold in given.left))
        raise PreflightError(
            f"rules: {names} was switched off by this run, and somebody changed or deleted it since; it is left as it "
            f"is: {WHAT_TO_DO}",
            setting="rules",
        )


def _effect(session: SalesforceSession, switching: RuleSwitching, settle_seconds: float) -> Effect:
    from airflow_sf_dedup.journeys.rule_switching.effect import Effect
    from airflow_sf_dedup.salesforce.duplicate_rules import OrgRules

    return Effect(OrgRules(session), switching.running, settle_seconds)
