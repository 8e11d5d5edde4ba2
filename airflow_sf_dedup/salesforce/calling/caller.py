"""How a call is made: through the gates, with a login in force, and again where that is safe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from airflow_sf_dedup.errors import CallError
from airflow_sf_dedup.salesforce.calling.call import Call, rest_call
from airflow_sf_dedup.salesforce.calling.connection import Connection
from airflow_sf_dedup.salesforce.connecting.login import Login
from airflow_sf_dedup.salesforce.http.answers import Answer, SessionExpiredError, read_rest
from airflow_sf_dedup.salesforce.http.retrying import GateClosedError

_T = TypeVar("_T")

#: Asked right before each request; what it raises keeps the request from being sent.
Gate = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Caller:
    """Makes calls over one connection.

    :param with_retries: :func:`.call_with_retries`, told how often to try and how to wait.
    :param now: the time, in seconds since the epoch, for a ``Retry-After`` that is a date.
    :param gates: passed in this order by each request that the org counts, retries included.
    """

    connection: Connection
    with_retries: Callable[..., Any]
    now: Callable[[], float]
    gates: tuple[Gate, ...] = ()

    def gated(self, *gates: Gate) -> Caller:
        """The same with more gates, behind its own."""
        return replace(self, gates=(*self.gates, *gates))

    def answer(
        self,
        call: Call,
        read: Callable[[Answer], _T],
        *,
        repeatable: bool,
        retry_timeouts: bool = True,
        on_retry: Callable[[CallError], None] | None = None,
    ) -> _T:
        """What is read of the call's answer; see :meth:`.SalesforceSession.rest` for when it is sent again.

        :raises CallError: the call did not do its work.
        """
        answered: _T = self.with_retries(
            lambda: self._with_valid_login(call, read),
            repeatable=repeatable,
            retry_timeouts=retry_timeouts,
            on_retry=on_retry,
        )
        return answered

    def login(self) -> Login:
        """The login in force; one is made if need be."""
        login: Login = self.with_retries(lambda: self.connection.login.current(self._ask), repeatable=True)
        return login

    def org_id(self) -> str:
        """18 characters; asked for once, where the login does not say."""
        login = self.connection.login.identified(self._ask, lambda ask: self.with_retries(ask, repeatable=True))
        return login.org_id or ""

    def _with_valid_login(self, call: Call, read: Callable[[Answer], _T]) -> _T:
        """Send with the login in force; if that has expired, once more with a new one."""
        logins = self.connection.login
        login = logins.current(self._ask)
        try:
            return self._exchange(call, login, read)
        except SessionExpiredError as error:
            renewed = logins.renewed(login, error, self._ask)
        try:
            return self._exchange(call, renewed, read)
        except SessionExpiredError as error:
            raise logins.accepted_nowhere(error) from error

    def _exchange(self, call: Call, login: Login, read: Callable[[Answer], _T]) -> _T:
        if call.is_counted:
            self._pass_gates()
        return self.connection.exchange(call, login, read)

    def _pass_gates(self) -> None:
        for gate in self.gates:
            try:
                gate()
            except Exception as error:
                raise GateClosedError(error) from error

    def _ask(self, login: Login, path: str) -> Any:
        """How a login asks which org it leads to."""
        call = rest_call(self.connection.settings, "GET", path)
        return self._exchange(call, login, lambda answer: read_rest(answer, now=self.now))
