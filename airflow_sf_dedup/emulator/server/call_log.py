"""One line about one call, for a person who watches the emulator at work.

What callers sent is not shown: no token, no value of a field, no text of a query, no key in a path.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_sf_dedup.core.record_ids import to_18
from airflow_sf_dedup.emulator.http import Request, Response

_HIDDEN = "…"
_LONGEST_NAME = 80
_DONE = ("created", "updated", "deleted", "undeleted", "purged", "refused")
_COLOURS = {"green": "32", "yellow": "33", "red": "31", "dim": "2"}
_FAULT = re.compile(rb"<faultcode>([^<]{1,80})</faultcode>")


@dataclass(frozen=True)
class Seen:
    """What there is to say about a call."""

    request: Request
    response: Response
    milliseconds: float
    #: Under which it is counted: ``SOAP upsert``.
    name: str | None = None
    username: str | None = None
    #: What became of its rows: ``{"created": 188, "DUPLICATES_DETECTED": 12}``.
    outcomes: Mapping[str, int] | None = None
    faults: tuple[str, ...] = ()


def line(seen: Seen, *, time: str = "", colour: bool = False) -> str:
    """``PATCH /composite/sobjects/Lead/Key__c  200  200 rows: 188 created, 12 DUPLICATES_DETECTED  31 ms  a@b.c``."""
    status = seen.response.status
    parts = [
        _painted(time, "dim", colour),
        what(seen.request, seen.name),
        _painted(str(status) if status else "no answer", _tone(seen), colour),
        rows(seen),
        f"fault: {', '.join(seen.faults)}" if seen.faults else "",
        _painted(f"{seen.milliseconds:.0f} ms", "dim", colour),
        _painted(seen.username or "", "dim", colour),
    ]
    return "  ".join(part for part in parts if part)


def what(request: Request, name: str | None) -> str:
    """Method and path as short as they can be understood, with what callers made up left out."""
    if name and name.startswith("SOAP "):
        return name
    path = request.path
    if tuple(each.lower() for each in path[:2]) == ("services", "data"):
        shown = _hide_keys(path[3:]) if len(path) > 3 else ()
    elif tuple(each.lower() for each in path[:1]) == ("services",):
        shown = path[1:4]
    else:
        shown = _hide_keys(path)
    return f"{request.method} /{'/'.join(map(_short, shown))}"


def _hide_keys(path: tuple[str, ...]) -> tuple[str, ...]:
    """Without what may be the key of a record: ``sobjects/Lead/Key__c/…``."""
    at = next((place for place, each in enumerate(path) if each.lower() == "sobjects"), None)
    if at is None:
        return path[:6]
    head, rest = path[: at + 3], path[at + 3 :]
    return (*(_id_or_name(each) for each in head), *([_HIDDEN] if rest else []))


def _id_or_name(segment: str) -> str:
    if re.fullmatch(r"[A-Za-z_]\w*", segment):
        return segment
    try:
        return to_18(segment)
    except ValueError:
        return _HIDDEN


def _short(segment: str) -> str:
    plain = "".join(each if each.isprintable() else _HIDDEN for each in segment)
    return plain if len(plain) <= _LONGEST_NAME else plain[:_LONGEST_NAME] + _HIDDEN


def rows(seen: Seen) -> str:
    """What happened to rows, or why there was nothing to happen to."""
    code = error_code(seen.response)
    if seen.outcomes:
        count = sum(seen.outcomes.values())
        happened = ", ".join(f"{seen.outcomes[name]} {name}" for name in _in_order(seen.outcomes))
        told = f" (the caller was told {code})" if code and code not in seen.outcomes else ""
        return f"{_rows(count)}: {happened}{told}"
    return code or (_rows(seen.response.rows) if seen.response.rows else "")


def _rows(count: int) -> str:
    return f"{count:,} row" + ("" if count == 1 else "s")


def _in_order(outcomes: Mapping[str, int]) -> list[str]:
    return sorted(outcomes, key=lambda name: (name not in _DONE, -outcomes[name], name))


def error_code(response: Response) -> str | None:
    """The code of an answer that refuses its call."""
    if response.status < 400:
        return None
    body: Any = response.body
    if isinstance(body, bytes):
        found = _FAULT.search(body)
        return found[1].decode(errors="replace").rpartition(":")[2] if found else None
    first = body[0] if isinstance(body, list) and body else body
    if not isinstance(first, Mapping):
        return None
    code = first.get("errorCode") or first.get("error")
    return str(code) if code else None


def _tone(seen: Seen) -> str:
    if not seen.response.status or seen.response.status >= 400:
        return "red"
    return "yellow" if any(name not in _DONE for name in seen.outcomes or ()) else "green"


def _painted(text: str, tone: str, colour: bool) -> str:
    return f"\x1b[{_COLOURS[tone]}m{text}\x1b[0m" if colour and text else text
