"""``/composite``: up to 25 requests in one call, which may refer to each other's answers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.http import Call, Request, Response, read_url
from airflow_sf_dedup.emulator.rest.collating import neighbours, upsert_together
from airflow_sf_dedup.emulator.rest.subrequests import Subrequest, read_subrequests
from airflow_sf_dedup.emulator.state.in_progress import current
from airflow_sf_dedup.emulator.state.two_steps import all_or_none
from airflow_sf_dedup.emulator.wire.json_shapes import refused

_MOST_IN_BATCH = 25
#: From this version on subrequests are collated unless the request says otherwise.
_COLLATED_SINCE = 49.0
_REFERENCE = re.compile(r"@\{([A-Za-z0-9_]+)((?:\.[A-Za-z0-9_]+|\[\d+\])*)\}")
_HALTED = {
    "errorCode": "PROCESSING_HALTED",
    "message": "The transaction was rolled back since another operation in the same transaction failed.",
}
#: What allOrNone answers for a subrequest that did not fail itself.
_NOT_DONE = Response(400, [_HALTED])
#: By reference id.
Answers = dict[str, Response]


def composite(call: Call) -> Response:
    body = call.request.json_object()
    subrequests = read_subrequests(body.get("compositeRequest"))
    for name in ("allOrNone", "collateSubrequests"):
        if not isinstance(body.get(name), bool | None):
            raise ApiError("JSON_PARSER_ERROR", f"{name} should be true or false")
    asked = body.get("collateSubrequests")
    collate = call.version >= _COLLATED_SINCE if asked is None else asked
    runs = list(neighbours(subrequests) if collate else ([each] for each in subrequests))
    by_fault = _refused_by_fault(subrequests)
    answers = _all_or_none(call, runs, by_fault) if body.get("allOrNone") else _one_after_another(call, runs, by_fault)
    in_order = [answers.get(each.reference_id, _NOT_DONE) for each in subrequests]
    shown = [_shown(each, answer) for each, answer in zip(subrequests, in_order, strict=True)]
    return Response(200, {"compositeResponse": shown}, rows=sum(answer.rows for answer in in_order))


def _refused_by_fault(subrequests: list[Subrequest]) -> dict[str, Response]:
    found = current().refused_subrequests(len(subrequests))
    return {subrequests[number].reference_id: refused(error) for number, error in found.items()}


def _one_after_another(call: Call, runs: Iterable[list[Subrequest]], by_fault: dict[str, Response]) -> Answers:
    answers: Answers = {}
    for run in runs:
        _carry_out(call, run, answers, by_fault)
    return answers


def _carry_out(call: Call, run: list[Subrequest], answers: Answers, by_fault: Answers) -> None:
    """Adds the answers of one run to ``answers``."""
    answers.update({each.reference_id: by_fault[each.reference_id] for each in run if each.reference_id in by_fault})
    rest = [each for each in run if each.reference_id not in by_fault]
    if len(rest) == 1:
        answers[rest[0].reference_id] = _send(call, rest[0], answers)
    elif rest:
        for subrequest, answer in zip(rest, upsert_together(call, rest), strict=True):
            answers[subrequest.reference_id] = answer


def _all_or_none(call: Call, runs: list[list[Subrequest]], by_fault: Answers) -> Answers:
    def carry_out() -> Answers:
        answers: Answers = {}
        for run in runs:
            _carry_out(call, run, answers, by_fault)
            if _any_failed(answers):
                break
        return answers

    answers = all_or_none(call.org, carry_out, _any_failed, code="PROCESSING_HALTED")
    if not _any_failed(answers):
        return answers
    return {name: answer if answer.status >= 400 else _NOT_DONE for name, answer in answers.items()}


def _any_failed(answers: Answers) -> bool:
    return any(answer.status >= 400 for answer in answers.values())


def _send(call: Call, subrequest: Subrequest, answers: Mapping[str, Response]) -> Response:
    try:
        url = _filled(subrequest.url, answers)
        body = _filled(subrequest.body, answers)
    except LookupError as error:
        message = f"Invalid reference specified. {error.args[0]}"
        return Response(400, [{"errorCode": "PROCESSING_HALTED", "message": message}])
    path, query = read_url(url)
    if path[3:4] == ("composite",) and path[4:5] != ("sobjects",):
        return Response(400, [{"errorCode": "INVALID_INPUT", "message": "Url not supported in a composite request"}])
    if body is None and subrequest.method in ("POST", "PATCH", "PUT"):
        body = b""
    return call.send(Request(subrequest.method, path, query, subrequest.headers, body))


def _filled(found: Any, answers: Mapping[str, Response]) -> Any:
    """``found`` with its ``@{reference.path}`` replaced by what earlier answers say.

    :raises LookupError: a reference leads nowhere, or to a failed subrequest.
    """
    if isinstance(found, dict):
        return {name: _filled(value, answers) for name, value in found.items()}
    if isinstance(found, list):
        return [_filled(value, answers) for value in found]
    if not isinstance(found, str) or "@{" not in found:
        return found
    alone = _REFERENCE.fullmatch(found)
    if alone:
        return _referred(alone, answers)
    return _REFERENCE.sub(lambda match: str(_referred(match, answers)), found)


def _referred(match: re.Match[str], answers: Mapping[str, Response]) -> Any:
    answer = answers.get(match[1])
    if answer is None or answer.status >= 400:
        raise LookupError(f"No value for {match[1]} found")
    found = answer.body
    for name, position in re.findall(r"\.([A-Za-z0-9_]+)|\[(\d+)\]", match[2]):
        try:
            found = found[name] if name else found[int(position)]
        except (LookupError, TypeError):
            raise LookupError(f"No value for {match[1]}{match[2]} found in {match[1]}") from None
    return found


def _shown(subrequest: Subrequest, answer: Response) -> dict[str, Any]:
    headers = {name: value for name, value in answer.headers.items() if name == "Location"}
    return {
        "body": answer.body,
        "httpHeaders": headers,
        "httpStatusCode": answer.status,
        "referenceId": subrequest.reference_id,
    }


def batch(call: Call) -> Response:
    """``/composite/batch``: requests one after another, each counted as a call of its own."""
    body = call.request.json_object()
    found = body.get("batchRequests")
    if not isinstance(found, list) or not 1 <= len(found) <= _MOST_IN_BATCH:
        raise ApiError("INVALID_INPUT", f"batchRequests should list 1 to {_MOST_IN_BATCH} requests")
    results: list[dict[str, Any]] = []
    for each in found:
        if body.get("haltOnError") is True and any(result["statusCode"] >= 400 for result in results):
            halted = {"errorCode": "BATCH_PROCESSING_HALTED", "message": "Batch processing halted per request"}
            results.append({"statusCode": 412, "result": [halted]})
            continue
        answer = _counted(call, _batch_request(each, call.request.headers))
        results.append({"statusCode": answer.status, "result": answer.body})
    return Response(200, {"hasErrors": any(each["statusCode"] >= 400 for each in results), "results": results})


def _counted(call: Call, request: Request) -> Response:
    try:
        call.org.accounting.count("batch subrequest")
    except ApiError as error:
        return refused(error)
    return call.send(request)


def _batch_request(found: Any, headers: Mapping[str, str]) -> Request:
    if not isinstance(found, dict) or not isinstance(found.get("url"), str):
        raise ApiError("INVALID_INPUT", "each batch request needs a url")
    path, query = read_url(found["url"])
    if path[:2] != ("services", "data"):
        path = ("services", "data", *path)
    return Request(str(found.get("method", "GET")).upper(), path, query, headers, found.get("richInput", b""))
