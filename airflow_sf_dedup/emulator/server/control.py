"""``/_emulator/…``: what tests ask of the emulator itself. Needs no session and is not counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, NamedTuple

from airflow_sf_dedup.emulator.definition.seed_files import Rows, UnreadableRows, read_csv, read_ndjson
from airflow_sf_dedup.emulator.errors import ApiError, MalformedValue, SettingError, not_found
from airflow_sf_dedup.emulator.faults.switches import FaultPlan
from airflow_sf_dedup.emulator.http import Request, Response
from airflow_sf_dedup.emulator.server import rule_control
from airflow_sf_dedup.emulator.server.page import page
from airflow_sf_dedup.emulator.state.org import Org
from airflow_sf_dedup.emulator.state.snapshot import Snapshot
from airflow_sf_dedup.emulator.state.snapshots import read_snapshot, restore, take
from airflow_sf_dedup.emulator.suggesting import did_you_mean
from airflow_sf_dedup.emulator.wire.json_shapes import refused


class Control(NamedTuple):
    method: str
    #: The path after ``/_emulator``; segments in braces are handed to the handler.
    path: str
    #: Returns the JSON of a 200, or a Response.
    handler: Callable[..., Any]
    about: str

    def captured(self, method: str, path: tuple[str, ...]) -> tuple[str, ...] | None:
        """The segments in braces, or None if a request is another's."""
        pattern = self.path.split("/") if self.path else []
        if method != self.method or len(pattern) != len(path):
            return None
        pairs = list(zip(pattern, path, strict=True))
        if any(own != given for own, given in pairs if own[0] != "{"):
            return None
        return tuple(given for own, given in pairs if own[0] == "{")


def asks_emulator(request: Request) -> bool:
    """Whether a request is none to the org: its path starts with ``/_emulator``, or a browser asks for ``/``."""
    return request.path[:1] == ("_emulator",) or (not request.path and _from_browser(request))


