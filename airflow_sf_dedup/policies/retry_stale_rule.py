"""Send a row again minutes later where the rule that refused it is switched off already."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from airflow_sf_dedup.core.decisions import DuplicateCase, Pass, WaitForRule
from airflow_sf_dedup.core.numeric_settings import TIMES
from airflow_sf_dedup.core.spans import read_span
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.policies.base import Composable

#: How long one wait may be.
_LONGEST = timedelta(days=1)


@dataclass(frozen=True, repr=False)
class RetryStaleRule(Composable):
    """Wait for rules that the org calls inactive while some of its servers still run them from their caches.

    The task gives its worker slot back meanwhile. A row that any active rule refuses passes on, as does one that has
    waited so often and is refused still.

    :param times: how often a row waits at most in one load, 1 to 20.
    :param after: how long a wait is, such as ``"5m"``, ``"90s"`` or ``"1h"``, at most a day; Airflow brings a task
        back after half a minute at the earliest.
    :raises SettingError: one of them is no such number or span.
    """

    times: int = 3
    after: str = "5m"
    name: ClassVar[str] = "retry_stale_rule"
    #: The states of the org's rules are asked for before it decides.
    needs_rule_states: ClassVar[bool] = True

    def __post_init__(self) -> None:
        read = TIMES.read(self.times, named="retry_stale_rule: times", setting="on_duplicate")
        object.__setattr__(self, "times", read)
        span = _span(self.after)
        if not span or span > _LONGEST:
            raise SettingError(
                f'retry_stale_rule: after={self.after!r} is no span of time such as "5m", "90s" or "1h", at most a day',
                setting="on_duplicate",
            )

    def arguments(self) -> dict[str, object]:
        """The parameters that differ from their defaults."""
        given: dict[str, object] = {"times": self.times, "after": self.after}
        return {name: value for name, value in given.items() if value != getattr(RetryStaleRule, name)}

    def decide(self, case: DuplicateCase) -> WaitForRule | Pass:
        """Claims rows that only inactive rules refused, until they have waited often enough."""
        if case.obstacle.is_key:
            return Pass(case.obstacle.value, tells=False)
        if case.rule_states is None:
            return Pass("rule_states_unknown", tells=False)
        if not case.is_refused_only_by_inactive_rules:
            return Pass("rule_active", tells=False)
        if case.rule_waits >= self.times:
            return Pass("rule_still_enforced", tells=False)
        return WaitForRule(_span(self.after) or timedelta(), self.times)


def _span(text: object) -> timedelta | None:
    return read_span(text, units="smh")
