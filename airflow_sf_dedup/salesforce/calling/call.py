"""One call, before anybody sends it: what it says, where it goes, and what it counts as. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from airflow_sf_dedup.errors import RequestRefusedError, SettingError
from airflow_sf_dedup.salesforce.calling.call_count import is_counted, kind_of
from airflow_sf_dedup.salesforce.connecting.login import Login
from airflow_sf_dedup.salesforce.http.file_bodies import FileToFill, FileToSend
from airflow_sf_dedup.salesforce.settings import ConnectionSettings

_ENCODER = msgspec.json.Encoder(decimal_format="number")


@dataclass(frozen=True, slots=True)
class Call:
    """One call, ready to be sent with any login."""

    method: str
    #: Absolute, from ``/services`` on.
    path: str
    #: What it is counted as, such as ``POST composite``.
    kind: str
    headers: Callable[[Login], Mapping[str, str]]
    body: Callable[[Login], bytes | FileToSend | None]
    #: Takes the body of a successful answer; without it, the answer keeps it.
    to: FileToFill | None = None

    @property
    def is_counted(self) -> bool:
        """Whether the org counts it against its daily limit."""
        return is_counted(self.path)

    def written(self, login: Login) -> bytes | FileToSend | None:
        """Its body with that login.

        :raises RequestRefusedError: it cannot be built.
        """
        try:
            return self.body(login)
        except Exception as error:
            raise _unwritable("XML", error) from None


def rest_call(
    settings: ConnectionSettings,
    method: str,
    path: str,
    *,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    to: FileToFill | None = None,
) -> Call:
    """A REST call; see :meth:`.SalesforceSession.rest`.

    :raises SettingError: the path leads elsewhere.
    :raises RequestRefusedError: the body cannot be written as JSON.
    """
    absolute, encoded = _absolute(settings, path), _encoded(body)
    own = {"Accept": "application/json", **_call_options(settings)}
    if encoded is not None:
        own["Content-Type"] = "application/json; charset=UTF-8"
    own.update(headers or {})
    return Call(
        method=method.upper(),
        path=absolute,
        kind=kind_of(method.upper(), absolute),
        headers=lambda login: {**own, "Authorization": f"Bearer {login.access_token}"},
        body=lambda login: encoded,
        to=to,
    )


#: A SOAP API to the letter of its door, and to what its calls are counted as.
SOAP_APIS: Mapping[str, tuple[str, str]] = {"partner": ("u", "soap"), "metadata": ("m", "metadata")}


def soap_call(settings: ConnectionSettings, body: Callable[[str], bytes], action: str, *, api: str = "partner") -> Call:
    """A call of a SOAP API; see :meth:`.SalesforceSession.soap`."""
    door, kind = SOAP_APIS[api]
    headers = {
        "Content-Type": "text/xml; charset=UTF-8",
        "SOAPAction": f'"{action}"',
        "Accept": "text/xml",
    }
    return Call(
        method="POST",
        path=f"/services/Soap/{door}/{settings.api_version}",
        kind=f"{kind} {action}".strip(),
        headers=lambda login: headers,
        body=lambda login: body(login.access_token),
    )


def _absolute(settings: ConnectionSettings, path: str) -> str:
    resource = path.partition("?")[0].lower().replace("%2e", ".")
    if "://" in resource or ".." in resource.split("/"):
        raise SettingError(f"the path of a call must not be a URL, nor lead upwards: {path[:80]!r}", setting="path")
    if path.startswith("/services/"):
        return path
    return f"/services/data/v{settings.api_version}/{path.lstrip('/')}"


def _call_options(settings: ConnectionSettings) -> dict[str, str]:
    return {"Sforce-Call-Options": f"client={settings.client_id}"} if settings.client_id else {}


def _encoded(body: Any) -> bytes | FileToSend | None:
    if body is None or isinstance(body, bytes):
        return body
    if isinstance(body, FileToSend):
        # requests sends an empty iterable without saying that it is empty.
        return body if len(body) else b""
    try:
        return _ENCODER.encode(body)
    except Exception as error:
        raise _unwritable("JSON", error) from None


def _unwritable(form: str, error: Exception) -> RequestRefusedError:
    """Of a lone surrogate, for example. The text of the error could hold the value."""
    return RequestRefusedError(f"the body cannot be written as {form} ({type(error).__name__})", code="UNWRITABLE_BODY")
