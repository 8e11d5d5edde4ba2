"""When a call is sent again within seconds, and what its error is when that did not help.

A retry follows only what passes. A call whose outcome is unknown is retried only if its sender says that this does
no harm; and once one try had an unknown outcome, the call as a whole has, whatever a later try says of itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_base, wait_exponential, wait_exponential_jitter, wait_random

from airflow_sf_dedup.errors import (
    CallError,
    OutcomeUnknownError,
    RequestRefusedError,
    SalesforceDedupError,
    TransientCallError,
)

_T = TypeVar("_T")

#: Tries of one call in all.
ATTEMPTS = 4
#: Seconds before the next try: about 1, 2, 4, each plus up to one second by chance.
WAIT = wait_exponential_jitter(max=20, jitter=1)
#: Seconds after too many calls at the same time: about 5, 10, 20, each plus up to five by chance. Others of them have
#: to end first, and a call counts among them once it runs for 20 seconds (API limits: "Concurrent API Request Limits").
WAIT_WHEN_CROWDED = wait_exponential(multiplier=5, max=60) + wait_random(0, 5)
#: Codes of a :class:`TransientCallError` that are answered by that longer wait.
_CROWDED = frozenset({"REQUEST_LIMIT_EXCEEDED"})
#: Seconds. A longer Retry-After is not waited for here: the error carries it, and Airflow waits minutes.
LONGEST_RETRY_AFTER = 60.0


class GateClosedError(Exception):
    """What must be true before a call is sent is not: it was not sent, whatever :attr:`reason` is.

    :param reason: what the gate raised.
    """

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason


def call_with_retries(
    call: Callable[[], _T],
    *,
    repeatable: bool,
    retry_timeouts: bool = True,
    sleep: Callable[[float], None],
    attempts: int = ATTEMPTS,
    wait: wait_base = WAIT,
    wait_when_crowded: wait_base = WAIT_WHEN_CROWDED,
    on_retry: Callable[[CallError], None] | None = None,
) -> _T:
    """Call until it succeeds, fails for good, or ``attempts`` are used up.

    :param repeatable: a try of unknown outcome may be followed by another.
    :param retry_timeouts: False: a try whose answer did not come in time is not followed by another.
    :param on_retry: told of each error after which the call is sent again.
    :raises OutcomeUnknownError: some try may have been carried out, and the last one was refused for a reason that
        need not have met that one: anything but the request itself.
    :raises Exception: the reason of a :class:`GateClosedError`, as it is, when no try may have been carried out.
    """
    tries = _Tries(repeatable, retry_timeouts, on_retry)
    retrying = Retrying(
        retry=retry_if_exception(tries.may_go_on_after),
        wait=lambda state: _seconds(state, wait, wait_when_crowded),
        stop=stop_after_attempt(attempts),
        sleep=sleep,
        before_sleep=tries.tell_of_next,
        reraise=True,
    )
    try:
        return retrying(call)
    except RequestRefusedError as error:
        error.in_doubt = any(each.in_doubt for each in tries.errors)
        raise
    except SalesforceDedupError as error:
        # Whatever it says of this try, such as that a new login leads to another org, it says nothing of earlier ones.
        reason: Exception = error
    except GateClosedError as closed:
        reason = closed.reason
    whole = _as_a_whole(reason, tries.errors)
    if whole is reason:
        raise reason
    raise whole from reason


@dataclass(slots=True)
class _Tries:
    """The tries of one call, and how they ended."""

    repeatable: bool
    retry_timeouts: bool
    on_retry: Callable[[CallError], None] | None
    errors: list[CallError] = field(default_factory=list)

    def may_go_on_after(self, error: BaseException) -> bool:
        if isinstance(error, CallError):
            self.errors.append(error)
        if not isinstance(error, TransientCallError) or (error.retry_after or 0) > LONGEST_RETRY_AFTER:
            return False
        if error.code == "READ_TIMEOUT" and not self.retry_timeouts:
            return False
        return self.repeatable or not isinstance(error, OutcomeUnknownError)

    def tell_of_next(self, _state: RetryCallState) -> None:
        if self.on_retry is not None:
            self.on_retry(self.errors[-1])


class LostSendings:
    """The sendings of one call that were followed by another: hand it in as ``on_retry``.

    :param on_late: called when one of them may still be carried out, whatever the last one is answered.
    """

    def __init__(self, on_late: Callable[[], None]) -> None:
        self._on_late = on_late
        #: One of them may have been carried out.
        self.in_doubt = False

    def __call__(self, error: CallError) -> None:
        """Take note of the error after which the call is sent again."""
        self.in_doubt = self.in_doubt or error.in_doubt
        if may_run_on(error):
            self._on_late()


def may_run_on(error: CallError) -> bool:
    """Whether the org may still be about to carry the call out: nobody heard it end.

    Salesforce ends a call after ten minutes at the latest (REST API Developer Guide, API request limits).
    """
    return error.in_doubt and (error.code in ("READ_TIMEOUT", "CONNECTION_BROKEN") or error.status in (502, 504))


def _seconds(state: RetryCallState, wait: wait_base, wait_when_crowded: wait_base) -> float:
    error = state.outcome.exception() if state.outcome else None
    if not isinstance(error, CallError):
        return wait(state)
    own = wait_when_crowded if error.code in _CROWDED else wait
    return max(own(state), error.retry_after or 0.0)


def _as_a_whole(last: Exception, errors: list[CallError]) -> Exception:
    unknown = next((error for error in errors if isinstance(error, OutcomeUnknownError)), None)
    if unknown is None or isinstance(last, OutcomeUnknownError):
        return last
    return OutcomeUnknownError(
        f"{unknown}; then {last}",
        code=unknown.code,
        status=unknown.status,
        retry_after=getattr(last, "retry_after", None),
        own_words=f"{unknown.own_words}; then {getattr(last, 'own_words', type(last).__name__)}",
    )
