"""The HTTP below a session: bounded time-outs, proxies, trust, and the way to an org on this machine.

requests lets environment variables win over what a session was told (its ``proxies`` and ``verify``) and has
no time-out of its own, so the adapter, which every request passes last, has the final word.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import InvalidHeader as UnusableHeaderError
from urllib3.exceptions import NewConnectionError, ReadTimeoutError

from airflow_sf_dedup.errors import (
    OutcomeUnknownError,
    RequestRefusedError,
    SalesforceDedupError,
    SettingError,
    TransientCallError,
)
from airflow_sf_dedup.salesforce.answers import Answer
from airflow_sf_dedup.salesforce.settings import ConnectionSettings, is_loopback

#: Connections that are kept open; more threads than this open and close their own.
POOL_SIZE = 16


def open_http(settings: ConnectionSettings, *, instance_url: str | None = None) -> requests.Session:
    """A session for all calls to one org. Threads may share it: it keeps no cookies.

    :param instance_url: given for clients that always dial https; they reach a plain http instance too.
    :raises SettingError: the CA bundle is no file.
    """
    http = requests.Session()
    http.headers["User-Agent"] = f"airflow-provider-sf-dedup/{_own_version()}"
    http.headers["Accept-Encoding"] = "gzip"
    http.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    # Without an auth of its own, requests would replace our Authorization header by what ~/.netrc says.
    http.auth = _leave_as_it_is
    adapter = OrgAdapter(settings, instance_url=instance_url)
    http.mount("https://", adapter)
    http.mount("http://", adapter)
    return http


class OrgAdapter(HTTPAdapter):
    """Sends a request as the connection's settings say, whatever the caller left out."""

    def __init__(self, settings: ConnectionSettings, *, instance_url: str | None = None) -> None:
        self._timeouts = (settings.connect_timeout, settings.read_timeout)
        self._proxies = settings.proxies
        self._ca_bundle = _checked_ca_bundle(settings)
        self._reroute = partial(reroute, loopback_org=settings.loopback_org, instance_url=instance_url)
        super().__init__(pool_connections=4, pool_maxsize=POOL_SIZE)

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

    :raises TransientCallError: it surely did not reach Salesforce.
    :raises OutcomeUnknownError: it may have been carried out.
    """
    try:
        response = http.request(method, url, data=data, headers=headers, allow_redirects=False)
    except requests.RequestException as error:
        raise error_of_transport(error) from error
    names = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status_code, names, response.content)


def error_of_transport(error: requests.RequestException) -> SalesforceDedupError:
    """What a failure below HTTP means for the call."""
    host = urlsplit(getattr(error.request, "url", None) or "").hostname or "Salesforce"
    causes = list(_causes(error))
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return SettingError(
            f"the certificate of {host} is not trusted; ca_bundle in the connection names the one to trust",
            setting="ca_bundle",
        )
    if isinstance(error, requests.ConnectTimeout):
        return TransientCallError(f"no connection to {host} in time", code="CONNECT_TIMEOUT")
    if isinstance(error, requests.exceptions.ProxyError):
        return TransientCallError(f"no way through the proxy to {host}", code="PROXY_FAILED")
    if any(isinstance(cause, NewConnectionError) for cause in causes):
        return TransientCallError(f"no connection to {host}", code="CONNECT_FAILED")
    # requests has a time-out of its own only for the head of an answer; one amid its body is a broken connection.
    if isinstance(error, requests.ReadTimeout) or any(isinstance(cause, ReadTimeoutError) for cause in causes):
        return OutcomeUnknownError(f"{host} did not answer in time", code="READ_TIMEOUT")
    # Headers of an answer that contradict each other; requests says it as if they were the request's.
    if isinstance(error, ValueError) and not any(isinstance(cause, UnusableHeaderError) for cause in causes):
        return RequestRefusedError("the request cannot be sent as HTTP", code="UNSENDABLE")
    return OutcomeUnknownError(f"the connection to {host} broke", code="CONNECTION_BROKEN")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it wraps, as requests and urllib3 wrap: in arguments, ``reason`` or the context."""
    seen: set[int] = set()
    waiting: list[Any] = [error]
    while waiting:
        cause = waiting.pop()
        if isinstance(cause, BaseException) and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            waiting += [*cause.args, getattr(cause, "reason", None), cause.__cause__, cause.__context__]


def _at_origin(url: str, origin: str) -> str:
    new, old = urlsplit(origin), urlsplit(url)
    return urlunsplit((new.scheme, new.netloc, old.path, old.query, ""))


def _leave_as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _checked_ca_bundle(settings: ConnectionSettings) -> str | None:
    if settings.ca_bundle and not Path(settings.ca_bundle).is_file():
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
