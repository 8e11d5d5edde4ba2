"""What the views of one session share: one HTTP client, one login, one count of calls, one clock, one list of secrets.

Here one request is sent, once. Nothing here waits, tries again, or asks whether the call may be made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import requests

from airflow_sf_dedup.errors import CallError, OutcomeUnknownError, SalesforceDedupError
from airflow_sf_dedup.salesforce.calling.call import Call
from airflow_sf_dedup.salesforce.calling.call_count import CallCount, is_counted, kind_of
from airflow_sf_dedup.salesforce.calling.org_clock import OrgClock
from airflow_sf_dedup.salesforce.connecting.login import Login
from airflow_sf_dedup.salesforce.connecting.org_login import OrgLogin
from airflow_sf_dedup.salesforce.http.answers import Answer, SessionExpiredError
from airflow_sf_dedup.salesforce.http.secrets import Secrets
from airflow_sf_dedup.salesforce.http.transport import fetch, open_http, send
from airflow_sf_dedup.salesforce.settings import ConnectionSettings

_T = TypeVar("_T")


class Connection:
    """The way to one org. Threads share it.

    :param monotonic: seconds of a clock that never jumps.
    :param mask: told of each secret, once it is known.
    :raises SettingError: the CA bundle is no file.
    """

    def __init__(
        self, settings: ConnectionSettings, *, monotonic: Callable[[], float], mask: Callable[[str], None]
    ) -> None:
        self.settings = settings
        self.secrets = Secrets(settings.secrets(), mask=mask)
        self.clock = OrgClock(monotonic)
        self.count = CallCount()
        self._http = open_http(settings, secrets=self.secrets, on_answer=self._note_time)
        self.login = OrgLogin(settings, self._http, self.secrets)

    def exchange(self, call: Call, login: Login, read: Callable[[Answer], _T]) -> _T:
        """Send the call once, read its answer, and count it if the org does.

        :raises CallError: it did not do its work.
        """
        try:
            answer = self._sent(call, login)
        except (OutcomeUnknownError, OSError):
            # It may have been carried out; or it was, and the file for its answer cannot be written.
            self._count(call)
            raise
        self.count.note_limits(answer.headers)
        try:
            result = _understood(answer, read)
        except SessionExpiredError:
            # With an expired token the org does not know for whom to count.
            raise
        except CallError:
            self._count(call)
            raise
        self._count(call)
        return result

    def simple_client(self, login: Login) -> Any:
        """A ``simple_salesforce.Salesforce`` with that login, and an HTTP client of its own; its calls are counted."""
        from airflow_sf_dedup.salesforce.calling.simple_client import OrgClient

        http = open_http(
            self.settings, instance_url=login.instance_url, secrets=self.secrets, on_answer=self._take_note
        )
        return OrgClient(
            instance_url=login.instance_url,
            session_id=login.access_token,
            session=http,
            version=self.settings.api_version,
        )

    def close(self) -> None:
        """Close the sockets that are kept open; a later call opens them again."""
        self._http.close()

    def _sent(self, call: Call, login: Login) -> Answer:
        """The answer, without the token that some gateways send back."""
        url = login.instance_url + call.path
        if call.to is not None:
            answer = fetch(self._http, url, call.to, headers=call.headers(login))
        else:
            answer = send(self._http, call.method, url, data=call.written(login), headers=call.headers(login))
        return replace(answer, content=self.secrets.blot_answer(answer.content))

    def _count(self, call: Call) -> None:
        if call.is_counted:
            self.count.add(call.kind)

    def _note_time(self, response: requests.Response) -> None:
        """Logins tell the time as well: a worker that dies in its first call has left it with its claims."""
        self.clock.note(response.headers)

    def _take_note(self, response: requests.Response) -> None:
        """Of an answer to a call that does not pass through here."""
        path = response.request.path_url
        if is_counted(path) and response.status_code != 401:
            self.count.add(kind_of(response.request.method or "", path))
        self.count.note_limits({name.lower(): value for name, value in response.headers.items()})
        response._content = self.secrets.blot_answer(response.content)


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
