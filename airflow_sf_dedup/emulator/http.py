"""A request and a response as values; what a server framework makes of them is settled in ``app``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec

from airflow_sf_dedup.emulator.errors import ApiError, MalformedValue, not_found
from airflow_sf_dedup.emulator.records.schema import Sobject
from airflow_sf_dedup.emulator.state.org import Org


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    #: The decoded segments of the path, without empty ones.
    path: tuple[str, ...]
    query: Mapping[str, str] = field(default_factory=dict)
    #: By lower-case name.
    headers: Mapping[str, str] = field(default_factory=dict)
    #: Bytes from the wire, or the parsed body of a subrequest.
    body: Any = b""

    def json(self) -> Any:
        """The parsed body.

        :raises ApiError: JSON_PARSER_ERROR.
        """
        if not isinstance(self.body, bytes):
            return self.body
        if not self.body.strip():
            raise ApiError("JSON_PARSER_ERROR", "No content to map to Object due to end of input")
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ApiError("JSON_PARSER_ERROR", f"Unexpected character: {error} at [line:1, column:1]") from None

    def json_object(self) -> dict[str, Any]:
        """The parsed body, which has to be an object."""
        found = self.json()
        if not isinstance(found, dict):
            token = "START_ARRAY" if isinstance(found, list) else "VALUE_STRING"
            raise ApiError("JSON_PARSER_ERROR", f"The JSON body should be an object, not {token}")
        return found

    def locate(self, error: MalformedValue) -> ApiError:
        """The refusal with the line and column of the malformed value in this body."""
        text = self.body if isinstance(self.body, bytes) else msgspec.json.encode(self.body)
        try:
            at = max(text.find(msgspec.json.encode(error.value)), 0)
        except (TypeError, ValueError):
            at = 0
        line = text.count(b"\n", 0, at) + 1
        return error.at(line, at - text.rfind(b"\n", 0, at))


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    #: A JSON value; None for an empty body; bytes as they are.
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json;charset=UTF-8"
    #: Records carried or returned, for the log of calls.
    rows: int = 0

    def encoded(self) -> bytes:
        if self.body is None:
            return b""
        return self.body if isinstance(self.body, bytes) else msgspec.json.encode(self.body)


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated REST request to an org."""

    org: Org
    request: Request
    #: As in the path: ``v60.0``.
    version_text: str
    user_id: str
    #: Sends another request as the same user: a subrequest of /composite.
    send: Callable[[Request], Response]
    #: Whether this is itself a subrequest.
    inner: bool = False
    #: Where the caller reaches the emulator, without a trailing slash.
    url: str = ""
    #: The names of the resources directly under the version.
    resources: frozenset[str] = frozenset()

    @property
    def version(self) -> float:
        return float(self.version_text[1:])

    @property
    def root(self) -> str:
        return f"/services/data/{self.version_text}"

    def sobject(self, name: str) -> Sobject:
        """The sobject that a segment of the path names.

        :raises ApiError: 404.
        """
        found = self.org.schema.find(name)
        if found is None:
            raise not_found()
        return found


def split_path(raw_path: str) -> tuple[str, ...]:
    """The segments of a path, decoded one by one, so that ``%2F`` stays part of its segment."""
    return tuple(unquote(segment, errors="replace") for segment in raw_path.split("/") if segment)


def query_fields(text: str) -> dict[str, str]:
    """The fields of a URL's query; of one that is there several times, the last."""
    return dict(parse_qsl(text, keep_blank_values=True))


def read_url(url: str) -> tuple[tuple[str, ...], dict[str, str]]:
    """Path segments and query of a URL without scheme and host."""
    path, _, query = url.partition("?")
    return split_path(path), query_fields(query)
