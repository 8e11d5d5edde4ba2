"""``/composite``: up to 25 requests in one call, which may refer to each other's answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_sf_dedup.emulator.errors import ApiError
from airflow_sf_dedup.emulator.http import Call, Request, Response, read_url

_MOST_SUBREQUESTS = 25
_MOST_COLLECTIONS = 5
_MOST_IN_BATCH = 25
_INHERITED = ("accept", "authorization", "content-type")
_REFERENCE = re.compile(r"@\{([A-Za-z0-9_]+)((?:\.[A-Za-z0-9_]+|\[\d+\])*)\}")
_METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE")
_HALTED = {
    "errorCode": "PROCESSING_HALTED",
    "message": "The transaction was rolled back since another operation in the same transaction failed.",
}


@dataclass(frozen=True, slots=True)
class Subrequest:
    method: str
    url: str
    reference_id: str
    headers: Mapping[str, str]
    body: Any

    @property
    def counts_as_collection(self) -> bool:
        path, _ = read_url(self.url)
        tail = [segment.lower() for segment in path[3:]]
        return tail[:1] in (["query"], ["queryall"]) or tail[:2] == ["composite", "sobjects"]


def composite(call: Call) -> Response:
    body = call.request.json_object()
    subrequests = _read_subrequests(body.get("compositeRequest"))
    for name in ("allOrNone", "collateSubrequests"):
        if not isinstance(body.get(name, False), bool):
            raise ApiError("JSON_PARSER_ERROR", f"{name} should be true or false")
    if body.get("allOrNone"):
        answers = _all_or_none(call, subrequests)
    else:
        answers = _one_after_another(call, subrequests)
    shown = [_shown(subrequest, answer) for subrequest, answer in zip(subrequests, answers, strict=True)]
    return Response(200, {"compositeResponse": shown}, rows=sum(answer.rows for answer in answers))


def _read_subrequests(found: Any) -> list[Subrequest]:
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise ApiError("JSON_PARSER_ERROR", "compositeRequest should be a list of subrequests")
    if not found:
        raise ApiError("INVALID_INPUT", "The compositeRequest list cannot be empty")
    if len(found) > _MOST_SUBREQUESTS:
        message = f"Cannot process more than {_MOST_SUBREQUESTS} operations in a composite request."
        raise ApiError("LIMIT_EXCEEDED", message)
    subrequests = [_read_subrequest(each) for each in found]
    if sum(each.counts_as_collection for each in subrequests) > _MOST_COLLECTIONS:
        message = f"Cannot process more than {_MOST_COLLECTIONS} query or collection operations in a request."
        raise ApiError("LIMIT_EXCEEDED", message)
    _check_reference_ids([each.reference_id for each in subrequests])
    return subrequests


def _read_subrequest(found: dict[str, Any]) -> Subrequest:
    method, url, reference_id = (found.get(name) for name in ("method", "url", "referenceId"))
    if not isinstance(method, str) or method.upper() not in _METHODS:
        raise ApiError("INVALID_INPUT", f"Invalid HTTP method: {method}")
    if not isinstance(url, str) or not re.match(r"/services/data/v\d{2}\.\d/", url):
        raise ApiError("INVALID_INPUT", f"Url must start with /services/data/vXX.X/: {url}")
    if not isinstance(reference_id, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_]*", reference_id):
        raise ApiError(
            "INVALID_INPUT",
            f"Provided referenceId ('{reference_id}') must start with a letter or a "
            "number, and it can contain only letters, numbers and underscores ('_').",
        )
    return Subrequest(method.upper(), url, reference_id, _read_headers(found.get("httpHeaders")), found.get("body"))


def _read_headers(found: Any) -> dict[str, str]:
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise ApiError("JSON_PARSER_ERROR", "httpHeaders should map names to texts")
    for name in found:
        if name.lower() in _INHERITED:
            raise ApiError("INVALID_INPUT", f"The header {name} is not allowed in a subrequest")
    return {name.lower(): value for name, value in found.items()}


def _check_reference_ids(reference_ids: list[str]) -> None:
    for reference_id in reference_ids:
        if reference_ids.count(reference_id) > 1:
            raise ApiError("INVALID_INPUT", f"The reference id '{reference_id}' is used more than once")


def _one_after_another(call: Call, subrequests: list[Subrequest]) -> list[Response]:
    answers: dict[str, Response] = {}
    for subrequest in subrequests:
        answers[subrequest.reference_id] = _send(call, subrequest, answers)
    return list(answers.values())


def _all_or_none(call: Call, subrequests: list[Subrequest]) -> list[Response]:
    with call.org.transaction() as transaction:
        answers: dict[str, Response] = {}
        for subrequest in subrequests:
            answer = answers[subrequest.reference_id] = _send(call, subrequest, answers)
            if answer.status >= 400:
                transaction.roll_back()
                halted = Response(400, [_HALTED])
                return [answer if each is subrequest else halted for each in subrequests]
    return list(answers.values())


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
        answer = call.send(_batch_request(each, call.request.headers))
        call.org.accounting.count("batch subrequest")
        results.append({"statusCode": answer.status, "result": answer.body})
    return Response(200, {"hasErrors": any(each["statusCode"] >= 400 for each in results), "results": results})


def _batch_request(found: Any, headers: Mapping[str, str]) -> Request:
    if not isinstance(found, dict) or not isinstance(found.get("url"), str):
        raise ApiError("INVALID_INPUT", "each batch request needs a url")
    path, query = read_url(found["url"])
    if path[:2] != ("services", "data"):
        path = ("services", "data", *path)
    return Request(str(found.get("method", "GET")).upper(), path, query, headers, found.get("richInput", b""))
