"""The HTTP below a session: bounded answers, proxies, trust, and the way to an org on this machine.

requests lets environment variables win over what a session was told (its ``proxies`` and ``verify``) and has
no time-out of its own, so the adapter, which every request passes last, has the final word. Whatever goes wrong
on the way becomes an error of this package, which says whether the request may have been carried out.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import PoolManager
from urllib3.exceptions import NewConnectionError, ReadTimeoutError

from airflow_sf_dedup.errors import (
    OutcomeUnknownError,
    RequestRefusedError,
    SalesforceDedupError,
    SettingError,
    TransientCallError,
    UnusableConnectionError,
)
from airflow_sf_dedup.salesforce.http import bounded
from airflow_sf_dedup.salesforce.http.answers import Answer
from airflow_sf_dedup.salesforce.http.file_bodies import BodyUnreadableError, FileToFill
from airflow_sf_dedup.salesforce.http.leaving import causes_of, leaving
from airflow_sf_dedup.salesforce.http.secrets import Secrets
from airflow_sf_dedup.salesforce.settings import ConnectionSettings, is_loopback

#: Connections that are kept open; more threads than this open and close their own.
POOL_SIZE = 16


def ignore(response: requests.Response) -> None:
    """Nobody looks at answers."""


def open_http(
    settings: ConnectionSettings,
    *,
    instance_url: str | None = None,
    secrets: Secrets | None = None,
    on_answer: Callable[[requests.Response], None] = ignore,
) -> OrgHttp:
    """A session for all calls to one org. Threads may share it: it keeps no cookies and follows no redirect.

    :param instance_url: given for clients that always dial https; they reach a plain http instance too.
    :param secrets: blotted out of all errors; by default those of the connection.
    :param on_answer: called with each answer, once it is read whole and before anybody else sees it.
    :raises SettingError: the CA bundle is no file.
    """
    http = OrgHttp(secrets or Secrets(settings.secrets()), on_answer)
    http.headers["User-Agent"] = f"airflow-provider-sf-dedup/{_own_version()}"
    http.headers["Accept-Encoding"] = "gzip"
    http.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    # Without an auth of its own, requests would replace our Authorization header by what ~/.netrc says.
    http.auth = _leave_as_it_is
    adapter = OrgAdapter(settings, instance_url=instance_url)
    http.mount("https://", adapter)
    http.mount("http://", adapter)
    return http


class OrgHttp(requests.Session):
    """A session whose answers are read whole, within bounds; whoever uses it, no redirect takes a token elsewhere."""

    def __init__(self, secrets: Secrets, on_answer: Callable[[requests.Response], None]) -> None:
        super().__init__()
        self._secrets = secrets
        self._on_answer = on_answer

    def send(
        self, request: requests.PreparedRequest, *, to: FileToFill | None = None, **kwargs: Any
    ) -> requests.Response:
        """Send it and read the answer to its end.

        :param to: takes the body of a successful answer; without it, and of any other, the answer keeps it.
        """
        bounded.request_begins(0 if to is None else to.most)
        with leaving(self._secrets):
            response = super().send(request, **{**kwargs, "stream": True})
            if to is not None and 200 <= response.status_code < 300:
                self._fill(to, response)
            else:
                bounded.read_whole(response)
            self._on_answer(response)
        return response

    def get_into(self, to: FileToFill, url: str, headers: Mapping[str, str]) -> requests.Response:
        """``get()``, whose answer goes to a file as it comes."""
        request = self.prepare_request(requests.Request("GET", url, headers=headers))
        return self.send(request, to=to, **self.merge_environment_settings(url, {}, None, None, None))

    def _fill(self, to: FileToFill, response: requests.Response) -> None:
        bounded.hand_on(response, lambda pieces: to.take(self._secrets.blot_pieces(pieces)))

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """None: followed, a redirect would turn a write into a GET, or carry the token to another host."""
        return None


class OrgAdapter(HTTPAdapter):
    """Sends a request as the connection's settings say, whatever the caller left out."""

    def __init__(self, settings: ConnectionSettings, *, instance_url: str | None = None) -> None:
        self._timeouts = (settings.connect_timeout, settings.read_timeout)
        self._proxies = settings.proxies
        self._ca_bundle = _checked_ca_bundle(settings)
        self._reroute = partial(reroute, loopback_org=settings.loopback_org, instance_url=instance_url)
        super().__init__(pool_connections=4, pool_maxsize=POOL_SIZE)

    def destination(self, url: str) -> str:
        """Where a request to ``url`` really goes."""
        return self._reroute(url)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Use connections that read answers within bounds."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = bounded.POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> PoolManager:
        """The same by way of a proxy; a SOCKS proxy has connections of its own, which tell nothing of themselves."""
        manager: PoolManager = super().proxy_manager_for(proxy, **kwargs)
        if proxy.lower().startswith("socks"):
            bounded.something_may_leave()
        else:
            manager.pool_classes_by_scheme = bounded.POOLS
        return manager

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Route the request, bound its time, and send it."""
        request.url = self._reroute(request.url or "")
        return super().send(
            request,
            stream=stream,
            timeout=timeout or self._timeouts,
            verify=self._ca_bundle or verify,
            cert=cert,
            proxies={} if is_loopback(request.url) else dict(self._proxies or proxies or {}),
        )


def reroute(url: str, *, loopback_org: str | None = None, instance_url: str | None = None) -> str:
    """Where a request really goes: to the loopback org instead of ``*.salesforce.com``, when there is one.

    simple-salesforce dials https whatever the scheme of its instance; the instance's own scheme is put right.
    """
    parts = urlsplit(url)
    if loopback_org and (parts.hostname or "").endswith(".salesforce.com"):
        return _at_origin(url, loopback_org)
    for origin in (instance_url, loopback_org):
        if origin and parts.netloc == urlsplit(origin).netloc:
            return _at_origin(url, origin)
    return url


def send(
    http: requests.Session,
    method: str,
    url: str,
    *,
    data: Any = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Send one request and read its answer to the end. Redirects are not followed.

    :param data: the body; a :class:`.FileToSend` goes out piece by piece.
    :raises TransientCallError: it surely did not reach Salesforce.
    :raises RequestRefusedError: it cannot be sent at all.
    :raises OutcomeUnknownError: it may have been carried out.
    """
    with _our_errors(http, url):
        return _answer(http.request(method, url, data=data, headers=headers))


