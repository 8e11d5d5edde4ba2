"""Is a switched rule in effect? Rules are cached: for some minutes the org states one thing and does another.

The org's statement tells first. Then a probe asks which rules a call met, several times, since calls come to several
servers. A rule that no probe met while it was on, as its filter leaves this user out, is given time to settle.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.locks.rule_holds import RuleHold, sobject_of
from airflow_sf_dedup.salesforce.ports import DuplicateRules, RunningRules

#: Probes in a row that have to agree.
PROBES = 3


@dataclass(frozen=True)
class Effect:
    """Tells whether rules are in force, or are not.

    :ivar settle_seconds: that a rule is given which cannot be probed.
    """

    rules: DuplicateRules
    running: RunningRules
    settle_seconds: float
    clock: Callable[[], datetime] = utc_now

    def lacking(self, holds: Sequence[RuleHold], *, active: bool) -> str | None:
        """Why rules cannot be relied on yet to be what they were switched to; ``None``: all can.

        :raises CallError: the org does not say.
        """
        by_sobject = groupby(sorted(holds, key=sobject_of), key=sobject_of)
        return next((why for _, each in by_sobject if (why := self._lacking(list(each), active)) is not None), None)

    def _lacking(self, holds: Sequence[RuleHold], active: bool) -> str | None:
        return self._not_stated(holds, active) or self._unsettled(holds) or self._not_met(holds, active)

    def _not_stated(self, holds: Sequence[RuleHold], active: bool) -> str | None:
        states = self.rules.states(holds[0].sobject) or {}
        wrong = [each.full_name for each in holds if states.get(each.rule) is not active]
        return f"the org says that {', '.join(wrong)} is {'inactive' if active else 'active'}" if wrong else None

    def _unsettled(self, holds: Sequence[RuleHold]) -> str | None:
        settled = self.clock() - timedelta(seconds=self.settle_seconds)
        fresh = [each.full_name for each in holds if _needs_time(each) and each.changed_at > settled]
        return f"{', '.join(fresh)} cannot be probed and is given time to settle" if fresh else None

    def _not_met(self, holds: Sequence[RuleHold], active: bool) -> str | None:
        probed = [each for each in holds if _can_be_probed(each)]
        for _ in range(PROBES if probed else 0):
            met = self.running.running(holds[0].sobject)
            wrong = [each.full_name for each in probed if (each.rule in met) is not active]
            if wrong:
                return f"calls {'do not meet' if active else 'still meet'} {', '.join(wrong)}"
        return None


def _can_be_probed(hold: RuleHold) -> bool:
    return hold.was_active and hold.seen_running


def _needs_time(hold: RuleHold) -> bool:
    """One that was off before was not switched."""
    return hold.was_active and not hold.seen_running
