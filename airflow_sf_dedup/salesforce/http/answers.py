"""Reads what Salesforce answers to a call: its data, or the error that belongs to the refusal. Pure.

Refusals come in many shapes: a list of ``{"errorCode", "message"}``, a bare object of that kind, OAuth's
``{"error", "error_description"}``, a SOAP fault, a page of HTML from a proxy or from Salesforce Edge, or
nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import Element

import msgspec
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from airflow_sf_dedup.core.printable import code_and_message
from airflow_sf_dedup.errors import (
    CallError,
    LimitReachedError,
    LoginRefusedError,
    OutcomeUnknownError,
    PermissionRefusedError,
    RequestRefusedError,
    TransientCallError,
)
from airflow_sf_dedup.salesforce.http.http_date import http_date
from airflow_sf_dedup.salesforce.wire.error_codes import ErrorRule, Handling, Remedy, rule_for, rule_for_status

#: Seconds of the longest ``Retry-After`` that is believed, a week; no limit of Salesforce lasts longer than a day.
_LONGEST_RETRY_AFTER = 7 * 86_400.0


class SessionExpiredError(LoginRefusedError):
    """The access token is no longer accepted; a new login may help."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, read to its end and unpacked."""

    status: int
    #: Names in lower case.
    headers: Mapping[str, str] = field(repr=False)
    #: That of a login holds its token. Empty where the body went to a file.
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Refusal:
    """The code and the message an answer gives; both empty when it gives none."""

    code: str = ""
    message: str = ""


def read_rest(
    answer: Answer, *, now: Callable[[], float] = time.time, expects: type = object, bad_request_is_data: bool = False
) -> Any:
    """The JSON of a REST answer; ``None`` for an empty one.

    HTTP 300 is data: Salesforce answers an upsert whose key several records hold with a list of their URLs.

    :param expects: the type that the JSON has to have.
    :param bad_request_is_data: HTTP 400 is, too: of a call that carries one record it tells what is wrong with that.
    :raises CallError: the answer is a refusal, or is no JSON of that type.
    """
    if not (200 <= answer.status <= 300 or (bad_request_is_data and answer.status == 400)):
        raise _refused(answer, now=now)
    try:
        document = _decoded(answer.content) if answer.content.strip() else None
    except (ValueError, RecursionError):
        raise _unusable(answer, "JSON") from None
    if not isinstance(document, expects):
        raise _unusable(answer, f"a JSON {'array' if expects is list else 'object'}")
    return document


def read_headers(answer: Answer, *, now: Callable[[], float] = time.time) -> Mapping[str, str]:
    """The headers of an answer whose body went to a file; names in lower case.

    :raises CallError: the answer is a refusal.
    """
    if not 200 <= answer.status < 300:
        raise _refused(answer, now=now)
    return answer.headers


def read_soap(answer: Answer, *, now: Callable[[], float] = time.time) -> bytes:
    """The envelope of a SOAP answer.

    :raises CallError: the answer is a fault, or is no whole envelope.
    """
    if not 200 <= answer.status < 300:
        raise _refused(answer, now=now, is_fault=True)
    content = answer.content.strip()
    if b"Envelope" not in content[:1000] or not content.endswith(b"Envelope>"):
        raise _unusable(answer, "a whole SOAP envelope")
    return content


def refusal_in(content: bytes) -> Refusal:
    """The code and the message in a refusal of any shape."""
    text = content.strip()
    if text.startswith(b"<"):
        return _refusal_in_xml(text)
    try:
        body = _decoded(text)
    except (ValueError, RecursionError):
        return Refusal()
    return _refusal_in_json(body)


def error_for(
    code: str,
    message: str,
    *,
    status: int | None = None,
    retry_after: float | None = None,
    is_fault: bool = False,
) -> CallError:
    """The error that says what a caller can do about a refusal.

    :param retry_after: seconds.
    :param is_fault: it came as a SOAP fault; these all have status 500, which adds nothing to the code.
    """
    rule = _rule(code, message, None if is_fault and code else status)
    name = code or rule.code
    return _error_class(rule)(
        f"{name}: {message or rule.reason}",
        code=name,
        status=status,
        retry_after=retry_after,
        own_words=f"{name}: {rule.reason}" + (f" (HTTP {status})" if status else ""),
    )


