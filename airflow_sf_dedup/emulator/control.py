"""``/_emulator/…``: what tests ask of the emulator itself. Needs no session and is not counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_sf_dedup.emulator import rule_control
from airflow_sf_dedup.emulator.errors import ApiError, MalformedValue, SettingError, not_found
from airflow_sf_dedup.emulator.faults import FaultPlan
from airflow_sf_dedup.emulator.http import Request, Response
from airflow_sf_dedup.emulator.org import Org
from airflow_sf_dedup.emulator.org_file import read_csv, read_ndjson
from airflow_sf_dedup.emulator.rest_shapes import request_error


def answer(org: Org, request: Request) -> Response:
    """The answer to a request whose path starts with ``/_emulator``."""
    method, path = request.method, request.path[1:]
    try:
        if path[:1] == ("records",) and len(path) == 2:
            return _records(org, request, path[1])
        if path[:1] == ("rules",):
            return Response(200, rule_control.answer(org, request, path[1:]))
        handler = _HANDLERS.get((method, path))
        if handler is None:
            raise not_found()
        return Response(200, handler(org, request))
    except SettingError as error:
        return Response(400, [{"message": str(error), "errorCode": "INVALID_SETTING"}])
    except MalformedValue as error:
        return Response(400, request_error(request.locate(error)))
    except ApiError as error:
        return Response(error.status, request_error(error))


def _records(org: Org, request: Request, sobject: str) -> Response:
    if request.method == "POST":
        ids = org.seed(sobject, _rows(request))
        return Response(201, ids, rows=len(ids))
    if request.method != "GET":
        raise ApiError("METHOD_NOT_ALLOWED", "records are read with GET and seeded with POST", status=405)
    deleted = request.query.get("deleted", "").lower() == "true"
    found = org.records(sobject, deleted=deleted)
    return Response(200, found, rows=len(found))


def _rows(request: Request) -> list[Any]:
    kind = request.headers.get("content-type", "")
    if "csv" in kind:
        return read_csv(request.body.decode())
    if "ndjson" in kind or "jsonl" in kind:
        try:
            return read_ndjson(request.body.decode())
        except ValueError as error:
            raise ApiError("JSON_PARSER_ERROR", str(error)) from None
    rows = request.json()
    if not isinstance(rows, list):
        raise ApiError("JSON_PARSER_ERROR", "the body should be a list of records")
    return rows


def _stats(org: Org, request: Request) -> Any:
    return org.stats()


def _calls(org: Org, request: Request) -> Any:
    last = request.query.get("last", "")
    return org.accounting.calls(int(last)) if last.isdigit() else org.accounting.calls()


def _reset(org: Org, request: Request) -> Any:
    org.reset()
    return {"reset": True}


def _expire(org: Org, request: Request) -> Any:
    return {"expired": org.expire_sessions()}


def _faults(org: Org, request: Request) -> Any:
    return org.faults.shown()


def _set_faults(org: Org, request: Request) -> Any:
    plan = FaultPlan.read(request.json())
    org.faults.replace(plan.faults, seed=plan.seed)
    return org.faults.shown()


def _clear_faults(org: Org, request: Request) -> Any:
    org.faults.clear()
    return org.faults.shown()


def _physics(org: Org, request: Request) -> Any:
    return org.physics.shown()


def _set_physics(org: Org, request: Request) -> Any:
    org.change_physics(request.json())
    return org.physics.shown()


def _ledger(org: Org, request: Request) -> Any:
    after = request.query.get("after", "0")
    if not after.isdigit():
        raise SettingError("after", f"{after!r} should be a seq")
    return org.ledger.entries(int(after))


_HANDLERS: dict[tuple[str, tuple[str, ...]], Callable[[Org, Request], Any]] = {
    ("GET", ("stats",)): _stats,
    ("GET", ("calls",)): _calls,
    ("GET", ("faults",)): _faults,
    ("POST", ("faults",)): _set_faults,
    ("DELETE", ("faults",)): _clear_faults,
    ("GET", ("physics",)): _physics,
    ("POST", ("physics",)): _set_physics,
    ("GET", ("ledger",)): _ledger,
    ("POST", ("reset",)): _reset,
    ("POST", ("expire_sessions",)): _expire,
}
