"""A task waits until switched duplicate rules are in effect: shortly in the process, then without a worker slot."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from airflow_sf_dedup.errors import LoadFailedError
from airflow_sf_dedup.operators.rescheduling import come_back_in, has_waited

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_sf_dedup.journeys.rule_switching.effect import Effect
    from airflow_sf_dedup.locks.rule_holds import RuleHold

T = TypeVar("T")

#: Seconds that a task waits in its process before it gives its slot back, and between two looks there.
IN_PROCESS = 15.0
BETWEEN = 1.5

#: Seconds until a task that gave its slot back comes again.
LATER = 60.0


def wait_for(
    effect: Effect,
    holds: Sequence[RuleHold],
    context: Context,
    *,
    active: bool,
    timeout: float,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Return when calls meet the rules as they were switched.

    :param timeout: seconds.
    :raises AirflowRescheduleException: it takes longer.
    :raises LoadFailedError: it took longer than ``timeout``.
    """
    deadline = time.monotonic() + min(IN_PROCESS, timeout)
    while (lacking := effect.lacking(holds, active=active)) is not None:
        if time.monotonic() >= deadline:
            _come_back(lacking, context, timeout)
        sleep(BETWEEN)


def _come_back(lacking: str, context: Context, timeout: float) -> None:
    if timeout <= IN_PROCESS or has_waited(context, timeout):
        raise LoadFailedError(f"{lacking}, after effective_timeout={timeout:g} s")
    come_back_in(LATER)


def in_turn(act: Callable[[], T], context: Context, timeout: float) -> T:
    """Do what only one task at a time may do with the rules of an sObject.

    :raises AirflowRescheduleException: another task is at it; Airflow runs this one again a little later.
    :raises RulesBusyError: that took longer than ``timeout`` seconds.
    """
    from airflow_sf_dedup.journeys.rule_switching.switching import RulesBusyError

    try:
        return act()
    except RulesBusyError:
        if has_waited(context, timeout):
            raise
        come_back_in(0)
