"""The REST shapes of writes and their answers.

Nothing here sends, sleeps or decides. Whatever Salesforce says about a row becomes exactly one
outcome, in row order; what cannot be attributed to a row is ``Unanswered``, never ``Saved``. Its words become ours
here, bounded and printable; ids are ids and names of sObjects are names, or they are nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from airflow_sf_dedup.core.api_names import is_api_name
from airflow_sf_dedup.core.outcomes import (
    NOTHING_FOUND,
    DuplicatesFound,
    Failed,
    KeyHeldByMany,
    Match,
    Outcome,
    Saved,
    Unanswered,
)
from airflow_sf_dedup.core.printable import NAME_LENGTH, code_and_message, said
from airflow_sf_dedup.core.record_ids import is_record_id, record_id_in, to_18
from airflow_sf_dedup.core.records import Record
from airflow_sf_dedup.core.wording import counted
from airflow_sf_dedup.errors import TransientCallError
from airflow_sf_dedup.salesforce.ports import ChunkAnswer, ChunkRefused, RecordUpdate
from airflow_sf_dedup.salesforce.wire.error_codes import rule_for

#: Fields kept of those that an error names; one that names more speaks of the row.
_MOST_FIELDS = 100
#: A row that is refused now may have been saved before.
_REFUSALS = (Failed, DuplicatesFound, KeyHeldByMany)

_RECORD_ID = re.compile(r"(?<![0-9A-Za-z_])[0-9A-Za-z]{15}(?:[0-9A-Za-z]{3})?(?![0-9A-Za-z_])")


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """What a write says beside its rows."""

    #: True: run the default assignment rule; a rule's id: run that one; False: run none.
    assignment_rules: bool | str = False
    #: Override duplicate rules that only alert.
    allow_save: bool = False
    #: Match with the sharing rules of the API user instead of all records.
    run_as_current_user: bool = False

    def headers(self) -> dict[str, str]:
        """The REST headers (``Sforce-Duplicate-Rule-Header``, ``Sforce-Auto-Assign``).

        REST runs assignment rules on create *and* update unless it is told ``FALSE``.
        """
        assign = self.assignment_rules
        return {
            "Sforce-Duplicate-Rule-Header": "; ".join(
                (
                    f"allowSave={_flag(self.allow_save)}",
                    "includeRecordDetails=false",
                    f"runAsCurrentUser={_flag(self.run_as_current_user)}",
                )
            ),
            "Sforce-Auto-Assign": assign if isinstance(assign, str) else _flag(assign).upper(),
        }


def _flag(value: bool) -> str:
    return "true" if value else "false"


@dataclass(frozen=True, slots=True)
class Subrequest:
    """One collections request of a composite one; a body of ``None`` is none."""

    method: str
    url: str
    body: Any
    headers: Mapping[str, str]


def composite(subrequests: Iterable[Subrequest]) -> dict[str, Any]:
    """A ``POST /composite`` request that carries collections subrequests, each answered for itself.

    Subrequests inherit no header but Accept, Authorization and Content-Type, so each carries its own.
    ``collateSubrequests`` defaults to true since v49, which gives no order: it is switched off.
    """
    return {
        "allOrNone": False,
        "collateSubrequests": False,
        "compositeRequest": [
            {
                "method": each.method,
                "url": each.url,
                "referenceId": f"chunk{index}",
                "httpHeaders": dict(each.headers),
                **({} if each.body is None else {"body": each.body}),
            }
            for index, each in enumerate(subrequests)
        ],
    }


def upsert_body(sobject: str, chunk: Sequence[Record]) -> dict[str, Any]:
    """A collections upsert or insert; here, unlike in a single upsert, the key stands in the record."""
    attributes = {"type": sobject}
    return {
        "allOrNone": False,
        "records": [{"attributes": attributes, **record.fields} for record in chunk],
    }


def update_body(sobject: str, chunk: Sequence[RecordUpdate]) -> dict[str, Any]:
    """A collections update by id."""
    attributes = {"type": sobject}
    return {
        "allOrNone": False,
        "records": [{"attributes": attributes, "id": row.record_id, **row.fields} for row in chunk],
    }


def read_composite(document: Any, sizes: Sequence[int]) -> list[ChunkAnswer]:
    """One answer a chunk, joined by ``referenceId``; of a chunk that is answered twice, none is believed.

    :param sizes: how many rows each chunk had.
    """
    answers: dict[str, list[Mapping[str, Any]]] = {}
    for part in _mappings(document.get("compositeResponse") if isinstance(document, Mapping) else None):
        answers.setdefault(said(part.get("referenceId"), NAME_LENGTH), []).append(part)
    return [_read_only_chunk(answers.get(f"chunk{index}", []), size) for index, size in enumerate(sizes)]


def _read_only_chunk(parts: Sequence[Mapping[str, Any]], size: int) -> ChunkAnswer:
    if len(parts) > 1:
        return _unanswered("the answer mentions the chunk more than once", size)
    return read_chunk(parts[0] if parts else None, size)


def read_chunk(part: Mapping[str, Any] | None, size: int) -> ChunkAnswer:
    """The answer to one collections subrequest."""
    if part is None:
        return _unanswered("the answer does not mention the chunk", size)
    status, body = part.get("httpStatusCode"), part.get("body")
    if not isinstance(status, int) or not 100 <= status < 600:
        return _unanswered("the answer to the chunk has no status", size)
    if not 200 <= status < 300:
        return _refused(status, *read_error(body))
    if not isinstance(body, list):
        return _unanswered("the answer to the chunk is no list of rows", size)
    if len(body) != size:
        return _unanswered(f"{counted(size, 'rows')} sent, {len(body)} answered", size)
    return [read_row(row) for row in body]


def _refused(status: int, code: str, message: str) -> ChunkRefused:
    """A refusal without a code that we know is known by its status, unless that only says "bad request"."""
    if rule_for(code, message).listed or (code and status == 400):
        return ChunkRefused(code, message)
    return ChunkRefused(f"HTTP_{status}", f"{code}: {message}" if code else message)


def with_right_ids(outcomes: Sequence[Outcome], is_right: Callable[[int, str], bool]) -> list[Outcome]:
    """The outcomes; a success that names another record than it can is none: nobody knows what it is about.

    An id of another sObject would refuse every request that it is sent in.

    :param is_right: told the place of a row in the chunk, from 0, and the id.
    """
    return [
        Unanswered("success with the id of another record")
        if isinstance(outcome, Saved) and not is_right(place, outcome.record_id)
        else outcome
        for place, outcome in enumerate(outcomes)
    ]


def told_created(answer: ChunkAnswer, *, created: bool) -> ChunkAnswer:
    """The answer to a chunk of inserts, or of updates, which does not say itself whether a record was created."""
    if isinstance(answer, ChunkRefused):
        return answer
    return [Saved(each.record_id, created) if isinstance(each, Saved) else each for each in answer]


def after_a_lost_answer(answer: ChunkAnswer) -> ChunkAnswer:
    """The answer to a chunk that was sent before and got no answer then."""
    if isinstance(answer, ChunkRefused):
        return replace(answer, in_doubt=True)
    return [in_doubt(outcome) for outcome in answer]


def in_doubt(outcome: Outcome) -> Outcome:
    """The outcome of a row that was sent before and got no answer then.

    What is updated now, the first sending may have created; what is refused now, it may have saved.
    """
    if isinstance(outcome, Saved):
        return Saved(outcome.record_id, None) if outcome.created is False else outcome
    return replace(outcome, in_doubt=True) if isinstance(outcome, _REFUSALS) else outcome


def _unanswered(reason: str, size: int) -> list[Outcome]:
    return [Unanswered(reason)] * size


def read_error(body: Any) -> tuple[str, str]:
    """Code and message of an error body, which is a list or, in places, a bare object."""
    first = next(iter(_mappings(body if isinstance(body, list) else [body])), {})
    code = first.get("errorCode") or first.get("statusCode")
    return code_and_message(code, first.get("message"))


def read_row(row: Any) -> Outcome:
    """One row of a collections answer.

    Only ``success`` counts: a failed row may carry ``created: true``, a rolled-back one its ``id``.
    """
    if not isinstance(row, Mapping):
        return Unanswered("the answer is no object")
    if row.get("success") is True:
        record_id = record_id_in(row.get("id"))
        if record_id is None:
            return Unanswered("success without a record id")
        created = row.get("created")
        return Saved(record_id, created if isinstance(created, bool) else None)
    errors = list(_mappings(row.get("errors")))
    if not errors:
        return Unanswered("neither success nor an error")
    return read_errors(errors)


def read_single(document: Any) -> Outcome:
    """The answer to the upsert of one record by a key in the URL, whatever its status.

    A success is an object, a refusal a list of errors or, in places, one bare error; the URLs of several records that
    hold the key come as a list of texts.
    """
    if isinstance(document, Mapping) and "success" in document:
        return read_row(document)
    if isinstance(document, list) and document and all(isinstance(each, str) for each in document):
        ids = (record_id_in(url.rpartition("/")[2]) for url in document)
        return KeyHeldByMany("several records hold the key", tuple(filter(None, ids)))
    errors = list(_mappings(document if isinstance(document, list) else [document]))
    return read_errors(errors) if errors else Unanswered("neither success nor an error")


def read_query(document: Mapping[str, Any]) -> tuple[list[dict[str, str | None]], str | None]:
    """The rows of a query's page, field name to text as SOAP writes it, and the path of the next page.

    The path is ``None`` when this was the last page.

    :raises TransientCallError: it does not say whether it is the last page, or there is more that it does not lead
        to: what is not in it need not be missing in the org.
    """
    done, more, records = document.get("done"), document.get("nextRecordsUrl"), document.get("records")
    if not isinstance(done, bool) or not isinstance(records, list):
        raise TransientCallError("the answer to a query does not say whether it is done", code="UNREADABLE_ANSWER")
    if not done and not (isinstance(more, str) and more.startswith("/services/data/")):
        raise TransientCallError("a query's answer is not done and leads no further", code="UNREADABLE_ANSWER")
    return [dict(_texts(record)) for record in _mappings(records)], None if done else more


def _texts(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str | None]]:
    """Field name to text; those of a parent by its relationship: ``Account.Name``."""
    for name, value in record.items():
        if isinstance(value, Mapping):
            yield from _texts(value, f"{prefix}{name}.") if name != "attributes" else ()
        elif not isinstance(value, list):
            yield prefix + name, _as_text(value)


def _as_text(value: Any) -> str | None:
    """A value as SOAP writes it."""
    if isinstance(value, bool):
        return _flag(value)
    return None if value in (None, "") else str(value)


def read_errors(errors: Sequence[Mapping[str, Any]]) -> Outcome:
    """The outcome that a row's errors amount to.

    Another error beside ``DUPLICATES_DETECTED`` would remain after the duplicate is settled, so it
    is the one that counts.
    """
    other = [error for error in errors if _read(error)[0] != "DUPLICATES_DETECTED"]
    if not other:
        return _duplicates(errors)
    code, message = _read(other[0])
    if code == "DUPLICATE_EXTERNAL_ID":
        return KeyHeldByMany(message, record_ids_in(message))
    return Failed(code, message, _names(other[0].get("fields")))


def _names(fields: Any) -> tuple[str, ...]:
    names = (said(name, NAME_LENGTH) for name in fields[:_MOST_FIELDS]) if isinstance(fields, list) else ()
    return tuple(filter(None, names))


def _read(error: Mapping[str, Any]) -> tuple[str, str]:
    code, message = code_and_message(error.get("statusCode") or error.get("errorCode"), error.get("message"))
    return code or "UNKNOWN_ERROR", message


def _duplicates(errors: Sequence[Mapping[str, Any]]) -> DuplicatesFound:
    message = said(errors[0].get("message"))
    results = [result for result in map(duplicate_result, errors) if result is not None]
    if not results:
        return DuplicatesFound(message)
    complete = len(results) == len(errors)
    return DuplicatesFound(
        message,
        tuple(match for result in results for match in read_matches(result)),
        allow_save=complete and all(result.get("allowSave") is True for result in results),
        all_named=complete and all(map(_names_all, results)),
        rules=_rules_of(results),
    )


def _rules_of(results: Iterable[Mapping[str, Any]]) -> tuple[str | None, ...]:
    return tuple(_text(result.get("duplicateRule")) for result in results)


def read_found(results: Iterable[Mapping[str, Any]]) -> DuplicatesFound:
    """What a look-up that writes nothing finds for a row: one result a rule, of which some may have found nothing."""
    found = [result for result in results if any(map(_counted, _mappings(result.get("matchResults"))))]
    if not found:
        return NOTHING_BLOCKS
    return DuplicatesFound(
        "duplicate rules find records for the row",
        tuple(match for result in found for match in read_matches(result)),
        allow_save=all(result.get("allowSave") is True for result in found),
        all_named=all(map(_names_all, found)),
        rules=_rules_of(found),
    )


#: The answer of a look-up that writes nothing where it finds nothing.
NOTHING_BLOCKS = DuplicatesFound("no duplicate rule finds a record for the row", (), why_unnamed=NOTHING_FOUND)


def _names_all(result: Mapping[str, Any]) -> bool:
    """Whether every record that the rule counted is named so that it can be told from others."""
    return all(
        len(list(_matches_of(result, matched_by))) >= _counted(matched_by)
        for matched_by in _mappings(result.get("matchResults"))
    )


def _counted(matched_by: Mapping[str, Any]) -> int:
    listed, size = matched_by.get("matchRecords"), matched_by.get("size")
    return max(len(listed) if isinstance(listed, list) else 0, size if isinstance(size, int) else 0)


def duplicate_result(error: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The error's ``duplicateResult``, which older releases spell ``duplicateResut``."""
    result = error.get("duplicateResult") or error.get("duplicateResut")
    return result if isinstance(result, Mapping) else None