def retry_after(headers: Mapping[str, str], *, now: Callable[[], float] = time.time) -> float | None:
    """Seconds until a retry makes sense, from a ``Retry-After`` in seconds or as a date.

    A date is one of the answerer's clock, which the answer's own ``Date`` shows.
    """
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdecimal():
        return min(float(value), _LONGEST_RETRY_AFTER)
    moment, answered = http_date(value), http_date(headers.get("date", ""))
    if moment is None:
        return None
    seconds = moment.timestamp() - (now() if answered is None else answered.timestamp())
    return min(max(0.0, seconds), _LONGEST_RETRY_AFTER)


def child_text(element: Element, name: str) -> str:
    """The text of the first descendant of that local name, in any namespace."""
    for candidate in element.iter():
        if _local_name(candidate) == name:
            return (candidate.text or "").strip()
    return ""


def read_xml(content: bytes) -> Element | None:
    """The root element; ``None`` when it is no XML, XML that declares entities, or in an encoding that is none."""
    try:
        root: Element = fromstring(content)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        return None
    return root


def root_of(answer: bytes) -> Element:
    """The root element of a SOAP answer.

    :raises OutcomeUnknownError: it is no XML, so nobody knows what Salesforce did.
    """
    root = read_xml(answer)
    if root is None:
        raise OutcomeUnknownError("Salesforce's SOAP answer is not XML", code="UNREADABLE_ANSWER")
    return root


def _decoded(content: bytes) -> Any:
    """JSON as Salesforce may write it: half of a surrogate pair, where a text was cut, is no reason to lose an answer.

    :raises ValueError: it is no JSON.
    """
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return json.loads(content)


def _refused(answer: Answer, *, now: Callable[[], float], is_fault: bool = False) -> CallError:
    if 300 < answer.status < 400:
        return _redirected(answer)
    refusal = refusal_in(answer.content)
    message = refusal.message or f"HTTP {answer.status} without a readable reason"
    return error_for(
        refusal.code,
        message,
        status=answer.status,
        retry_after=retry_after(answer.headers, now=now),
        is_fault=is_fault,
    )


def _redirected(answer: Answer) -> CallError:
    # Followed, a redirect would turn a write into a GET, or carry the token to another host.
    where = answer.headers.get("location", "an unnamed place").split("?")[0]
    return RequestRefusedError(
        f"HTTP {answer.status}: redirected; check the instance URL of the connection, it leads to {where}",
        code="REDIRECTED",
        status=answer.status,
    )


def _unusable(answer: Answer, expected: str) -> CallError:
    kind = answer.headers.get("content-type", "no content type")
    return OutcomeUnknownError(
        f"the answer (HTTP {answer.status}, {len(answer.content)} bytes) is not {expected} but {kind}",
        code="UNREADABLE_ANSWER",
        status=answer.status,
    )


def _refusal_in_json(body: Any) -> Refusal:
    first = body[0] if isinstance(body, list) and body else body
    if not isinstance(first, dict):
        return Refusal()
    code = first.get("errorCode") or first.get("statusCode") or first.get("error")
    return Refusal(*code_and_message(code, first.get("message") or first.get("error_description")))


def _refusal_in_xml(content: bytes) -> Refusal:
    root = read_xml(content)
    fault = None if root is None else next((e for e in root.iter() if _local_name(e) == "Fault"), None)
    if fault is None:
        return Refusal()
    code = child_text(fault, "exceptionCode") or child_text(fault, "faultcode").rpartition(":")[2]
    message = child_text(fault, "exceptionMessage") or child_text(fault, "faultstring")
    return Refusal(*code_and_message(code, message))


def _local_name(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _rule(code: str, message: str, status: int | None) -> ErrorRule:
    rule = rule_for(code, message)
    if rule.listed or status is None:
        return rule
    return rule_for_status(status) or rule


def _error_class(rule: ErrorRule) -> type[CallError]:
    match rule.handling:
        case Handling.RETRY_CALL | Handling.RETRY_ROW:
            return OutcomeUnknownError if rule.outcome_unknown else TransientCallError
        case Handling.RELOGIN:
            return SessionExpiredError
        case Handling.BACK_OFF:
            return LimitReachedError
        case _:
            return _BY_REMEDY[rule.remedy]


_BY_REMEDY: dict[Remedy, type[CallError]] = {
    Remedy.CREDENTIALS: LoginRefusedError,
    Remedy.ADMINISTRATION: PermissionRefusedError,
    Remedy.REQUEST: RequestRefusedError,
}
