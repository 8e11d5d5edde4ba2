"""Who is calling? Access tokens and the users they stand for."""

from __future__ import annotations

import secrets

from airflow_sf_dedup.emulator.state.approvals import Approval, Approvals
from airflow_sf_dedup.emulator.state.in_progress import current


class Sessions:
    def __init__(self, org_id: str) -> None:
        self._org_id = org_id
        self._users: dict[str, str] = {}
        self._approved: dict[str, Approval] = {}
        self.approvals = Approvals()

    def open(self, user_id: str) -> str:
        """A new access token for a user, in the form Salesforce gives them: org id, ``!``, secret."""
        token = f"{self._org_id[:15]}!{secrets.token_urlsafe(48)}"
        self._users[token] = user_id
        return token

    def note_approval(self, token: str, approval: Approval) -> None:
        """Which app an access token was given to."""
        self._approved[token] = approval

    def approval(self, token: str) -> Approval | None:
        """What an access token that is valid was approved for; None of one that no app asked for."""
        return self._approved.get(token) if token in self._users else None

    def reopen(self, token: str, user_id: str) -> None:
        self._users[token] = user_id

    def user_id(self, token: str) -> str | None:
        """Whose token it is; the call in progress takes note of it."""
        found = self._users.get(token)
        if found is not None:
            current().notes.user_id = found
        return found

    def close(self, token: str) -> None:
        self._users.pop(token, None)

    def expire_all(self) -> int:
        """Ends every session; returns how many there were."""
        count = len(self._users)
        self._users.clear()
        return count
