"""What a task beside a load costs in API calls: told before its first one, kept to, and written down.

A load that is cut off at its limit goes on with the rows that are left. A task that shows a load in the org begins with
the first row again, so that a budget which does not do is refused before anything is written.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from airflow_sf_dedup.audit.base import Load, LoadWriter
from airflow_sf_dedup.errors import SettingError
from airflow_sf_dedup.journeys.limited_session import limited
from airflow_sf_dedup.journeys.limits import CallLimits, told_by
from airflow_sf_dedup.journeys.mirror_cost import Foreseen
from airflow_sf_dedup.salesforce.calling.session import SalesforceSession

#: The event of the journal that says what such a task cost.
SHOWN = "shown_in_org"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Work:
    """What is to be done for one load."""

    load: Load
    session: SalesforceSession
    foreseen: Foreseen
    #: At most; those that the login has made are among them.
    calls: int


@dataclass
class TaskCalls:
    """The calls of one try of a task, for all of its loads.

    :ivar sobject: in which the org shows them.
    """

    limits: CallLimits
    audit: LoadWriter
    sobject: str
    _work: list[_Work] = field(default_factory=list, init=False)
    _made: int = field(default=0, init=False)
    #: Calls may be made by several threads.
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def add(self, load: Load, session: SalesforceSession, foreseen: Foreseen) -> None:
        """Take in what is to be done for one load, before any call that is about its rows.

        :param session: logged in.
        """
        # The org is asked what is left where nothing it said so far tells.
        asks = self.limits.api_floor_pct is not None and told_by(session.limit_info) is None
        self._made += session.api_calls
        self._work.append(_Work(load, session, foreseen, session.api_calls + asks + foreseen.calls))

    def run(self, show: Callable[[Load, SalesforceSession], None]) -> None:
        """Show one load after the other, by sessions that keep to the limits.

        :raises SettingError: the budget does not do for all of them; nothing was written.
        :raises OwnLimitReachedError: what had to be sent again used it up, or the org has less left than the floor.
        """
        self._check_budget()
        for each in self._work:
            _log.info("load %s: %s", each.load.load_id, _in_words(each))
            try:
                show(each.load, limited(each.session, self.limits, self._count))
            except BaseException:
                # Why the task ended is what a person has to read.
                with suppress(Exception):
                    self._write_down(each)
                raise
            self._write_down(each)

    @property
    def totals(self) -> Mapping[str, int]:
        """Calls that were foreseen at most, and those that the org counted."""
        predicted = sum(each.calls for each in self._work)
        return {"predicted_calls": predicted, "api_calls": sum(each.session.api_calls for each in self._work)}

    def _check_budget(self) -> None:
        budget, calls = self.limits.api_budget, self.totals["predicted_calls"]
        if budget is not None and calls > budget:
            shown = ", ".join(each.foreseen.words for each in self._work)
            raise SettingError(
                f"api_budget={budget:,} does not do for {shown}, which cost up to {calls:,} API calls; nothing was "
                "written: let the task make more",
                setting="api_budget",
            )

    def _count(self) -> bool:
        with self._lock:
            if self.limits.api_budget is not None and self._made >= self.limits.api_budget:
                return False
            self._made += 1
            return True

    def _write_down(self, work: _Work) -> None:
        detail = {"sobject": self.sobject, "predicted_calls": work.calls, "api_calls": work.session.api_calls}
        self.audit.note(work.load.load_id, SHOWN, detail)


def _in_words(work: _Work) -> str:
    calls = f"{work.calls:,} API call{'s' if work.calls != 1 else ''}"
    return f"{work.foreseen.words} to show, at most {calls}; more only for what has to be sent again"
