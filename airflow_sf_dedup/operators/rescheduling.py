"""A task that waits for keys which other tasks have in flight gives its worker slot back meanwhile."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING, NoReturn

from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.errors import KeysInFlightError

if TYPE_CHECKING:
    from airflow.sdk import Context

#: Seconds. Airflow fails a task that comes back while the exit of its last process is not yet taken note of.
SHORTEST_WAIT = 30.0

#: Seconds, by chance, so that the tasks of a run do not come back all at once.
SPREAD = 10.0


def has_waited(context: Context, seconds: float) -> bool:
    """Whether so much time has passed since the task first gave its slot back in this try."""
    now = utc_now()
    first = context["ti"].get_first_reschedule_date(context) or now
    return now - first >= timedelta(seconds=seconds)


def come_back_later(error: KeysInFlightError) -> NoReturn:
    """Reschedule the task, which costs no retry.

    :raises AirflowRescheduleException: Airflow runs the task again a little later.
    """
    from airflow.sdk.exceptions import AirflowRescheduleException

    wait = SHORTEST_WAIT + random.uniform(0, SPREAD)  # noqa: S311 - spreads tasks, guards nothing
    raise AirflowRescheduleException(utc_now() + timedelta(seconds=wait)) from error  # type: ignore[no-untyped-call]
