"""``python -m airflow_sf_dedup.audit rules``: which duplicate rules are off for a load, and putting them back."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from rich.console import Console
from sqlalchemy import Engine

from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.core.printable import printable
from airflow_sf_dedup.hooks.rule_switching import restore_holds
from airflow_sf_dedup.journeys.rule_switching.restoring import is_due
from airflow_sf_dedup.locks.rule_holds import HoldState, RuleHold, SqlRuleHolds

_BY = "python -m airflow_sf_dedup.audit rules"


def run(engine: Engine, args: argparse.Namespace, console: Console) -> int:
    """Show, restore or forget; answers the exit code: 2 where a rule could not be put back."""
    holds, now = SqlRuleHolds(engine), utc_now()
    there = holds.all()
    if args.restore:
        return _restore([hold for hold in there if args.now or is_due(hold, now)], engine, args, console)
    if args.forget:
        left = [hold for hold in there if hold.state is HoldState.LEFT]
        holds.forget(left)
        console.print(f"{len(left)} forgotten.")
        return 0
    console.print("\n".join(map(printable, map(_line, there))) or "No duplicate rule is off for a load.")
    return 0


def _restore(due: Sequence[RuleHold], engine: Engine, args: argparse.Namespace, console: Console) -> int:
    restored = restore_holds(list(due), engine, by=_BY, conn_id=args.salesforce_conn_id)
    console.print(printable(str(restored)) or "Nothing is to be put back.")
    for hold, reason in restored.failed:
        console.print(printable(f"{hold.full_name}: {reason}"))
    return 2 if restored.failed or restored.left else 0


def _line(hold: RuleHold) -> str:
    before = "was on" if hold.was_active else "was off before"
    return (
        f"{hold.full_name} in {hold.org_id}: {hold.state} since {hold.changed_at:%Y-%m-%d %H:%M} UTC, {before}, by "
        f"{hold.holder}, until {hold.expires_at:%Y-%m-%d %H:%M} UTC at most, connection {hold.conn_id}"
    )
