"""Which kinds of fault are there, what can each be told, and which calls can it happen to?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from airflow_sf_dedup.emulator.call_names import COLLECTIONS, COMPOSITE, LOGINS, NAMES, SOAP_WRITES, Identity
from airflow_sf_dedup.emulator.setting_values import Reader, choice, flag, number, optional, seconds, text, whole

Touches = Callable[[Identity, Mapping[str, Any]], bool]


class Parameter(NamedTuple):
    default: Any
    read: Reader


@dataclass(frozen=True, slots=True)
class Kind:
    parameters: Mapping[str, Parameter]
    #: Whether the fault can happen to a call; calls it cannot happen to are not looked at.
    touches: Touches


def _any(call: Identity, parameters: Mapping[str, Any]) -> bool:
    return True


def _with_session(call: Identity, parameters: Mapping[str, Any]) -> bool:
    return call.token is not None


def _counted(call: Identity, parameters: Mapping[str, Any]) -> bool:
    return call.name in NAMES - LOGINS


def _write(call: Identity, parameters: Mapping[str, Any]) -> bool:
    return call.group == "write"


def _with_results(call: Identity, parameters: Mapping[str, Any]) -> bool:
    lists = COLLECTIONS | SOAP_WRITES | {COMPOSITE, "POST /composite/sobjects/{sobject}", "SOAP retrieve"}
    return call.name in lists


def _composite(call: Identity, parameters: Mapping[str, Any]) -> bool:
    return call.name == COMPOSITE


def _refusable(call: Identity, parameters: Mapping[str, Any]) -> bool:
    return _composite(call, parameters) if parameters["subrequests"] else _counted(call, parameters)


_AFTER_COMMIT = Parameter(False, flag)
#: Seconds after which a call whose caller has heard of its end is carried out all the same.
_LATER = Parameter(None, optional(number(0)))
_RETRY_AFTER = Parameter(None, optional(number(0)))
_SHARE = Parameter(0.5, number(0, 1))

KINDS: Mapping[str, Kind] = {
    "unavailable": Kind(
        {
            "status": Parameter(503, choice(500, 502, 503, 504, 420)),
            "body": Parameter("json", choice("json", "html", "empty")),
            "retry_after": _RETRY_AFTER,
            "later": _LATER,
        },
        _any,
    ),
    "reset": Kind(
        {"after_commit": _AFTER_COMMIT, "later": _LATER, "how": Parameter("rst", choice("rst", "close"))}, _any
    ),
    "hang": Kind({"after_commit": _AFTER_COMMIT, "seconds": Parameter(30.0, number(0))}, _any),
    "slow": Kind(
        {"seconds": Parameter((1.0, 1.0), seconds), "when": Parameter("before", choice("before", "after"))}, _any
    ),
    "expire_session": Kind({}, _with_session),
    "request_limit": Kind(
        {"limit": Parameter("daily", choice("daily", "concurrent")), "retry_after": _RETRY_AFTER}, _counted
    ),
    "truncate": Kind({"fraction": Parameter(0.5, number(0, 1)), "broken": Parameter(False, flag)}, _any),
    "drop_results": Kind(
        {"share": _SHARE, "of": Parameter("subresponses", choice("subresponses", "rows"))}, _with_results
    ),
    "reorder": Kind({}, _composite),
    "html": Kind({"after_commit": _AFTER_COMMIT}, _any),
    "refuse_request": Kind(
        {
            "code": Parameter("JSON_PARSER_ERROR", text),
            "message": Parameter(None, optional(text)),
            "status": Parameter(400, whole(400)),
            "subrequests": Parameter(False, flag),
            "share": _SHARE,
        },
        _refusable,
    ),
    "refuse_rows": Kind(
        {
            "share": _SHARE,
            "code": Parameter("UNABLE_TO_LOCK_ROW", text),
            "message": Parameter(None, optional(text)),
        },
        _write,
    ),
    "unknown_error": Kind({"after_commit": _AFTER_COMMIT}, _counted),
}
