"""The one way to an org: REST and SOAP calls over one login, sent again where that is safe, and counted.

A session may be shared by threads. It logs in at the first call, and again when the token has expired: once
for all threads, and never twice in a row for one call. Each login leads to the same org, or nothing is sent.
Whatever goes wrong leaves as an error of this package, and no error holds a secret.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from copy import copy
from datetime import datetime
from functools import partial
from typing import Any, BinaryIO

from tenacity.wait import wait_base

from airflow_sf_dedup.errors import CallError
from airflow_sf_dedup.salesforce.calling.call import rest_call, soap_call
from airflow_sf_dedup.salesforce.calling.call_count import LimitInfo
from airflow_sf_dedup.salesforce.calling.caller import Caller, Gate
from airflow_sf_dedup.salesforce.calling.connection import Connection
from airflow_sf_dedup.salesforce.http.answers import read_headers, read_rest, read_soap
from airflow_sf_dedup.salesforce.http.file_bodies import FileToFill, FileToSend
from airflow_sf_dedup.salesforce.http.leaving import leaving
from airflow_sf_dedup.salesforce.http.retrying import ATTEMPTS, WAIT, call_with_retries
from airflow_sf_dedup.salesforce.http.secrets import mask_nothing
from airflow_sf_dedup.salesforce.settings import ConnectionSettings


def as_it_is(answer: Any) -> Any:
    """The answer itself."""
    return answer


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
        self._connection = Connection(settings, monotonic=monotonic, mask=mask)
        with_retries = partial(call_with_retries, sleep=sleep, attempts=attempts, wait=wait)
        self._caller = Caller(self._connection, with_retries, now)

    # -- what it knows ----------------------------------------------------------------------------

    @property
    def instance_url(self) -> str:
        """Scheme and host of the API, such as ``https://acme.my.salesforce.com``. Logs in if need be."""
        with self._errors_without_secrets():
            return self._caller.login().instance_url

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
        with self._errors_without_secrets():
            return self._caller.org_id()

    @property
    def user_id(self) -> str | None:
        """18 characters: the user of the present login; ``None``: there is none yet, or its answer does not say.

        The answers to OAuth and SOAP logins say; of a mere access token userinfo does, once the org's id was asked
        for. Makes no call.
        """
        return self._connection.login.user_id

    def org_now(self) -> datetime | None:
        """The org's own time, UTC, to the second; ``None`` before its first answer. Makes no call."""
        return self._connection.clock.now()

    @property
    def api_calls(self) -> int:
        """Calls that the org's daily limit counts, retries included."""
        return self._connection.count.total

    @property
    def calls_by_kind(self) -> dict[str, int]:
        """The same by kind, such as ``{"POST composite": 5, "soap upsert": 6}``."""
        return self._connection.count.by_kind

    @property
    def limit_info(self) -> LimitInfo | None:
        """What the org last said about its daily limit; ``None``: nothing yet."""
        return self._connection.count.limit_info

    def check_org(self) -> None:
        """Make sure that this is the expected org. Done by itself at each login.

        :raises WrongOrgError: it is another one.
        """
        with self._errors_without_secrets():
            self._caller.login()

    # -- what it does -----------------------------------------------------------------------------

    def gated(self, *gates: Gate) -> SalesforceSession:
        """A view of this session whose calls pass these gates, after the gates that this one has already.

        All else is shared: the login, the counts, the org's clock, what is known of limits, and :meth:`close`. The
        session itself stays as it is.

        A gate is called right before each request that the org counts, retries included, in the thread that sends.
        What it raises reaches the caller as it is: nothing is sent, and nothing is tried again. Only when an earlier
        try of the same call may have been carried out, the call ends as ``OutcomeUnknownError`` with that as its
        cause. A gate may be called by several threads at once; a call that it makes itself goes through a session
        without it. The calls of :meth:`simple_salesforce` pass no gate.
        """
        view = copy(self)
        view._caller = self._caller.gated(*gates)
        return view

    def rest(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = True,
        retry_timeouts: bool = True,
        expects: type = object,
        bad_request_is_data: bool = False,
        read: Callable[[Any], Any] = as_it_is,
        on_retry: Callable[[CallError], None] | None = None,
    ) -> Any:
        """One REST call, JSON in and out; ``None`` for an empty answer.

        HTTP 300 is returned as data: an upsert whose key several records hold is answered with a list of
        their URLs (REST guide, "Insert or Update (Upsert) a Record Using an External ID").

        :param path: below ``/services/data/vXX.X/``, or from ``/services`` on; percent-encoded, with its query.
        :param body: anything JSON can hold; ``bytes`` are sent as they are (``headers`` say what they are).
        :param repeatable: False: never sent again when it may have been carried out.
        :param retry_timeouts: False: not sent again when no answer came in time; the caller sends less next.
        :param expects: the type of the JSON of an answer, such as ``dict``. Another, an empty answer as well, is one
            that cannot be read.
        :param bad_request_is_data: the JSON of HTTP 400 is returned as well: it tells what is wrong with the one
            record that the call carries.
        :param read: makes of that JSON what is returned. Whatever it raises, the answer is one that cannot be read.
        :param on_retry: told of each error after which the call is sent again.
        :raises CallError: the call did not do its work.
        :raises WrongOrgError: the connection leads to another org than ``expected_org_id``, or than its last login.
        """
        with self._errors_without_secrets():
            return self._caller.answer(
                rest_call(self.settings, method, path, body=body, headers=headers),
                lambda answer: read(
                    read_rest(answer, now=self._now, expects=expects, bad_request_is_data=bad_request_is_data)
                ),
                repeatable=repeatable,
                retry_timeouts=retry_timeouts,
                on_retry=on_retry,
            )

    def soap(
        self,
        body: Callable[[str], bytes],
        *,
        action: str = "",
        api: str = "partner",
        read: Callable[[bytes], Any] = as_it_is,
        repeatable: bool = True,
        retry_timeouts: bool = True,
        on_retry: Callable[[CallError], None] | None = None,
    ) -> Any:
        """One call of a SOAP API; the answer's envelope, as bytes.

        :param body: builds the envelope around an access token; called again after a new login.
        :param action: the operation, such as ``upsert``; named in the counts.
        :param api: ``partner`` or ``metadata``.
        :param repeatable: as for :meth:`rest`; ``read``, ``retry_timeouts`` and ``on_retry`` likewise.
        :raises CallError: the call did not do its work; faults are read into the same errors as REST's.
        """
        with self._errors_without_secrets():
            return self._caller.answer(
                soap_call(self.settings, body, action, api=api),
                lambda answer: read(read_soap(answer, now=self._now)),
                repeatable=repeatable,
                retry_timeouts=retry_timeouts,
                on_retry=on_retry,
            )

    def upload(self, path: str, file: BinaryIO, *, content_type: str) -> Any:
        """PUT a file, from where it stands to its end, without reading it into memory; the JSON of the answer.

        It is sent with its length, and from the start again after a new login, or when the org surely did not take
        it. When it may have been taken it is never sent again: a job of the Bulk API that gets its rows twice cannot
        be closed.

        :param file: binary, and can be rewound; it stays open.
        :param content_type: such as ``text/csv``.
        :raises CallError: as for :meth:`rest`. ``UNREADABLE_FILE``: the file could not be read to its end.
        """
        with self._errors_without_secrets():
            headers = {"Content-Type": content_type}
            return self._caller.answer(
                rest_call(self.settings, "PUT", path, body=FileToSend(file), headers=headers),
                lambda answer: read_rest(answer, now=self._now),
                repeatable=False,
            )

    def download(self, path: str, *, to: BinaryIO, most: int, accept: str = "*/*") -> dict[str, str]:
        """GET what goes to a file as it comes, without reading it into memory; the headers, names in lower case.

        It has the same time as any other answer. Where it does not come whole it is asked for again, and at last an
        error: nothing of it is in the file then. A process that is killed meanwhile leaves what it had written.

        :param to: binary, and can be rewound; is written from where it stands, cut there before, and stays open.
        :param most: bytes that the answer may have, unpacked.
        :raises CallError: as for :meth:`rest`; the answer is too long, ends early, or does not say where it ends.
        :raises FileUnreachableError: the file cannot be written now; a ``FileRefusedError``: nor later.
        """
        with self._errors_without_secrets():
            headers = self._caller.answer(
                rest_call(self.settings, "GET", path, headers={"Accept": accept}, to=FileToFill(to, most)),
                lambda answer: read_headers(answer, now=self._now),
                repeatable=True,
            )
        return {name: self._connection.secrets.blot(value) for name, value in headers.items()}

    def simple_salesforce(self) -> Any:
        """A ``simple_salesforce.Salesforce`` on this session's present token, for what it does well.

        It has its own connections (its ``deploy`` changes shared headers), our time-outs, proxies, route and bounds,
        and follows no redirect. It does not log in again: ask for a new one when the token has expired. Its calls are
        counted.
        """
        with self._errors_without_secrets():
            return self._connection.simple_client(self._caller.login())

    def close(self) -> None:
        """Close the connections that are kept open; a later call opens them again."""
        self._connection.close()

    def _errors_without_secrets(self) -> AbstractContextManager[None]:
        return leaving(self._connection.secrets)
