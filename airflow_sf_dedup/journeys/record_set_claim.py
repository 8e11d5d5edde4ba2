"""Who may make duplicate record sets in an org now? One task at a time: the org would let two make the same ones.

A task that dies, or whose call got no answer, holds the claim until it ends by itself: by then no call of it is under
way any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from uuid import uuid4

from airflow_sf_dedup.core.clock import utc_now
from airflow_sf_dedup.errors import OutcomeUnknownError, TransientCallError
from airflow_sf_dedup.journeys.record_sets import SetsMade
from airflow_sf_dedup.locks.base import Claimant, Holder, KeyClaims, KeyScope

_KEY = "sets"

_IN_FLIGHT = "RECORD_SETS_IN_FLIGHT"


@dataclass
class SetClaim:
    """The claim of one try of a task.

    :ivar task: for people.
    """

    claims: KeyClaims
    org_id: str
    load_id: str
    task: str
    _token: str = field(default_factory=lambda: uuid4().hex)
    _is_held: bool = False

    @contextmanager
    def held(self, done: SetsMade) -> Iterator[None]:
        """While it is ours.

        :param done: what is done meanwhile; tells whether a call may be under way in the end.
        :raises TransientCallError: another task has it; it says until when at the latest.
        """
        grant = self.claims.claim(self._scope, self._claimant, [_KEY])
        for holder in grant.refused.values():
            raise _in_use(holder, utc_now())
        self._is_held = True
        try:
            yield
        except OutcomeUnknownError:
            done.in_doubt = True
            raise
        finally:
            end = self.claims.leave if done.in_doubt else self.claims.release
            end(self._scope, self._claimant, [_KEY])
            self._is_held = False

    def keep(self) -> None:
        """Let it hold on; asked before each call.

        :raises TransientCallError: it ended meanwhile, and another task has it.
        """
        if self._is_held and not self.claims.renew(self._claimant):
            raise TransientCallError("duplicate record sets are being made by another task by now", code=_IN_FLIGHT)

    @property
    def _claimant(self) -> Claimant:
        return Claimant(self._token, self.load_id, self.task)

    @property
    def _scope(self) -> KeyScope:
        return KeyScope(self.org_id, "DuplicateRecordSet", "Id")


def _in_use(holder: Holder, now: datetime) -> TransientCallError:
    seconds = (holder.expires_at - now).total_seconds() if holder.expires_at else 0.0
    return TransientCallError(
        f"duplicate record sets are being made by {holder}; nothing was written",
        code=_IN_FLIGHT,
        retry_after=max(seconds, 1.0),
    )
