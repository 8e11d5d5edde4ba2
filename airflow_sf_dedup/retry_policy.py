"""When Airflow should try a task of this package again: the slow clock of retries, minutes and hours.

Airflow asks the policy in the worker, with the exception that the task raised. The operators turn what a person has
to change into ``AirflowFailException`` (see :mod:`airflow_sf_dedup.operators.failing`), which Airflow fails at once
without asking; a task of one's own that uses the hook gets the same by the policy.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import RetryDecision, RetryPolicy
from sqlalchemy.exc import OperationalError

from airflow_sf_dedup.errors import (
    AuditUnreachableError,
    FileUnreachableError,
    LimitReachedError,
    LoadFailedError,
    TransientCallError,
)
from airflow_sf_dedup.operators.failing import NEEDS_A_PERSON

if TYPE_CHECKING:
    from airflow.sdk import Context

#: Seconds after a call or a database that failed for a reason that passes; doubled by each further try.
A_MINUTE = 60.0
#: Seconds after a load in which rows stayed locked; doubled by each further try.
LOCK_STORM = 180.0
#: Seconds. The growing waits stop here.
LONGEST_GROWING = 1800.0
#: Seconds after a limit of the org that does not say when it ends: the daily one is a window that rolls on.
AN_HOUR = 3600.0
#: Seconds. An org that says more is asked again after that all the same.
LONGEST_RETRY_AFTER = 86_400.0


class SalesforceRetryPolicy(RetryPolicy):
    """Fails at once what a retry cannot help, and waits as long as the org's trouble takes.

    ==================================================== ==========================================================
    the task raised                                      Airflow
    ==================================================== ==========================================================
    a wrong setting, refused credentials, a missing      fails it at once
    permission, a staged file that is gone, a load that
    its own ``api_budget`` or ``api_floor_pct`` ended or
    its guard on volume stopped, or keys that repeat under
    ``on_repeat="fail"``
    ``LimitReachedError``                                retries after ``retry_after``, or an hour
    ``TransientCallError``, ``OutcomeUnknownError``,     retries after ``retry_after``, or about 1, 2, 4 … minutes
    an audit database or a store of files that is away
    ``LoadFailedError`` with rows that stayed locked     retries after about 3, 6, 12 … minutes
    anything else                                        does what ``retry_delay`` and its kin say
    ==================================================== ==========================================================

    No wait grows over half an hour but one that the org asks for. The task's ``retries`` stay the upper bound.
    Defaults of an operator do not reach its mapped instances: hand the policy to ``.partial()``.

    :param jitter: a number between its two arguments; the waits that grow are stretched by a factor up to 1.5, so
        that mapped tasks do not come back together.
    """

    def __init__(self, *, jitter: Callable[[float, float], float] = random.uniform) -> None:
        self._jitter = jitter

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """What Airflow should do after ``exception``; the reason it shows holds no value of a row."""
        name = type(exception).__name__
        if isinstance(exception, NEEDS_A_PERSON):
            return RetryDecision.fail(f"{name}: the same task would end the same way")
        seconds = self._seconds(exception, try_number)
        if seconds is None:
            return RetryDecision.default()
        return RetryDecision.retry(timedelta(seconds=seconds), f"{name}: it passes, again in {seconds:,.0f} s")

    def _seconds(self, error: BaseException, try_number: int) -> float | None:
        """Until the next try; ``None``: this policy has no opinion."""
        match error:
            case LimitReachedError():
                return _told(error.retry_after) or AN_HOUR
            case TransientCallError():
                return _told(error.retry_after) or self._growing(A_MINUTE, try_number)
            case AuditUnreachableError() | FileUnreachableError() | OperationalError():
                return self._growing(A_MINUTE, try_number)
            case LoadFailedError() if "UNABLE_TO_LOCK_ROW" in error.codes:
                return self._growing(LOCK_STORM, try_number)
            case _:
                return None

    def _growing(self, first: float, try_number: int) -> float:
        doublings = min(max(try_number, 1) - 1, 10)
        return min(first * 2.0**doublings, LONGEST_GROWING / 1.5) * self._jitter(1.0, 1.5)

    def serialize(self) -> dict[str, Any]:
        """Airflow 3.3 keeps a policy in the Dag file only; this is for one that will not."""
        return {"__type": type(self).__name__}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> SalesforceRetryPolicy:
        """The inverse of :meth:`serialize`."""
        return cls()


def _told(retry_after: float | None) -> float | None:
    return None if retry_after is None else min(max(retry_after, 1.0), LONGEST_RETRY_AFTER)


#: For ``retry_policy=`` of a task, and of ``.partial()`` for mapped ones.
SALESFORCE_RETRY_POLICY = SalesforceRetryPolicy()
