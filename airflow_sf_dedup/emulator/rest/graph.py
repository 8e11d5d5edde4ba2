"""``/composite/graph``: several composites in one call, each of which happens as a whole or not at all."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from airflow_sf_dedup.emulator.errors import ApiError, not_found
from airflow_sf_dedup.emulator.http import Call, Response, read_url
from airflow_sf_dedup.emulator.rest.composite import HALTED, carried_out, shown_in_order
from airflow_sf_dedup.emulator.rest.subrequests import Subrequest, read_subrequests

#: The resource exists from this version on.
SINCE = 50.0
_MOST_GRAPHS, _MOST_NODES, _MOST_FAILED = 75, 500, 14
_REFERENCE = re.compile(rb"@\{([A-Za-z0-9_]+)")


def graph(call: Call) -> Response:
    if call.version < SINCE:
        raise not_found()
    graphs = _read(call.request.json_object().get("graphs"))
    failed, rows, shown = 0, 0, []
    for graph_id, subrequests in graphs:
        answers = {} if failed >= _MOST_FAILED else carried_out(call, _ordered(subrequests))
        in_order = [answers.get(each.reference_id, HALTED) for each in subrequests]
        successful = all(each.status < 400 for each in in_order)
        failed += not successful
        rows += sum(each.rows for each in in_order)
        response = {"compositeResponse": shown_in_order(subrequests, in_order)}
        shown.append({"graphId": graph_id, "graphResponse": response, "isSuccessful": successful})
    return Response(200, {"graphs": shown}, rows=rows)


def _read(found: Any) -> list[tuple[str, list[Subrequest]]]:
    if not isinstance(found, list) or not found or not all(isinstance(each, dict) for each in found):
        raise ApiError("INVALID_INPUT", "graphs should be a list of graphs")
    if len(found) > _MOST_GRAPHS:
        raise ApiError("LIMIT_EXCEEDED", f"Cannot process more than {_MOST_GRAPHS} graphs in a request.")
    graphs = [(_graph_id(each), _subrequests(each)) for each in found]
    if len({graph_id for graph_id, _ in graphs}) < len(graphs):
        raise ApiError("INVALID_INPUT", "Each graph needs a graphId of its own")
    if sum(len(subrequests) for _, subrequests in graphs) > _MOST_NODES:
        raise ApiError("LIMIT_EXCEEDED", f"Cannot process more than {_MOST_NODES} nodes in a request.")
    return graphs


def _graph_id(found: dict[str, Any]) -> str:
    graph_id = found.get("graphId")
    if not isinstance(graph_id, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", graph_id):
        raise ApiError("INVALID_INPUT", f"Provided graphId ('{graph_id}') must start with a letter or a number")
    return graph_id


def _subrequests(found: dict[str, Any]) -> list[Subrequest]:
    subrequests = read_subrequests(found.get("compositeRequest"), most=_MOST_NODES)
    for each in subrequests:
        if [part.lower() for part in read_url(each.url)[0][3:4]] != ["sobjects"]:
            raise ApiError("INVALID_INPUT", f"Url not supported in a composite graph: {each.url}")
    return subrequests


def _ordered(subrequests: list[Subrequest]) -> list[Subrequest]:
    """Each after those that it refers to; otherwise, and in a circle, as they were given."""
    known = {each.reference_id for each in subrequests}
    needs = {each.reference_id: _referred(each) & known for each in subrequests}
    ordered: list[Subrequest] = []
    left = list(subrequests)
    while left:
        done = {each.reference_id for each in ordered}
        following = next((each for each in left if needs[each.reference_id] <= done), left[0])
        left.remove(following)
        ordered.append(following)
    return ordered


def _referred(subrequest: Subrequest) -> set[str]:
    text = subrequest.url.encode() + msgspec.json.encode(subrequest.body)
    return {each.decode() for each in _REFERENCE.findall(text)}
