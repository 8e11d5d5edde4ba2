"""Which of the rules that refused rows does the org call inactive, and which rows wait for it? Where a policy asks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

from airflow_sf_dedup.core.decisions import DuplicateCase
from airflow_sf_dedup.core.rule_waits import RuleWait
from airflow_sf_dedup.salesforce.ports import DuplicateRules

_log = logging.getLogger(__name__)


@dataclass
class StaleRules:
    """Tells cases how the org states its rules, and how often each row has waited for one.

    :ivar is_asked: a policy decides by it; False: nothing is read, and no row waits.
    :ivar read_waits: row number to its waits, of the rows of the partition.
    :ivar now: the worker's time, UTC, by which Airflow brings tasks back.
    """

    rules: DuplicateRules
    sobject: str
    is_asked: bool
    read_waits: Callable[[], Mapping[int, RuleWait]]
    now: Callable[[], datetime]
    _unknown_is_told: bool = field(default=False, init=False)

    @cached_property
    def waits(self) -> Mapping[int, RuleWait]:
        """As they were when the task began: no row is settled twice by one process."""
        return self.read_waits() if self.is_asked else {}

    def not_due(self) -> dict[int, RuleWait]:
        """The rows that are not sent again yet."""
        now = self.now()
        return {row: wait for row, wait in self.waits.items() if wait.until > now}

    def told(self, cases: Sequence[DuplicateCase]) -> list[DuplicateCase]:
        """The cases with what the org says now: one query, where a rule refused any of them.

        :raises CallError: the org does not answer.
        """
        if not self.is_asked or all(case.obstacle.is_key for case in cases):
            return list(cases)
        states = self.rules.states(self.sobject)
        if states is None:
            self._say_once()
        lower = None if states is None else {name.lower(): is_active for name, is_active in states.items()}
        return [replace(case, rule_states=lower, rule_waits=self._times(case)) for case in cases]

    def _times(self, case: DuplicateCase) -> int:
        wait = self.waits.get(case.record.row_number)
        return wait.times if wait else 0

    def _say_once(self) -> None:
        if not self._unknown_is_told:
            self._unknown_is_told = True
            _log.warning(
                "on_duplicate: retry_stale_rule passes every row on, since this user may not see which duplicate rules "
                "are active (View Setup and Configuration)"
            )
