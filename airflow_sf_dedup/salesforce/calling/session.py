"""The one way to an org: REST and SOAP calls over one login, repeated where that is safe, and counted.

A session may be shared by threads. It logs in at the first call, and again when the token has expired: once
for all threads, and never twice in a row for one call. Each login leads to the same org, or nothing is sent.
Whatever goes wrong leaves as an error of this package, and no error holds a secret.
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

import msgspec
import requests
from tenacity.wait import wait_base

from airflow_sf_dedup.errors import (
    CallError,
    LoginRefusedError,
    OutcomeUnknownError,
    RequestRefusedError,
    SalesforceDedupError,
    SettingError,
)
from airflow_sf_dedup.salesforce.calling.call_count import CallCount, LimitInfo, is_counted, kind_of
from airflow_sf_dedup.salesforce.calling.org_clock import OrgClock
from airflow_sf_dedup.salesforce.connecting.identity import OnlyOrg, identified
from airflow_sf_dedup.salesforce.connecting.login import Login, log_in
from airflow_sf_dedup.salesforce.connecting.shared_login import SharedLogin
from airflow_sf_dedup.salesforce.http.answers import Answer, SessionExpiredError, read_rest, read_soap
from airflow_sf_dedup.salesforce.http.leaving import leaving
from airflow_sf_dedup.salesforce.http.retrying import ATTEMPTS, WAIT, GateClosedError, call_with_retries
from airflow_sf_dedup.salesforce.http.secrets import Secrets, mask_nothing
from airflow_sf_dedup.salesforce.http.transport import open_http, send
from airflow_sf_dedup.salesforce.settings import ConnectionSettings

_T = TypeVar("_T")
_ENCODER = msgspec.json.Encoder(decimal_format="number")


def as_it_is(answer: Any) -> Any:
    """The answer itself."""
    return answer


@dataclass(frozen=True, slots=True)
class _Call:
    """One call, ready to be sent with any login."""

    method: str
    #: Absolute, from ``/services`` on.
    path: str
    kind: str
    headers: Callable[[Login], Mapping[str, str]]
    body: Callable[[Login], bytes | None]


class SalesforceSession:
    """Talks to one org.

    :param settings: how to reach it.
    :param sleep: waits that many seconds between two tries.
    :param now: the time, in seconds since the epoch, for a ``Retry-After`` that is a date.
    :param monotonic: seconds of a clock that never jumps, for :meth:`org_now`.
    :param attempts: tries of one call in all.
    :param wait: seconds between two tries, as tenacity has it.
    :param mask: told of each secret, once it is known: those of the connection, and each token of a login before it
        is used.
    """

    def __init__(
        self,
        settings: ConnectionSettings,
        *,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        attempts: int = ATTEMPTS,
        wait: wait_base = WAIT,
        mask: Callable[[str], None] = mask_nothing,
    ) -> None:
        self.settings = settings
        self._now = now
        self._repeating = partial(call_with_retries, sleep=sleep, attempts=attempts, wait=wait)
        self._secrets = Secrets(settings.secrets(), mask=mask)
        self._clock = OrgClock(monotonic)
        self._http = open_http(settings, secrets=self._secrets, on_answer=self._note_time)
        self._only_org = OnlyOrg(settings.conn_id, settings.expected_org_id)
        self._login = SharedLogin(self._admitted_login)
        self._count = CallCount()
        self._gates: tuple[Callable[[], None], ...] = ()
        self._org_lock = threading.RLock()
        #: The login of a mere access token, once its org was asked for.
        self._identified: Login | None = None

    # -- what it knows ----------------------------------------------------------------------------

    @property
    def instance_url(self) -> str:
        """Scheme and host of the API, such as ``https://acme.my.salesforce.com``. Logs in if need be."""
        with leaving(self._secrets):
            return self._current_login().instance_url

    @property
    def api_version(self) -> str:
        """Such as ``62.0``."""
        return self.settings.api_version

    @property
    def org_id(self) -> str:
        """18 characters; asked for once, where the login does not say.

        :raises CallError: the org does not say.
        :raises WrongOrgError: the connection leads to another org than ``expected_org_id``.
        """
        with leaving(self._secrets), self._org_lock:
            if self._identified is None:
                self._identified = self._repeating(self._identified_login, repeatable=True)
            return self._identified.org_id or ""

    @property
    def user_id(self) -> str | None:
        """18 characters: the user of the present login; ``None``: there is none yet, or its answer does not say.

        The answers to OAuth and SOAP logins say; of a mere access token userinfo does, once the org's id was asked
        for. Makes no call.
        """
        known = self._login.known
        asked = self._identified
        return (known.user_id if known else None) or (asked.user_id if asked else None)

    def org_now(self) -> datetime | None:
        """The org's own time, UTC, to the second; ``None`` before its first answer. Makes no call."""
        return self._clock.now()

    @property
    def api_calls(self) -> int:
        """Calls that the org's daily limit counts, repeats included."""
        return self._count.total

    @property
    def calls_by_kind(self) -> dict[str, int]:
        """The same by kind, such as ``{"POST composite": 5, "soap upsert": 6}``."""
        return self._count.by_kind

    @property
    def limit_info(self) -> LimitInfo | None:
        """What the org last said about its daily limit; ``None``: nothing yet."""
        return self._count.limit_info

    def check_org(self) -> None:
        """Make sure that this is the expected org. Done by itself at each login.

        :raises WrongOrgError: it is another one.
        """
        with leaving(self._secrets):
            self._current_login()

    # -- what it does -----------------------------------------------------------------------------

    def before_each_call(self, gate: Callable[[], None]) -> None:
        """Call ``gate`` right before each request that the org counts, repeats included, in the sending thread.

        What it raises reaches the caller as it is: nothing is sent, and nothing is repeated. Only when an earlier
        try of the same call may have been carried out, the call ends as ``OutcomeUnknownError`` with that as its
        cause. A gate may be called by several threads at once, and makes no call of this session itself. The calls of
        :meth:`simple_salesforce` pass no gate.
        """
        self._gates = (*self._gates, gate)

    def gated(self, *gates: Callable[[], None]) -> SalesforceSession:
        """A view whose calls pass these gates too."""
        view = copy.copy(self)
        view._gates = (*self._gates, *gates)
        return view

    def rest(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = True,
        repeat_timeouts: bool = True,
        expects: type = object,
        read: Callable[[Any], Any] = as_it_is,
        on_repeat: Callable[[CallError], None] | None = None,
    ) -> Any:
        """One REST call, JSON in and out; ``None`` for an empty answer.

        HTTP 300 is returned as data: an upsert whose key several records hold is answered with a list of
        their URLs (REST guide, "Insert or Update (Upsert) a Record Using an External ID").

        :param path: below ``/services/data/vXX.X/``, or from ``/services`` on; percent-encoded, with its query.
        :param body: anything JSON can hold; ``bytes`` are sent as they are (``headers`` say what they are).
        :param repeatable: False: never sent again when it may have been carried out.
        :param repeat_timeouts: False: not sent again when no answer came in time; the caller sends less next.
        :param expects: the type of the JSON of an answer, such as ``dict``. Another, an empty answer as well, is one
            that cannot be read.
        :param read: makes of that JSON what is returned. Whatever it raises, the answer is one that cannot be read.
        :param on_repeat: told of each error after which the call is sent again.
        :raises CallError: the call did not do its work.
        :raises WrongOrgError: the connection leads to another org than ``expected_org_id``, or than its last login.
        """
        with leaving(self._secrets):
            return self._answer(
                self._rest_call(method, path, body, headers),
                lambda answer: read(self._read_rest(answer, expects=expects)),
                repeatable=repeatable,
                repeat_timeouts=repeat_timeouts,
                on_repeat=on_repeat,
            )

    def soap(
        self,
        body: Callable[[str], bytes],
        *,
        action: str = "",
        read: Callable[[bytes], Any] = as_it_is,
        repeatable: bool = True,
        repeat_timeouts: bool = True,
        on_repeat: Callable[[CallError], None] | None = None,
    ) -> Any:
        """One call of the SOAP Partner API; the answer's envelope, as bytes.

        :param body: builds the envelope around an access token; called again after a new login.
        :param action: the operation, such as ``upsert``; named in the counts.
        :param repeatable: as for :meth:`rest`; ``read``, ``repeat_timeouts`` and ``on_repeat`` likewise.
        :raises CallError: the call did not do its work; faults are read into the same errors as REST's.
        """
        headers = {
            "Content-Type": "text/xml; charset=UTF-8",
            "SOAPAction": f'"{action}"',
            "Accept": "text/xml",
        }
        call = _Call(
            method="POST",
            path=f"/services/Soap/u/{self.api_version}",
            kind=f"soap {action}".strip(),
            headers=lambda login: headers,
            body=lambda login: body(login.access_token),
        )
        with leaving(self._secrets):
            return self._answer(
                call,
                lambda answer: read(read_soap(answer, now=self._now)),
                repeatable=repeatable,
                repeat_timeouts=repeat_timeouts,
                on_repeat=on_repeat,
            )

    def simple_salesforce(self) -> Any:
        """A ``simple_salesforce.Salesforce`` on this session's present token, for what it does well.

        It has its own connections (its ``deploy`` changes shared headers), our time-outs, proxies, route and bounds,
        and follows no redirect. It does not log in again: ask for a new one when the token has expired. Its calls are
        counted.
        """
        from airflow_sf_dedup.salesforce.calling.simple_client import OrgClient

        with leaving(self._secrets):
            login = self._current_login()
            http = open_http(
                self.settings, instance_url=login.instance_url, secrets=self._secrets, on_answer=self._take_note
            )
        return OrgClient(
            instance_url=login.instance_url,
            session_id=login.access_token,
            session=http,
            version=self.api_version,
        )

    def close(self) -> None:
        """Close the connections that are kept open; a later call opens them again."""
        self._http.close()

    # -- one call ---------------------------------------------------------------------------------

    def _rest_call(self, method: str, path: str, body: Any, headers: Mapping[str, str] | None) -> _Call:
        absolute = self._absolute(path)
        encoded = _encoded(body)
        own = {"Accept": "application/json", **self._call_options()}
        if encoded is not None:
            own["Content-Type"] = "application/json; charset=UTF-8"
        return _Call(
            method=method.upper(),
            path=absolute,
            kind=kind_of(method.upper(), absolute),
            headers=lambda login: {
                **own,
                **(headers or {}),
                "Authorization": f"Bearer {login.access_token}",
            },
            body=lambda login: encoded,
        )

    def _answer(
        self,
        call: _Call,
        read: Callable[[Answer], _T],
        *,
        repeatable: bool,
        repeat_timeouts: bool = True,
        on_repeat: Callable[[CallError], None] | None = None,
    ) -> _T:
        return self._repeating(
            lambda: self._with_valid_login(call, read),
            repeatable=repeatable,
            repeat_timeouts=repeat_timeouts,
            on_repeat=on_repeat,
        )

    def _with_valid_login(self, call: _Call, read: Callable[[Answer], _T]) -> _T:
        """Send with the login in force; if that has expired, once more with a new one."""
        login = self._login.current()
        try:
            return self._exchange(call, login, read)
        except SessionExpiredError as error:
            renewed = self._renewed(login, error)
        try:
            return self._exchange(call, renewed, read)
        except SessionExpiredError as error:
            raise self._accepted_nowhere(error) from error

    def _renewed(self, expired: Login, error: SessionExpiredError) -> Login:
        if not self.settings.can_log_in_again:
            raise self._accepted_nowhere(error) from error
        return self._login.renew(expired)

    def _accepted_nowhere(self, error: SessionExpiredError) -> LoginRefusedError:
        why = (
            "the org accepts no token of this login, not even a new one"
            if self.settings.can_log_in_again
            else "its access_token has expired, and an access token alone cannot log in again"
        )
        text = f"connection {self.settings.conn_id!r}: {why}: {error}"
        return LoginRefusedError(text, code=error.code, status=error.status)

    def _exchange(self, call: _Call, login: Login, read: Callable[[Answer], _T]) -> _T:
        """Send once, read and count."""
        self._pass_gates(call)
        try:
            answer = self._sent(call, login)
        except OutcomeUnknownError:
            self._count_call(call)
            raise
        self._count.note_limits(answer.headers)
        try:
            result = _understood(answer, read)
        except SessionExpiredError:
            # With an expired token the org does not know for whom to count.
            raise
        except CallError:
            self._count_call(call)
            raise
        self._count_call(call)
        return result

    def _sent(self, call: _Call, login: Login) -> Answer:
        """The answer, without the token that some gateways send back."""
        url = login.instance_url + call.path
        answer = send(self._http, call.method, url, data=_written(call, login), headers=call.headers(login))
        return replace(answer, content=self._secrets.blot_answer(answer.content))

    def _pass_gates(self, call: _Call) -> None:
        if not is_counted(call.path):
            return
        for gate in self._gates:
            try:
                gate()
            except Exception as error:
                raise GateClosedError(error) from error

    def _current_login(self) -> Login:
        return self._repeating(self._login.current, repeatable=True)

    def _absolute(self, path: str) -> str:
        resource = path.partition("?")[0].lower().replace("%2e", ".")
        if "://" in resource or ".." in resource.split("/"):
            raise SettingError(f"the path of a call must not be a URL, nor lead upwards: {path[:80]!r}", setting="path")
        if path.startswith("/services/"):
            return path
        return f"/services/data/v{self.api_version}/{path.lstrip('/')}"

    def _call_options(self) -> dict[str, str]:
        client = self.settings.client_id
        return {"Sforce-Call-Options": f"client={client}"} if client else {}

    def _read_rest(self, answer: Answer, expects: type = object) -> Any:
        return read_rest(answer, now=self._now, expects=expects)

    def _count_call(self, call: _Call) -> None:
        if is_counted(call.path):
            self._count.add(call.kind)

    def _note_time(self, response: requests.Response) -> None:
        """Logins tell the time as well: a worker that dies in its first call has left it with its claims."""
        self._clock.note(response.headers)

    def _take_note(self, response: requests.Response) -> None:
        """Of an answer to a call that does not pass through here."""
        path = response.request.path_url
        if is_counted(path) and response.status_code != 401:
            self._count.add(kind_of(response.request.method or "", path))
        self._count.note_limits({name.lower(): value for name, value in response.headers.items()})
        response._content = self._secrets.blot_answer(response.content)

    # -- which org it is --------------------------------------------------------------------------

    def _admitted_login(self) -> Login:
        """A new login, once it is sure that it leads to the right org."""
        login = log_in(self.settings, self._http, self._secrets)
        if not self.settings.can_log_in_again and self.settings.expected_org_id is None:
            # It is the only login there will be.
            return login
        try:
            return self._only_org.admit(login, self._ask)
        except SessionExpiredError as error:
            raise self._accepted_nowhere(error) from error

    def _identified_login(self) -> Login:
        try:
            return identified(self._login.current(), self._ask)
        except SessionExpiredError as error:
            raise self._accepted_nowhere(error) from error

    def _ask(self, login: Login, path: str) -> Any:
        return self._exchange(self._rest_call("GET", path, None, None), login, self._read_rest)


def _understood(answer: Answer, read: Callable[[Answer], _T]) -> _T:
    """What is read of an answer; where nobody can read it, nobody knows what became of the call.

    :raises CallError: the answer is a refusal, or cannot be read.
    """
    try:
        return read(answer)
    except SalesforceDedupError:
        raise
    except Exception as error:
        raise OutcomeUnknownError(
            f"the answer (HTTP {answer.status}, {len(answer.content)} bytes) cannot be read ({type(error).__name__})",
            code="UNREADABLE_ANSWER",
            status=answer.status,
        ) from error


def _encoded(body: Any) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    try:
        return _ENCODER.encode(body)
    except Exception as error:
        raise _unwritable("JSON", error) from None


def _written(call: _Call, login: Login) -> bytes | None:
    """The body of a call with that login."""
    try:
        return call.body(login)
    except Exception as error:
        raise _unwritable("XML", error) from None


def _unwritable(form: str, error: Exception) -> RequestRefusedError:
    """Of a lone surrogate, for example. The text of the error could hold the value."""
    return RequestRefusedError(f"the body cannot be written as {form} ({type(error).__name__})", code="UNWRITABLE_BODY")