def fetch(http: OrgHttp, url: str, to: FileToFill, *, headers: Mapping[str, str]) -> Answer:
    """GET, and write a successful answer to a file as it comes; its ``content`` is empty. A refusal is kept.

    :raises FileUnreachableError: the file cannot be written; other errors as of :func:`send`.
    """
    with _our_errors(http, url):
        return _answer(http.get_into(to, url, headers))


def _answer(response: requests.Response) -> Answer:
    names = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status_code, names, response.content)


@contextmanager
def _our_errors(http: requests.Session, url: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # Its message says what happened; the four exceptions of requests and urllib3 below it say that again.
        raise error_of_transport(error, _destination(http, url), has_left=bounded.has_left()) from None


def error_of_transport(error: Exception, url: str, *, has_left: bool) -> SalesforceDedupError:
    """What a failure below HTTP means for the call.

    :param url: where it really went; the message names the host, with the port where the URL does.
    :param has_left: a part of the request, at least, was handed to the network.
    """
    if isinstance(error, SalesforceDedupError):
        return error
    host, causes = _host_of(url), list(causes_of(error))
    if (surely_before := _before_sending(error, causes, host)) is not None:
        return surely_before
    if has_left:
        return _after_sending(causes, host)
    if isinstance(error, OSError) and not isinstance(error, ValueError):
        return TransientCallError(f"no connection to {host}{_why(causes)}", code="CONNECT_FAILED")
    return RequestRefusedError(
        f"the request to {host} cannot be sent as HTTP ({type(error).__name__})", code="UNSENDABLE"
    )


def _before_sending(error: Exception, causes: list[BaseException], host: str) -> SalesforceDedupError | None:
    """What can only go wrong before anything is sent."""
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return UnusableConnectionError(
            f"the certificate of {host} is not trusted; ca_bundle in the connection names the one to trust",
            setting="ca_bundle",
            code="UNTRUSTED_CERTIFICATE",
        )
    if isinstance(error, requests.ConnectTimeout):
        return TransientCallError(f"no connection to {host} in time", code="CONNECT_TIMEOUT")
    if isinstance(error, requests.exceptions.ProxyError):
        return TransientCallError(f"no way through the proxy to {host}", code="PROXY_FAILED")
    if any(isinstance(cause, NewConnectionError) for cause in causes):
        return TransientCallError(f"no connection to {host}{_why(causes)}", code="CONNECT_FAILED")
    return None


def _after_sending(causes: list[BaseException], host: str) -> OutcomeUnknownError:
    unreadable = next((cause for cause in causes if isinstance(cause, bounded.AnswerUnreadableError)), None)
    if unreadable is not None:
        return OutcomeUnknownError(f"{host}: {unreadable}", code="UNREADABLE_ANSWER")
    unread = next((cause for cause in causes if isinstance(cause, BodyUnreadableError)), None)
    if unread is not None:
        return OutcomeUnknownError(f"{host} got a part of the request: {unread}", code="UNREADABLE_FILE")
    # requests has a time-out of its own only for the head of an answer; one amid its body is a broken connection.
    if any(isinstance(cause, requests.ReadTimeout | ReadTimeoutError | TimeoutError) for cause in causes):
        return OutcomeUnknownError(f"{host} did not answer in time", code="READ_TIMEOUT")
    return OutcomeUnknownError(f"the connection to {host} broke", code="CONNECTION_BROKEN")


def _destination(http: requests.Session, url: str) -> str:
    try:
        adapter = http.get_adapter(url)
        return adapter.destination(url) if isinstance(adapter, OrgAdapter) else url
    except (requests.RequestException, ValueError):
        return url


def _host_of(url: str) -> str:
    """The host, with its port where there is one, and without a user."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2] or "Salesforce"
    except ValueError:
        return "Salesforce"


def _why(causes: list[BaseException]) -> str:
    """The system's own word, such as `` (Connection refused)``; blank where it gave none."""
    words = (cause.strerror for cause in causes if isinstance(cause, OSError))
    word = next((word for word in words if isinstance(word, str)), "")
    return f" ({word})" if word else ""


def _at_origin(url: str, origin: str) -> str:
    new, old = urlsplit(origin), urlsplit(url)
    return urlunsplit((new.scheme, new.netloc, old.path, old.query, ""))


def _leave_as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _checked_ca_bundle(settings: ConnectionSettings) -> str | None:
    if settings.ca_bundle and not os.path.isfile(settings.ca_bundle):  # noqa: PTH113 - never raises
        raise SettingError(
            f"connection {settings.conn_id!r}: ca_bundle {settings.ca_bundle!r} is not a file",
            setting="ca_bundle",
        )
    return settings.ca_bundle


def _own_version() -> str:
    try:
        return version("airflow-provider-sf-dedup")
    except PackageNotFoundError:
        return "0"
