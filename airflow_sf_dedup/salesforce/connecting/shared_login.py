"""One login for all threads of a session."""

from __future__ import annotations

import threading
from collections.abc import Callable
from copy import copy

from airflow_sf_dedup.errors import LoginRefusedError, WrongOrgError
from airflow_sf_dedup.salesforce.connecting.login import Login

#: Logs in; called by the thread that needs a login and finds none.
LogIn = Callable[[], Login]


class SharedLogin:
    """Logs in when first asked, and again when told that the token has expired.

    A refusal is remembered: with many threads, a wrong password would else be tried once by each of them, and
    the user locked out. A login to another org than the session's is not tried again either.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._login: Login | None = None
        self._refusal: LoginRefusedError | WrongOrgError | None = None

    @property
    def known(self) -> Login | None:
        """The login in force, if there is one; logs nobody in."""
        return self._login

    def current(self, log_in: LogIn) -> Login:
        """The login in force.

        :raises LoginRefusedError: the credentials are wrong.
        :raises WrongOrgError: they lead to another org.
        """
        return self._login or self._renewed(None, log_in)

    def renew(self, expired: Login, log_in: LogIn) -> Login:
        """A login newer than ``expired``; when another thread has renewed it already, that one."""
        return self._renewed(expired, log_in)

    def _renewed(self, expired: Login | None, log_in: LogIn) -> Login:
        with self._lock:
            if self._login is not expired and self._login is not None:
                return self._login
            if self._refusal is not None:
                # A copy: threads that raise one exception write into each other's traceback.
                raise copy(self._refusal)
            try:
                self._login = log_in()
            except (LoginRefusedError, WrongOrgError) as refusal:
                self._refusal = refusal
                raise
            return self._login