def read_matches(result: Mapping[str, Any]) -> list[Match]:
    """Every record that a ``DuplicateResult`` names, with its rule and confidence."""
    return [match for matched_by in _mappings(result.get("matchResults")) for match in _matches_of(result, matched_by)]


def _matches_of(result: Mapping[str, Any], matched_by: Mapping[str, Any]) -> Iterator[Match]:
    for record in _mappings(matched_by.get("matchRecords")):
        match = _match(result, matched_by, record)
        if match is not None:
            yield match


def _match(result: Mapping[str, Any], matched_by: Mapping[str, Any], matched: Mapping[str, Any]) -> Match | None:
    record = matched.get("record")
    if not isinstance(record, Mapping):
        return None
    record_id = record_id_in(record.get("Id") or record.get("id"))
    if record_id is None:
        return None
    attributes = record.get("attributes")
    attributes = attributes if isinstance(attributes, Mapping) else {}
    sobject = record.get("type") or attributes.get("type") or matched_by.get("entityType")
    return Match(
        record_id=record_id,
        sobject=sobject if is_api_name(sobject) else "",
        duplicate_rule=_text(result.get("duplicateRule")),
        matching_rule=_text(matched_by.get("rule")),
        engine=_text(matched_by.get("matchEngine")),
        confidence=_confidence(matched.get("matchConfidence")),
        allow_save=result["allowSave"] if isinstance(result.get("allowSave"), bool) else None,
    )


def _confidence(value: Any) -> float | None:
    """Percent; what is none, such as ``NaN`` or a flag, is not guessed."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value <= 100 else None


def _text(value: Any) -> str | None:
    return (said(value, NAME_LENGTH) or None) if isinstance(value, str) else None


def record_ids_in(message: str) -> tuple[str, ...]:
    """The record ids a message mentions, as 18 characters; ``<unknown>`` and other words are none."""
    return tuple(dict.fromkeys(to_18(word) for word in _RECORD_ID.findall(message) if _looks_like_id(word)))


def _looks_like_id(word: str) -> bool:
    return is_record_id(word) and any(char.isdigit() for char in word)


def _mappings(items: Any) -> Iterable[Mapping[str, Any]]:
    return (item for item in items if isinstance(item, Mapping)) if isinstance(items, list) else ()
