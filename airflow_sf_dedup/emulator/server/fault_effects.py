"""What do the faults of a call do to it on the wire? Values in, values out; nothing here waits, sends or closes.

Before the work: how late it begins, and whether it begins at all. After it: what becomes of the answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from airflow_sf_dedup.emulator.call_names import Identity
from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.faults.switches import Firing
from airflow_sf_dedup.emulator.http import Response
from airflow_sf_dedup.emulator.state.in_progress import UNKNOWN, retry_header, some


@dataclass(frozen=True, slots=True)
class Reply:
    """The call is answered."""

    response: Response
    #: Content-Length, when it is to be more than what is sent before the connection closes.
    announced: int | None = None


@dataclass(frozen=True, slots=True)
class Silence:
    """The connection ends without an answer."""

    #: How long the caller waits for nothing.
    seconds: float = 0.0
    #: Ended with RST rather than closed.
    reset: bool = False


Ending = Reply | Silence
#: Says in the API of the call that it is refused.
Refuse = Callable[[ApiError], Response]


def delay_before(firings: Sequence[Firing]) -> float:
    return _delay(firings, "before")


def delay_after(firings: Sequence[Firing]) -> float:
    return _delay(firings, "after")


def _delay(firings: Sequence[Firing], when: str) -> float:
    late = (each for each in firings if each.kind == "slow" and each["when"] == when)
    return sum(each.random.uniform(*each["seconds"]) for each in late)


def ending_before(firings: Sequence[Firing], refuse: Refuse) -> Ending | None:
    """How the call ends before anything was done; None if the org gets to see it. The first such fault counts.

    :param refuse: says in the API of the call that it is refused.
    """
    for firing in firings:
        if firing.kind == "unavailable":
            return Reply(_unavailable(firing, refuse))
        if firing.kind in _ENDINGS and not firing["after_commit"]:
            return _ENDINGS[firing.kind](firing)
    return None


def carried_out_after(firings: Sequence[Firing]) -> float | None:
    """Seconds until a call that has ended before anything was done is carried out; None: it never is."""
    late = (each.fault.parameters.get("later") for each in firings)
    return next((seconds for seconds in late if seconds is not None), None)


def ending_after(firings: Sequence[Firing], call: Identity, response: Response, refuse: Refuse) -> Ending:
    """How a call ends whose work is done."""
    for firing in firings:
        change = _CHANGES.get(firing.kind)
        response = change(firing, call, response) if change else response
        if firing.kind == "unknown_error" and firing["after_commit"]:
            response = refuse(ApiError("UNKNOWN_EXCEPTION", UNKNOWN, status=500))
    for firing in firings:
        if firing.kind in _ENDINGS and firing["after_commit"]:
            return _ENDINGS[firing.kind](firing)
    for firing in firings:
        if firing.kind == "truncate" and response.encoded():
            return _truncated(firing, response)
    return Reply(response)


# --- endings ----------------------------------------------------------------------------------------------


def _hang(firing: Firing) -> Ending:
    return Silence(firing["seconds"])


def _reset(firing: Firing) -> Ending:
    return Silence(reset=firing["how"] == "rst")


def _page(firing: Firing) -> Ending:
    return Reply(Response(200, _MAINTENANCE, content_type=_HTML))


_ENDINGS: dict[str, Callable[[Firing], Ending]] = {"hang": _hang, "reset": _reset, "html": _page}

_HTML = "text/html; charset=UTF-8"
_MAINTENANCE = (
    b'<!DOCTYPE html>\n<html lang="en"><head><title>We are down for maintenance</title></head>'
    b"<body><h1>We are down for maintenance.</h1><p>Sorry for the inconvenience. We'll be back shortly.</p>"
    b"</body></html>\n"
)


def _unavailable(firing: Firing, refuse: Refuse) -> Response:
    status, headers = firing["status"], retry_header(firing["retry_after"])
    if firing["body"] == "empty":
        return Response(status, None, headers)
    if firing["body"] == "html":
        page = f"<html><head><title>{status}</title></head><body><h1>{status} Service Unavailable</h1></body></html>"
        return Response(status, page.encode(), headers, _HTML)
    message = "Unable to forward request at this time"
    return refuse(ApiError("SERVER_UNAVAILABLE", message, status=status, headers=headers))


def _truncated(firing: Firing, response: Response) -> Reply:
    whole = response.encoded()
    sent = replace(response, body=whole[: int(len(whole) * firing["fraction"])])
    return Reply(sent, announced=len(whole) if firing["broken"] else None)


# --- answers that say something else than what was done ---------------------------------------------------

Change = Callable[[Firing, Identity, Response], Response]

_SOAP_RESULT = re.compile(rb"<result(?: [^>]*)?/>|<result(?: [^>]*)?>.*?</result>", re.DOTALL)


def _drop_results(firing: Firing, call: Identity, response: Response) -> Response:
    if response.status != 200:
        return response
    if call.soap:
        return _without_soap_results(firing, response)
    body = response.body
    if isinstance(body, list):
        return replace(response, body=_fewer(firing, body))
    if not isinstance(body, dict) or not isinstance(body.get("compositeResponse"), list):
        return response
    answers = body["compositeResponse"]
    if firing["of"] == "subresponses":
        return replace(response, body={"compositeResponse": _fewer(firing, answers)})
    return replace(response, body={"compositeResponse": [_without_rows(firing, each) for each in answers]})


def _without_rows(firing: Firing, answer: dict[str, Any]) -> dict[str, Any]:
    rows = answer["body"]
    is_collection = isinstance(rows, list) and answer["httpStatusCode"] == 200
    return {**answer, "body": _fewer(firing, rows)} if is_collection else answer


def _without_soap_results(firing: Firing, response: Response) -> Response:
    whole = response.encoded()
    found = list(_SOAP_RESULT.finditer(whole))
    for number in reversed(some(firing, range(len(found)))):
        whole = whole[: found[number].start()] + whole[found[number].end() :]
    return replace(response, body=whole)


def _fewer(firing: Firing, found: list[Any]) -> list[Any]:
    dropped = set(some(firing, range(len(found))))
    return [each for number, each in enumerate(found) if number not in dropped]


def _reorder(firing: Firing, call: Identity, response: Response) -> Response:
    body = response.body
    if not isinstance(body, dict) or not isinstance(body.get("compositeResponse"), list):
        return response
    answers = list(body["compositeResponse"])
    while len(answers) > 1 and answers == body["compositeResponse"]:
        firing.random.shuffle(answers)
    return replace(response, body={"compositeResponse": answers})


_CHANGES: dict[str, Change] = {
    "drop_results": _drop_results,
    "reorder": _reorder,
}
