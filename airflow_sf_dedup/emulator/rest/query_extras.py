"""What REST adds to a query: the plan of a list view by its id, and records that count as viewed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from airflow_sf_dedup.emulator.http import Call, Response
from airflow_sf_dedup.emulator.rest import queries
from airflow_sf_dedup.emulator.rest.list_views import soql_of
from airflow_sf_dedup.emulator.state.recently_viewed import note_viewed

_VIEWS = re.compile(r"\bFOR\s+(VIEW|REFERENCE)\b[^']*\Z", re.IGNORECASE)


def query(call: Call) -> Response:
    return _asked(call, queries.query)


def query_all(call: Call) -> Response:
    return _asked(call, queries.query_all)


def _asked(call: Call, ask: Callable[[Call], Response]) -> Response:
    given = call.request.query
    view = soql_of(call, given.get("explain", ""))
    if view is not None:
        return ask(replace(call, request=replace(call.request, query={**given, "explain": view})))
    answer = ask(call)
    if _VIEWS.search(given.get("q", "")):
        ids = (each.get("Id") for each in answer.body["records"])
        note_viewed(call.org, call.user_id, [each for each in ids if each])
    return answer
