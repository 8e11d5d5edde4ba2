"""The one way to an org: REST and SOAP calls over one login, repeated where that is safe, and counted.

A session may be shared by threads. It logs in at the first call, and again when the token has expired: once
for all threads, and never twice in a row for one call.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec
import requests
from tenacity.wait import wait_base

from airflow_sf_dedup.core.record_ids import record_id_in
from airflow_sf_dedup.errors import (
    CallError,
    LoginRefusedError,
    OutcomeUnknownError,
    RequestRefusedError,
    SettingError,
    WrongOrgError,
)
from airflow_sf_dedup.salesforce.answers import Answer, SessionExpiredError, read_rest, read_soap
from airflow_sf_dedup.salesforce.call_count import CallCount, LimitInfo, is_counted, kind_of
from airflow_sf_dedup.salesforce.login import Login, log_in
from airflow_sf_dedup.salesforce.org_clock import OrgClock
from airflow_sf_dedup.salesforce.repeating import ATTEMPTS, WAIT, GateClosedError, repeating
from airflow_sf_dedup.salesforce.settings import ConnectionSettings
from airflow_sf_dedup.salesforce.shared_login import SharedLogin
from airflow_sf_dedup.salesforce.transport import open_http, send

_T = TypeVar("_T")
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_ORGANIZATION = "query?q=" + quote("SELECT Id FROM Organization LIMIT 1")


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
    ) -> None:
        self.settings = settings
        self._now = now
        self._repeating = partial(repeating, sleep=sleep, attempts=attempts, wait=wait)
        self._http = open_http(settings)
        self._login = SharedLogin(lambda: log_in(settings, self._http))
        self._count = CallCount()
        self._clock = OrgClock(monotonic)
        self._http.hooks["response"].append(self._note_time)
        self._gates: tuple[Callable[[], None], ...] = ()
        self._org_lock = threading.RLock()
        self._org_id: str | None = None
        self._user_id: str | None = None
        self._org_is_checked = settings.expected_org_id is None

    # -- what it knows ----------------------------------------------------------------------------

    @property
    def instance_url(self) -> str:
        """Scheme and host of the API, such as ``https://acme.my.salesforce.com``. Logs in if need be."""
        return self._current_login().instance_url

    @property
    def api_version(self) -> str:
        """Such as ``62.0``."""
        return self.settings.api_version

    @property
    def org_id(self) -> str:
        """18 characters; asked for once, see :meth:`check_org`.

        :raises CallError: the org does not say.
        """
        with self._org_lock:
            if self._org_id is None:
                self._org_id = self._current_login().org_id or self._org_id_of_user() or self._org_id_by_query()
            return self._org_id

    @property
    def user_id(self) -> str | None:
        """18 characters: the user of the present login; ``None``: there is none yet, or its answer does not say.

        The answers to OAuth and SOAP logins say; of a mere access token userinfo does, once the org's id was asked
        for. Makes no call.
        """
        login = self._login.known
        return (login.user_id if login else None) or self._user_id

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
        """Make sure that this is the expected org. Done by itself before the first call.

        :raises WrongOrgError: it is another one.
        """
        expected = self.settings.expected_org_id
        with self._org_lock:
            if expected is not None and self.org_id != expected:
                raise WrongOrgError(
                    f"connection {self.settings.conn_id!r}: expected_org_id is {expected}, but the "
                    f"connection leads to org {self.org_id}; nothing was written",
                    setting="expected_org_id",
                )
            self._org_is_checked = True

    # -- what it does -----------------------------------------------------------------------------

    def before_each_call(self, gate: Callable[[], None]) -> None:
        """Call ``gate`` right before each request that the org counts, repeats included, in the sending thread.

        What it raises reaches the caller as it is: nothing is sent, and nothing is repeated. Only when an earlier
        try of the same call may have been carried out, the call ends as ``OutcomeUnknownError`` with that as its
        cause. A gate may be called by several threads at once. The calls of :meth:`simple_salesforce` pass no gate.
        """
        self._gates = (*self._gates, gate)

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
        :param on_repeat: told of each error after which the call is sent again.
        :raises CallError: the call did not do its work.
        :raises WrongOrgError: the connection leads to another org than ``expected_org_id``.
        """
        self._check_org_once()
        call = self._rest_call(method, path, body, headers)
        read = partial(self._read_rest, expects=expects)
        return self._answer(call, read, repeatable=repeatable, repeat_timeouts=repeat_timeouts, on_repeat=on_repeat)

    def soap(
        self,
        body: Callable[[str], bytes],
        *,
        action: str = "",
        repeatable: bool = True,
        repeat_timeouts: bool = True,
        on_repeat: Callable[[CallError], None] | None = None,
    ) -> bytes:
        """One call of the SOAP Partner API; the answer's envelope.

        :param body: builds the envelope around an access token; called again after a new login.
        :param action: the operation, such as ``upsert``; named in the counts.
        :param repeatable: as for :meth:`rest`; ``repeat_timeouts`` and ``on_repeat`` likewise.
        :raises CallError: the call did not do its work; faults are read into the same errors as REST's.
        """
        self._check_org_once()
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
        return self._answer(
            call, self._read_soap, repeatable=repeatable, repeat_timeouts=repeat_timeouts, on_repeat=on_repeat
        )

    def simple_salesforce(self) -> Any:
        """A ``simple_salesforce.Salesforce`` on this session's present token, for what it does well.

        It has its own connections (its ``deploy`` changes shared headers), our time-outs, proxies and route.
        It does not log in again: ask for a new one when the token has expired. Its calls are counted.
        """
        from simple_salesforce.api import Salesforce

        self._check_org_once()
        login = self._current_login()
        http = open_http(self.settings, instance_url=login.instance_url)
        http.hooks["response"].append(self._count_response)
        return Salesforce(
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
            raise LoginRefusedError(
                f"connection {self.settings.conn_id!r}: the org accepts no token of this login, not "
                f"even a new one: {error}",
                code=error.code,
                status=error.status,
            ) from error

    def _renewed(self, expired: Login, error: SessionExpiredError) -> Login:
        if not self.settings.can_log_in_again:
            raise LoginRefusedError(
                f"connection {self.settings.conn_id!r}: its access_token has expired, and an access "
                f"token alone cannot log in again: {error}",
                code=error.code,
                status=error.status,
            ) from error
        return self._login.renew(expired)

    def _exchange(self, call: _Call, login: Login, read: Callable[[Answer], _T]) -> _T:
        """Send once, read and count."""
        url = login.instance_url + call.path
        self._pass_gates(call)
        try:
            answer = send(self._http, call.method, url, data=call.body(login), headers=call.headers(login))
            self._count.note_limits(answer.headers)
            result = read(answer)
        except CallError as error:
            if _reached_the_org(error):
                self._count_call(call)
            raise
        self._count_call(call)
        return result

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
        if "://" in path.partition("?")[0]:
            raise SettingError(f"the path of a call must not be a URL: {path[:80]!r}", setting="path")
        if path.startswith("/services/"):
            return path
        return f"/services/data/v{self.api_version}/{path.lstrip('/')}"

    def _call_options(self) -> dict[str, str]:
        client = self.settings.client_id
        return {"Sforce-Call-Options": f"client={client}"} if client else {}

    def _read_rest(self, answer: Answer, expects: type = object) -> Any:
        return read_rest(answer, now=self._now, expects=expects)

    def _read_soap(self, answer: Answer) -> bytes:
        return read_soap(answer, now=self._now)

    def _count_call(self, call: _Call) -> None:
        if is_counted(call.path):
            self._count.add(call.kind)

    def _note_time(self, response: requests.Response, **_options: Any) -> None:
        """Logins tell the time as well: a worker that dies in its first call has left it with its claims."""
        self._clock.note(response.headers)

    def _count_response(self, response: requests.Response, **_options: Any) -> None:
        path = response.request.path_url
        if is_counted(path) and response.status_code != 401:
            self._count.add(kind_of(response.request.method or "", path))
        self._count.note_limits({name.lower(): value for name, value in response.headers.items()})

    # -- which org it is --------------------------------------------------------------------------

    def _check_org_once(self) -> None:
        if not self._org_is_checked:
            self.check_org()

    def _org_id_of_user(self) -> str | None:
        """By OAuth's userinfo, which no limit counts; a SOAP login may not ask it. The query tells what is wrong."""
        call = self._rest_call("GET", "/services/oauth2/userinfo", None, None)
        try:
            user = self._repeating(
                lambda: self._exchange(call, self._login.current(), self._read_rest), repeatable=True
            )
        except CallError:
            return None
        self._user_id = _record_id_in(user, "user_id")
        return _record_id_in(user, "organization_id")

    def _org_id_by_query(self) -> str:
        call = self._rest_call("GET", _ORGANIZATION, None, None)
        result = self._answer(call, self._read_rest, repeatable=True)
        records = result.get("records") if isinstance(result, dict) else None
        org_id = _record_id_in(records[0], "Id") if isinstance(records, list) and records else None
        if org_id is None:
            raise RequestRefusedError("the org does not tell its id", code="NO_ORG_ID")
        return org_id


def _reached_the_org(error: CallError) -> bool:
    """Whether the org may have counted the call; with an expired token it does not know whom to count for."""
    if isinstance(error, SessionExpiredError):
        return False
    return error.status is not None or isinstance(error, OutcomeUnknownError)


def _record_id_in(found: Any, name: str) -> str | None:
    value = found.get(name) if isinstance(found, dict) else None
    return record_id_in(value)


def _encoded(body: Any) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    try:
        return _ENCODER.encode(body)
    except (TypeError, ValueError) as error:
        # Of a lone surrogate, for example. The text of the error could hold the value.
        raise RequestRefusedError(
            f"the body cannot be written as JSON ({type(error).__name__})", code="UNWRITABLE_BODY"
        ) from None
