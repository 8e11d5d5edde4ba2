"""A task that waits, for keys in flight elsewhere or for rules, gives its worker slot back meanwhile."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING, NoReturn

from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.errors import KeysInFlightError, PutOffError

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


def wait_or_give_up(error: PutOffError, context: Context, claim_timeout: float) -> None:
    """Reschedule the task for what passes for certain, and for keys of others as long as it is told; then return.

    :param claim_timeout: seconds that the task waits for keys of others; what it waited for besides does not count.
    :raises AirflowRescheduleException: Airflow runs the task again a little later.
    """
    besides = error.waited_besides if isinstance(error, KeysInFlightError) else 0.0
    if error.ends_by_itself or not has_waited(context, claim_timeout + besides):
        come_back_later(error)


def come_back_later(error: PutOffError) -> NoReturn:
    """Reschedule the task, which costs no retry; not before the error says that it makes sense.

    :raises AirflowRescheduleException: Airflow runs the task again a little later.
    """
    from airflow.sdk.exceptions import AirflowRescheduleException

    now = utc_now()
    earliest = max(now + timedelta(seconds=SHORTEST_WAIT), error.not_before or now)
    spread = timedelta(seconds=random.uniform(0, SPREAD))  # noqa: S311 - spreads tasks, guards nothing
    raise AirflowRescheduleException(earliest + spread) from error  # type: ignore[no-untyped-call]


def come_back_in(seconds: float) -> NoReturn:
    """Reschedule the task, which costs no retry; not sooner than Airflow bears.

    :raises AirflowRescheduleException: Airflow runs the task again then.
    """
    from airflow.sdk.exceptions import AirflowRescheduleException

    when = utc_now() + timedelta(seconds=max(seconds, SHORTEST_WAIT) + random.uniform(0, SPREAD))  # noqa: S311 - as above
    raise AirflowRescheduleException(when)  # type: ignore[no-untyped-call]


def give_up(error: PutOffError, claim_timeout: float) -> NoReturn:
    """End the task, which has waited in vain.

    :param claim_timeout: seconds.
    :raises AirflowFailException: a retry would wait as long once more.
    """
    from airflow.sdk.exceptions import AirflowFailException

    raise AirflowFailException(
        f"{error}. Gave up after claim_timeout={claim_timeout:g} s; clear this task and what follows when they are over"
    ) from error
