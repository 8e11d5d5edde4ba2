"""The way to an org's duplicate rules, by the connections that a task or a hold names."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import TYPE_CHECKING

from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.errors import SettingError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from airflow_sf_dedup.journeys.rule_switching.restoring import Restored
    from airflow_sf_dedup.journeys.rule_switching.switching import RuleSwitching
    from airflow_sf_dedup.locks.rule_holds import RuleHold, SqlRuleHolds
    from airflow_sf_dedup.salesforce.calling.session import SalesforceSession

_log = logging.getLogger(__name__)


def rule_holds(audit_conn_id: str | None) -> SqlRuleHolds:
    """The holds in the audit's database, whose tables are created or upgraded."""
    from airflow_sf_dedup.hooks.stores import ready_engine
    from airflow_sf_dedup.locks.rule_holds import SqlRuleHolds

    return SqlRuleHolds(ready_engine(audit_conn_id, upgrade=True))


def switching_by(session: SalesforceSession, prober: SalesforceSession, holds: SqlRuleHolds) -> RuleSwitching:
    """What switches the rules of an org.

    :param session: its user may *Customize Application*.
    :param prober: whose calls have to meet the rules, or not.
    """
    from airflow_sf_dedup.journeys.rule_switching.switching import LOCK_LIFETIME, RuleSwitching
    from airflow_sf_dedup.locks.record_claims import SqlRecordClaims
    from airflow_sf_dedup.salesforce.rule_switches import MetadataRuleSwitches
    from airflow_sf_dedup.salesforce.running_rules import ProbedRules

    return RuleSwitching(
        session.org_id,
        holds,
        SqlRecordClaims(holds.engine, LOCK_LIFETIME),
        MetadataRuleSwitches(session),
        ProbedRules(prober),
    )


def restore_holds(holds: list[RuleHold], engine: Engine, *, by: str, conn_id: str | None = None) -> Restored:
    """Put back the rules of these holds, each by the connection that switched it off.

    :param conn_id: another connection, to the same org.
    """
    from airflow_sf_dedup.hooks.salesforce import SalesforceDedupHook
    from airflow_sf_dedup.journeys.rule_switching.restoring import restore
    from airflow_sf_dedup.locks.rule_holds import SqlRuleHolds

    def opened(hold: RuleHold) -> RuleSwitching:
        session = SalesforceDedupHook(conn_id or hold.conn_id).get_conn()
        _check_org(session, hold, conn_id or hold.conn_id)
        return switching_by(session, session, SqlRuleHolds(engine))

    return restore(holds, opened, by=by)


def _check_org(session: SalesforceSession, hold: RuleHold, conn_id: str) -> None:
    if session.org_id != hold.org_id:
        raise SettingError(
            f"the connection {conn_id} leads to org {session.org_id}, but {hold.full_name} is of {hold.org_id}",
            setting="rules_conn_id",
        )


def look_after_rules(org_id: str, sobject: str, audit_conn_id: str | None, by: str) -> None:
    """Before a load: put back what other loads of the sObject left off, or say loudly that it cannot be.

    One query of the audit's database; calls only where something was left. Never keeps the load from going on.
    """
    from airflow_sf_dedup.journeys.rule_switching.restoring import is_due, warnings_of

    holds = rule_holds(audit_conn_id)
    now: datetime = utc_now()
    due = [hold for hold in holds.of_rules(org_id, sobject) if is_due(hold, now)]
    if due:
        for line in warnings_of(restore_holds(due, holds.engine, by=by)):
            _log.warning("%s", line)
