"""The login of a connection: made when it is first needed, renewed when it has expired, always to the same org."""

from __future__ import annotations

import threading
from collections.abc import Callable

import requests

from airflow_sf_dedup.errors import LoginRefusedError
from airflow_sf_dedup.salesforce.connecting.identity import Ask, OnlyOrg, identified
from airflow_sf_dedup.salesforce.connecting.login import Login, log_in
from airflow_sf_dedup.salesforce.connecting.shared_login import SharedLogin
from airflow_sf_dedup.salesforce.http.answers import SessionExpiredError
from airflow_sf_dedup.salesforce.http.secrets import Secrets
from airflow_sf_dedup.salesforce.settings import ConnectionSettings


class OrgLogin:
    """One login for all threads, and the org that it leads to.

    Methods take an ``ask``: where a login does not tell its org, the org is asked by whoever needs to know, as one
    of its own calls.
    """

    def __init__(self, settings: ConnectionSettings, http: requests.Session, secrets: Secrets) -> None:
        self._settings = settings
        self._http = http
        self._secrets = secrets
        self._only_org = OnlyOrg(settings.conn_id, settings.expected_org_id)
        self._shared = SharedLogin()
        self._lock = threading.RLock()
        #: The login of a mere access token, once its org was asked for.
        self._identified: Login | None = None

    @property
    def user_id(self) -> str | None:
        """18 characters: the user of the present login; ``None``: there is none yet, or its answer does not say."""
        known, asked = self._shared.known, self._identified
        return (known.user_id if known else None) or (asked.user_id if asked else None)

    def current(self, ask: Ask) -> Login:
        """The login in force.

        :raises CallError: there is none to be had, or it leads to another org.
        """
        return self._shared.current(lambda: self._admitted(ask))

    def renewed(self, expired: Login, error: SessionExpiredError, ask: Ask) -> Login:
        """A newer login than the one that was answered with ``error``.

        :raises LoginRefusedError: an access token alone cannot log in again.
        """
        if not self._settings.can_log_in_again:
            raise self.accepted_nowhere(error) from error
        return self._shared.renew(expired, lambda: self._admitted(ask))

    def identified(self, ask: Ask, with_retries: Callable[[Callable[[], Login]], Login]) -> Login:
        """A login with the id of its org, which is asked for once.

        :param with_retries: calls until it succeeds; meanwhile other threads wait for its answer.
        :raises CallError: the org does not say.
        """
        with self._lock:
            if self._identified is None:
                self._identified = with_retries(lambda: self._ask_for_org(ask))
            return self._identified

    def accepted_nowhere(self, error: SessionExpiredError) -> LoginRefusedError:
        """The error of a call whose token is not accepted, where no other one can be had."""
        why = (
            "the org accepts no token of this login, not even a new one"
            if self._settings.can_log_in_again
            else "its access_token has expired, and an access token alone cannot log in again"
        )
        text = f"connection {self._settings.conn_id!r}: {why}: {error}"
        return LoginRefusedError(text, code=error.code, status=error.status)

    def _admitted(self, ask: Ask) -> Login:
        """A new login, once it is sure that it leads to the right org."""
        login = log_in(self._settings, self._http, self._secrets)
        if not self._settings.can_log_in_again and self._settings.expected_org_id is None:
            # It is the only login there will be.
            return login
        try:
            return self._only_org.admit(login, ask)
        except SessionExpiredError as error:
            raise self.accepted_nowhere(error) from error

    def _ask_for_org(self, ask: Ask) -> Login:
        try:
            return identified(self.current(ask), ask)
        except SessionExpiredError as error:
            raise self.accepted_nowhere(error) from error