def _from_browser(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def answer(org: Org, request: Request) -> Response:
    """The answer to a request that ``asks_emulator``."""
    try:
        return _answer(org, request)
    except SettingError as error:
        return Response(400, [{"message": str(error), "errorCode": "INVALID_SETTING"}])
    except MalformedValue as error:
        return refused(request.locate(error))
    except ApiError as error:
        return refused(error)


def _answer(org: Org, request: Request) -> Response:
    path = request.path[1:]
    method = "GET" if request.method == "HEAD" else request.method
    for each in CONTROLS:
        captured = each.captured(method, path)
        if captured is not None:
            found = each.handler(org, request, *captured)
            return found if isinstance(found, Response) else Response(200, found)
    others = [each.method for each in CONTROLS if each.captured(each.method, path) is not None]
    if others:
        message = f"HTTP Method '{request.method}' not allowed. Allowed are {','.join(others)}"
        raise ApiError("METHOD_NOT_ALLOWED", message, status=405, headers={"Allow": ",".join(others)})
    raise not_found()


def _index(org: Org, request: Request) -> Any:
    if _from_browser(request):
        return Response(200, page(org).encode(), content_type="text/html; charset=UTF-8")
    return {"endpoints": {f"{each.method} /_emulator/{each.path}".rstrip("/"): each.about for each in CONTROLS}}


# --- records ---


def _sobjects(org: Org, request: Request) -> Any:
    return {each.name: len(org.records(each.name)) for each in org.schema}


def _records(org: Org, request: Request, sobject: str) -> Response:
    """``?deleted=true`` and ``?limit=10`` are the emulator's, every other name in the query is a field."""
    having = dict(request.query)
    deleted = having.pop("deleted", "").lower() == "true"
    limit = _whole("limit", having.pop("limit", None))
    found = org.records(sobject, deleted=deleted, having=having)[:limit]
    return Response(200, found, rows=len(found))


def _record(org: Org, request: Request, sobject: str, record_id: str) -> Any:
    wanted = org.sobject(sobject)
    found = org.shown(record_id)
    if found is None or not found["Id"].startswith(wanted.key_prefix):
        raise not_found(f"no {wanted.name} with the id {record_id}, neither live nor in the recycle bin")
    return found


def _seed(org: Org, request: Request, sobject: str) -> Response:
    ids = org.seed(sobject, _rows(request))
    return Response(201, ids, rows=len(ids))


def _rows(request: Request) -> Rows:
    kind = request.headers.get("content-type", "")
    named = next((reader for word, reader in _SEEDS.items() if word in kind), None)
    if named is None:
        return Rows.of(_listed(request.json()))
    try:
        return named(request.body.decode("utf-8-sig"), "")
    except (UnicodeDecodeError, UnreadableRows) as error:
        raise ApiError("JSON_PARSER_ERROR", str(error)) from None


def _listed(found: Any) -> list[Any]:
    rows = found.get("records") if isinstance(found, dict) else found
    if not isinstance(rows, list):
        raise ApiError("JSON_PARSER_ERROR", "the body should be a list of records")
    return rows


#: How rows are read, by a word of the content type; JSON without one of these.
_SEEDS: dict[str, Callable[[str, str], Rows]] = {"csv": read_csv, "ndjson": read_ndjson, "jsonl": read_ndjson}


_MOST_DIGITS = 19


def _whole(name: str, given: str | None) -> int | None:
    if given is None:
        return None
    if not (given.isascii() and given.isdigit() and len(given) < _MOST_DIGITS):
        raise SettingError(name, f"{given!r} should be a whole number, 0 or more")
    return int(given)


# --- what happened ---


def _stats(org: Org, request: Request) -> Any:
    return org.stats()


def _calls(org: Org, request: Request) -> Any:
    return org.calls(_whole("last", request.query.get("last")))


def _ledger(org: Org, request: Request) -> Any:
    return org.ledger.entries(_whole("after", request.query.get("after")) or 0)


# --- what the org is like ---


def _quirks(org: Org, request: Request) -> Any:
    return asdict(org.quirks)


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


# --- back to how it was ---


def _reset(org: Org, request: Request) -> Any:
    org.reset()
    return {"reset": True}


def _expire(org: Org, request: Request) -> Any:
    return {"expired": org.expire_sessions()}


def _snapshots(org: Org, request: Request) -> Any:
    return {name: snapshot.about() for name, snapshot in list(org.snapshots.items())}


def _take(org: Org, request: Request, name: str) -> Response:
    org.snapshots[name] = taken = take(org)
    return Response(201, taken.about())


def _put_snapshot(org: Org, request: Request, name: str) -> Response:
    org.snapshots[name] = taken = read_snapshot(org, request.json())
    return Response(201, taken.about())


def _snapshot(org: Org, request: Request, name: str) -> Any:
    return _named(org, name).to_json()


def _restore(org: Org, request: Request, name: str) -> Any:
    snapshot = _named(org, name)
    restore(org, snapshot)
    return snapshot.about()


def _forget(org: Org, request: Request, name: str) -> Response:
    _named(org, name)
    org.snapshots.pop(name, None)
    return Response(204)


def _named(org: Org, name: str) -> Snapshot:
    found = org.snapshots.get(name)
    if found is None:
        raise not_found(f"no snapshot {name!r}{did_you_mean(name, list(org.snapshots))}")
    return found


CONTROLS = (
    Control("GET", "", _index, "this list; for a browser, a page about the org"),
    Control("GET", "sobjects", _sobjects, "every sObject with the number of its live records"),
    Control("GET", "records/{sobject}", _records, "the live records; ?deleted=true, ?limit=10, ?LastName=Nowak"),
    Control("POST", "records/{sobject}", _seed, "puts records without asking rules; a list in JSON, NDJSON or CSV"),
    Control("GET", "records/{sobject}/{id}", _record, "one record, live or in the recycle bin"),
    Control("GET", "stats", _stats, "API calls, counted as Salesforce counts them"),
    Control("GET", "calls", _calls, "the calls one by one, and what became of their rows; ?last=10"),
    Control("GET", "ledger", _ledger, "what became of every row; ?after=SEQ"),
    *(Control(*each) for each in rule_control.CONTROLS),
    Control("GET", "quirks", _quirks, "how open questions about Salesforce are settled here"),
    Control("GET", "faults", _faults, "the faults that are on"),
    Control("POST", "faults", _set_faults, "switches these faults on and all others off"),
    Control("DELETE", "faults", _clear_faults, "switches all faults off"),
    Control("GET", "physics", _physics, "races, locks and limits"),
    Control("POST", "physics", _set_physics, "changes the settings that it names"),
    Control("POST", "reset", _reset, "the org as its org file says"),
    Control("POST", "expire_sessions", _expire, "ends all access tokens"),
    Control("GET", "snapshots", _snapshots, "the snapshots by name"),
    Control("POST", "snapshots/{name}", _take, "keeps the org as it is now"),
    Control("POST", "snapshots/{name}/restore", _restore, "the org as it was then"),
    Control("PUT", "snapshots/{name}/restore", _restore, "the same"),
    Control("GET", "snapshots/{name}", _snapshot, "its records, to keep in a file"),
    Control("PUT", "snapshots/{name}", _put_snapshot, "a snapshot with the records of such a file"),
    Control("DELETE", "snapshots/{name}", _forget, "forgets it"),
)
