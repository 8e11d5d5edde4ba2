"""By which look-up are blocked rows traced? The one that is set, or what takes its place where the org refuses SOAP."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from airflow_sf_dedup.errors import CallError
from airflow_sf_dedup.journeys.prediction import one_call_a_row
from airflow_sf_dedup.journeys.settling.capped_lookup import CappedLookup
from airflow_sf_dedup.salesforce.ports import DuplicateLookup
from airflow_sf_dedup.salesforce.soap_access import SoapAccess
from airflow_sf_dedup.salesforce.write_paths import LOOKUP_PATHS, LookupPath

_log = logging.getLogger(__name__)


@dataclass
class Lookups:
    """The look-ups of one task.

    :ivar path: the one that is set.
    :ivar open: opens one.
    :ivar most_calls: that the task may make.
    :ivar on_change: told which one takes its place.
    """

    path: LookupPath
    open: Callable[[LookupPath], DuplicateLookup]
    most_calls: int
    on_change: Callable[[LookupPath], None] = lambda path: None
    soap_access: SoapAccess = field(init=False)
    _changed: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.soap_access = SoapAccess(on_refused=self._say)

    def first(self) -> DuplicateLookup:
        """The one that is set."""
        return self._capped(self.path)

    def instead(self, error: CallError) -> DuplicateLookup | None:
        """What takes its place after an error, where the org refuses SOAP; ``None``: nothing.

        Once: an org without any API says the same to REST.
        """
        path = self._without_soap
        if path is None or self._changed or not self.soap_access.is_refused_by(error):
            return None
        self._changed = True
        return self._capped(path)

    @property
    def _without_soap(self) -> LookupPath | None:
        return LOOKUP_PATHS.get(self.path.without_soap or "")

    def _capped(self, path: LookupPath) -> DuplicateLookup:
        return CappedLookup(self.open(path), self.most_calls, self._say_end)

    def _say(self) -> None:
        """Once, when the org has refused SOAP."""
        refused = "the org answers no SOAP call (API_DISABLED_FOR_ORG): queries go by REST"
        path = self._without_soap
        if path is None:
            _log.warning("%s", refused)
            return
        instead = f"what blocks rows is looked up by {path.name!r} instead of {self.path.name!r}"
        _log.warning("%s, and %s; %s", refused, instead, one_call_a_row(path.name, self.most_calls))
        self.on_change(path)

    def _say_end(self) -> None:
        _log.warning(
            "max_lookup_calls=%s is used up: the other blocked rows of this task go to the policy without a match, as "
            "not_looked_up",
            f"{self.most_calls:,}",
        )
