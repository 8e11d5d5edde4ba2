"""How long a task waits: before it sends rows again, and for keys that others have in flight."""

from __future__ import annotations

import random
import time
from collections.abc import Callable


def seconds_before_try(number: int) -> float:
    """Wait before the given try (from 2): at least two seconds, as Salesforce advises, and jittered."""
    return float(2 ** (number - 1)) + random.uniform(0, 1)  # noqa: S311 - spreads retries, guards nothing


class WaitBudget:
    """How long rows wait, all together, for keys that are in flight elsewhere.

    :param seconds: in all.
    """

    def __init__(self, seconds: float, sleep: Callable[[float], None] = time.sleep) -> None:
        self._left = seconds
        self._next = 0.25
        self._sleep = sleep

    def wait(self) -> bool:
        """Wait a little; False, at once, when there is nothing left of it."""
        if self._left <= 0:
            return False
        seconds = min(self._next, self._left)
        self._sleep(seconds)
        self._left -= seconds
        self._next = min(2.0, self._next * 2)
        return True
