"""What time is it in the org? Two machines rarely agree, and ``CreatedDate`` is the org's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from airflow_sf_dedup.salesforce.http.http_date import http_date

#: Years that a clock can show; what leaves no room for a calculation is no time.
_YEARS = range(2000, 9000)


class OrgClock:
    """The ``Date`` of the newest answer (RFC 9110, 6.6.1; whole seconds), and what has passed since.

    :param monotonic: seconds of a clock that never jumps.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._read: tuple[datetime, float] | None = None

    def note(self, headers: Mapping[str, str]) -> None:
        """Keep the time of an answer that has just come; names of ``headers`` in lower case, or in any."""
        moment = http_date(headers.get("date", ""))
        if moment is not None and moment.year in _YEARS:
            self._read = moment, self._monotonic()

    def now(self) -> datetime | None:
        """The org's time, UTC; ``None``: no answer has told it yet."""
        if self._read is None:
            return None
        moment, read_at = self._read
        return moment + timedelta(seconds=self._monotonic() - read_at)
