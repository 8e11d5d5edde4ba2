"""Does the org answer SOAP? There are editions, and clients approved for them, that have REST alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from airflow_sf_dedup.errors import CallError
from airflow_sf_dedup.salesforce.ports import nobody

#: What such an org says to each SOAP call (SOAP guide, "ExceptionCode"). One without any API says it to REST as well.
NO_SOAP = "API_DISABLED_FOR_ORG"


@dataclass
class SoapAccess:
    """What one task knows of it. Decided once: by the first SOAP call that is refused.

    :ivar on_refused: told then, in the thread of that call.
    """

    on_refused: Callable[[], None] = nobody
    is_refused: bool = field(default=False, init=False)
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)

    def is_refused_by(self, error: CallError) -> bool:
        """Whether a SOAP call failed because the org answers none. From then on none is made."""
        if error.code != NO_SOAP:
            return False
        with self._lock:
            first, self.is_refused = not self.is_refused, True
        if first:
            self.on_refused()
        return True
