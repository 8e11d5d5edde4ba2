"""What has the org approved? Refresh tokens and authorization codes, and for whom they were given out."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Approval:
    """A connected app may act as a user."""

    user_id: str
    client_id: str
    scope: str


@dataclass(frozen=True, slots=True)
class AuthorizationCode:
    approval: Approval
    redirect_uri: str
    #: PKCE, always S256; None where the app sent none.
    code_challenge: str | None = None

    def verified_by(self, verifier: str | None) -> bool:
        if self.code_challenge is None:
            return True
        digest = hashlib.sha256((verifier or "").encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == self.code_challenge.rstrip("=")


class Approvals:
    def __init__(self) -> None:
        self._refresh_tokens: dict[str, Approval] = {}
        self._codes: dict[str, AuthorizationCode] = {}
        #: Access tokens that go when their refresh token is revoked.
        self._issued: dict[str, str] = {}

    def keep(self, approval: Approval) -> str:
        """A new refresh token."""
        token = f"5Aep{secrets.token_urlsafe(60)}"
        self._refresh_tokens[token] = approval
        return token

    def by_refresh_token(self, token: str | None) -> Approval | None:
        return self._refresh_tokens.get(token or "")

    def note_access_token(self, access_token: str, refresh_token: str) -> None:
        self._issued[access_token] = refresh_token

    def revoke(self, refresh_token: str) -> list[str] | None:
        """Forgets a refresh token; the access tokens made of it, or None where there is no such token."""
        if self._refresh_tokens.pop(refresh_token, None) is None:
            return None
        gone = [access for access, refresh in self._issued.items() if refresh == refresh_token]
        for access in gone:
            del self._issued[access]
        return gone

    def open_code(self, code: AuthorizationCode) -> str:
        text = f"aPrx{secrets.token_urlsafe(48)}"
        self._codes[text] = code
        return text

    def redeem(self, text: str | None) -> AuthorizationCode | None:
        """A code can be used once."""
        return self._codes.pop(text or "", None)
