"""When a call is sent again within seconds, and what its error is when that did not help.

Only what passes is repeated. A call whose outcome is unknown is repeated only if its sender says that this does
no harm; and once one try had an unknown outcome, the call as a whole has, whatever a later try says of itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt
from tenacity.wait import wait_base, wait_exponential_jitter

from airflow_sf_dedup.errors import CallError, LimitReachedError, OutcomeUnknownError, TransientCallError

_T = TypeVar("_T")

#: Tries of one call in all.
ATTEMPTS = 4
#: Seconds before the next try: about 1, 2, 4, each plus up to one second by chance.
WAIT = wait_exponential_jitter(initial=1, max=20, jitter=1)
#: Seconds. A longer Retry-After is not waited for here: the error carries it, and Airflow waits minutes.
LONGEST_RETRY_AFTER = 60.0


def repeating(
    call: Callable[[], _T],
    *,
    repeatable: bool,
    sleep: Callable[[float], None],
    attempts: int = ATTEMPTS,
    wait: wait_base = WAIT,
    on_repeat: Callable[[CallError], None] | None = None,
) -> _T:
    """Call until it succeeds, fails for good, or ``attempts`` are used up.

    :param repeatable: a try of unknown outcome may be followed by another.
    :param on_repeat: told of each error after which the call is sent again.
    :raises OutcomeUnknownError: the last error was of a passing kind and some try may have been carried out.
    """
    errors: list[CallError] = []

    def may_repeat(error: BaseException) -> bool:
        if isinstance(error, CallError):
            errors.append(error)
        return _may_repeat(error, repeatable=repeatable)

    def before_sleep(_state: RetryCallState) -> None:
        if on_repeat is not None:
            on_repeat(errors[-1])

    retrying = Retrying(
        retry=retry_if_exception(may_repeat),
        wait=lambda state: _seconds(state, wait),
        stop=stop_after_attempt(attempts),
        sleep=sleep,
        before_sleep=before_sleep,
        reraise=True,
    )
    try:
        return retrying(call)
    except (TransientCallError, LimitReachedError) as error:
        raise _as_a_whole(error, errors) from error


def _may_repeat(error: BaseException, *, repeatable: bool) -> bool:
    if not isinstance(error, TransientCallError) or (error.retry_after or 0) > LONGEST_RETRY_AFTER:
        return False
    return repeatable or not isinstance(error, OutcomeUnknownError)


def _seconds(state: RetryCallState, wait: wait_base) -> float:
    error = state.outcome.exception() if state.outcome else None
    told = error.retry_after if isinstance(error, CallError) else None
    return max(wait(state), told or 0.0)


def _as_a_whole(last: CallError, errors: list[CallError]) -> CallError:
    unknown = next((error for error in errors if isinstance(error, OutcomeUnknownError)), None)
    if unknown is None or isinstance(last, OutcomeUnknownError):
        return last
    return OutcomeUnknownError(
        f"{unknown}; then {last}", code=unknown.code, status=unknown.status, retry_after=last.retry_after
    )
